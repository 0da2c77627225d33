//! Lists and counts of filters that are made by the grammar are what a look at each record tells, whichever indexes there
//! are and however plans change, in pages and steps of any size, over several shards, and while runs change.

use super::{NAMESPACE, memory::LogLists};
use crate::{
    leader::lists::{Reading, count, page},
    node::merge::{After, Merge, Wanted},
    seam::{
        question::{Budget, GroupValue, Item, ListAttribute, ListQuery, Part, Step},
        replica::ShardId,
    },
};
use proptest::prelude::*;
use prost::Message;
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};
use tenure_api::{
    common::v1::{Payload, SearchAttributes, WorkflowExecution, WorkflowType},
    workflow::v1::WorkflowExecutionInfo,
};
use tenure_engine::{
    Op, RowKey, RunKey, SubjectKind, Timestamp, WorkflowKey,
    search_attributes::list_field,
    visibility::{self, IndexRow, RunRecord},
};
use tenure_filter::{
    Filter, Index, Indexes, KeyRange, Record, Type, Value, status_name,
    testing::{CUSTOM, DIVISION, Owned, Run, condition, run},
};
use tenure_limits::ENTRY;
use uuid::Uuid;

const SHARDS: usize = 3;

/// What besides conditions on a namespace's own attributes is asked for: what the system has in its indexes or not.
const BESIDE: [&str; 11] = [
    "",
    "",
    "WorkflowType = 'T1' AND ",
    "WorkflowType IN ('T0', 'T2') AND ",
    "WorkflowId STARTS_WITH 'w1' OR ",
    "StartTime > 0 AND ",
    "TaskQueue != 'q1' AND ",
    "ParentWorkflowId = 'p' OR ",
    "CustomList = 'a' AND CustomList = 'ab' AND ",
    "TemporalNamespaceDivision = 'a' OR ",
    "TemporalNamespaceDivision IS NOT NULL AND ",
];

const ORDERS: [&str; 12] = [
    "",
    "StartTime",
    "StartTime DESC",
    "CloseTime DESC",
    "WorkflowType",
    "CustomInt DESC",
    "CustomKeyword",
    "CustomList",
    "TaskQueue DESC",
    "ExecutionStatus, CustomDouble DESC",
    "WorkflowType DESC, WorkflowId",
    "CustomBool DESC, CustomDatetime",
];

const GROUPS: [&str; 6] =
    ["", "ExecutionStatus", "WorkflowType", "CustomKeyword", "CustomBool", "TemporalNamespaceDivision"];

/// A payload of an attribute as the engine keeps it.
fn payload(value: &Owned) -> Payload {
    let (kind, json) = match value {
        Owned::Bool(value) => (Type::Bool, (*value).into()),
        Owned::Int(number) => (Type::Int, (*number).into()),
        Owned::Double(number) => (Type::Double, (*number).into()),
        Owned::Datetime(time) => (Type::Datetime, Timestamp(*time).to_proto().to_string().into()),
        Owned::Keyword(text) => (Type::Keyword, text.clone().into()),
        Owned::List(list) => (Type::KeywordList, list.clone().into()),
        Owned::Text(text) => (Type::Text, text.clone().into()),
    };
    let metadata = [("type".to_owned(), kind.to_string().into())].into();
    Payload { metadata, data: serde_json::Value::to_string(&json).into(), ..Default::default() }
}

/// A generated run as lists show it.
fn info(n: usize, run: &Run) -> (RunKey, WorkflowExecutionInfo) {
    let workflow = WorkflowKey { namespace: NAMESPACE, workflow_id: format!("w{n}").into() };
    let key = workflow.run(Uuid::from_u128(n as u128 + 1));
    let time = |field| match run.values.get(field) {
        Some(Owned::Datetime(time)) => Some(Timestamp(*time).to_proto()),
        _ => None,
    };
    let named = CUSTOM.iter().map(|(alias, field, _)| (*alias, *field)).chain([(DIVISION, DIVISION)]);
    let given = named.filter_map(|(alias, field)| Some((alias.to_owned(), payload(run.values.get(field)?))));
    let Some(Owned::Int(status)) = run.values.get("ExecutionStatus") else { panic!("each run has a status") };
    let execution = |id: &str| WorkflowExecution { workflow_id: id.to_owned(), run_id: key.run_id.to_string() };
    let info = WorkflowExecutionInfo {
        execution: Some(execution(&key.workflow.workflow_id)),
        r#type: Some(WorkflowType { name: format!("T{}", n % 3) }),
        start_time: time("StartTime"),
        close_time: time("CloseTime"),
        status: i32::try_from(*status).unwrap(),
        task_queue: format!("q{}", n % 2),
        parent_execution: (n % 4 == 1).then(|| execution("p")),
        search_attributes: Some(SearchAttributes { indexed_fields: given.collect() }),
        ..Default::default()
    };
    (key, info)
}

