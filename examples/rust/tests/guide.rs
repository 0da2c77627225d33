//! The guide and the README show code that compiles: each of their Rust blocks is in the examples, up to indentation.

use std::{fs, path::Path};

fn trimmed(code: &str) -> String {
    code.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_guide_quotes_the_examples() {
    // At run time: checkouts share a target directory.
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("run with cargo");
    let package = Path::new(&package);
    let sources: Vec<_> = ["src", "src/bin", "tests", "../../benches/hello/tenure/src"]
        .iter()
        .flat_map(|folder| fs::read_dir(package.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .map(|path| trimmed(&fs::read_to_string(path).unwrap()))
        .collect();
    let text = |file: &str| fs::read_to_string(package.join("../..").join(file)).unwrap();
    let guide = text("docs/sdk.md") + &text("docs/sdk-production.md") + &text("docs/schedules.md") + &text("README.md");
    let blocks: Vec<_> =
        guide.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() > 5, "{} blocks", blocks.len());
    for block in blocks {
        let quoted = trimmed(block);
        assert!(sources.iter().any(|source| source.contains(&quoted)), "not in the examples:\n{block}");
    }
}
