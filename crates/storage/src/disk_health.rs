//! Watches the writes of a data directory from a thread of its own: the disk that does not answer one of them may keep any
//! other thread waiting as well.

use crate::under_way::{Stall, UnderWay};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tenure_limits::{DISK_DEAD, DISK_HANGS};
use tenure_vital::FatalHook;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(250);

/// So many times longer than a sync of the log a flush of rows may take, which writes all that there is in memory.
const FLUSHES: u32 = 10;

/// What is known of the disk while it is written to. The databases share it with those who look.
#[derive(Debug, Default)]
pub(crate) struct DiskHealth {
    /// Writes of the log, each with its sync.
    pub(crate) log: UnderWay,
    /// Flushes of rows.
    pub(crate) flush: UnderWay,
    /// Milliseconds; zero while the disk answers.
    silence: AtomicU64,
}

impl DiskHealth {
    /// For how long the disk has not answered, if that is out of the ordinary.
    pub(crate) fn silence(&self) -> Option<Duration> {
        Some(self.silence.load(Ordering::Relaxed)).filter(|millis| *millis > 0).map(Duration::from_millis)
    }

    fn set_silence(&self, silence: Option<Duration>) {
        self.silence.store(silence.map_or(0, |time| time.as_millis() as u64), Ordering::Relaxed);
    }
}

/// Starts the watch; it ends with the databases. A disk that is silent for too long ends the process: what waits for it grows
/// all the time, and the other nodes' disks are in order.
pub(crate) fn watch(health: &Arc<DiskHealth>, on_fatal: FatalHook) -> io::Result<()> {
    let health = Arc::downgrade(health);
    let watch = move || on_fatal.run("the watch on the disk", || run(&health, &on_fatal));
    thread::Builder::new().name("disk-watch".into()).spawn(watch).map(drop)
}

fn run(health: &Weak<DiskHealth>, on_fatal: &FatalHook) {
    let mut writes = Writes::default();
    let mut last = Instant::now();
    loop {
        thread::sleep(PERIOD);
        let Some(health) = health.upgrade() else { return };
        // A process that stood still itself was not kept waiting by its disk.
        let passed = last.elapsed().min(2 * PERIOD);
        last = Instant::now();
        let silence = writes.look(&health, passed);
        match (health.silence(), silence) {
            (None, Some(_)) => tracing::error!("the disk does not answer"),
            (Some(_), None) => tracing::info!("the disk answers again"),
            _ => {}
        }
        health.set_silence(silence);
        tenure_vital::succeeded("watch on the disk");
        if let Some(silence) = silence.filter(|silence| *silence >= DISK_DEAD) {
            // A core would be written to the same disk.
            forbid_core();
            on_fatal.report(&format!("the disk has not answered for {} s", silence.as_secs()));
            // Only tests get here.
            return;
        }
    }
}

/// What is looked at.
#[derive(Default)]
struct Writes {
    log: Stall,
    flush: Stall,
}

impl Writes {
    /// For how long one of them has not come back, if that is out of the ordinary; a flush's time is counted as a sync's is.
    fn look(&mut self, health: &DiskHealth, passed: Duration) -> Option<Duration> {
        let longest = self.log.look(&health.log, passed).max(self.flush.look(&health.flush, passed) / FLUSHES);
        Some(longest).filter(|silence| *silence >= DISK_HANGS)
    }
}

fn forbid_core() {
    let now = getrlimit(Resource::Core);
    // If it fails, the core is in the way, and nothing else is wrong.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..now });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F57.
    #[test]
    fn a_sync_has_a_second_and_a_flush_ten() {
        let (health, mut writes) = (DiskHealth::default(), Writes::default());
        let half = Duration::from_millis(500);
        let mut looks = |times: usize| (0..times).map(|_| writes.look(&health, half)).last().unwrap();
        assert_eq!(looks(100), None);
        let flushing = health.flush.begin();
        assert_eq!(looks(20), None);
        assert_eq!(looks(1), Some(DISK_HANGS));
        drop(flushing);
        assert_eq!(looks(1), None);
        let syncing = health.log.begin();
        assert_eq!(looks(2), None);
        assert_eq!(looks(1), Some(DISK_HANGS));
        assert_eq!(looks(18), Some(DISK_DEAD));
        drop(syncing);
        assert_eq!(looks(1), None);
    }
}
