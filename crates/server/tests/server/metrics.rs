//! `docs/metrics.md` names every metric of the code, and none besides.

use std::{collections::BTreeSet, fs, path::Path};
use tenure_server::telemetry::documented;

/// Names in `counter!("..."`, `gauge!("..."` and `histogram!("..."` of all crates, with the kind.
fn in_the_code() -> BTreeSet<(String, String)> {
    fn walk(dir: &Path, found: &mut BTreeSet<(String, String)>) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                scan(&fs::read_to_string(&path).unwrap(), found);
            }
        }
    }
    let mut found = BTreeSet::new();
    // Tests run in the directory of their crate.
    for krate in fs::read_dir("..").unwrap().map(Result::unwrap) {
        let sources = krate.path().join("src");
        if sources.is_dir() {
            walk(&sources, &mut found);
        }
    }
    found
}

fn scan(source: &str, found: &mut BTreeSet<(String, String)>) {
    for kind in ["counter", "gauge", "histogram"] {
        for (at, call) in source.match_indices(&format!("{kind}!(")) {
            let describes = source[..at].ends_with("describe_");
            let name = source[at + call.len()..].trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            if let Some(name) = name.filter(|name| !describes && name.starts_with("tenure_")) {
                found.insert((name.to_owned(), kind.to_owned()));
            }
        }
    }
}

#[test]
fn the_table_is_true() {
    let table: BTreeSet<(String, String)> = documented()
        .filter(|metric| metric.name.starts_with("tenure_"))
        .map(|metric| (metric.name.to_owned(), metric.kind.to_owned()))
        .collect();
    let code = in_the_code();
    let missing: Vec<_> = code.difference(&table).collect();
    let gone: Vec<_> = table.difference(&code).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not in docs/metrics.md: {missing:?}; not in the code: {gone:?}");
}

#[test]
fn names_say_what_they_count() {
    for metric in documented() {
        let name = metric.name;
        assert_eq!(
            metric.kind == "counter",
            name.ends_with("_total"),
            "{name}: counters, and only they, end in _total"
        );
        assert!(!metric.help.is_empty(), "{name} has no help");
    }
}