/// Rows of each shard, and what naive evaluation goes by.
struct World {
    shards: Vec<LogLists>,
    records: BTreeMap<usize, RunRecord>,
}

impl World {
    fn of(runs: &[Run]) -> World {
        let shards = (0..SHARDS).map(|_| LogLists(BTreeMap::new())).collect();
        let mut world = World { shards, records: BTreeMap::new() };
        runs.iter().enumerate().for_each(|(n, run)| world.put(n, Some(run)));
        world
    }

    /// A run is another one from now on, or gone.
    fn put(&mut self, n: usize, run: Option<&Run>) {
        let shard = &mut self.shards[n % SHARDS].0;
        if let Some(before) = self.records.remove(&n) {
            visibility::rows_of(&before.run(NAMESPACE), before.info().clone()).keys().for_each(|key| {
                shard.remove(key).expect("it was written");
            });
        }
        let Some(run) = run else { return };
        let (key, info) = info(n, run);
        let rows = visibility::rows_of(&key, info);
        let record = rows.iter().find_map(|(key, row)| matches!(key, RowKey::Record { .. }).then_some(row));
        let record = RunRecord::decode(record.expect("it has one")).unwrap();
        for (alias, field, kind) in CUSTOM {
            assert_eq!(record.value(&list_field(alias, kind)), unless_empty(run.value(field)), "{alias}");
        }
        self.records.insert(n, record);
        shard.extend(rows);
    }

    /// Numbers of the runs that fit, in the order of the list.
    fn expected(&self, filter: &Filter) -> Vec<usize> {
        let fits = self.records.iter().filter(|(_, record)| filter.matches(*record));
        let mut found: Vec<_> = fits.map(|(n, record)| (filter.sort_key(record), *n)).collect();
        found.sort();
        found.into_iter().map(|(_, n)| n).collect()
    }

    fn step(&self, query: &ListQuery, wanted: &Wanted, rows: u64, claims: &Claims) -> Step {
        let shard = &self.shards[usize::try_from(wanted.step.shard).unwrap()];
        let reading = Reading::by(Box::new(claims), shard, query).unwrap();
        let step = page(&reading, wanted.step.after.as_deref(), Budget { rows, ..wanted.step.budget }).unwrap();
        assert!(step.follows(wanted.step.after.as_ref()), "out of order: {}", query.query);
        step
    }

    /// The next page, and where the one after it goes on.
    fn page(
        &self,
        query: &ListQuery,
        places: Vec<(ShardId, After)>,
        size: usize,
        rows: u64,
        claims: &Claims,
    ) -> (Vec<Item>, Vec<(ShardId, After)>) {
        let mut merge = Merge::new(places, size);
        for _ in 0..2 {
            for wanted in merge.wanted() {
                let Step { part: Part::Items(items), next } = self.step(query, &wanted, rows, claims) else {
                    panic!("a list has items")
                };
                merge.add(wanted.cursor, items, next);
            }
            merge.advance();
        }
        merge.finish()
    }

