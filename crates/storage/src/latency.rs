//! How long something took lately: quantiles over the last minute, for whoever looks at a node now. (The histograms of
//! metrics count since the process began.)

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The time after which the oldest of what was recorded is forgotten.
const SLICE: Duration = Duration::from_secs(10);
/// The slices of the window.
const SLICES: usize = 6;
/// Buckets for each doubling of the time: quantiles are up to a fifth too high.
const PER_DOUBLING: f64 = 4.0;
/// Buckets, from a microsecond to more than a minute.
const BUCKETS: usize = 108;

/// The times of the last minute, about.
#[derive(Debug)]
pub struct Latencies {
    begin: Instant,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    /// The number of the newest slice since `begin`.
    newest: u64,
    slices: [[u32; BUCKETS]; SLICES],
}

impl Default for Latencies {
    fn default() -> Self {
        let window = Window { newest: 0, slices: [[0; BUCKETS]; SLICES] };
        Latencies { begin: Instant::now(), window: Mutex::new(window) }
    }
}

impl Latencies {
    pub fn record(&self, took: Duration) {
        self.record_at(self.begin.elapsed(), took);
    }

    /// The times that these shares of what was recorded did not exceed; `None` if nothing was.
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> Option<[Duration; N]> {
        self.quantiles_at(self.begin.elapsed(), shares)
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record_at(&self, now: Duration, took: Duration) {
        let mut window = self.lock();
        let slice = window.advance(now);
        window.slices[slice][bucket(took)] += 1;
    }

    fn quantiles_at<const N: usize>(&self, now: Duration, shares: [f64; N]) -> Option<[Duration; N]> {
        let mut counts = [0u64; BUCKETS];
        {
            let mut window = self.lock();
            window.advance(now);
            for slice in &window.slices {
                counts.iter_mut().zip(slice).for_each(|(sum, count)| *sum += u64::from(*count));
            }
        }
        let all: u64 = counts.iter().sum();
        let quantile = |share: f64| {
            let wanted = ((all as f64 * share).ceil() as u64).max(1);
            let mut seen = 0;
            let at = counts.iter().position(|count| {
                seen += count;
                seen >= wanted
            });
            upper_bound(at.unwrap_or(BUCKETS - 1))
        };
        (all > 0).then(|| shares.map(quantile))
    }
}

impl Window {
    /// Makes room for what is recorded now, and forgets what is too old. Returns the index of the slice of now.
    fn advance(&mut self, now: Duration) -> usize {
        let slice = now.as_secs() / SLICE.as_secs();
        let passed = slice.saturating_sub(self.newest).min(SLICES as u64);
        for n in 1..=passed {
            self.slices[index(self.newest + n)] = [0; BUCKETS];
        }
        // After a long silence all of them are empty, whichever is which.
        self.newest = self.newest.max(slice);
        index(self.newest)
    }
}

fn index(slice: u64) -> usize {
    (slice % SLICES as u64) as usize
}

fn bucket(took: Duration) -> usize {
    let micros = took.as_micros().max(1) as f64;
    ((micros.log2() * PER_DOUBLING).ceil() as usize).min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> Duration {
    Duration::from_secs_f64((bucket as f64 / PER_DOUBLING).exp2() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn near(found: Duration, wanted: Duration) -> bool {
        found >= wanted && found.as_secs_f64() <= 1.2 * wanted.as_secs_f64()
    }

    #[test]
    fn quantiles_are_a_little_too_high_at_most() {
        let latencies = Latencies::default();
        assert_eq!(latencies.quantiles([0.5]), None);
        for n in 1..=1000 {
            latencies.record_at(ms(n), ms(n));
        }
        let [p50, p99, most] = latencies.quantiles_at(ms(1000), [0.5, 0.99, 1.0]).unwrap();
        assert!(near(p50, ms(500)) && near(p99, ms(990)) && near(most, ms(1000)), "{p50:?} {p99:?} {most:?}");
        for odd in [Duration::ZERO, Duration::from_secs(1 << 40)] {
            latencies.record_at(ms(1000), odd);
        }
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let at = Duration::from_secs;
        let latencies = Latencies::default();
        latencies.record_at(at(5), ms(900));
        latencies.record_at(at(55), ms(1));
        assert!(near(latencies.quantiles_at(at(59), [1.0]).unwrap()[0], ms(900)));
        assert!(near(latencies.quantiles_at(at(61), [1.0]).unwrap()[0], ms(1)));
        assert_eq!(latencies.quantiles_at(at(1000), [1.0]), None);
        latencies.record_at(at(1001), ms(7));
        assert!(near(latencies.quantiles_at(at(1001), [1.0]).unwrap()[0], ms(7)));
    }
}
