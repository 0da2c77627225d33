//! How much processor time the process used lately, where the kernel tells.

use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(2);

/// The looks that are remembered: ten seconds of them.
const LOOKS: usize = 5;

/// Over less time, what the kernel counts is too coarse.
const LEAST: Duration = Duration::from_millis(500);

/// Ticks of a second, in which the kernel counts for processes.
const TICKS: f64 = 100.0;

/// The looks of late, oldest first: when, and the seconds of processor time that were used up to then.
#[derive(Default)]
pub(crate) struct Cpu(Mutex<VecDeque<(Instant, f64)>>);

impl Cpu {
    /// Looks again and again.
    pub(crate) async fn watch(self: Arc<Self>) -> Infallible {
        loop {
            if let Some(used) = used() {
                let mut looks = self.0.lock();
                if looks.len() == LOOKS {
                    looks.pop_front();
                }
                looks.push_back((Instant::now(), used));
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// The processors that were used, on average since the oldest look; `None` if that is not known.
    pub(crate) fn cores(&self) -> Option<f64> {
        let (at, before) = *self.0.lock().front()?;
        let elapsed = at.elapsed();
        (elapsed >= LEAST).then_some((used()? - before).max(0.0) / elapsed.as_secs_f64())
    }
}

/// The processors that this process may use; zero if that is not known.
pub(crate) fn available() -> u32 {
    std::thread::available_parallelism().map_or(0, |count| count.get() as u32)
}

/// Seconds of processor time that this process has used.
fn used() -> Option<f64> {
    parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Time in user mode and in the kernel, the 14th and 15th of what `stat` has; the second is a name in parentheses, which may
/// hold anything.
fn parse(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) as f64 / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "4711 (a (b) 1 2) S 1 4711 4711 0 -1 4194560 9 0 0 0 250 50 7 8 20 0 30 0 1234 5 6";
        assert_eq!(parse(stat), Some(3.0));
        assert_eq!(parse("4711 (a) S 1"), None);
    }

    #[test]
    fn a_thread_that_works_is_seen() {
        let cpu = Cpu::default();
        assert_eq!(cpu.cores(), None);
        cpu.0.lock().push_back((Instant::now(), used().expect("a Linux")));
        assert_eq!(cpu.cores(), None, "too early");
        let begin = Instant::now();
        let mut sum = 0_u64;
        while begin.elapsed() < LEAST {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        // Whatever else runs on this machine leaves it a part.
        assert!(cpu.cores().expect("long enough") > 0.02);
    }
}
