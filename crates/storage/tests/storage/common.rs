//! What the tests of this crate share.

use bytes::Bytes;
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;
use tenure_engine::{
    key::{NamespaceId, QueueKey, RunKey, TaskKind, WorkflowKey},
    rows::{Op, RowKey, WriteSet},
};
use tenure_storage::{Applied, LogOp, Options, Purged, ShardRows, Storage, write_set};
use tenure_vital::FatalHook;
use uuid::Uuid;

pub(crate) fn options(dir: &Path) -> Options {
    let on_fatal = FatalHook(Arc::new(|cause| eprintln!("fatal: {cause}")));
    Options { on_fatal, snapshot_batch: 4 << 10, ..Options::new(dir) }
}

pub(crate) fn open(dir: &TempDir) -> Storage {
    Storage::open(options(dir.path())).unwrap()
}

/// The disk as a process that is killed now would leave it. (A power cut would also take what is not synced; see the
/// tests of the log.)
pub(crate) fn crash_image(dir: &TempDir) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    copy(dir.path(), image.path());
    image
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn workflow(id: &str) -> WorkflowKey {
    WorkflowKey { namespace: NamespaceId(Uuid::from_u128(7)), workflow_id: id.into() }
}

pub(crate) fn run(id: &str, run: u128) -> RunKey {
    workflow(id).run(Uuid::from_u128(run))
}

pub(crate) fn queue(name: &str) -> QueueKey {
    QueueKey { namespace: NamespaceId(Uuid::from_u128(7)), kind: TaskKind::Activity, name: name.into() }
}

pub(crate) fn put(key: RowKey, value: impl Into<Bytes>) -> Op {
    Op::Put(key, value.into())
}

pub(crate) fn apply(rows: &ShardRows, index: u64, ops: Vec<Op>) {
    let set = write_set::encode([&WriteSet { ops }]);
    rows.apply(&applied(index), [&set[..]]).unwrap();
}

pub(crate) fn applied(index: u64) -> Applied {
    Applied { index, meta: Bytes::from(format!("term 1 index {index}")) }
}

pub(crate) fn entries(range: std::ops::Range<u64>) -> Vec<(u64, Bytes)> {
    range.map(|index| (index, Bytes::from(format!("entry {index}")))).collect()
}

pub(crate) fn append(shard: u32, range: std::ops::Range<u64>) -> LogOp {
    LogOp::Append { shard, entries: entries(range) }
}

pub(crate) fn purge(shard: u32, index: u64) -> LogOp {
    LogOp::Purge { shard, purged: Purged { index, log_id: Bytes::from(format!("id {index}")) } }
}

pub(crate) fn indexes(storage: &Storage, shard: u32) -> Vec<u64> {
    let read = storage.log().read(shard, 0..u64::MAX, usize::MAX).unwrap();
    read.into_iter().map(|(index, _)| index).collect()
}
