//! Filters that are made by the grammar: what is printed is read as the same, and a plan finds what the filter fits, in the
//! order asked for, whichever indexes there are.

use super::{CUSTOM, Owned, Run, attributes};
use crate::{
    Access, Attribute, Comparison, Condition, Filter, Index, Indexes, KeyRange, Literal, Order, Plan, Predicate,
    Record, Test, Type, Words, encode,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const WORDS: [&str; 9] = ["", "a", "ab", "A", "b c", "it's", "q\"\\", "été", "a\u{0}b"];

fn long(text: &str) -> String {
    format!("{}{text}", "l".repeat(tenure_limits::INDEXED_VALUE))
}

fn keyword() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS.to_vec());
    (word, 0..8).prop_map(|(word, n)| if n == 0 { long(word) } else { word.to_owned() })
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["quick", "Fox", "lazy-dog", "dog", "lazy", "!"]), 1..4)
        .prop_map(|words| words.join(" "))
}

fn int() -> impl Strategy<Value = i64> {
    prop_oneof![-2_i64..3, Just(i64::MAX), Just(i64::MIN), Just((1 << 53) + 1)]
}

fn double() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![-1.5, -0.0, 0.0, 0.5, 1.0, 2.0, 9.007_199_254_740_992e15, 1e300, -1e300])
}

fn literal(kind: Type) -> BoxedStrategy<Literal> {
    match kind {
        Type::Bool => any::<bool>().prop_map(Literal::Bool).boxed(),
        Type::Int | Type::Double => {
            prop_oneof![int().prop_map(Literal::Int), double().prop_map(Literal::Double)].boxed()
        }
        Type::Datetime => int().prop_map(Literal::Datetime).boxed(),
        Type::Keyword | Type::KeywordList => keyword().prop_map(Literal::Text).boxed(),
        Type::Text => text().prop_map(|text| Literal::Words(Words::new(text))).boxed(),
    }
}

fn predicate(kind: Type) -> BoxedStrategy<Predicate> {
    let equality = prop::sample::select(vec![Comparison::Equal, Comparison::NotEqual]);
    let any_comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ]);
    let is_null = any::<bool>().prop_map(|negated| Predicate::IsNull { negated }).boxed();
    let one_of = (prop::collection::vec(literal(kind), 1..4), any::<bool>());
    let one_of = one_of.prop_map(|(values, negated)| Predicate::In { values, negated });
    let between = (literal(kind), literal(kind), any::<bool>());
    let between = between.prop_map(|(low, high, negated)| Predicate::Between { low, high, negated });
    let starts = (keyword(), any::<bool>()).prop_map(|(prefix, negated)| Predicate::StartsWith { prefix, negated });
    let equal = (equality, literal(kind)).prop_map(|(comparison, value)| Predicate::Compare(comparison, value));
    let compare = (any_comparison, literal(kind)).prop_map(|(comparison, value)| Predicate::Compare(comparison, value));
    match kind {
        Type::Text => prop_oneof![equal, is_null].boxed(),
        Type::KeywordList => prop_oneof![equal, one_of, is_null].boxed(),
        Type::Bool => prop_oneof![compare, one_of, is_null].boxed(),
        Type::Keyword => prop_oneof![compare, one_of, between, starts, is_null].boxed(),
        Type::Int | Type::Double | Type::Datetime => prop_oneof![compare, one_of, between, is_null].boxed(),
    }
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop::sample::select(CUSTOM.to_vec()).prop_map(|(alias, field, kind)| Attribute {
        alias: alias.to_owned(),
        field: field.to_owned(),
        kind,
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let test = attribute().prop_flat_map(|attribute| {
        predicate(attribute.kind)
            .prop_map(move |predicate| Condition::Test(Test { attribute: attribute.clone(), predicate }))
    });
    // What tells open runs from closed ones.
    let test = prop_oneof![4 => test, 1 => of_time(), 1 => of_status()];
    test.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.or(b)),
            inner.prop_map(|inner| !inner),
        ]
    })
}

fn of_time() -> impl Strategy<Value = Condition> {
    let attribute = Attribute { alias: "CloseTime".into(), field: "CloseTime".into(), kind: Type::Datetime };
    predicate(Type::Datetime)
        .prop_map(move |predicate| Condition::Test(Test { attribute: attribute.clone(), predicate }))
}

fn of_status() -> impl Strategy<Value = Condition> {
    let attribute = Attribute { alias: "ExecutionStatus".into(), field: "ExecutionStatus".into(), kind: Type::Keyword };
    let status = || (1..=8_i64).prop_map(Literal::Int);
    let comparison = prop::sample::select(vec![Comparison::Equal, Comparison::NotEqual, Comparison::Less]);
    let predicate = prop_oneof![
        (comparison, status()).prop_map(|(comparison, status)| Predicate::Compare(comparison, status)),
        (prop::collection::vec(status(), 1..4), any::<bool>())
            .prop_map(|(values, negated)| Predicate::In { values, negated }),
    ];
    predicate.prop_map(move |predicate| Condition::Test(Test { attribute: attribute.clone(), predicate }))
}

