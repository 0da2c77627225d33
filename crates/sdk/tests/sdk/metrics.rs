//! `docs/sdk-production.md` names every metric of the code, and none besides.

use std::collections::BTreeSet;

#[test]
fn the_table_is_true() {
    let table: BTreeSet<(&str, &str)> = include_str!("../../../../docs/sdk-production.md")
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `temporal_")?.split_once("` | ")?;
            Some((name, rest.split_once(" |")?.0))
        })
        .collect();
    let source = include_str!("../../src/worker/metrics.rs");
    let code: BTreeSet<(&str, &str)> = ["counter", "gauge", "histogram"]
        .into_iter()
        .flat_map(|kind| source.split(&format!("{kind}!(")).skip(1).map(move |call| (call, kind)).collect::<Vec<_>>())
        .filter_map(|(call, kind)| Some((call.trim_start().strip_prefix("\"temporal_")?.split_once('"')?.0, kind)))
        .collect();
    assert!(!code.is_empty());
    let (missing, gone): (Vec<_>, Vec<_>) = (code.difference(&table).collect(), table.difference(&code).collect());
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not in docs/sdk-production.md: {missing:?}; not in the code: {gone:?}"
    );
}
