//! When units of work begin.

use crate::{measure::Measure, work::Work};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::MissedTickBehavior};

#[derive(Clone, Copy)]
pub enum Pace {
    Closed { in_flight: usize },
    Open { rate: f64 },
}

impl Pace {
    /// Offers load until then, or so many units, and waits for those that are in progress.
    pub async fn run(self, work: &Arc<Work>, measure: &Arc<Measure>, until: Instant, count: u64) {
        match self {
            Pace::Closed { in_flight } => closed(in_flight, work, measure, until, count).await,
            Pace::Open { rate } => open(rate, work, measure, until, count).await,
        }
    }
}

async fn closed(in_flight: usize, work: &Arc<Work>, measure: &Arc<Measure>, until: Instant, count: u64) {
    let begun = Arc::new(AtomicU64::new(0));
    let mut loops = JoinSet::new();
    for _ in 0..in_flight {
        let (work, measure, begun) = (work.clone(), measure.clone(), begun.clone());
        loops.spawn(async move {
            while Instant::now() < until && begun.fetch_add(1, Ordering::Relaxed) < count {
                unit(&work, &measure, Instant::now()).await;
            }
        });
    }
    loops.join_all().await;
}

/// The time of a unit counts from when it should have begun, so that a generator that falls behind cannot hide it.
async fn open(rate: f64, work: &Arc<Work>, measure: &Arc<Measure>, until: Instant, count: u64) {
    let begin = Instant::now();
    let due_at = |number: u64| begin + Duration::from_secs_f64(number as f64 / rate);
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut units = JoinSet::new();
    let mut number = 0;
    while number < count && due_at(number) < until {
        ticks.tick().await;
        while number < count && due_at(number) <= Instant::now().min(until) {
            let (work, measure, due) = (work.clone(), measure.clone(), due_at(number));
            units.spawn(async move { unit(&work, &measure, due).await });
            number += 1;
        }
        while units.try_join_next().is_some() {}
    }
    units.join_all().await;
}

async fn unit(work: &Work, measure: &Measure, due: Instant) {
    measure.offered();
    match work.unit().await {
        Ok(took) => measure.ended(took.unwrap_or_else(|| due.elapsed()), Ok(())),
        Err(code) => measure.ended(due.elapsed(), Err(code)),
    }
}
