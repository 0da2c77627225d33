//! The part of a run's state that its start fixed: kept apart from what every transition changes, and written when it
//! changes.

use crate::{
    chain::state::Chain,
    child::state::Lineage,
    codec::{self, DecodeError, field, is_default},
    feature_level::FeatureLevel,
    key::RunKey,
    proto::Encoded,
    retry::RetryPolicy,
    row::{Op, RowKey},
    time::Timestamp,
};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode, encode::Write};
use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};
use tenure_api::{
    common::v1::{Memo, Priority, SearchAttributes},
    sdk::v1::UserMetadata,
};
use uuid::Uuid;

/// The priority of a workflow task among the ready tasks of its queue, where the run has none of its own.
pub(crate) const DEFAULT_PRIORITY: u8 = 3;
const LOWEST_PRIORITY: i32 = 5;

/// The part of a run's state that its start fixed, and that workflow commands seldom change.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct ExecutionInfo {
    /// The namespace's name.
    #[cbor(n(0), with = "field")]
    pub namespace: Arc<str>,
    /// The first run of the chain (continue-as-new, retries, cron).
    #[cbor(n(1), with = "field")]
    pub first_run_id: Uuid,
    #[cbor(n(2), with = "field")]
    pub workflow_type: Arc<str>,
    #[cbor(n(3), with = "field")]
    pub task_queue: Arc<str>,
    /// The request ids of the start, and of the starts that were answered with this run and attached to it.
    #[n(4)]
    pub request_ids: Vec<AttachedRequest>,
    #[n(5)]
    pub task_timeout: Duration,
    /// The attempt of the workflow by its retry policy, counted from one.
    #[n(6)]
    pub attempt: i32,
    #[n(7)]
    pub started_at: Timestamp,
    /// The time when the first workflow task was or will be scheduled.
    #[n(8)]
    pub execution_at: Timestamp,
    #[n(9)]
    pub run_timeout: Option<Duration>,
    /// The time by which this run has to be closed.
    #[n(10)]
    pub run_expires_at: Option<Timestamp>,
    #[n(11)]
    pub execution_timeout: Option<Duration>,
    /// The time by which the chain of runs has to be closed.
    #[n(12)]
    pub execution_expires_at: Option<Timestamp>,
    #[n(13)]
    pub retry: Option<RetryPolicy>,
    #[cbor(n(14), skip_if = "is_default")]
    pub chain: Chain,
    /// The origin of a child; `None` for a run that is no child.
    #[n(15)]
    pub lineage: Option<Lineage>,
    #[n(16)]
    pub memo: Option<Encoded<Memo>>,
    #[n(17)]
    pub search_attributes: Option<Encoded<SearchAttributes>>,
    #[n(18)]
    pub user_metadata: Option<Encoded<UserMetadata>>,
    #[n(19)]
    pub priority: Option<Encoded<Priority>>,
}

/// A start request that this run answers to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AttachedRequest {
    #[cbor(n(0), with = "field")]
    pub request_id: Arc<str>,
    /// The id of the event that records it; zero while that event is buffered.
    #[n(1)]
    pub event_id: i64,
    /// The `EventType` of that event.
    #[n(2)]
    pub event_type: i32,
}

impl ExecutionInfo {
    /// The run's priority key (1 is the most urgent), or the default.
    pub(crate) fn task_priority(&self) -> u8 {
        let key = self.priority.as_ref().map_or(0, |p| p.decode().priority_key);
        match key {
            ..=0 => DEFAULT_PRIORITY,
            key => key.min(LOWEST_PRIORITY) as u8,
        }
    }
}

/// The size in bytes beyond which an encoded [`ExecutionInfo`] has a row of its own: a smaller one is not worth a
/// write.
const MAX_INFO_IN_CORE: usize = 256;

/// The [`ExecutionInfo`] of a run, and the row that has it. It dereferences to what it holds; a change of that is
/// written with the transition.
#[derive(Clone, Default)]
pub struct Info {
    /// The value, shared between the copies of a state, because it hardly ever changes.
    value: Arc<ExecutionInfo>,
    /// The bytes of its encoding, if it has not changed since.
    bytes: usize,
    /// Whether it was changed since it was written.
    changed: bool,
    /// Whether it is a part of the core row; otherwise it has a row of its own, and keeps it.
    in_core: bool,
}

impl Info {
    pub(crate) fn new(value: ExecutionInfo) -> Info {
        Info { value: Arc::new(value), bytes: 0, changed: true, in_core: true }
    }

    /// Whether both are the same value, unchanged since one was copied from the other.
    pub(crate) fn is_same(a: &Info, b: &Info) -> bool {
        Arc::ptr_eq(&a.value, &b.value)
    }

    /// The bytes of its own row; zero if it has none.
    pub(crate) fn row_bytes(&self) -> usize {
        if self.in_core { 0 } else { self.bytes }
    }

    /// Whether it has a row of its own, which has to be read besides the core row.
    pub(crate) fn has_row(&self) -> bool {
        !self.in_core
    }

    /// Loads the value from its own row.
    pub(crate) fn load(&mut self, row: &[u8]) -> Result<(), DecodeError> {
        self.value = Arc::new(codec::decode(row)?);
        self.bytes = row.len();
        Ok(())
    }

    /// Takes the write of its own row, if one is due; the core row is encoded afterwards. An info that was written
    /// below the level that knows such rows moves out of the core row here.
    pub(crate) fn take_write(&mut self, run: &RunKey, level: FeatureLevel) -> Option<Op> {
        if !self.changed && (!self.in_core || self.bytes <= MAX_INFO_IN_CORE || level < FeatureLevel::INFO_ROWS) {
            return None;
        }
        let row = codec::encode(&*self.value);
        self.changed = false;
        self.bytes = row.len();
        self.in_core &= self.bytes <= MAX_INFO_IN_CORE || level < FeatureLevel::INFO_ROWS;
        (!self.in_core).then(|| Op::Put(RowKey::Info(run.clone()), row))
    }
}

impl Deref for Info {
    type Target = ExecutionInfo;

    fn deref(&self) -> &ExecutionInfo {
        &self.value
    }
}

impl DerefMut for Info {
    fn deref_mut(&mut self) -> &mut ExecutionInfo {
        self.changed = true;
        Arc::make_mut(&mut self.value)
    }
}

/// Shows the value, wherever it is written.
impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// Compares the values, wherever they are written.
impl PartialEq for Info {
    fn eq(&self, other: &Info) -> bool {
        self.value == other.value
    }
}

/// Encodes the core row's part: the whole value, or null where it has a row of its own.
impl<C> Encode<C> for Info {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, cx: &mut C) -> Result<(), encode::Error<W::Error>> {
        debug_assert!(!self.changed, "what changed is written first");
        self.in_core.then_some(&*self.value).encode(to, cx)
    }
}

impl<'b, C> Decode<'b, C> for Info {
    fn decode(from: &mut Decoder<'b>, cx: &mut C) -> Result<Self, decode::Error> {
        let begin = from.position();
        let Some(value) = Option::<ExecutionInfo>::decode(from, cx)? else { return Ok(Info::default()) };
        Ok(Info { value: Arc::new(value), bytes: from.position() - begin, changed: false, in_core: true })
    }
}
