//! Completing one activity of a run, by how many others are pending: the time must not follow their number.

use tenure_engine::testing::load::PendingActivities;

const ROUNDS: usize = 20_000;

fn main() {
    let alone = PendingActivities::new(1, 0).time(ROUNDS);
    println!("pending activities   one completion    against a run with one");
    for count in [1, 8, 100, 2000] {
        let time = PendingActivities::new(count, count - 1).time(ROUNDS);
        println!("{count:>18}   {time:>14.2?}   {:>23.2}x", time.as_secs_f64() / alone.as_secs_f64());
    }
}
