//! How often something happens, lately.

use std::time::{Duration, Instant};

/// Events a second, averaged with exponentially fading memory.
#[derive(Clone, Debug)]
pub struct Rate {
    value: f64,
    at: Instant,
}

/// The weight of an event falls to 1/e in this time.
const MEMORY: Duration = Duration::from_secs(30);

impl Rate {
    pub fn new(now: Instant) -> Self {
        Rate { value: 0.0, at: now }
    }

    pub fn count(&mut self, events: usize, now: Instant) {
        self.value = self.per_second(now) + events as f64 / MEMORY.as_secs_f64();
        self.at = now;
    }

    pub fn per_second(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at);
        self.value * (-age.as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_found_and_fades() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let mut now = start;
        for _ in 0..3000 {
            now += Duration::from_millis(100);
            rate.count(1, now);
        }
        let steady = rate.per_second(now);
        assert!((steady - 10.0).abs() < 0.2, "{steady}");
        assert!(rate.per_second(now + MEMORY) < 4.0);
    }
}