fn run() -> impl Strategy<Value = Run> {
    let values = (
        prop::option::of(any::<bool>().prop_map(Owned::Bool)),
        prop::option::of(int().prop_map(Owned::Datetime)),
        prop::option::of(double().prop_map(Owned::Double)),
        prop::option::of(int().prop_map(Owned::Int)),
        prop::option::of(keyword().prop_map(Owned::Keyword)),
        prop::option::of(prop::collection::vec(keyword(), 0..3).prop_map(Owned::List)),
        prop::option::of(text().prop_map(Owned::Text)),
        prop::option::of(int().prop_map(Owned::Datetime)),
        int(),
        prop::option::weighted(0.2, keyword()),
    );
    values.prop_map(|(a, b, c, d, e, f, g, closed, started, division)| {
        let fields = CUSTOM.iter().map(|(_, field, _)| (*field).to_owned());
        let mut values: BTreeMap<String, Owned> =
            fields.zip([a, b, c, d, e, f, g]).filter_map(|(field, value)| Some((field, value?))).collect();
        let status = match (&closed, started.rem_euclid(6)) {
            (None, n) => [1, 8][n as usize % 2],
            (Some(_), n) => 2 + n,
        };
        values.insert("ExecutionStatus".to_owned(), Owned::Int(status));
        values.extend(closed.map(|time| ("CloseTime".to_owned(), time)));
        values.extend(division.map(|division| (DIVISION.to_owned(), Owned::Keyword(division))));
        values.insert("StartTime".to_owned(), Owned::Datetime(started));
        Run { id: String::new(), values }
    })
}

const DIVISION: &str = "TemporalNamespaceDivision";

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
}

fn order() -> impl Strategy<Value = Vec<(Attribute, bool)>> {
    let sortable = attribute().prop_filter("texts are not sorted", |attribute| attribute.kind != Type::Text);
    prop::collection::vec((sortable, any::<bool>()), 0..3)
}

fn with_order(condition: &Condition, order: &[(Attribute, bool)]) -> String {
    let keys: Vec<_> =
        order.iter().map(|(by, down)| format!("{} {}", by.alias, if *down { "desc" } else { "ASC" })).collect();
    let clause = if keys.is_empty() { String::new() } else { format!(" order by {}", keys.join(", ")) };
    format!("{condition}{clause}")
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
        found.retain(|n| plan.fits(&runs[*n]));
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
}

#[test]
fn plans_are_explained() {
    let check = |query: &str, lines: &[&str]| {
        let filter = Filter::parse(query, &attributes()).unwrap();
        let indexes = Claims(&[
            ("WorkflowType", false),
            ("StartTime", true),
            ("KeywordList01", false),
            ("TemporalNamespaceDivision", false),
        ]);
        assert_eq!(filter.plan(&indexes).explain(), lines.join("\n"), "{query}");
    };
    const SORTED: &str = "in the order asked for";
    let all = "scan all runs (about 1000 rows)";
    check("TaskQueue = 'x'", &[all, "keep those with TaskQueue = 'x' AND TemporalNamespaceDivision IS NULL", SORTED]);
    let types = "read the index of WorkflowType: 1 values, 0 ranges (about 12 rows)";
    check("WorkflowType = 'x'", &[types, SORTED]);
    check("WorkflowType IN ('a')", &[types, SORTED]);
    let times = "read the index of StartTime: 0 values, 1 ranges, backwards (about 9 rows)";
    check("StartTime > 5 ORDER BY StartTime DESC", &[times, SORTED]);
    let nothing = "read nothing: no run can fit (about 0 rows)";
    check("WorkflowType < 'a' AND WorkflowType > 'b'", &[nothing, SORTED]);
    let lists = "read the index of KeywordList01: 2 values, 0 ranges, merged, each run once (about 26 rows)";
    check("CustomList IN ('a', 'b') AND CustomInt = 5", &[lists, "keep those with CustomInt = 5", SORTED]);
    let division = "read the index of TemporalNamespaceDivision: 1 values, 0 ranges (about 25 rows)";
    let divided = "WorkflowType = 'x' AND TemporalNamespaceDivision = 'd'";
    check(divided, &[division, "keep those with WorkflowType = 'x'", SORTED]);
    let any_division = "TemporalNamespaceDivision = 'x' OR CustomInt = 5";
    check(any_division, &[all, &format!("keep those with {any_division}"), SORTED]);
}
