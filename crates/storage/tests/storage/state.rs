//! Rows: applying, flushing, reading.

use crate::common::*;
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeSet;
use tenure_api::history::v1::{History, HistoryEvent};
use tenure_engine::{
    NamespaceId, QueueKey, TaskKind, WorkflowKey, codec,
    id::Stamp,
    rows::{Op, ReadyTask, RowKey, StateReader, SystemTable, TimerTable, WriteSet},
    subject::{Subject, SubjectKind},
    time::Timestamp,
};
use tenure_storage::{LogOp, ReadyAfter, ShardRows, Storage, write_set};
use uuid::Uuid;

fn shard() -> (tempfile::TempDir, Storage, ShardRows) {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let rows = storage.shard(1).unwrap().rows;
    (dir, storage, rows)
}

#[test]
fn after_a_crash_rows_are_those_of_the_last_flush_and_the_log_has_the_rest() {
    let (dir, storage, rows) = shard();
    let key = RowKey::Current(workflow("w"));
    storage.log().write_blocking(append(1, 1..4)).unwrap();
    apply(&rows, 1, vec![put(key.clone(), "one")]);
    apply(&rows, 2, vec![put(key.clone(), "two")]);
    assert_eq!(rows.durable(), None);
    storage.state().flush().unwrap();
    assert_eq!(rows.durable(), Some(applied(2)));
    apply(
        &rows,
        3,
        vec![put(key.clone(), "three"), put(RowKey::Timer { due: Timestamp(1), subject: run("w", 1).into() }, "")],
    );
    assert_eq!((rows.applied(), rows.durable()), (Some(applied(3)), Some(applied(2))));

    let image = crash_image(&dir);
    let restarted = open(&image);
    let shard = restarted.shard(1).unwrap();
    assert_eq!((shard.rows.applied(), shard.rows.durable()), (Some(applied(2)), Some(applied(2))));
    assert_eq!(shard.rows.reader().get(&key).unwrap(), Some(Bytes::from_static(b"two")));
    assert_eq!(shard.rows.reader().view().unwrap().timers(TimerTable::Others, 9).unwrap(), []);
    assert_eq!(shard.log.last.unwrap().0, 3);
}

#[track_caller]
fn check_about(found: u64, bytes: u64) {
    assert!(found.abs_diff(bytes) < 100 << 10, "{found} is not about {bytes}");
}

/// Beside another shard's.
#[test]
fn the_files_of_a_shard_are_told_by_their_size() {
    let (dir, storage, rows) = shard();
    let other = storage.shard(2).unwrap().rows;
    // Bytes that compression does not make less of.
    let noise = |seed: u64| {
        let hash = |n| xxhash_rust::xxh3::xxh3_64_with_seed(&u64::to_be_bytes(n), seed).to_be_bytes();
        Bytes::from((0..4096).flat_map(hash).collect::<Vec<u8>>())
    };
    let entries =
        |shard, range: std::ops::Range<u64>| LogOp::Append { shard, entries: range.map(|n| (n, noise(n))).collect() };
    for index in 1..=32 {
        apply(&rows, index, vec![put(RowKey::Current(workflow(&format!("w{index}"))), noise(index))]);
    }
    storage.log().write_blocking(entries(1, 1..33)).unwrap();
    assert_eq!((rows.file_bytes(), other.file_bytes()), (0, 0), "nothing is flushed");
    storage.state().flush().unwrap();
    let mib = 1_u64 << 20;
    check_about(rows.file_bytes(), mib);
    check_about(other.file_bytes(), 0);
    drop((rows, other, storage));

    // What was in the log is in its files after a start.
    let log = open(&dir).log().clone();
    let of = |shard, range| log.file_bytes(shard, range);
    check_about(of(1, 1..33), mib);
    check_about(of(1, 1..17), mib / 2);
    assert_eq!(of(2, 1..33), 0);
}

#[test]
fn dropping_without_close_flushes_nothing() {
    let (dir, storage, rows) = shard();
    apply(&rows, 1, vec![]);
    drop((rows, storage));
    assert_eq!(open(&dir).shard(1).unwrap().rows.applied(), None);
}

#[test]
fn write_sets_of_one_batch_are_applied_in_order() {
    let (_dir, _storage, rows) = shard();
    let (a, b) = (RowKey::Current(workflow("a")), RowKey::Current(workflow("b")));
    let first = write_set::encode(&[
        WriteSet { ops: vec![put(a.clone(), "1"), put(b.clone(), "1")] },
        WriteSet { ops: vec![Op::Delete(a.clone())] },
    ]);
    let second = write_set::encode(&[WriteSet { ops: vec![put(a.clone(), "2"), Op::Delete(b.clone())] }]);
    rows.apply(&applied(2), [&first[..], &second[..]]).unwrap();
    assert_eq!(rows.reader().get(&a).unwrap(), Some(Bytes::from_static(b"2")));
    assert_eq!(rows.reader().get(&b).unwrap(), None);
}

