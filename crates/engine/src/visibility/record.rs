//! A run's record: what lists show of it, and what filters and indexes see of it.

use super::value::{Owned, value_of};
use crate::{
    codec::{self, DecodeError, field, is_default},
    time::Timestamp,
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use prost::Message;
use std::collections::BTreeMap;
use tenure_api::{common::v1::WorkflowExecution, workflow::v1::WorkflowExecutionInfo};
use tenure_filter::{Record, Value, encode};

/// The attribute by which runs are kept apart from those that a query finds without naming it.
const DIVISION: &str = "TemporalNamespaceDivision";

/// The attributes of every run that have an index. A run without a value has no row in it.
const INDEXED: [&str; 6] =
    ["CloseTime", "ExecutionStatus", "ParentWorkflowId", "StartTime", "WorkflowId", "WorkflowType"];

/// The value of [`RowKey::Record`](crate::RowKey::Record).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct RecordRow {
    /// An encoded [`WorkflowExecutionInfo`], as lists answer it.
    #[cbor(n(0), with = "field")]
    info: Bytes,
    /// Whether the run is in a namespace division.
    #[cbor(n(1), skip_if = "is_default")]
    divided: bool,
    /// Whether the run's memo is not in `info` because it is large: the run's info has it.
    #[cbor(n(2), skip_if = "is_default")]
    memo_apart: bool,
}

/// The size in bytes of an encoded memo beyond which a record does without: it would be written again with each change.
/// An [`ExecutionInfo`](crate::info::ExecutionInfo) that has such a one has a row of its own.
const LARGE_MEMO: usize = 1 << 10;

/// A run as lists know it.
#[derive(Clone, Debug)]
pub struct RunRecord {
    info: WorkflowExecutionInfo,
    /// The search attributes that the run was given, and those that the server gave it, by their names in lists.
    attributes: BTreeMap<String, Owned>,
    /// Whether the memo is left out.
    memo_apart: bool,
}

impl RunRecord {
    /// The record of what lists show of a run.
    pub(crate) fn new(mut info: WorkflowExecutionInfo) -> RunRecord {
        let memo_apart = info.memo.take_if(|memo| memo.encoded_len() > LARGE_MEMO).is_some();
        RunRecord { attributes: attributes_of(&info), info, memo_apart }
    }

    /// The value of the run's [`RowKey::Record`](crate::RowKey::Record).
    pub(crate) fn encode(&self) -> Bytes {
        let RunRecord { info, memo_apart, .. } = self;
        let info = info.encode_to_vec().into();
        codec::encode(&RecordRow { info, divided: self.is_divided(), memo_apart: *memo_apart })
    }

    /// Reads the value of a [`RowKey::Record`](crate::RowKey::Record).
    pub fn decode(row: &[u8]) -> Result<RunRecord, DecodeError> {
        let RecordRow { info, memo_apart, .. } = codec::decode(row)?;
        let info = WorkflowExecutionInfo::decode(info)
            .map_err(|error| DecodeError::Malformed(minicbor::decode::Error::message(error)))?;
        Ok(RunRecord { attributes: attributes_of(&info), info, memo_apart })
    }

    /// What lists show of the run.
    pub fn info(&self) -> &WorkflowExecutionInfo {
        &self.info
    }

    /// Whether the memo has to be read from the run's info.
    pub fn is_memo_apart(&self) -> bool {
        self.memo_apart
    }

    /// The keys that indexes have for the run, by the names of their attributes.
    pub fn index_keys(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        let divided = self.is_divided();
        let fixed = INDEXED.into_iter().map(|field| (field, self.value(field)));
        let all = fixed.chain(self.attributes.iter().map(|(field, value)| (field.as_str(), value.as_value())));
        let indexed = all.filter(move |(field, value)| *value != Value::Null && (!divided || *field == DIVISION));
        indexed.flat_map(|(field, value)| encode::keys(value).into_iter().map(move |key| (field.to_owned(), key)))
    }

    /// Whether an attribute has an index: all have that runs are given.
    pub fn is_indexed(field: &str) -> bool {
        INDEXED.contains(&field) || !tenure_filter::is_fixed(field)
    }

    fn is_divided(&self) -> bool {
        self.attributes.contains_key(DIVISION)
    }

    /// A number that is known of closed runs only.
    fn counted(&self, number: i64) -> Value<'_> {
        if self.info.close_time.is_some() { Value::Int(number) } else { Value::Null }
    }
}

impl Record for RunRecord {
    fn value(&self, field: &str) -> Value<'_> {
        let info = &self.info;
        match field {
            "CloseTime" => time(info.close_time.as_ref()),
            "ExecutionDuration" => info.execution_duration.as_ref().map_or(Value::Null, |duration| {
                Value::Int(duration.seconds.saturating_mul(1_000_000_000).saturating_add(duration.nanos.into()))
            }),
            "ExecutionStatus" => Value::Int(info.status.into()),
            "ExecutionTime" => time(info.execution_time.as_ref()),
            "HistoryLength" => self.counted(info.history_length),
            "HistorySizeBytes" => self.counted(info.history_size_bytes),
            "ParentRunId" => run_id(info.parent_execution.as_ref()),
            "ParentWorkflowId" => workflow_id(info.parent_execution.as_ref()),
            "RootRunId" => run_id(info.root_execution.as_ref()),
            "RootWorkflowId" => workflow_id(info.root_execution.as_ref()),
            "RunId" => run_id(info.execution.as_ref()),
            "StartTime" => time(info.start_time.as_ref()),
            "StateTransitionCount" => self.counted(info.state_transition_count),
            "TaskQueue" => Value::Keyword(&info.task_queue),
            "WorkflowId" => workflow_id(info.execution.as_ref()),
            "WorkflowType" => info.r#type.as_ref().map_or(Value::Null, |kind| Value::Keyword(&kind.name)),
            given => self.attributes.get(given).map_or(Value::Null, Owned::as_value),
        }
    }

    fn position(&self) -> Vec<u8> {
        let nanos = |time: &prost_types::Timestamp| Timestamp::from_proto(time).0;
        let closed = self.info.close_time.as_ref().map(nanos);
        let started = self.info.start_time.as_ref().map_or(0, nanos);
        let run_id = self.info.execution.as_ref().and_then(|execution| execution.run_id.parse().ok());
        encode::position(closed, started, run_id.unwrap_or(uuid::Uuid::nil()).into_bytes())
    }
}

fn attributes_of(info: &WorkflowExecutionInfo) -> BTreeMap<String, Owned> {
    let given = info.search_attributes.iter().flat_map(|all| &all.indexed_fields);
    given.filter_map(|(name, payload)| value_of(name, payload)).collect()
}

fn time(time: Option<&prost_types::Timestamp>) -> Value<'_> {
    time.map_or(Value::Null, |time| Value::Datetime(Timestamp::from_proto(time).0))
}

fn workflow_id(of: Option<&WorkflowExecution>) -> Value<'_> {
    of.map_or(Value::Null, |execution| Value::Keyword(&execution.workflow_id))
}

fn run_id(of: Option<&WorkflowExecution>) -> Value<'_> {
    of.map_or(Value::Null, |execution| Value::Keyword(&execution.run_id))
}
