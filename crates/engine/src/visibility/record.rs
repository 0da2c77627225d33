//! A run's record: what lists show of it, and what filters and indexes see of it.

use super::value::{Owned, show_plainly, value_of};
use crate::{
    codec::{self, DecodeError, field, is_default},
    key::{NamespaceId, RunKey, WorkflowKey},
    time::Timestamp,
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use prost::Message;
use std::{cell::OnceCell, collections::BTreeMap};
use tenure_api::{common::v1::WorkflowExecution, workflow::v1::WorkflowExecutionInfo};
use tenure_filter::{Index, Record, Value, encode};

/// The attribute by which runs are kept apart from those that a query finds without naming it.
const DIVISION: &str = "TemporalNamespaceDivision";

/// The attributes that every run has a row for in an index, even if it has no value.
const OF_ALL: [&str; 5] = ["CloseTime", "ExecutionStatus", "StartTime", "WorkflowId", "WorkflowType"];

/// The attributes of runs that only those with a value have a row for.
const OF_SOME: [&str; 1] = ["ParentWorkflowId"];

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

/// A record, as far as it is known without being decoded as a whole: whether the run is in a namespace division, which one
/// left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divided(bool);

impl Divided {
    /// Reads the value of a [`RowKey::Record`](crate::RowKey::Record).
    pub fn read(row: &[u8]) -> Result<Divided, DecodeError> {
        Ok(Divided(codec::decode::<RecordRow>(row)?.divided))
    }
}

impl Record for Divided {
    fn value(&self, field: &str) -> Value<'_> {
        if self.0 && field == DIVISION { Value::Keyword("") } else { Value::Null }
    }

    fn position(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// What a list shows of a run.
#[derive(Debug)]
pub enum Shown {
    /// The encoded [`WorkflowExecutionInfo`].
    Whole(Bytes),
    /// The run's info has the memo.
    WithoutMemo(Box<RunRecord>),
}

/// A run as lists know it.
#[derive(Clone, Debug)]
pub struct RunRecord {
    info: WorkflowExecutionInfo,
    /// The search attributes that the run was given, and those that the server gave it, by their names in lists; read when
    /// they are asked for.
    attributes: OnceCell<BTreeMap<String, Owned>>,
    /// Whether the memo is left out.
    memo_apart: bool,
}

impl RunRecord {
    /// The record of what lists show of a run.
    pub(crate) fn new(info: WorkflowExecutionInfo) -> RunRecord {
        let mut record = RunRecord::of_other(info);
        record.memo_apart = record.info.memo.take_if(|memo| memo.encoded_len() > LARGE_MEMO).is_some();
        record
    }

    /// The record of what lists show of another subject, in the form of a run's. Its memo is never left out.
    pub(crate) fn of_other(mut info: WorkflowExecutionInfo) -> RunRecord {
        for payload in info.search_attributes.iter_mut().flat_map(|all| all.indexed_fields.values_mut()) {
            show_plainly(payload);
        }
        RunRecord { attributes: OnceCell::new(), info, memo_apart: false }
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
        Ok(RunRecord { attributes: OnceCell::new(), info, memo_apart })
    }

    /// What a list shows of a run, from the value of a [`RowKey::Record`](crate::RowKey::Record).
    pub fn shown(row: &[u8]) -> Result<Shown, DecodeError> {
        let RecordRow { info, memo_apart, .. } = codec::decode(row)?;
        if memo_apart { Ok(Shown::WithoutMemo(Box::new(RunRecord::decode(row)?))) } else { Ok(Shown::Whole(info)) }
    }

    /// The run, of a namespace.
    pub fn run(&self, namespace: NamespaceId) -> RunKey {
        let execution = self.info.execution.clone().unwrap_or_default();
        let workflow = WorkflowKey { namespace, workflow_id: execution.workflow_id.into() };
        workflow.run(execution.run_id.parse().unwrap_or_default())
    }

    /// What lists show of the run.
    pub fn info(&self) -> &WorkflowExecutionInfo {
        &self.info
    }

    /// The keys that indexes have for the run, by the names of their attributes.
    pub fn index_keys(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        let divided = self.is_divided();
        let of_all = OF_ALL.into_iter().map(|field| (field, self.value(field)));
        let of_some = OF_SOME.into_iter().map(|field| (field, self.value(field)));
        let given = self.attributes().iter().map(|(field, value)| (field.as_str(), value.as_value()));
        let all = of_all.chain(of_some.chain(given).filter(|(_, value)| *value != Value::Null));
        let indexed = all.filter(move |(field, _)| !divided || *field == DIVISION);
        indexed.flat_map(|(field, value)| encode::keys(value).into_iter().map(move |key| (field.to_owned(), key)))
    }

    /// The index of an attribute, if it has one: all have that runs are given.
    pub fn index(field: &str) -> Option<Index> {
        let has_nulls = OF_ALL.contains(&field);
        let indexed = has_nulls || OF_SOME.contains(&field) || !tenure_filter::is_fixed(field);
        indexed.then_some(Index { has_nulls })
    }

    fn is_divided(&self) -> bool {
        self.attributes().contains_key(DIVISION)
    }

    fn attributes(&self) -> &BTreeMap<String, Owned> {
        self.attributes.get_or_init(|| attributes_of(&self.info))
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
            given => self.attributes().get(given).map_or(Value::Null, Owned::as_value),
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
