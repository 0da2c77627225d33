//! What lists find a run by: its record, and its rows in the indexes of attributes. They are written in the transition
//! that changes what they say, so a list is as true as a read.

mod index;
mod record;
mod value;

use index::index_value;
pub use index::{IndexRow, position_of};
#[cfg(test)]
pub(crate) use record::RecordRow;
pub use record::{Divided, RunRecord, Shown};

use crate::{
    activity::describe::paused_types,
    codec::is_default,
    describe,
    info::Info,
    key::RunKey,
    row::{Op, RowKey},
    state::ExecutionState,
    subject::Lane,
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use tenure_api::workflow::v1::WorkflowExecutionInfo;
use tenure_filter::Record;

/// How far the runs of before are known to lists; the value of [`RowKey::ListFill`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Filling {
    /// The last run that is known, in the order of core rows.
    #[n(0)]
    pub after: Option<RunKey>,
    #[n(1)]
    pub done: bool,
    /// Runs that could not be made known to lists; these lack them.
    #[cbor(n(2), skip_if = "is_default")]
    pub left_out: u64,
}

/// Whether what lists show of a run has changed.
pub(crate) fn is_changed(before: &ExecutionState, after: &ExecutionState) -> bool {
    before.status() != after.status()
        || before.paused != after.paused
        || before.is_deleted() != after.is_deleted()
        || !Info::is_same(&before.info, &after.info)
        || before.workflow_task.reported_failure != after.workflow_task.reported_failure
        || paused_types(before) != paused_types(after)
}

/// The writes by which the rows of one state of a run become those of another. `None` is a run that lists do not know.
pub(crate) fn writes(run: &RunKey, before: Option<&ExecutionState>, after: Option<&ExecutionState>) -> Vec<Op> {
    let of = |state: Option<&ExecutionState>| state.map(|state| rows(run, state)).unwrap_or_default();
    changes(&of(before), of(after))
}

/// The writes by which these rows become those.
pub(crate) fn changes(old: &BTreeMap<RowKey, Bytes>, new: BTreeMap<RowKey, Bytes>) -> Vec<Op> {
    let gone = old.keys().filter(|key| !new.contains_key(key)).cloned().map(Op::Delete);
    let mut writes: Vec<_> = gone.collect();
    let written = new.into_iter().filter(|(key, value)| old.get(key) != Some(value));
    writes.extend(written.map(|(key, value)| Op::Put(key, value)));
    writes
}

/// The record, and the rows in indexes. A run of a namespace division is only in the index of divisions, so that the other
/// indexes have what queries without one look for, and nothing else.
fn rows(run: &RunKey, state: &ExecutionState) -> BTreeMap<RowKey, Bytes> {
    if state.is_deleted() { BTreeMap::new() } else { rows_of(run, listed(run, state)) }
}

/// The rows of a run of which lists show this.
pub fn rows_of(run: &RunKey, info: WorkflowExecutionInfo) -> BTreeMap<RowKey, Bytes> {
    rows_of_record(&run.workflow.clone().into(), &RunRecord::new(info))
}

/// The rows of a record: itself, and those in indexes.
pub(crate) fn rows_of_record(lane: &Lane, record: &RunRecord) -> BTreeMap<RowKey, Bytes> {
    let Lane { kind, namespace, .. } = *lane;
    let position = record.position();
    let value = index_value(lane.slot(), &position, record.info().status);
    let index = |(field, key): (String, Vec<u8>)| {
        let place = [key, position.clone()].concat().into();
        (RowKey::Index { kind, namespace, field: field.into(), place }, value.clone())
    };
    let mut rows: BTreeMap<_, _> = record.index_keys().map(index).collect();
    rows.insert(RowKey::Record { kind, namespace, position: position.clone().into() }, record.encode());
    rows
}

/// The part of a run's description that lists show. Like the reference server's, they count events and bytes of a run once
/// it is closed.
fn listed(run: &RunKey, state: &ExecutionState) -> WorkflowExecutionInfo {
    let info = describe::info(run, state);
    let open = state.is_running();
    let counted = |number: i64| if open { 0 } else { number };
    WorkflowExecutionInfo {
        execution: info.execution,
        r#type: info.r#type,
        start_time: info.start_time,
        close_time: info.close_time,
        status: info.status,
        history_length: counted(info.history_length),
        parent_execution: info.parent_execution,
        execution_time: info.execution_time,
        memo: info.memo,
        search_attributes: info.search_attributes,
        task_queue: info.task_queue,
        state_transition_count: counted(info.state_transition_count),
        history_size_bytes: counted(info.history_size_bytes),
        execution_duration: info.execution_duration,
        root_execution: info.root_execution,
        ..Default::default()
    }
}
