//! How much is done at once of what may wait: as much as leaves each step quick.

use std::time::Duration;

/// Places for steps of one kind. Where they adapt, they grow in number while steps take less than a goal, and shrink when
/// steps take longer: what is done in them takes what nodes have to spare. Less than one place is one with rests.
pub(crate) struct Pace {
    places: f64,
    least: f64,
    most: f64,
    goal: Duration,
    /// What the quickest of the last steps took, about: that much is no load but a slow disk or a far node.
    quickest: Duration,
}

/// What a place becomes less by after a step that took too long; and what one place becomes more by after a quick one,
/// several together: the more there are, the fewer steps may take too long.
const CHANGE: f64 = 0.1;
/// Steps may take this many times as long as the quickest of them, whatever the goal.
const AT_REST: u32 = 3;
/// Steps after which the quickest one counts for little.
const FORGOTTEN_AFTER: u32 = 1000;
/// Less than what any step takes.
const TICK: Duration = Duration::from_nanos(1);
/// Places that there are at the least, however busy nodes are: one, which rests as long as it works; but no longer than this.
const LEAST: f64 = 0.5;
const LONGEST_REST: Duration = Duration::from_secs(1);

impl Pace {
    /// That many places, however long steps take.
    pub(crate) fn fixed(places: usize) -> Pace {
        Pace {
            places: places as f64,
            least: places as f64,
            most: places as f64,
            goal: Duration::MAX,
            quickest: Duration::MAX,
        }
    }

    /// One place at first, `most` at most, for steps that are to take `goal`.
    pub(crate) fn adapted(most: usize, goal: Duration) -> Pace {
        Pace { places: 1.0, least: LEAST, most: most.max(1) as f64, goal, quickest: Duration::MAX }
    }

    /// Places that there are now, one at least.
    pub(crate) fn places(&self) -> usize {
        (self.places as usize).max(1)
    }

    /// A step took this long. Gives how long to rest before the next one.
    pub(crate) fn took(&mut self, time: Duration) -> Duration {
        self.quickest = time.min(self.quickest.saturating_add(self.quickest / FORGOTTEN_AFTER + TICK));
        let goal = self.goal.max(self.quickest.saturating_mul(AT_REST));
        let change = if time > goal { -self.places } else { self.places.min(1.0 / self.places) };
        self.places = (self.places + CHANGE * change).clamp(self.least, self.most);
        time.mul_f64((1.0 / self.places - 1.0).max(0.0)).min(LONGEST_REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: Duration = Duration::from_millis(50);

    /// Places after steps that take this long for each place that there is, and the last one's rest. Now and then one is quick.
    fn settled(pace: &mut Pace, a_place: Duration, quick: Duration) -> (usize, Duration) {
        let mut rest = Duration::ZERO;
        for step in 0..100_000 {
            let places = pace.places() as u32;
            rest = pace.took(if step % 50 == 0 { quick } else { a_place * places });
        }
        (pace.places(), rest)
    }

    #[test]
    fn places_follow_what_steps_take() {
        const QUICK: Duration = Duration::from_millis(2);
        let mut pace = Pace::adapted(64, GOAL);
        assert_eq!(pace.places(), 1);
        assert_eq!(settled(&mut pace, Duration::ZERO, QUICK), (64, Duration::ZERO), "there is room");
        let (places, rest) = settled(&mut pace, GOAL / 10, QUICK);
        assert!((9..=11).contains(&places), "ten steps at once take what one may: {places}");
        assert_eq!(rest, Duration::ZERO);
        let (places, rest) = settled(&mut pace, GOAL * 2, QUICK);
        assert_eq!(places, 1, "there is always one");
        assert!(rest >= GOAL, "which rests: {rest:?}");
        assert_eq!(settled(&mut pace, Duration::ZERO, QUICK), (64, Duration::ZERO), "it recovers");
    }

    #[test]
    fn a_slow_disk_is_no_load() {
        let mut pace = Pace::adapted(64, GOAL);
        for _ in 0..10_000 {
            pace.took(GOAL * 3);
        }
        assert!(pace.places() > 40);
    }

    #[test]
    fn fixed_places_stay() {
        assert_eq!(settled(&mut Pace::fixed(256), GOAL, GOAL), (256, Duration::ZERO));
    }
}