#[test]
fn a_view_sees_one_moment() {
    let (_dir, _storage, rows) = shard();
    let key = RowKey::Clock;
    apply(&rows, 1, vec![put(key.clone(), "old")]);
    let reader = rows.reader();
    let view = reader.view().unwrap();
    apply(
        &rows,
        2,
        vec![put(key.clone(), "new"), put(RowKey::Timer { due: Timestamp(5), subject: run("w", 1).into() }, "")],
    );
    assert_eq!(view.get(&key).unwrap(), Some(Bytes::from_static(b"old")));
    assert_eq!(view.timers(TimerTable::Others, 10).unwrap(), []);
    assert_eq!(reader.get(&key).unwrap(), Some(Bytes::from_static(b"new")));
}

#[test]
fn timers_come_by_due_time() {
    let (_dir, _storage, rows) = shard();
    let timers: Vec<_> = [(-5, "x"), (3, "b"), (3, "c"), (7, "a"), (1 << 40, "d")]
        .map(|(due, id)| (Timestamp(due), Subject::from(run(id, 1))))
        .to_vec();
    for (n, (due, subject)) in timers.iter().rev().enumerate() {
        apply(&rows, n as u64 + 1, vec![put(RowKey::Timer { due: *due, subject: subject.clone() }, "")]);
    }
    let reader = rows.reader();
    let view = reader.view().unwrap();
    assert_eq!(view.timers(TimerTable::Others, 10).unwrap(), timers);
    assert_eq!(view.timers(TimerTable::Others, 3).unwrap(), timers[..3]);
    assert_eq!(view.timers(TimerTable::Schedules, 10).unwrap(), []);
}

fn ready(name: &str, priority: u8, term: u64, counter: u64) -> ReadyTask {
    ReadyTask {
        queue: queue(name),
        priority,
        stamp: Stamp { term, counter },
        run: run("w", 1),
        scheduled_event_id: 5,
        scheduled_at: Timestamp(1),
        sticky: false,
        of: SubjectKind::RUN,
    }
}

#[test]
fn ready_tasks_come_by_priority_then_stamp_and_queues_do_not_mix() {
    let (_dir, _storage, rows) = shard();
    let tasks = [ready("q", 1, 1, 300), ready("q", 1, 2, 1), ready("q", 3, 1, 5), ready("q", 3, 1, 256)];
    let others = [ready("q\0", 0, 1, 1), ready("q1", 0, 1, 1), ready("p", 9, 1, 1)];
    for (n, task) in tasks.iter().rev().chain(&others).enumerate() {
        let key = RowKey::Ready { queue: task.queue.clone(), priority: task.priority, stamp: task.stamp };
        apply(&rows, n as u64 + 1, vec![put(key, codec::encode(task))]);
    }
    let reader = rows.reader();
    let view = reader.view().unwrap();
    assert_eq!(view.ready_tasks(&queue("q"), None, 10).unwrap(), tasks);
    let after = ReadyAfter { priority: 1, stamp: Stamp { term: 1, counter: 300 } };
    assert_eq!(view.ready_tasks(&queue("q"), Some(after), 2).unwrap(), tasks[1..3]);
    let count = |after, limit| view.count_ready(&queue("q"), after, limit).unwrap();
    assert_eq!([count(None, 10), count(Some(after), 10), count(None, 3)], [4, 3, 3]);
    assert_eq!(view.count_ready(&queue("other"), None, 10).unwrap(), 0);
    assert_eq!(view.ready_queues().unwrap(), ["p", "q", "q\0", "q1"].map(queue));
    assert_eq!(view.ready_tasks(&queue(""), None, 10).unwrap(), []);
}

fn events(ids: std::ops::RangeInclusive<i64>) -> Bytes {
    let events = ids.map(|event_id| HistoryEvent { event_id, ..Default::default() }).collect();
    History { events }.encode_to_vec().into()
}

#[test]
fn history_comes_in_chunks_both_ways() {
    let (_dir, _storage, rows) = shard();
    let chunks = [1..=3, 4..=4, 5..=9];
    for (n, chunk) in chunks.iter().enumerate() {
        let key = RowKey::History { run: run("w", 1), first_event_id: *chunk.start() };
        let other = RowKey::History { run: run("w", 2), first_event_id: *chunk.start() };
        apply(&rows, n as u64 + 1, vec![put(key, events(chunk.clone())), put(other, "other")]);
    }
    let reader = rows.reader();
    let view = reader.view().unwrap();
    let firsts =
        |chunks: Vec<tenure_storage::HistoryChunk>| chunks.into_iter().map(|c| c.first_event_id).collect::<Vec<_>>();
    let run = run("w", 1);
    for (from, to, max, expected) in [
        (1, 10, 1000, vec![1, 4, 5]),
        (0, 10, 1000, vec![1, 4, 5]),
        (2, 4, 1000, vec![1]),
        (4, 6, 1000, vec![4, 5]),
        (9, 10, 1000, vec![5]),
        (1, 10, 1, vec![1]),
        (1, 1, 1000, vec![]),
    ] {
        assert_eq!(firsts(view.history(&run, from, to, max).unwrap()), expected, "{from}..{to} of {max} bytes");
    }
    assert_eq!(firsts(view.history_before(&run, i64::MAX, 1000).unwrap()), [5, 4, 1]);
    assert_eq!(firsts(view.history_before(&run, 4, 1000).unwrap()), [4, 1]);
    assert_eq!(firsts(view.history_before(&run, 4, 0).unwrap()), [4]);
    for id in 1..=9 {
        assert_eq!(reader.event(&run, id).unwrap().unwrap().event_id, id);
    }
    assert_eq!(reader.event(&run, 10).unwrap(), None);
    assert_eq!(reader.event(&run, 0).unwrap(), None);
}