    fn count(&self, query: &ListQuery, rows: u64, claims: &Claims) -> (u64, BTreeMap<GroupValue, u64>) {
        let (mut all, mut of_groups) = (0, BTreeMap::new());
        for shard in &self.shards {
            let mut after: After = None;
            loop {
                let reading = Reading::by(Box::new(claims), shard, query).unwrap();
                let Step { part, next } =
                    count(reading, after.as_deref(), Budget { rows, ..Budget::OF_COUNT }).unwrap();
                match part {
                    Part::Count(count) => all += count,
                    Part::Groups(groups) => groups.into_iter().for_each(|(value, count)| {
                        all += count;
                        *of_groups.entry(value).or_default() += count;
                    }),
                    _ => panic!("a count counts"),
                }
                assert!(next.is_none() || next > after, "it does not go on: {}", query.query);
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        (all, of_groups)
    }
}

/// An empty list is no value.
fn unless_empty(value: Value<'_>) -> Value<'_> {
    match value {
        Value::KeywordList([]) => Value::Null,
        value => value,
    }
}

fn query(text: String) -> ListQuery {
    let own = CUSTOM.map(|(alias, _, kind)| ListAttribute {
        name: alias.to_owned(),
        field: list_field(alias, kind),
        kind: kind.to_string(),
    });
    ListQuery { kind: SubjectKind::RUN, namespace: NAMESPACE, query: text, attributes: own.into() }
}

/// Says of some attributes that they have no index, and anything of how many rows there are: each time something else.
#[derive(Debug)]
struct Claims {
    absent: BTreeSet<usize>,
    seed: u64,
    asked: Cell<u64>,
    total: u64,
}

impl Claims {
    fn random(&self) -> u64 {
        self.asked.set(self.asked.get() + 1);
        (self.seed ^ self.asked.get()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58
    }
}

impl Indexes for &Claims {
    fn index(&self, field: &str) -> Option<Index> {
        let own = CUSTOM.iter().position(|(alias, _, kind)| list_field(alias, *kind) == field);
        let system = ["ExecutionStatus", "StartTime", "CloseTime", "WorkflowType", "WorkflowId", "ParentWorkflowId"];
        let number = own.or_else(|| Some(system.iter().position(|system| *system == field)? + CUSTOM.len()));
        RunRecord::index(field).filter(|_| number.is_none_or(|number| !self.absent.contains(&number)))
    }

    fn estimate(&self, _: &str, _: &KeyRange) -> u64 {
        self.random()
    }

    fn total(&self) -> u64 {
        self.total
    }

    fn covered(&self) -> &[&str] {
        if self.seed.is_multiple_of(3) { &[] } else { &IndexRow::COVERED }
    }
}

fn claims() -> impl Strategy<Value = Claims> {
    let absent = prop_oneof![
        Just(BTreeSet::new()),
        prop::collection::btree_set(0..CUSTOM.len() + 6, 0..6),
        Just((0..CUSTOM.len() + 6).collect()),
    ];
    // Few, so that all records are walked, and many, so that indexes are.
    (absent, any::<u64>(), prop_oneof![Just(0), Just(40), Just(1_000_000)]).prop_map(|(absent, seed, total)| Claims {
        absent,
        seed,
        asked: Cell::new(0),
        total,
    })
}

fn condition_text() -> impl Strategy<Value = String> {
    (prop::sample::select(BESIDE.to_vec()), prop::option::weighted(0.9, condition())).prop_map(|(beside, condition)| {
        match condition {
            Some(condition) => format!("{beside}({condition})"),
            None => beside.trim_end_matches(" AND ").trim_end_matches(" OR ").to_owned(),
        }
    })
}

fn clause(text: String, word: &str, by: &str) -> String {
    if by.is_empty() { text } else { format!("{text} {word} BY {by}") }
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    prop::collection::vec(run(), 0..16)
}

fn number(item: &Item) -> usize {
    let info = WorkflowExecutionInfo::decode(item.value.clone()).unwrap();
    info.execution.unwrap().workflow_id[1..].parse().unwrap()
}

fn beginning() -> Vec<(ShardId, After)> {
    (0..SHARDS).map(|shard| (ShardId::try_from(shard).unwrap(), None)).collect()
}

fn group_value(by: &str, record: &RunRecord) -> GroupValue {
    let field = CUSTOM.iter().find(|(alias, ..)| *alias == by);
    let field = field.map_or_else(|| by.to_owned(), |(alias, _, kind)| list_field(alias, *kind));
    match record.value(&field) {
        Value::Int(status) => GroupValue::Text(status_name(status).unwrap().to_owned()),
        Value::Keyword(text) => GroupValue::Text(text.to_owned()),
        Value::Bool(value) => GroupValue::Bool(value),
        // The reference server's answer.
        _ if by == "TemporalNamespaceDivision" => GroupValue::Text(String::new()),
        _ => GroupValue::Null,
    }
}

/// A few, unless `PROPTEST_CASES` says how many.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(150),
    }
}

#[test]
fn a_count_goes_on_in_the_rows_that_it_began_with() {
    let run = |list: &[&str]| {
        let list = Owned::List(list.iter().map(|text| (*text).to_owned()).collect());
        let values = [("ExecutionStatus", Owned::Int(1)), ("StartTime", Owned::Datetime(0)), ("KeywordList01", list)];
        let values = values.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        Run { id: String::new(), values }
    };
    let runs: Vec<_> = (0..15).map(|_| run(&["a", "b"])).chain((0..9).map(|_| run(&["a"]))).collect();
    let world = World::of(&runs);
    let query = query("CustomList = 'a' AND CustomList = 'b'".to_owned());
    let counted = world.shards.iter().map(|shard| {
        let (mut all, mut after): (u64, After) = (0, None);
        loop {
            let budget = Budget { rows: 2, ..Budget::OF_COUNT };
            let step = count(Reading::new(shard, &query).unwrap(), after.as_deref(), budget).unwrap();
            let Part::Count(count) = step.part else { panic!("it counts") };
            all += count;
            after = step.next;
            if after.is_none() {
                return all;
            }
        }
    });
    assert_eq!(counted.sum::<u64>(), 15);
}

/// The largest attributes that a run may have, of as many words as there can be.
#[test]
fn the_rows_of_a_run_fit_into_an_entry() {
    const VALUE: usize = 2 << 10;
    const ALL: usize = 40 << 10;
    let letters = || ('a'..='z').chain('0'..='9');
    let words: Vec<_> = letters().flat_map(|a| letters().map(move |b| format!("{a}{b}"))).take(VALUE / 3).collect();
    let (key, mut info) =
        info(0, &Run { values: [("ExecutionStatus".to_owned(), Owned::Int(1))].into(), ..Run::default() });
    let texts = (0..ALL / VALUE).map(|n| (format!("{}{n}", "Name".repeat(50)), payload(&Owned::Text(words.join(" ")))));
    info.search_attributes = Some(SearchAttributes { indexed_fields: texts.collect() });
    let open = visibility::rows_of(&key, info.clone());
    assert!(open.len() > 13_000, "{} rows", open.len());
    let closed = visibility::rows_of(&key, WorkflowExecutionInfo { close_time: Some(Timestamp(1).to_proto()), ..info });
    // All are written anew when it is closed, as they say where the record is.
    let ops = open.into_keys().map(Op::Delete).chain(closed.into_iter().map(|(key, value)| Op::Put(key, value)));
    let size: usize = ops.map(|op| op.size()).sum();
    assert!(size < ENTRY / 2, "{size} bytes");
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_list_is_what_fits_in_its_order(
        text in condition_text(),
        order in prop::sample::select(ORDERS.to_vec()),
        runs in runs(),
        claims in claims(),
        size in 1..20_usize,
        rows in prop_oneof![1..5_u64, Just(10_000)],
    ) {
        let world = World::of(&runs);
        let query = query(clause(text, "ORDER", order));
        let (mut places, mut found) = (beginning(), Vec::new());
        while !places.is_empty() {
            let (items, next) = world.page(&query, places, size, rows, &claims);
            prop_assert!(items.len() <= size);
            found.extend(items.iter().map(number));
            places = next;
        }
        prop_assert_eq!(found, world.expected(&query.filter().unwrap()), "{}", query.query);
    }

    #[test]
    fn a_run_that_does_not_change_is_neither_skipped_nor_repeated(
        text in condition_text(),
        order in prop::sample::select(ORDERS.to_vec()),
        runs in runs(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(run())), 0..30),
        claims in claims(),
        size in 1..4_usize,
        rows in prop_oneof![1..5_u64, Just(10_000)],
    ) {
        // Every second run stays as it is.
        let mut world = World::of(&runs);
        let query = query(clause(text, "ORDER", order));
        let expected: Vec<_> = world.expected(&query.filter().unwrap()).into_iter().filter(|n| n % 2 == 0).collect();
        let (mut places, mut found, mut changes) = (beginning(), Vec::new(), changes.into_iter());
        while !places.is_empty() {
            let (items, next) = world.page(&query, places, size, rows, &claims);
            found.extend(items.iter().map(number).filter(|n| n % 2 == 0));
            places = next;
            for (n, run) in changes.by_ref().take(3) {
                world.put(n.index(10) * 2 + 1, run.as_ref());
            }
        }
        prop_assert_eq!(found, expected, "{}", query.query);
    }

    #[test]
    fn a_count_is_of_what_fits(
        text in condition_text(),
        group in prop::sample::select(GROUPS.to_vec()),
        order in prop::sample::select(ORDERS.to_vec()),
        runs in runs(),
        claims in claims(),
        rows in prop_oneof![1..5_u64, Just(10_000)],
    ) {
        let world = World::of(&runs);
        let text = clause(text, "GROUP", group);
        let query = query(clause(text, "ORDER", order));
        let filter = query.filter().unwrap();
        let found = world.count(&query, rows, &claims);
        let fitting = world.expected(&filter);
        prop_assert_eq!(found.0, fitting.len() as u64, "{}", query.query);
        let mut groups = BTreeMap::new();
        for n in fitting.iter().filter(|_| !group.is_empty()) {
            *groups.entry(group_value(group, &world.records[n])).or_insert(0) += 1;
        }
        prop_assert_eq!(found.1, groups, "{}", query.query);
    }
}
