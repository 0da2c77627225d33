//! Filters that are made by the grammar: what is printed is read as the same, and a plan finds what the filter fits, in the
//! order asked for, whichever indexes there are.

use super::{CUSTOM, DIVISION, Run, attributes};
use crate::{
    Access, Filter, Index, Indexes, KeyRange, Order, Plan, Record, Value, encode,
    testing::{condition, order, run, with_order},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A key with what follows it, and the number of the run.
type Row = (Vec<u8>, usize);

/// Sorted rows in memory, for some of the attributes.
struct Rows {
    /// By the attribute's field: whether there are rows of what is missing, and the rows.
    indexes: BTreeMap<String, (bool, Vec<Row>)>,
    positions: Vec<Row>,
    claimed: u64,
}

impl Rows {
    fn of(runs: &[Run], kept: &[(bool, bool)], claimed: u64) -> Rows {
        let position = Filter::default();
        let mut positions: Vec<_> = runs.iter().enumerate().map(|(n, run)| (position.sort_key(run), n)).collect();
        positions.sort();
        let fields = CUSTOM.iter().map(|(_, field, _)| *field).zip(kept.iter().copied());
        let fields = fields.chain([(DIVISION, (kept[0].1, false))]);
        let indexes = fields.filter(|(_, (there, _))| *there).map(|(field, (_, has_nulls))| {
            let mut rows = Vec::new();
            let divided = |run: &Run| run.values.contains_key(DIVISION);
            for (n, run) in runs.iter().enumerate().filter(|(_, run)| field == DIVISION || !divided(run)) {
                for mut key in encode::keys(run.value(field)) {
                    if has_nulls || !KeyRange::null().contains(&key) {
                        key.extend(position.sort_key(run));
                        rows.push((key, n));
                    }
                }
            }
            rows.sort();
            (field.to_owned(), (has_nulls, rows))
        });
        Rows { indexes: indexes.collect(), positions, claimed }
    }

    fn read(&self, plan: &Plan, runs: &[Run]) -> Vec<usize> {
        let (first, end) = plan.part.positions();
        let in_part = |position: &[u8]| first <= position && position < end;
        let Access::Index { field, ranges, order, repeats } = &plan.access else {
            return self.positions.iter().filter(|(position, _)| in_part(position)).map(|(_, n)| *n).collect();
        };
        let rows = &self.indexes[field].1;
        let mut found: Vec<usize> = Vec::new();
        for range in ranges {
            found.extend(rows.iter().filter(|(key, _)| range.contains(key)).map(|(_, n)| *n));
        }
        match order {
            Order::Forwards => {}
            Order::Backwards => found.reverse(),
            Order::Merged => {
                assert!(ranges.iter().all(|range| range.is_point));
                found.retain(|n| in_part(&runs[*n].position()));
                found.sort_by_key(|n| runs[*n].position());
            }
        }
        let mut seen = BTreeSet::new();
        let all = found.len();
        found.retain(|n| seen.insert(*n));
        assert!(*repeats || all == found.len(), "a run came twice");
        found
    }
}

impl Indexes for Rows {
    fn index(&self, field: &str) -> Option<Index> {
        self.indexes.get(field).map(|(has_nulls, _)| Index { has_nulls: *has_nulls })
    }

    fn estimate(&self, field: &str, range: &KeyRange) -> u64 {
        self.indexes[field].1.iter().filter(|(key, _)| range.contains(key)).count() as u64
    }

    fn total(&self) -> u64 {
        self.claimed
    }

    fn covered(&self) -> &[&str] {
        &COVERED
    }
}

/// What rows of indexes tell.
const COVERED: [&str; 3] = ["CloseTime", "ExecutionStatus", "StartTime"];

/// A run, as far as a row tells it.
struct Told<'a> {
    run: &'a Run,
    told: &'a [&'a str],
}

