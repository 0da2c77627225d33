//! The leader's clock: wall clock at election plus monotonic time, never below what the shard recorded. Where time is
//! skipped, all leaders share one clock instead.

use crate::virtual_time::VirtualTime;
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tenure_engine::{
    Op, RowKey, Timestamp, codec,
    rows::{ReadError, StateReader},
};
use tokio::{sync::watch, time::Instant};

/// The time is recorded when an entry is written anyway and the last record is older than this.
const RECORD_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Clock {
    source: Source,
    recorded: Mutex<Timestamp>,
}

enum Source {
    Own { start: Timestamp, started: Instant },
    Shared(Arc<VirtualTime>),
}

impl Clock {
    /// A new leader's clock.
    pub(crate) fn start(rows: &dyn StateReader, shared: Option<&Arc<VirtualTime>>) -> Result<Clock, ReadError> {
        let recorded = match rows.get(&RowKey::Clock)? {
            Some(value) => {
                codec::decode(&value).map_err(|e| ReadError::Corrupt { key: RowKey::Clock, cause: e.to_string() })?
            }
            None => Timestamp(0),
        };
        let source = match shared {
            Some(time) => {
                time.not_below(recorded);
                Source::Shared(time.clone())
            }
            None => Source::Own { start: wall().max(recorded), started: Instant::now() },
        };
        Ok(Clock { source, recorded: Mutex::new(Timestamp(0)) })
    }

    pub(crate) fn now(&self) -> Timestamp {
        match &self.source {
            Source::Own { start, started } => start.after(started.elapsed()),
            Source::Shared(time) => time.now(),
        }
    }

    /// When it will be `at`; now, if it was.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        match &self.source {
            Source::Own { start, started } => *started + at.since(*start),
            Source::Shared(time) => time.instant(at),
        }
    }

    /// Changes when the time has jumped, where it does.
    pub(crate) fn jumps(&self) -> Option<watch::Receiver<u64>> {
        match &self.source {
            Source::Own { .. } => None,
            Source::Shared(time) => Some(time.jumps()),
        }
    }

    /// The row that records the time, if it is time for that.
    pub(crate) fn record(&self) -> Option<Op> {
        let now = self.now();
        let mut recorded = self.recorded.lock();
        if recorded.0 != 0 && now.since(*recorded) < RECORD_EVERY {
            return None;
        }
        *recorded = now;
        Some(Op::Put(RowKey::Clock, codec::encode(&now)))
    }
}

pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
