//! Steps of lists and counts over rows in memory.

use super::{NAMESPACE, memory::LogLists};
use crate::{
    leader::lists::{Reading, count, page},
    seam::{
        question::{Budget, GroupValue, ListQuery, Part},
        replica::ListRows,
    },
};
use bytes::Bytes;
use std::collections::BTreeMap;
use tenure_api::{
    common::v1::{WorkflowExecution, WorkflowType},
    enums::v1::WorkflowExecutionStatus as Status,
    workflow::v1::WorkflowExecutionInfo,
};
use tenure_engine::{
    RowKey, SubjectKind, Timestamp, WorkflowKey,
    rows::{ListRange, ListTable, ListVisit, ReadError},
    visibility,
};
use tenure_limits::{GROUPS, SORTED_ROWS};
use uuid::Uuid;

/// Rows of which no record can be read; that there are some can be seen.
struct WithoutRecords(LogLists);

impl ListRows for WithoutRecords {
    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        panic!("{key} is read")
    }

    fn rows(&self, table: &ListTable<'_>, range: &ListRange, visit: &mut ListVisit<'_>) -> Result<(), ReadError> {
        let is_record = table.field.is_none();
        self.0.rows(table, range, &mut |key, value| visit(key, if is_record { b"" } else { value }))
    }

    fn bytes(&self, table: &ListTable<'_>, range: &ListRange) -> u64 {
        self.0.bytes(table, range)
    }
}

/// Rows of runs, of which every second is closed.
fn runs(count: usize) -> LogLists {
    let rows = (0..count).flat_map(|n| {
        let workflow = WorkflowKey { namespace: NAMESPACE, workflow_id: format!("w{n}").into() };
        let run = workflow.run(Uuid::from_u128(n as u128 + 1));
        let time = |seconds: usize| Some(Timestamp(seconds as i64 * 1_000_000_000).to_proto());
        let closed = n % 2 == 1;
        let info = WorkflowExecutionInfo {
            execution: Some(WorkflowExecution {
                workflow_id: run.workflow.workflow_id.to_string(),
                run_id: run.run_id.to_string(),
            }),
            r#type: Some(WorkflowType { name: format!("T{n}") }),
            start_time: time(n),
            close_time: time(n + 1).filter(|_| closed),
            status: if closed { Status::Completed } else { Status::Running }.into(),
            task_queue: "q".to_owned(),
            ..Default::default()
        };
        visibility::rows_of(&run, info)
    });
    LogLists(rows.collect::<BTreeMap<RowKey, Bytes>>())
}

fn query(text: &str) -> ListQuery {
    ListQuery { kind: SubjectKind::RUN, namespace: NAMESPACE, query: text.to_owned(), attributes: Vec::new() }
}

const BUDGET: Budget = Budget { items: 10, bytes: 1 << 20, rows: 100 };

#[test]
fn what_no_index_has_in_order_is_sorted_up_to_a_limit() {
    let all = runs(SORTED_ROWS);
    let step = page(&Reading::new(&all, &query("ORDER BY TaskQueue")).unwrap(), None, BUDGET).unwrap();
    assert!(matches!(&step.part, Part::Items(items) if items.len() == 10));
    let more = runs(SORTED_ROWS + 1);
    let refused = page(&Reading::new(&more, &query("ORDER BY TaskQueue")).unwrap(), None, BUDGET).unwrap_err();
    let cause =
        "unable to sort by TaskQueue: no index has all runs by TaskQueue, and a shard has more than 20000 of them";
    assert!(refused.to_string().contains(cause), "{refused}");
    page(&Reading::new(&more, &query("ORDER BY WorkflowId DESC")).unwrap(), None, BUDGET).unwrap();
}

#[test]
fn a_count_has_so_many_groups_and_no_more() {
    const ALL: Budget = Budget { rows: u64::MAX, ..Budget::OF_COUNT };
    let step = count(Reading::new(&runs(GROUPS), &query("GROUP BY WorkflowType")).unwrap(), None, ALL).unwrap();
    assert!(matches!(&step.part, Part::Groups(groups) if groups.len() == GROUPS));
    let refused =
        count(Reading::new(&runs(GROUPS + 1), &query("GROUP BY WorkflowType")).unwrap(), None, ALL).unwrap_err();
    assert!(refused.to_string().contains("GROUP BY makes more than 10000 groups"), "{refused}");
}

#[test]
fn a_count_of_what_rows_of_an_index_tell_reads_no_record() {
    const ALL: Budget = Budget { rows: u64::MAX, ..Budget::OF_COUNT };
    let all = WithoutRecords(runs(1000));
    for (text, expected) in [
        ("WorkflowType = 'T7'", Part::Count(1)),
        ("WorkflowType = 'T7' AND ExecutionStatus = 'Running'", Part::Count(0)),
        ("WorkflowType STARTS_WITH 'T99' AND StartTime > 100", Part::Count(11)),
        ("WorkflowType = 'T7' GROUP BY ExecutionStatus", Part::Groups(vec![(GroupValue::Text("Completed".into()), 1)])),
    ] {
        let step = count(Reading::new(&all, &query(text)).unwrap(), None, ALL).unwrap();
        assert_eq!((step.part, step.next), (expected, None), "{text}");
    }
}