impl Record for Told<'_> {
    fn value(&self, field: &str) -> Value<'_> {
        assert!(self.told.contains(&field), "a row is asked for {field}");
        self.run.value(field)
    }

    fn position(&self) -> Vec<u8> {
        self.run.position()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_printed_is_read_as_the_same(condition in condition(), order in order()) {
        let read = Filter::parse(&with_order(&condition, &order), &attributes()).unwrap();
        prop_assert_eq!(read.condition(), Some(&condition));
        prop_assert_eq!(read.order_by(), &order[..]);
        prop_assert_eq!(Filter::parse(&read.to_string(), &attributes()), Ok(read));
    }

    #[test]
    fn a_plan_finds_what_fits_in_the_order_asked_for(
        condition in condition(),
        order in order(),
        mut runs in prop::collection::vec(run(), 0..30),
        kept in prop::collection::vec(any::<(bool, bool)>(), CUSTOM.len()),
        // Few, so that a scan is cheap, and many.
        claimed in prop_oneof![Just(0), Just(1_000_000_u64)],
    ) {
        for (n, run) in runs.iter_mut().enumerate() {
            run.id = n.to_string();
        }
        let filter = Filter::parse(&with_order(&condition, &order), &attributes()).unwrap();
        let mut expected: Vec<usize> = (0..runs.len()).filter(|n| filter.matches(&runs[*n])).collect();
        expected.sort_by_key(|n| filter.sort_key(&runs[*n]));

        let rows = Rows::of(&runs, &kept, claimed);
        let plan = filter.plan(&rows);
        let mut found = rows.read(&plan, &runs);
        let told: &[_] = if plan.access == Access::Scan { &[DIVISION] } else { &COVERED };
        found.retain(|n| plan.may_fit(&Told { run: &runs[*n], told }) && plan.fits(&runs[*n]));
        if !plan.is_sorted {
            found.sort_by_key(|n| filter.sort_key(&runs[*n]));
        }
        prop_assert_eq!(found, expected, "{}\n{}", filter, plan.explain());
    }
}

/// Says that each range has as many rows as it has bytes, and that there are many records.
struct Claims(&'static [(&'static str, bool)]);

impl Indexes for Claims {
    fn index(&self, field: &str) -> Option<Index> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, has_nulls)| Index { has_nulls: *has_nulls })
    }

    fn estimate(&self, field: &str, range: &KeyRange) -> u64 {
        let all = *range == KeyRange::all() || *range == KeyRange::values();
        if all { 1_000 } else { field.len() as u64 }
    }

    fn total(&self) -> u64 {
        1_000
    }

    fn covered(&self) -> &[&str] {
        &["ExecutionStatus"]
    }
}

#[test]
fn plans_are_explained() {
    let check = |query: &str, rows: u64, lines: &[&str]| {
        let filter = Filter::parse(query, &attributes()).unwrap();
        let indexes = Claims(&[
            ("WorkflowType", false),
            ("StartTime", true),
            ("KeywordList01", false),
            ("TemporalNamespaceDivision", false),
        ]);
        let plan = filter.plan(&indexes);
        assert_eq!((plan.explain(), plan.rows), (lines.join("\n"), rows), "{query}");
    };
    let all = "scan all runs";
    let undivided = "of these, read those with TemporalNamespaceDivision IS NULL";
    check("TaskQueue = 'x'", 1_000, &[all, undivided, "keep those with TaskQueue = 'x'"]);
    let types = "read the index of WorkflowType: 1 values, 0 ranges";
    check("WorkflowType = 'x'", 12, &[types]);
    check("WorkflowType IN ('a')", 12, &[types]);
    let failed = "WorkflowType = 'x' AND ExecutionStatus = 'Failed' AND CustomInt = 5";
    let closed = "read the index of WorkflowType: 1 values, 0 ranges, those of closed runs";
    let covered = "of these, read those with ExecutionStatus = 'Failed'";
    check(failed, 12, &[closed, covered, "keep those with CustomInt = 5"]);
    let times = "read the index of StartTime: 0 values, 1 ranges, backwards";
    check("StartTime > 5 ORDER BY StartTime DESC", 9, &[times]);
    let nothing = "read nothing: no run can fit";
    check("WorkflowType < 'a' AND WorkflowType > 'b'", 0, &[nothing]);
    let lists = "read the index of KeywordList01: 2 values, 0 ranges, merged, each run once";
    check("CustomList IN ('a', 'b') AND CustomInt = 5", 26, &[lists, "keep those with CustomInt = 5"]);
    let division = "read the index of TemporalNamespaceDivision: 1 values, 0 ranges";
    let divided = "WorkflowType = 'x' AND TemporalNamespaceDivision = 'd'";
    check(divided, 25, &[division, "keep those with WorkflowType = 'x'"]);
    let any_division = "TemporalNamespaceDivision = 'x' OR CustomInt = 5";
    check(any_division, 1_000, &[all, &format!("keep those with {any_division}")]);
}
