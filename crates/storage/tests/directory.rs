//! Opening a data directory: what is refused, what is kept.

mod common;

use bytes::Bytes;
use common::*;
use tenure_engine::rows::RowKey;
use tenure_storage::{LogOp, OpenError, Storage};

#[test]
fn identity_is_minted_once_for_a_directory() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = open(&a).identity();
    assert_eq!(open(&a).identity(), first);
    assert_ne!(open(&b).identity(), first);
}

#[test]
fn a_directory_in_use_is_refused_with_the_owner_named() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let error = Storage::open(options(dir.path())).err().unwrap();
    assert!(matches!(&error, OpenError::InUse { pid, .. } if *pid == std::process::id().to_string()), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
    let log = storage.log().clone();
    drop(storage);
    assert!(matches!(Storage::open(options(dir.path())), Err(OpenError::InUse { .. })), "the log is still open");
    drop(log);
    open(&dir);
}

#[test]
fn a_directory_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let value = Bytes::copy_from_slice(&2_u32.to_be_bytes());
    storage.log().write_blocking(LogOp::Node { name: "format", value }).unwrap();
    drop(storage);
    let error = Storage::open(options(dir.path())).err().unwrap();
    assert!(matches!(error, OpenError::NewerFormat { found: 2, known: 1, .. }), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
}

#[test]
fn facts_about_the_node_survive() {
    let dir = tempfile::tempdir().unwrap();
    let value = Bytes::from_static(b"c1");
    open(&dir).log().write_blocking(LogOp::Node { name: "cluster", value: value.clone() }).unwrap();
    let storage = open(&dir);
    assert_eq!(storage.log().node("cluster").unwrap(), Some(value));
    assert_eq!(storage.log().node("other").unwrap(), None);
}

#[test]
fn shards_keep_their_rows_apart_and_are_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let (one, two) = (storage.shard(1).unwrap().rows, storage.shard(2).unwrap().rows);
    assert_ne!(one.incarnation(), two.incarnation());
    apply(&one, 5, vec![]);
    storage.close().unwrap();
    drop((one, two, storage));

    let storage = open(&dir);
    assert_eq!(storage.shards(), [1, 2]);
    assert_eq!(storage.shard(1).unwrap().rows.applied(), Some(applied(5)));
    assert_eq!(storage.shard(2).unwrap().rows.applied(), None);
}

#[test]
fn rows_that_are_behind_a_purged_log_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let rows = storage.shard(1).unwrap().rows;
    apply(&rows, 5, vec![]);
    storage.state().flush().unwrap();
    storage.log().write_blocking(append(1, 1..9)).unwrap();
    storage.log().write_blocking(purge(1, 5)).unwrap();
    let image = crash_image(&dir);
    drop(open(&image));
    std::fs::remove_dir_all(image.path().join("state")).unwrap();
    let error = Storage::open(options(image.path())).err().unwrap();
    assert!(matches!(error, OpenError::RowsBehindLog { shard: 1, purged: 5, applied: None, .. }), "{error}");
}

#[test]
fn stats_follow_what_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let rows = storage.shard(1).unwrap().rows;
    let empty = storage.stats();
    assert_eq!((empty.state_file_bytes, empty.stopped_databases, empty.background_errors), (0, 0, 0));
    apply(&rows, 1, vec![put(RowKey::Clock, vec![7; 1 << 20])]);
    assert!(storage.stats().unflushed_bytes >= 1 << 20);
    storage.state().flush().unwrap();
    let full = storage.stats();
    assert!(full.unflushed_bytes < 1 << 20 && full.state_file_bytes > 0 && full.memtable_bytes > 0, "{full:?}");
}
