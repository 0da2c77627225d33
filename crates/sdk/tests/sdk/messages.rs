//! What the compiler says of mistakes: the first thing that a user sees of the types.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The build of the SDK that cargo made last: what this test itself was linked with.
fn sdk(dependencies: &Path) -> PathBuf {
    let files = fs::read_dir(dependencies).unwrap().map(|entry| entry.unwrap());
    let is_sdk = |name: &str| name.starts_with("libtenure_sdk-") && name.ends_with(".rlib");
    let builds = files.filter(|file| file.file_name().to_str().is_some_and(is_sdk));
    builds.max_by_key(|file| file.metadata().and_then(|it| it.modified()).unwrap()).expect("the SDK was built").path()
}

/// Line by line, what the errors there say.
fn errors(case: &Path) -> BTreeMap<usize, Vec<String>> {
    let test = env::current_exe().unwrap();
    let dependencies = test.parent().unwrap();
    let cargo = PathBuf::from(env::var_os("CARGO").expect("run with cargo"));
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(cargo.with_file_name("rustc"))
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--error-format=json"])
        .arg("--extern")
        .arg(format!("tenure_sdk={}", sdk(dependencies).display()))
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .args(["--out-dir".as_ref(), out.path(), case])
        .output()
        .unwrap();
    let mut errors: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        let spans = message["spans"].as_array().into_iter().flatten();
        let primary = spans.filter(|span| span["is_primary"] == true).find_map(|span| span["line_start"].as_u64());
        if let (Some(line), "error") = (primary, message["level"].as_str().unwrap_or_default()) {
            let text = message["rendered"].as_str().unwrap_or_default().to_owned();
            errors.entry(usize::try_from(line).unwrap()).or_default().push(text);
        }
    }
    errors
}

/// Line by line, what the comments want: `//~` on the line itself, `//~|` below it.
fn wanted(code: &str) -> BTreeMap<usize, Vec<&str>> {
    let mut wanted: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let mut last = 0;
    for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.starts_with("//!")) {
        if let Some((_, more)) = line.split_once("//~| ") {
            wanted.entry(last).or_default().push(more);
        } else if let Some((_, text)) = line.split_once("//~ ") {
            last = number + 1;
            wanted.entry(last).or_default().push(text);
        }
    }
    wanted
}

#[test]
fn mistakes_are_explained() {
    // At run time: checkouts share a target directory.
    let package = env::var("CARGO_MANIFEST_DIR").expect("run with cargo");
    let case = Path::new(&package).join("tests/sdk/messages/wrong.rs");
    let code = fs::read_to_string(&case).unwrap();
    let (errors, wanted) = (errors(&case), wanted(&code));
    let mut report = String::new();
    for (line, texts) in &wanted {
        let said = errors.get(line).map(|it| it.join("\n")).unwrap_or_default();
        let missing = texts.iter().filter(|text| !said.contains(**text));
        missing.for_each(|text| report += &format!("\nline {line} does not say: {text}\n{said}"));
    }
    let unwanted = errors.iter().filter(|(line, _)| !wanted.contains_key(line));
    unwanted.for_each(|(line, said)| report += &format!("\nline {line} says: {}", said.join("\n")));
    assert!(report.is_empty(), "{report}");
}
