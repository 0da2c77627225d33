//! Completing one activity of a run, by how many others are pending: the time must not follow their number.

use std::time::Duration;
use tenure_engine::testing::load::PendingActivities;

const BATCHES: usize = 40;
const ROUNDS: usize = 1_000;

fn main() {
    let alone = PendingActivities::new(1, 0);
    println!("pending activities   one completion    against a run with one");
    for count in [1, 8, 100, 2000] {
        let (one, of_many) = best_of_both(&alone, &PendingActivities::new(count, count - 1));
        println!("{count:>18}   {of_many:>14.2?}   {:>23.2}x", of_many.as_secs_f64() / one.as_secs_f64());
    }
}

/// The best batch of each. They take turns, so that what else the machine does is borne by both.
fn best_of_both(one: &PendingActivities, other: &PendingActivities) -> (Duration, Duration) {
    let batch = |best: (Duration, Duration), _| (best.0.min(one.time(ROUNDS)), best.1.min(other.time(ROUNDS)));
    (0..BATCHES).fold((Duration::MAX, Duration::MAX), batch)
}
