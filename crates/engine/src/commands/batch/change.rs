//! The rows of a job that changes: its core row, its record in lists, its timer row.

use crate::{
    batch::{BatchState, state::row},
    codec,
    command::Reply,
    row::BatchPart,
    rows::{Op, RowKey, WriteSet},
    subject::{Lane, Subject},
    time::Timestamp,
    transition::types::{Effect, Transition},
};
use uuid::Uuid;

/// The subject that a job is.
pub(super) fn subject(lane: &Lane) -> Subject {
    lane.instance(Uuid::nil())
}

/// The transition by which one state of a job becomes another, with what else is written. `None` is a job that is not
/// there.
pub(super) fn change(
    lane: &Lane,
    before: Option<&BatchState>,
    after: Option<&BatchState>,
    mut ops: Vec<Op>,
) -> Transition {
    let (old, new) = (before.map(|job| job.record(lane)), after.map(|job| job.record(lane)));
    if old != new {
        let moved = |key: &RowKey| new.as_ref().is_none_or(|(new, _)| new != key);
        ops.extend(old.map(|(key, _)| key).filter(moved).map(Op::Delete));
        ops.extend(new.map(|(key, value)| Op::Put(key, value)));
    }
    ops.push(match after {
        Some(job) => Op::Put(row(lane, BatchPart::State), codec::encode(job)),
        None => Op::Delete(row(lane, BatchPart::State)),
    });
    let mut effects = Vec::new();
    let (old, new) = (before.map(|job| job.timer), after.map(|job| job.timer));
    if old != new {
        let timer = |due: Timestamp| RowKey::Timer { due, subject: subject(lane) };
        ops.extend(old.map(|due| Op::Delete(timer(due))));
        ops.extend(new.map(|due| Op::Put(timer(due), bytes::Bytes::new())));
        effects.push(Effect::TimerArmed { subject: subject(lane), due: new });
    }
    let running = |job: Option<&BatchState>| job.is_some_and(BatchState::is_running);
    if running(before) != running(after) {
        effects.push(Effect::BatchChanged { job: lane.clone(), running: running(after) });
    }
    Transition { reply: Reply::Done, writes: WriteSet { ops }, states: Vec::new(), effects, copy: None }
}
