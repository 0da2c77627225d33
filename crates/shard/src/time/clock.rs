//! The leader's clock: the wall clock, as far as a majority's clocks allow, but never slower than monotonic time and never
//! below what the shard recorded. Where time is skipped, all leaders share one clock instead.

use crate::{
    options::Options,
    seam::replica::Rows,
    time::virtual_time::{InFlight, VirtualTime, Waits},
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tenure_engine::{
    Op, RowKey, Timestamp, WriteSet, codec,
    rows::{ReadError, StateReader},
    state::ExecutionState,
    subject::WrittenState,
};
use tokio::{sync::watch, time::Instant};

/// The time is recorded when an entry is written anyway and the last record is older than this.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// A wall clock that is further ahead than this of what has passed tells of a machine that slept.
const JUMP: Duration = Duration::from_secs(1);

pub(crate) struct Clock {
    source: Source,
    recorded: Mutex<Timestamp>,
}

enum Source {
    Own(Own),
    Shared(Arc<VirtualTime>),
}

/// Time that never goes backwards: no slower than the monotonic clock, which stands still while the machine sleeps, and
/// never behind the wall clock, which an operator may set back.
struct Own {
    last: Mutex<(Timestamp, Instant)>,
    /// The wall clock and the monotonic one.
    read: Box<dyn Fn() -> (Timestamp, Instant) + Send + Sync>,
    jumps: watch::Sender<u64>,
}

impl Own {
    fn new(recorded: Timestamp, read: impl Fn() -> (Timestamp, Instant) + Send + Sync + 'static) -> Own {
        let (wall, instant) = read();
        Own { last: Mutex::new((wall.max(recorded), instant)), read: Box::new(read), jumps: watch::Sender::new(0) }
    }

    fn now(&self) -> Timestamp {
        let mut last = self.last.lock();
        let (wall, instant) = (self.read)();
        let passed = last.0.plus(instant.saturating_duration_since(last.1));
        *last = (passed.max(wall), instant);
        if wall.since(passed) > JUMP {
            self.jumps.send_modify(|jumps| *jumps += 1);
        }
        last.0
    }
}

impl Clock {
    /// A new leader's clock.
    pub(crate) fn start(rows: &dyn StateReader, options: &Options) -> Result<Clock, ReadError> {
        let recorded = match rows.get(&RowKey::Clock)? {
            Some(value) => codec::decode(&value).map_err(|e| ReadError::corrupt(RowKey::Clock, e))?,
            None => Timestamp(0),
        };
        let source = match &options.virtual_time {
            Some(time) => {
                time.not_below(recorded);
                Source::Shared(time.clone())
            }
            None => {
                let clock = options.clock.clone();
                Source::Own(Own::new(recorded, move || (Timestamp(clock.now()), Instant::now())))
            }
        };
        Ok(Clock { source, recorded: Mutex::new(Timestamp(0)) })
    }

    pub(crate) fn now(&self) -> Timestamp {
        match &self.source {
            Source::Own(own) => own.now(),
            Source::Shared(time) => time.now(),
        }
    }

    /// When it will be `at`, unless the time jumps; now, if it was.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        match &self.source {
            Source::Own(own) => Instant::now() + at.since(own.now()),
            Source::Shared(time) => time.instant(at),
        }
    }

    /// Changes when the time has jumped.
    pub(crate) fn jumps(&self) -> watch::Receiver<u64> {
        match &self.source {
            Source::Own(own) => own.jumps.subscribe(),
            Source::Shared(time) => time.jumps(),
        }
    }

    /// Has what this leader finds in its rows waited for, where time is skipped.
    pub(crate) fn load(&self, rows: &dyn Rows) -> Result<(), ReadError> {
        match &self.source {
            Source::Own(_) => Ok(()),
            Source::Shared(time) => time.load(rows),
        }
    }

    /// Keeps time from skipping while the guard lives, because a command may make something to wait for.
    pub(crate) fn command(&self) -> Option<InFlight> {
        match &self.source {
            Source::Own(_) => None,
            Source::Shared(time) => Some(time.command()),
        }
    }

    /// Tells time, where it is skipped, that these rows, and with them these states, were committed.
    pub(crate) fn committed(&self, writes: &WriteSet, states: &[WrittenState]) {
        if let Source::Shared(time) = &self.source {
            let of_run = |written: &WrittenState| {
                Some((written.subject.run()?, Waits::of(written.state.downcast_ref::<ExecutionState>()?)))
            };
            time.committed(writes, states.iter().filter_map(of_run));
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const HOUR: i64 = 3600 * SECOND;

    /// F32.
    #[test]
    fn the_time_goes_on_at_wall_time_after_a_sleep_and_never_backwards() {
        let begin = Instant::now();
        let read = Arc::new(Mutex::new((Timestamp(100 * HOUR), begin)));
        let clock = Own::new(Timestamp(0), {
            let read = read.clone();
            move || *read.lock()
        });
        let mut jumps = clock.jumps.subscribe();
        let mut check = |wall: i64, passed: u64, expected: i64, jumped: bool| {
            *read.lock() = (Timestamp(wall), begin + Duration::from_secs(passed));
            assert_eq!(clock.now(), Timestamp(expected));
            assert_eq!(jumps.has_changed().unwrap(), jumped, "at {expected}");
            jumps.mark_unchanged();
        };
        check(100 * HOUR + SECOND, 1, 100 * HOUR + SECOND, false);
        // The machine slept.
        check(108 * HOUR, 2, 108 * HOUR, true);
        // The wall clock is set back: time goes on, until that has come up to it.
        check(107 * HOUR, 3, 108 * HOUR + SECOND, false);
        check(107 * HOUR + SECOND, 4, 108 * HOUR + 2 * SECOND, false);
        check(108 * HOUR + 3 * SECOND, 5, 108 * HOUR + 3 * SECOND, false);
    }

    /// F32.
    #[test]
    fn a_clock_begins_at_what_was_recorded() {
        let begin = Instant::now();
        let clock = Own::new(Timestamp(5 * HOUR), move || (Timestamp(HOUR), begin));
        assert_eq!(clock.now(), Timestamp(5 * HOUR));
    }
}
