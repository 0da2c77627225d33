//! The leader's clock: wall clock at election plus monotonic time, never below what the shard recorded.

use parking_lot::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tenure_engine::{
    Op, RowKey, Timestamp, codec,
    rows::{ReadError, StateReader},
};
use tokio::time::Instant;

/// The time is recorded when an entry is written anyway and the last record is older than this.
const RECORD_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Clock {
    start: Timestamp,
    started: Instant,
    recorded: Mutex<Timestamp>,
}

impl Clock {
    /// A new leader's clock.
    pub(crate) fn start(rows: &dyn StateReader) -> Result<Clock, ReadError> {
        let recorded = match rows.get(&RowKey::Clock)? {
            Some(value) => {
                codec::decode(&value).map_err(|e| ReadError::Corrupt { key: RowKey::Clock, cause: e.to_string() })?
            }
            None => Timestamp(0),
        };
        Ok(Clock::from(wall().max(recorded)))
    }

    fn from(start: Timestamp) -> Clock {
        Clock { start, started: Instant::now(), recorded: Mutex::new(Timestamp(0)) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.start.after(self.started.elapsed())
    }

    /// When it will be `at`; now, if it was.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        self.started + at.since(self.start)
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

fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
