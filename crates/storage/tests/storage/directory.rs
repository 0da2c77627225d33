//! Opening a data directory: what is refused, what is kept.

use crate::common::*;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
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
fn a_directory_of_another_format_is_refused() {
    let check = |format: u32, expected: fn(&OpenError) -> bool| {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(&dir);
        let value = Bytes::copy_from_slice(&format.to_be_bytes());
        storage.log().write_blocking(LogOp::Node { name: "format", value }).unwrap();
        drop(storage);
        let error = Storage::open(options(dir.path())).err().unwrap();
        assert!(expected(&error), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    };
    check(4, |error| matches!(error, OpenError::NewerFormat { found: 4, known: 3, .. }));
    check(2, |error| matches!(error, OpenError::OlderFormat { found: 2, oldest: 3, .. }));
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

/// A directory with a shard whose log is purged up to entry 5, as a crash leaves it.
fn purged() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let rows = storage.shard(1).unwrap().rows;
    apply(&rows, 5, vec![put(RowKey::Clock, vec![1])]);
    storage.state().flush().unwrap();
    storage.log().write_blocking(append(1, 1..9)).unwrap();
    storage.log().write_blocking(purge(1, 5)).unwrap();
    crash_image(&dir)
}

#[test]
fn rows_that_are_behind_a_purged_log_are_refused() {
    let dir = purged();
    let older = tempfile::tempdir().unwrap();
    let storage = open(&older);
    apply(&storage.shard(1).unwrap().rows, 3, vec![]);
    storage.close().unwrap();
    drop(storage);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    fs::rename(older.path().join("state"), dir.path().join("state")).unwrap();
    let error = Storage::open(options(dir.path())).err().unwrap();
    assert!(matches!(error, OpenError::RowsBehindLog { shard: 1, purged: 5, applied: Some(3), .. }), "{error}");
}

/// All files below a directory with their sizes.
fn files(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
        if kind.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::metadata(path).unwrap().len());
        }
    }
    found
}

/// F58: a file system that is not mounted, files that were deleted. Nothing is made anew, nothing is deleted; and when
/// the missing part is back, so is the node.
#[test]
fn a_directory_of_which_a_part_is_gone_is_refused_and_left_alone() {
    type Harm = fn(&Path);
    let gone: Harm = |part| fs::remove_dir_all(part).unwrap();
    let empty: Harm = |part| {
        fs::remove_dir_all(part).unwrap();
        fs::create_dir(part).unwrap();
    };
    let only_the_lock: Harm = |part| {
        fs::remove_dir_all(part).unwrap();
        fs::create_dir(part).unwrap();
        fs::write(part.join("LOCK"), "").unwrap();
    };
    let no_current: Harm = |part| fs::remove_file(part.join("CURRENT")).unwrap();
    for part in ["log", "state"] {
        for harm in [gone, empty, only_the_lock, no_current] {
            let dir = purged();
            let (identity, whole) = (open(&dir).identity(), crash_image(&dir));
            harm(&dir.path().join(part));
            if part == "log" {
                // What is half received must be left alone, too.
                fs::create_dir(dir.path().join("incoming")).unwrap();
                fs::write(dir.path().join("incoming/1"), "x").unwrap();
            }
            let before = files(&dir.path().join("state"));
            for _ in 0..2 {
                let error = Storage::open(options(dir.path())).err().unwrap();
                assert!(matches!(&error, OpenError::HalfGone { part: lost, .. } if *lost == part), "{part}: {error}");
                let text = error.to_string();
                assert!(
                    text.lines().count() == 1 && text.contains(&*dir.path().join(part).to_string_lossy()),
                    "{text}"
                );
            }
            assert_eq!(files(&dir.path().join("state")), before);
            assert!(part == "state" || dir.path().join("incoming/1").exists());
            let _ = fs::remove_dir_all(dir.path().join(part));
            fs::rename(whole.path().join(part), dir.path().join(part)).unwrap();
            let storage = open(&dir);
            assert_eq!(storage.identity(), identity);
            assert_eq!(storage.shard(1).unwrap().rows.applied(), Some(applied(5)));
        }
    }
}

/// F58: a new log, made by a build that did not look, does not make rubbish of the rows.
#[test]
fn rows_without_any_pointer_are_not_deleted() {
    let (dir, other) = (purged(), tempfile::tempdir().unwrap());
    drop(open(&other));
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    fs::rename(other.path().join("log"), dir.path().join("log")).unwrap();
    for _ in 0..2 {
        let error = Storage::open(options(dir.path())).err().unwrap();
        assert!(matches!(&error, OpenError::HalfGone { part: "log", .. }), "{error}");
    }
}

/// A state that is gone while the log has everything is made anew from the log.
#[test]
fn a_state_that_the_log_can_make_again_may_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    apply(&storage.shard(1).unwrap().rows, 5, vec![]);
    storage.log().write_blocking(append(1, 1..9)).unwrap();
    storage.close().unwrap();
    drop(storage);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    assert_eq!(open(&dir).shard(1).unwrap().rows.applied(), None);
}

/// A start that was cut short before there was a database has left nothing of value.
#[test]
fn what_a_first_start_left_unfinished_is_a_new_directory() {
    for rest in ["log/LOCK", "log/LOG", "log/MANIFEST-000001", "state/LOCK"] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(rest);
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
        open(&dir);
    }
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

/// F47: neither database waits for the other's flush or compaction, and files reach the disk as they are written.
#[test]
#[cfg(target_os = "linux")]
fn both_databases_share_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let names: Vec<String> = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .collect();
    for pool in ["rocksdb:high", "rocksdb:low"] {
        assert_eq!(names.iter().filter(|name| name.starts_with(pool)).count(), 2, "{pool} of {names:?}");
    }
    for database in ["log", "state"] {
        let files = std::fs::read_dir(dir.path().join(database)).unwrap().map(|file| file.unwrap().path());
        let options = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("OPTIONS"));
        let written = std::fs::read_to_string(options.max().unwrap()).unwrap();
        assert!(written.contains("  bytes_per_sync=1048576"), "{written}");
        assert!(written.contains("wal_bytes_per_sync=0"), "{written}");
    }
    drop(storage);
}
