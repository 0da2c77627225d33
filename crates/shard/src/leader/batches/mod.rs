//! Batch jobs of one leader: each that runs has a task that finds its targets, and then does its operation to them. What
//! such a task knows it has from the job's rows, and what it brought about it puts there, so that a new leader goes on.
//!
//! The engine tells when a job begins or is stopped ([`Batches::changed`]). A new leader hears of running jobs from their
//! timer rows, which are due all the time; and so does this one, once in a while, should a notice be lost.

mod admit;
mod find;
mod job;
mod list;
mod operate;
mod pace;
mod work;

pub(crate) use list::page;
pub(crate) use operate::Operations;

use crate::{
    leader::{context::LeaderContext, executions::Executions},
    seam::error::CommandError,
};
use job::Job;
use metrics::gauge;
use pace::Pace;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tenure_api::workflowservice::v1::StartBatchOperationRequest;
use tenure_engine::{
    Lane, ProposalId,
    batch::{self, Phase},
    rows::ReadError,
};
use tenure_limits::BATCH_JOBS;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// The wait after something failed that may go better the next time.
const RETRY: Duration = Duration::from_millis(500);

/// The batch jobs of one leader.
pub(crate) struct Batches {
    context: Arc<LeaderContext>,
    executions: Arc<Executions>,
    /// The running jobs, each with what ends its task.
    jobs: Mutex<HashMap<Lane, CancellationToken>>,
    /// Permits to work at a job, which holds what its request says in memory.
    places: Semaphore,
}

impl Batches {
    pub(crate) fn new(context: Arc<LeaderContext>, executions: Arc<Executions>) -> Batches {
        Batches { context, executions, jobs: Mutex::default(), places: Semaphore::new(BATCH_JOBS) }
    }

    /// See [`LeaderHandle::admit_batch`](crate::LeaderHandle::admit_batch).
    pub(crate) async fn admit(
        &self,
        lane: &Lane,
        proposal: ProposalId,
        request: &StartBatchOperationRequest,
        deadline: Instant,
    ) -> Result<(), CommandError> {
        admit::admit(&self.context, lane, proposal, request, deadline).await
    }

    /// The job is to be worked on from now on, or no more.
    pub(crate) fn changed(self: &Arc<Self>, lane: Lane, running: bool) {
        let mut jobs = self.jobs.lock();
        match (jobs.get(&lane), running) {
            (Some(stop), false) => stop.cancel(),
            (None, true) => {
                let stop = CancellationToken::new();
                jobs.insert(lane.clone(), stop.clone());
                self.show(jobs.len());
                self.context.options().on_fatal.spawn("a batch job", self.clone().run(lane, stop));
            }
            (Some(_), true) | (None, false) => {}
        }
    }

    fn show(&self, jobs: usize) {
        gauge!("tenure_batch_jobs", "shard" => self.context.shard.to_string()).set(jobs as f64);
    }

    async fn run(self: Arc<Self>, lane: Lane, stop: CancellationToken) {
        tokio::select! {
            () = self.context.ended.cancelled() => {}
            () = self.in_its_turn(&lane, stop) => {}
        }
        let mut jobs = self.jobs.lock();
        jobs.remove(&lane);
        self.show(jobs.len());
    }

    async fn in_its_turn(&self, lane: &Lane, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            place = self.places.acquire() => {
                let _place = place.expect("it is never closed");
                self.work_on(lane, stop.clone()).await;
            }
        }
    }

    async fn work_on(&self, lane: &Lane, stop: CancellationToken) {
        loop {
            match self.job(lane, stop.clone()) {
                Ok(Some(job)) => return run(job).await,
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(shard = self.context.shard, %lane, %error, "a batch job cannot be read");
                    sleep(RETRY).await;
                }
            }
        }
    }

    fn job(&self, lane: &Lane, stop: CancellationToken) -> Result<Option<Job>, ReadError> {
        let Some(request) = batch::read_request(&*self.context.rows, lane)? else { return Ok(None) };
        let request = request.decode();
        let pace = Pace::new(self.operations_per_second(&request));
        Ok(Some(Job::new(self.context.clone(), self.executions.clone(), lane.clone(), request, stop, pace)))
    }

    /// What the request asks for, but no more than is set.
    fn operations_per_second(&self, request: &StartBatchOperationRequest) -> f64 {
        let set = f64::from(self.context.options().limits.batch_operations_per_second);
        let asked = f64::from(request.max_operations_per_second);
        if asked > 0.0 { asked.min(set) } else { set }
    }
}

/// Works at the job until it is closed, or stopped.
async fn run(mut job: Job) {
    loop {
        let step = match job.state() {
            Ok(Some(state)) if state.phase == Phase::Finding => find::find(&mut job, &state).await,
            Ok(Some(state)) if state.phase == Phase::Working => work::work(&job, &state).await,
            Ok(_) => return,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = step {
            tracing::warn!(shard = job.context.shard, job = %job.lane, %error, "a batch job has to try again");
            sleep(RETRY).await;
        }
    }
}
