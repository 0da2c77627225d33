//! The log database: what is durable when, and in which order that is said.

use crate::common::*;
use bytes::Bytes;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};
use tenure_storage::{LogOp, Purged};

#[test]
fn completions_come_in_the_order_of_submission_and_after_the_write() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let order = Arc::new(Mutex::new(Vec::new()));
    let (last, wait) = mpsc::channel();
    for index in 1..=500 {
        let (order, last, db) = (order.clone(), last.clone(), storage.log().clone());
        storage.log().submit(append((index % 3) as u32, index..index + 1), move |result| {
            result.unwrap();
            let read = db.read((index % 3) as u32, index..index + 1, 1).unwrap();
            assert_eq!(read.len(), 1, "entry {index} is there when it is reported");
            order.lock().unwrap().push(index);
            if index == 500 {
                last.send(()).unwrap();
            }
        });
    }
    wait.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    assert_eq!(*order.lock().unwrap(), (1..=500).collect::<Vec<_>>());
}

#[test]
fn acknowledged_entries_survive_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    for index in 1..50 {
        storage.log().write_blocking(append(1, index..index + 1)).unwrap();
        if index % 20 == 0 {
            let image = open(&crash_image(&dir));
            assert_eq!(indexes(&image, 1), (1..=index).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_torn_end_of_the_log_costs_only_what_was_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    storage.log().write_blocking(append(1, 1..10)).unwrap();
    let wal = |dir: &tempfile::TempDir| {
        let files = std::fs::read_dir(dir.path().join("log")).unwrap().map(|e| e.unwrap().path());
        files.filter(|p| p.extension().is_some_and(|e| e == "log")).max().unwrap()
    };
    let acknowledged = std::fs::metadata(wal(&dir)).unwrap().len();
    storage.log().write_blocking(append(1, 10..20)).unwrap();
    let whole = std::fs::metadata(wal(&dir)).unwrap().len();
    for end in [acknowledged, acknowledged + 1, (acknowledged + whole) / 2, whole - 1, whole] {
        let image = crash_image(&dir);
        std::fs::File::options().write(true).open(wal(&image)).unwrap().set_len(end).unwrap();
        let expected = if end == whole { 19 } else { 9 };
        assert_eq!(indexes(&open(&image), 1), (1..=expected).collect::<Vec<_>>(), "cut at {end} of {whole}");
    }
}

#[test]
fn truncating_and_writing_again_in_one_batch_keeps_the_later_entries() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    storage.log().write_blocking(append(1, 1..10)).unwrap();
    storage.log().write_blocking(append(2, 1..10)).unwrap();
    storage.log().submit(LogOp::Truncate { shard: 1, from: 5 }, |r| r.unwrap());
    let again = vec![(5, Bytes::from_static(b"again"))];
    storage.log().write_blocking(LogOp::Append { shard: 1, entries: again }).unwrap();
    assert_eq!(indexes(&storage, 1), [1, 2, 3, 4, 5]);
    assert_eq!(storage.log().load(1).unwrap().last, Some((5, Bytes::from_static(b"again"))));
    assert_eq!(indexes(&storage, 2).len(), 9, "the neighbour is untouched");
    drop(storage);
    assert_eq!(indexes(&open(&dir), 1), [1, 2, 3, 4, 5]);
}

#[test]
fn purging_drops_a_prefix_and_remembers_where() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let _rows = storage.shard(2).unwrap();
    storage.log().write_blocking(append(1, 1..10)).unwrap();
    storage.log().write_blocking(append(0, 1..10)).unwrap();
    storage.log().write_blocking(purge(1, 4)).unwrap();
    assert_eq!(indexes(&storage, 1), [5, 6, 7, 8, 9]);
    storage.log().write_blocking(purge(1, 9)).unwrap();
    let log = storage.log().load(1).unwrap();
    assert_eq!((log.purged, log.last), (Some(Purged { index: 9, log_id: Bytes::from_static(b"id 9") }), None));
    assert_eq!(indexes(&storage, 0).len(), 9, "the neighbour is untouched");
}

#[test]
fn committed_rides_on_the_next_sync() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    storage.log().save_committed(1, Bytes::from_static(b"c7"));
    storage.log().write_blocking(LogOp::Vote { shard: 2, vote: Bytes::from_static(b"v") }).unwrap();
    assert_eq!(storage.log().load(1).unwrap().committed, Some(Bytes::from_static(b"c7")));
    storage.log().save_committed(1, Bytes::from_static(b"c8"));
    assert_eq!(storage.log().load(1).unwrap().committed, Some(Bytes::from_static(b"c7")), "causes no write itself");
    storage.close().unwrap();
    drop(storage);
    assert_eq!(open(&dir).log().load(1).unwrap().committed, Some(Bytes::from_static(b"c8")));
}

#[test]
fn a_closed_log_refuses_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    storage.log().write_blocking(append(1, 1..2)).unwrap();
    storage.close().unwrap();
    let failures = Arc::new(AtomicUsize::new(0));
    let seen = failures.clone();
    storage.log().submit(append(1, 2..3), move |result| {
        result.unwrap_err();
        seen.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(failures.load(Ordering::SeqCst), 1);
    assert_eq!(indexes(&storage, 1), [1]);
}

#[test]
fn reading_stops_at_its_budget_and_notices_holes() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    storage.log().write_blocking(append(1, 1..10)).unwrap();
    assert_eq!(storage.log().read(1, 2..9, 1).unwrap(), entries(2..3));
    assert_eq!(storage.log().read(1, 2..9, 15).unwrap(), entries(2..4));
    assert_eq!(storage.log().read(1, 2..4, 1000).unwrap(), entries(2..4));
    assert_eq!(storage.log().read(1, 10..10, 1000).unwrap(), []);
    storage.log().write_blocking(append(1, 12..13)).unwrap();
    storage.log().read(1, 5..20, 1000).unwrap_err();
}

#[test]
fn a_forgotten_shard_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    drop(storage.shard(1).unwrap());
    storage.log().write_blocking(append(1, 1..10)).unwrap();
    storage.log().write_blocking(LogOp::Vote { shard: 1, vote: Bytes::from_static(b"v") }).unwrap();
    storage.log().write_blocking(LogOp::Forget { shard: 1 }).unwrap();
    assert_eq!(storage.log().load(1).unwrap(), Default::default());
    drop(storage);
    assert!(open(&dir).shards().is_empty());
}
