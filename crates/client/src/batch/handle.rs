//! One batch operation: describe, wait, stop.

use crate::{client::Client, connection::pauses, error::ClientError, rpc};
use std::time::{Duration, SystemTime};
use tenure_api::{batch::v1::BatchOperationInfo, time::time_from_proto, workflowservice::v1 as api};

pub use tenure_api::enums::v1::{BatchOperationState, BatchOperationType};

/// The longest pause between two looks at an operation that is waited for, before jitter. A server records its counts about
/// every second.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A batch operation that was started. It goes on in the server, whatever becomes of the handle.
///
/// ```no_run
/// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
/// let batch = client.batch("WorkflowId STARTS_WITH 'test-'").reason("a test").delete().await?;
/// println!("batch operation {}", batch.id());
/// // Elsewhere, later.
/// let batch = client.batch_handle(batch.id());
/// if batch.describe().await?.failed > 10 {
///     batch.stop("too many fail").await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct BatchHandle {
    client: Client,
    job_id: String,
}

impl BatchHandle {
    pub(super) fn new(client: Client, job_id: String) -> Self {
        BatchHandle { client, job_id }
    }

    /// The id of the operation, which others call a job id.
    pub fn id(&self) -> &str {
        &self.job_id
    }

    /// How far it is. One that there is not, or no longer, [`is_not_found`](ClientError::is_not_found).
    pub async fn describe(&self) -> Result<BatchDescription, ClientError> {
        let (namespace, job_id) = (self.client.namespace().to_owned(), self.job_id.clone());
        let request = api::DescribeBatchOperationRequest { namespace, job_id };
        let answer = rpc!(self.client.connection(), describe_batch_operation, request, self.client.short()).await?;
        Ok(BatchDescription::new(answer))
    }

    /// Ends it before it is done; what was done stays done. One that is over [`is_not_found`](ClientError::is_not_found).
    pub async fn stop(&self, reason: impl Into<String>) -> Result<(), ClientError> {
        let request = api::StopBatchOperationRequest {
            namespace: self.client.namespace().to_owned(),
            job_id: self.job_id.clone(),
            reason: reason.into(),
            identity: self.client.identity().to_owned(),
        };
        rpc!(self.client.connection(), stop_batch_operation, request, self.client.short()).await?;
        Ok(())
    }

    /// Waits until it ends. Its state says whether it was done to all, its counts how often with success.
    pub async fn wait(&self) -> Result<BatchDescription, ClientError> {
        self.wait_with(|_| ()).await
    }

    /// The same; `progress` hears each time how far it is, the end included.
    pub async fn wait_with(
        &self,
        mut progress: impl FnMut(&BatchDescription),
    ) -> Result<BatchDescription, ClientError> {
        let mut pauses = pauses(LONGEST_PAUSE);
        loop {
            let now = self.describe().await?;
            progress(&now);
            if !now.is_running() {
                return Ok(now);
            }
            tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
        }
    }
}

/// What the server knows of a batch operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchDescription {
    /// Its id.
    pub id: String,
    /// What it does.
    pub operation: BatchOperationType,
    /// Whether it runs, or how it ended. One that was stopped has failed.
    pub state: BatchOperationState,
    /// How many executions it is about; grows while they are looked for.
    pub total: u64,
    /// To how many of them it was done, or had not to be done, because they are closed or gone.
    pub completed: u64,
    /// To how many of them it could not be done.
    pub failed: u64,
    /// When it was started.
    pub started: Option<SystemTime>,
    /// When it ended.
    pub closed: Option<SystemTime>,
    /// The filter that finds its executions; empty if they were named.
    pub filter: String,
    /// Why it was started.
    pub reason: String,
    /// Who started it.
    pub identity: String,
}

impl BatchDescription {
    fn new(answer: api::DescribeBatchOperationResponse) -> Self {
        let count = |count: i64| count.try_into().unwrap_or_default();
        BatchDescription {
            operation: answer.operation_type(),
            state: answer.state(),
            id: answer.job_id,
            total: count(answer.total_operation_count),
            completed: count(answer.complete_operation_count),
            failed: count(answer.failure_operation_count),
            started: time_from_proto(answer.start_time),
            closed: time_from_proto(answer.close_time),
            filter: answer.query,
            reason: answer.reason,
            identity: answer.identity,
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.state == BatchOperationState::Running
    }
}

/// What a list shows of a batch operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchSummary {
    /// Its id, for [`Client::batch_handle`].
    pub id: String,
    /// What it does.
    pub operation: BatchOperationType,
    /// Whether it runs, or how it ended. One that was stopped has failed.
    pub state: BatchOperationState,
    /// When it was started.
    pub started: Option<SystemTime>,
    /// When it ended.
    pub closed: Option<SystemTime>,
}

impl BatchSummary {
    pub(super) fn new(info: BatchOperationInfo) -> Self {
        BatchSummary {
            operation: info.operation_type(),
            state: info.state(),
            id: info.job_id,
            started: time_from_proto(info.start_time),
            closed: time_from_proto(info.close_time),
        }
    }
}
