//! History that one run takes over from another: copied in pieces, ahead of the entry that creates the run. Until then
//! the rows belong to nobody; if the entry never comes, the run's timer row has them removed.

use crate::{
    key::RunKey,
    proto::events_in,
    rows::{Op, ReadError, RowKey, StateReader, WriteSet},
    time::Timestamp,
};
use bytes::{Bytes, BytesMut};
use std::{fmt::Display, time::Duration};
use tenure_limits::{HISTORY_PAGE, HISTORY_ROW};
use uuid::Uuid;

/// The time that a copy may take until its rows count as left over.
const COPY_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// The events of a run that are copied to a new one. Both runs are of one workflow id.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryCopy {
    pub from: RunKey,
    /// The first event that is not copied.
    pub before: i64,
    pub to: RunKey,
}

impl HistoryCopy {
    /// The first event of the first piece.
    pub const BEGIN: i64 = 1;

    /// The rows of the piece that begins with event `begin`, and the first event of the next one; `None` at the end.
    pub fn piece(&self, rows: &dyn StateReader, begin: i64) -> Result<Option<(WriteSet, i64)>, ReadError> {
        if begin >= self.before {
            return Ok(None);
        }
        let mut builder = RowBuilder { to: &self.to, first_event_id: begin, row: BytesMut::new(), ops: Vec::new() };
        let mut next = begin;
        let corrupt = |first, cause: &dyn Display| ReadError::history(&self.from, first, cause);
        'page: for (first_event_id, chunk) in rows.history_rows(&self.from, begin, HISTORY_PAGE)? {
            if next != first_event_id {
                return Err(corrupt(first_event_id, &format!("event {next} is missing before it")));
            }
            for event in events_in(&chunk) {
                if next == self.before {
                    break 'page;
                }
                let event = event.map_err(|error| corrupt(first_event_id, &error))?;
                builder.add(next, &event.framed);
                next += 1;
            }
        }
        if next == begin {
            return Err(corrupt(begin, &"it is missing"));
        }
        if begin == HistoryCopy::BEGIN {
            builder.ops.push(Op::Put(timer(&self.to), Bytes::new()));
        }
        Ok(Some((WriteSet { ops: builder.finish(next) }, next)))
    }

    /// The time from which the rows count as left over, if the new run was not created.
    pub fn expires(&self) -> Timestamp {
        expires(self.to.run_id)
    }
}

/// The row that waits for a copy to expire.
pub(crate) fn timer(to: &RunKey) -> RowKey {
    RowKey::Timer { due: expires(to.run_id), subject: to.into() }
}

/// The time at which the copy for a run expires; the run's id contains the time of its creation.
pub(crate) fn expires(run_id: Uuid) -> Timestamp {
    let made = run_id.get_timestamp().map(|at| at.to_unix());
    let nanos = made.and_then(|(seconds, nanos)| {
        i64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(nanos.into())
    });
    nanos.map_or(Timestamp::MAX, |nanos| Timestamp(nanos).plus(COPY_TIMEOUT))
}

/// Gathers events into rows of limited size.
struct RowBuilder<'a> {
    to: &'a RunKey,
    /// The first event of the row that is being gathered.
    first_event_id: i64,
    row: BytesMut,
    ops: Vec<Op>,
}

impl RowBuilder<'_> {
    fn add(&mut self, event_id: i64, event: &[u8]) {
        if self.row.len() + event.len() > HISTORY_ROW {
            self.end_row(event_id);
        }
        self.row.extend_from_slice(event);
    }

    fn end_row(&mut self, next_event_id: i64) {
        if !self.row.is_empty() {
            let row = RowKey::History { run: self.to.clone(), first_event_id: self.first_event_id };
            self.ops.push(Op::Put(row, self.row.split().freeze()));
            self.first_event_id = next_event_id;
        }
    }

    fn finish(mut self, next_event_id: i64) -> Vec<Op> {
        self.end_row(next_event_id);
        self.ops
    }
}