#[test]
fn system_rows_come_in_key_order_of_their_table_only() {
    let (_dir, _storage, rows) = shard();
    let key = |table, key: &str| RowKey::System { table, key: key.into() };
    apply(
        &rows,
        1,
        vec![
            put(key(SystemTable::Namespace, "b"), "2"),
            put(key(SystemTable::Namespace, "a"), "1"),
            put(key(SystemTable::NamespaceName, "c"), "3"),
            put(key(SystemTable::Shard, "d"), "4"),
        ],
    );
    let rows = rows.reader().system_rows(SystemTable::Namespace).unwrap();
    assert_eq!(rows, [("a".into(), Bytes::from_static(b"1")), ("b".into(), Bytes::from_static(b"2"))]);
}

#[test]
fn rows_that_are_damaged_on_the_way_are_not_applied() {
    let (_dir, _storage, rows) = shard();
    let good = write_set::encode([&WriteSet { ops: vec![put(RowKey::Clock, "value")] }]);
    for end in 0..good.len() {
        let result = rows.apply(&applied(1), [&good[..end]]);
        // The version byte alone is an empty set; every other cut is noticed.
        assert_eq!(result.is_ok(), end == 1, "cut at {end}");
    }
    let mut newer = good.to_vec();
    newer[0] = 9;
    rows.apply(&applied(2), [&newer[..]]).unwrap_err();
    assert_eq!(rows.reader().get(&RowKey::Clock).unwrap(), None);
}

/// Of a namespace among others, with one before and one behind it in every slot.
#[test]
fn the_rows_of_a_namespace_are_found_among_those_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let rows = storage.shard(1).unwrap().rows;
    let workflow = |namespace: u128, id: usize| WorkflowKey {
        namespace: NamespaceId(Uuid::from_u128(namespace)),
        workflow_id: format!("w{id}").into(),
    };
    let (mut ops, mut expected) = (Vec::new(), BTreeSet::new());
    for namespace in [1, 2, u128::MAX] {
        for id in 0..50 {
            let (workflow, history) = (workflow(namespace, id), id as i64);
            for run in [0, u128::MAX] {
                ops.push(put(RowKey::Execution(workflow.run(Uuid::from_u128(run))), "e"));
                ops.push(put(RowKey::Info(workflow.run(Uuid::from_u128(run))), "i"));
            }
            let queue =
                QueueKey { namespace: workflow.namespace, kind: TaskKind::Workflow, name: format!("q{id}").into() };
            let leftovers = [
                RowKey::Current(workflow.clone()),
                RowKey::RequestId { workflow: workflow.clone(), request_id: "start/r".into() },
                RowKey::History { run: workflow.run(Uuid::from_u128(1)), first_event_id: history },
                RowKey::QueueConfig(queue.clone()),
                RowKey::Ready { queue, priority: 3, stamp: Stamp { term: 1, counter: id as u64 } },
            ];
            if namespace == 2 {
                expected.extend(leftovers.clone());
            }
            ops.extend(leftovers.into_iter().map(|key| put(key, "v")));
        }
    }
    apply(&rows, 1, ops);
    for namespace in [1, 2, 3, u128::MAX] {
        let of = NamespaceId(Uuid::from_u128(namespace));
        let mut found = Vec::new();
        loop {
            let some = rows.reader().view().unwrap().runs_of(of, found.last(), 7).unwrap();
            if some.is_empty() {
                break;
            }
            found.extend(some);
        }
        let all = rows.reader().view().unwrap().runs(None, usize::MAX).unwrap();
        let expected: Vec<_> = all.into_iter().filter(|run| run.workflow.namespace == of).collect();
        assert_eq!(expected.len(), if namespace == 3 { 0 } else { 100 });
        assert_eq!(found, expected);
    }
    let (of, mut index) = (NamespaceId(Uuid::from_u128(2)), 1);
    let mut found = BTreeSet::new();
    loop {
        let some = rows.reader().view().unwrap().leftovers(of, 7).unwrap();
        if some.is_empty() {
            break;
        }
        assert!(some.len() <= 7);
        found.extend(some.iter().cloned());
        index += 1;
        apply(&rows, index, some.into_iter().map(Op::Delete).collect());
    }
    assert_eq!(found, expected);
    let first = rows.reader().view().unwrap().leftovers(NamespaceId(Uuid::from_u128(1)), usize::MAX).unwrap();
    assert_eq!(first.len(), expected.len());
}
