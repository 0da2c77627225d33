//! A run with much pending, read as a leader reads it: its decoded state is at hand. For measurements of cost.

use super::{MemoryRows, Sim, schedule_activity};
use crate::{
    FeatureLevel,
    command::{ActivityRef, Envelope, Poll, Reply, ShardCommand, StartTask},
    id::{Ids, Process, ProposalId, Stamp},
    key::{RunKey, TaskKind},
    limits::Limits,
    rows::{ReadError, RowKey, StateReader, SystemTable},
    search_attributes::Registry,
    state::ExecutionState,
    time::Timestamp,
    token::TaskToken,
    transition::{Context, Transition, transition},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration, time::Instant};
use tenure_api::history::v1::HistoryEvent;

/// A run whose activities are pending; a worker has one of them.
pub struct PendingActivities {
    rows: MemoryRows,
    state: Arc<ExecutionState>,
    now: Timestamp,
    completion: Envelope,
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
        let completion = Envelope {
            lane: super::workflow().into(),
            proposal: ProposalId(u128::MAX),
            origin: Process::default(),
            command: ShardCommand::CompleteActivity { activity, request: Arc::default() },
        };
        PendingActivities { state: sim.state(), now: sim.now, rows: sim.rows, completion }
    }

    /// Completes the activity that was started. Nothing is applied, so it can be done again.
    pub fn complete(&self) -> Transition {
        let mut ids = Ids::new(1, Stamp { term: 2, counter: 1 });
        let mut cx = Context {
            now: self.now,
            ids: &mut ids,
            limits: &Limits::default(),
            level: FeatureLevel::KNOWN,
            retention: None,
            search_attributes: &Registry::default(),
            origin: Process::default(),
        };
        transition(self, &self.completion, &mut cx).expect("completed")
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

impl StateReader for PendingActivities {
    fn execution(&self, _: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        Ok(Some(self.state.clone()))
    }

    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        self.rows.get(key)
    }

    fn event(&self, run: &RunKey, event_id: i64) -> Result<Option<HistoryEvent>, ReadError> {
        self.rows.event(run, event_id)
    }

    fn history_rows(&self, _: &RunKey, _: i64, _: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        Ok(Vec::new())
    }

    fn system_rows(&self, table: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
        self.rows.system_rows(table)
    }
}
