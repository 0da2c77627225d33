//! A run with much pending, for measurements of cost.

use super::{Sim, prepared::Prepared, schedule_activity};
use crate::{
    command::{ActivityRef, Envelope, Poll, Reply, ShardCommand, StartTask},
    id::{Process, ProposalId},
    key::TaskKind,
    token::TaskToken,
    transition::Transition,
};
use std::{sync::Arc, time::Duration, time::Instant};

/// A run whose activities are pending; a worker has one of them.
pub struct PendingActivities {
    completion: Prepared,
}

impl PendingActivities {
    /// Schedules `count` activities and starts the `started`th.
    ///
    /// # Panics
    ///
    /// When there are more activities than a run may have pending, or there is no such activity.
    pub fn new(count: usize, started: usize) -> Self {
        let mut sim = Sim::started();
        let task = sim.poll();
        sim.complete(&task, (0..count).map(|i| schedule_activity(&i.to_string())).collect()).expect("scheduled");
        let ready = sim.ready(TaskKind::Activity).swap_remove(started);
        let start = StartTask::of(&ready, Poll::default());
        let Ok(Reply::ActivityTaskStarted(task)) = sim.run(ShardCommand::StartActivityTask(start)) else {
            panic!("not started")
        };
        let activity = ActivityRef::Token(TaskToken::decode(&task.task_token).expect("a token of ours"));
        let envelope = Envelope {
            lane: super::workflow().into(),
            proposal: ProposalId(u128::MAX),
            origin: Process::default(),
            command: ShardCommand::CompleteActivity { activity, request: Arc::default() },
        };
        PendingActivities { completion: Prepared::new(&sim.rows, Some(&sim.current_run()), sim.now, envelope) }
    }

    /// Completes the activity that was started. Nothing is applied, so it can be done again.
    pub fn complete(&self) -> Transition {
        self.completion.run()
    }

    /// The median over `rounds` of the time that one completion takes, with the release of what it made.
    pub fn time(&self, rounds: usize) -> Duration {
        let round = |_| {
            let start = Instant::now();
            drop(std::hint::black_box(self.complete()));
            start.elapsed()
        };
        let mut times: Vec<Duration> = (0..rounds).map(round).collect();
        times.sort_unstable();
        times[rounds / 2]
    }
}
