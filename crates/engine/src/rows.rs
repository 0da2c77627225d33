//! Committed rows, as a transition reads them.

pub use crate::row::{
    ActivityPart, BatchPart, CurrentRun, Op, PendingKind, ReadyTask, RowKey, SchedulePart, SystemTable, WriteSet,
};

use crate::{
    key::{NamespaceId, RunKey},
    state::ExecutionState,
    subject::{Subject, SubjectKind, SubjectState},
};
use bytes::Bytes;
use std::{fmt, ops::ControlFlow, sync::Arc};
use tenure_api::{history::v1::HistoryEvent, text::prefix};

/// Committed rows, as a transition reads them. All reads of one transition see the same rows.
///
/// Implementations: over RocksDB (`storage`), with the leader's cache and the rows of commands that share the entry
/// on top (`shard`), and over a `BTreeMap` in tests.
pub trait StateReader {
    /// The decoded state of a run: core row and everything that spilled.
    fn execution(&self, run: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError>;
    /// The decoded state of a subject, where somebody keeps it; otherwise its rows have to be read.
    fn state(&self, _: &Subject) -> Option<SubjectState> {
        None
    }
    /// The value of a row.
    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError>;
    /// One event of a run's history (an activity's scheduled event carries its input).
    fn event(&self, run: &RunKey, event_id: i64) -> Result<Option<HistoryEvent>, ReadError>;
    /// Rows of a run's history in order, with the id of their first event, beginning with the first row at `from` or
    /// later. Ends early once there are `max_bytes`, but not before one row.
    fn history_rows(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<(i64, Bytes)>, ReadError>;
    /// The rows of a system table in key order.
    fn system_rows(&self, table: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError>;
}

/// A table of timers, in order of their due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerTable {
    /// The timers of schedules: very many may be due at once, and no other timer is behind them.
    Schedules,
    /// All other timers.
    Others,
}

impl TimerTable {
    /// The table of a subject's timer.
    pub fn of(subject: &Subject) -> TimerTable {
        match subject.lane.kind {
            SubjectKind::SCHEDULE => TimerTable::Schedules,
            _ => TimerTable::Others,
        }
    }
}

/// A table of rows for lists, each in the order of its keys' last part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListTable<'a> {
    pub kind: SubjectKind,
    pub namespace: NamespaceId,
    /// The attribute whose index it is, whose rows are [`RowKey::Index`] by their places; `None` for the records, which are
    /// [`RowKey::Record`] by their positions.
    pub field: Option<&'a str>,
}

/// A part of a table, from `start` up to `end` without it; an empty `end` is behind all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRange {
    pub start: Vec<u8>,
    pub end: Vec<u8>,
    /// Whether the last rows come first.
    pub reverse: bool,
}

/// What looks at rows of such a table, each by the last part of its key and by its value, for as long as it says so.
pub type ListVisit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// The error for a row that could not be read or decoded. The shard stops serving: rows that cannot be read are not
/// guessed at.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("storage: {0}")]
    Storage(String),
    #[error("{key} cannot be decoded: {}", prefix(cause, 200))]
    Corrupt { key: RowKey, cause: String },
}

impl ReadError {
    /// The error for a row that holds something else than it should.
    pub fn corrupt(key: RowKey, cause: impl fmt::Display) -> ReadError {
        ReadError::Corrupt { key, cause: cause.to_string() }
    }

    /// The error for a row of history that cannot be read.
    pub fn history(run: &RunKey, first_event_id: i64, cause: impl fmt::Display) -> ReadError {
        ReadError::corrupt(RowKey::History { run: run.clone(), first_event_id }, cause)
    }
}
