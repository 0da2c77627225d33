//! A job's operation is done to its targets, some at once; their results are recorded together.

use super::job::Job;
use crate::{
    node::polled::Served,
    seam::{
        error::CommandError,
        messages::{Answer, OperateRequest, Request},
    },
};
use futures::{StreamExt, stream};
use metrics::counter;
use std::time::Duration;
use tenure_api::{
    error::{ApiError, Code},
    workflowservice::v1::start_batch_operation_request::Operation,
};
use tenure_engine::{
    RowKey, WorkflowKey,
    batch::{self, Advance, BatchState, BatchTarget, PAGE, TargetRun, operation_id},
    rows::{BatchPart, ReadError},
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Targets whose results are recorded together, at most: so many may be operated on a second time after a failover.
const CHUNK: usize = 100;

/// Targets that the operation is done to at once.
const AT_ONCE: usize = 16;

/// Attempts at a target that cannot be reached, or has no time. (The number is the reference server's.)
const ATTEMPTS: u32 = 50;

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// First and longest wait before the next attempt.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What came of a target.
enum Outcome {
    /// The operation was done, or the run was over before.
    Complete,
    Failed(ApiError),
    /// The job was stopped first.
    NotDone,
}

/// Works on the next targets of a job, and has the results recorded.
pub(super) async fn work(job: &Job, state: &BatchState) -> Result<(), CommandError> {
    Work(job).work(state).await
}

/// The work at targets.
struct Work<'a>(&'a Job);

impl Work<'_> {
    async fn work(&self, job: &BatchState) -> Result<(), CommandError> {
        let from = job.worked();
        let (page, place) = (from / PAGE, (from % PAGE) as usize);
        let targets = batch::read_targets(&*self.0.context.rows, &self.0.lane, page)?.unwrap_or_default();
        if targets.len() <= place {
            let part = BatchPart::Targets(page);
            let row = RowKey::Batch { namespace: self.0.lane.namespace, job_id: self.0.lane.id.clone(), part };
            return Err(ReadError::corrupt(row, "it lacks targets of a job that is not done").into());
        }
        let chunk = targets.into_iter().skip(place).take(self.0.pace.in_a_second().clamp(1, CHUNK));
        let operations = chunk.map(|target| self.operate(target, job.id));
        let (mut complete, mut failed) = (0, 0);
        let mut outcomes = stream::iter(operations).buffer_unordered(AT_ONCE);
        while let Some((target, outcome)) = outcomes.next().await {
            match outcome {
                Outcome::Complete => complete += 1,
                Outcome::Failed(error) => {
                    failed += 1;
                    tracing::info!(job = %self.0.lane, workflow_id = %target.workflow_id, %error, "a target of a batch job refused");
                }
                Outcome::NotDone => {}
            }
        }
        self.0.advance(Advance::Results { from, complete, failed }).await?;
        counter!("tenure_batch_operations_total", "result" => "complete").increment(complete);
        counter!("tenure_batch_operations_total", "result" => "failed").increment(failed);
        Ok(())
    }

    async fn operate(&self, target: BatchTarget, job: Uuid) -> (BatchTarget, Outcome) {
        let outcome = match target.run {
            TargetRun::Run(run_id) => {
                let workflow =
                    WorkflowKey { namespace: self.0.lane.namespace, workflow_id: target.workflow_id.clone() };
                let shard = self.0.context.router().mesh.shard_of(workflow.slot());
                let request = self.0.instructions.clone();
                let run = workflow.run(run_id);
                let operation_id = operation_id(job, &run);
                self.attempt(OperateRequest { shard, run, operation_id, request }).await
            }
            TargetRun::Missing if self.in_turn().await => {
                self.of_nothing(ApiError::not_found("there is no such workflow"))
            }
            TargetRun::Invalid if self.in_turn().await => {
                Outcome::Failed(ApiError::invalid_argument("Invalid WorkflowId or RunId."))
            }
            TargetRun::Missing | TargetRun::Invalid => Outcome::NotDone,
        };
        (target, outcome)
    }

    /// Asks the target's leader until it knows what becomes of it.
    async fn attempt(&self, request: OperateRequest) -> Outcome {
        let mut wait = FIRST_WAIT;
        let mut last = ApiError::unavailable("no attempt");
        for _ in 0..ATTEMPTS {
            if !self.in_turn().await {
                return Outcome::NotDone;
            }
            let (shard, request) = (request.shard, Request::Operate(request.clone()));
            match self.0.context.router().ask_leader(shard, request, Instant::now() + PATIENCE).await {
                Ok(Served::Answer(Answer::Done)) => return Outcome::Complete,
                // It is closed, or was removed.
                Ok(Served::Answer(Answer::Refused(error))) if error.code == Code::NotFound => {
                    return self.of_nothing(error);
                }
                Ok(Served::Answer(Answer::Refused(error))) if passes(error.code) => last = error,
                Ok(Served::Answer(Answer::Refused(error))) => return Outcome::Failed(error),
                Ok(_) => return Outcome::Failed(ApiError::internal("an answer to something else")),
                Err(no_leader) => last = ApiError::unavailable(no_leader.to_string()),
            }
            counter!("tenure_batch_operations_total", "result" => "retried").increment(1);
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Outcome::Failed(last)
    }

    /// What comes of a target that is not there: nothing is left to do, but for a reset.
    fn of_nothing(&self, error: ApiError) -> Outcome {
        match self.0.request.operation {
            Some(Operation::ResetOperation(_)) => Outcome::Failed(error),
            _ => Outcome::Complete,
        }
    }

    /// Waits for the next turn; `false` if the job is stopped.
    async fn in_turn(&self) -> bool {
        tokio::select! {
            biased;
            () = self.0.stop.cancelled() => false,
            () = self.0.pace.turn() => true,
        }
    }
}

/// Whether what is refused with this code now may be taken later.
fn passes(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded)
}
