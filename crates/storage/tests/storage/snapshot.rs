//! Rebuilding a replica from another one's rows.

use crate::common::*;
use tenure_engine::{
    rows::{Op, ReadError, RowKey, StateReader},
    time::Timestamp,
};
use tenure_storage::{ShardRows, Storage};

/// Rows in all families, more than a batch's worth, with overwritten and deleted ones between them.
fn fill(storage: &Storage, rows: &ShardRows) {
    for n in 1..=200 {
        let id = format!("w{}", n % 50);
        let run = run(&id, n);
        apply(
            rows,
            n as u64,
            vec![
                put(RowKey::Current(workflow(&id)), format!("run {n}")),
                put(RowKey::History { run: run.clone(), first_event_id: 1 }, vec![n as u8; 100]),
                put(RowKey::Timer { due: Timestamp(n as i64), subject: run.clone().into() }, ""),
            ],
        );
        if n % 3 == 0 {
            apply(rows, n as u64, vec![Op::Delete(RowKey::Timer { due: Timestamp(n as i64), subject: run.into() })]);
        }
        if n == 100 {
            storage.state().flush().unwrap();
        }
    }
}

fn transfer(from: &ShardRows, to: &Storage) -> ShardRows {
    let mut ingest = to.state().ingest().unwrap();
    let export = from.export().unwrap();
    assert_eq!(export.applied().unwrap(), from.applied());
    let mut batches = 0;
    for batch in export {
        ingest.add(&batch.unwrap()).unwrap();
        batches += 1;
    }
    assert!(batches > 3, "the test is to see batches, and saw {batches}");
    ingest.finish().unwrap()
}

#[tokio::test]
async fn a_rebuilt_replica_has_the_same_rows_also_after_a_crash() {
    let (from_dir, to_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (open(&from_dir), open(&to_dir));
    let source = from.shard(1).unwrap().rows;
    fill(&from, &source);
    let old = to.shard(1).unwrap().rows;
    apply(&old, 3, vec![put(RowKey::Current(workflow("gone")), "x")]);

    let new = transfer(&source, &to);
    assert_eq!((new.applied(), new.durable()), (Some(applied(200)), Some(applied(200))));
    assert_eq!(new.checksum(0, || ()).unwrap(), source.checksum(0, || ()).unwrap());
    to.install(1, &old, &new).await.unwrap();

    let restarted = open(&crash_image(&to_dir)).shard(1).unwrap().rows;
    assert_eq!(restarted.applied(), Some(applied(200)));
    assert_eq!(restarted.checksum(0, || ()).unwrap(), source.checksum(0, || ()).unwrap());
    assert_eq!(restarted.reader().get(&RowKey::Current(workflow("gone"))).unwrap(), None);

    // Both go on alike.
    for rows in [&source, &new] {
        apply(rows, 201, vec![put(RowKey::Clock, "same")]);
    }
    assert_eq!(new.checksum(0, || ()).unwrap(), source.checksum(0, || ()).unwrap());
    apply(&new, 202, vec![put(RowKey::Clock, "differs")]);
    assert_ne!(new.checksum(0, || ()).unwrap().checksum, source.checksum(0, || ()).unwrap().checksum);
}

#[tokio::test]
async fn readers_of_replaced_rows_are_told_and_never_see_them_empty() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let old = storage.shard(1).unwrap().rows;
    fill(&storage, &old);
    let reader = old.reader();
    let view = reader.view().unwrap();
    let mut export = old.export().unwrap();
    export.next().unwrap().unwrap();

    let new = transfer(&old, &storage);
    storage.install(1, &old, &new).await.unwrap();
    let key = RowKey::Current(workflow("w1"));
    assert!(view.get(&key).unwrap().is_some(), "a view that was taken before stays whole");
    assert!(matches!(reader.get(&key), Err(ReadError::Storage(_))));
    assert!(reader.view().is_err());
    assert!(export.next().unwrap().is_err());
    assert!(old.apply(&applied(300), []).is_err());
    assert!(new.reader().get(&key).unwrap().is_some());
}

#[test]
fn a_snapshot_that_was_not_installed_is_deleted_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let rows = storage.shard(1).unwrap().rows;
    fill(&storage, &rows);
    storage.state().flush().unwrap();
    let orphan = transfer(&rows, &storage);
    let mut half = storage.state().ingest().unwrap();
    half.add(&rows.export().unwrap().next().unwrap().unwrap()).unwrap();

    let image = crash_image(&dir);
    let restarted = open(&image);
    let found = restarted.shard(1).unwrap().rows;
    assert_eq!(found.incarnation(), rows.incarnation());
    assert_eq!(found.checksum(0, || ()).unwrap(), rows.checksum(0, || ()).unwrap());
    assert!(!image.path().join("incoming").exists());
    let fresh = restarted.shard(2).unwrap().rows;
    assert!(fresh.incarnation() > orphan.incarnation(), "numbers are not used again");
    assert_eq!(fresh.checksum(0, || ()).unwrap().rows, 0);
}

#[test]
fn an_export_sees_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let rows = storage.shard(1).unwrap().rows;
    fill(&storage, &rows);
    let before = rows.checksum(0, || ()).unwrap();
    let mut ingest = storage.state().ingest().unwrap();
    for (n, batch) in rows.export().unwrap().enumerate() {
        ingest.add(&batch.unwrap()).unwrap();
        let late = RowKey::History { run: run("late", n as u128), first_event_id: 1 };
        apply(&rows, 300 + n as u64, vec![put(late, "late")]);
    }
    assert_eq!(ingest.finish().unwrap().checksum(0, || ()).unwrap(), before);
}

#[test]
fn batches_out_of_order_or_with_other_things_than_rows_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let rows = storage.shard(1).unwrap().rows;
    fill(&storage, &rows);
    let batches: Vec<_> = rows.export().unwrap().map(Result::unwrap).collect();
    let mut ingest = storage.state().ingest().unwrap();
    ingest.add(&batches[1]).unwrap();
    ingest.add(&batches[0]).unwrap_err();
    let delete = tenure_engine::WriteSet { ops: vec![Op::Delete(RowKey::Clock)] };
    storage.state().ingest().unwrap().add(&tenure_storage::write_set::encode([&delete])).unwrap_err();
}
