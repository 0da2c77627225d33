//! Batch operations: one thing that the server does to many executions.

mod handle;
mod options;
mod start;

pub use handle::{BatchDescription, BatchHandle, BatchOperationState, BatchOperationType, BatchSummary};
pub use options::{ActivityOptions, BatchActivities, ResetPoint, ResetReapplyExcludeType, WorkflowOptions};
pub use start::StartBatch;

use crate::{
    client::Client,
    definition::WorkflowDefinition,
    filter::Filter,
    handle::{Description, WorkflowHandle},
    pages::List,
    rpc,
};
use tenure_api::{common::v1::WorkflowExecution, workflowservice::v1 as api};

impl Client {
    /// A batch operation on the executions that a filter finds when it begins. What is for open runs only passes over those
    /// that are closed. A filter that finds all, `""`, is refused, and so is an order.
    pub fn batch(&self, filter: impl Into<Filter>) -> Batch {
        let visibility_query = filter.into().to_string();
        Batch::new(self, api::StartBatchOperationRequest { visibility_query, ..Default::default() })
    }

    /// A batch operation on these executions.
    ///
    /// ```no_run
    /// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
    /// let late = client.list("WorkflowType = 'Order' ORDER BY StartTime").limit(10).await?;
    /// client.batch_of(late).reason("too late").cancel().await?;
    /// client.batch_of(["order-1", "order-2"]).reason("a test").terminate().await?;
    /// # Ok(()) }
    /// ```
    pub fn batch_of(&self, executions: impl IntoIterator<Item = impl Into<BatchTarget>>) -> Batch {
        let executions = executions.into_iter().map(|execution| execution.into().0).collect();
        // Older servers do not know the field that replaces it.
        #[allow(deprecated)]
        Batch::new(self, api::StartBatchOperationRequest { executions, ..Default::default() })
    }

    /// The batch operation with this id; asks nothing.
    pub fn batch_handle(&self, job_id: impl Into<String>) -> BatchHandle {
        BatchHandle::new(self.clone(), job_id.into())
    }

    /// The batch operations of the namespace: those that run, and those that are still kept.
    ///
    /// ```no_run
    /// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
    /// for batch in client.list_batches().await? {
    ///     println!("{}: {:?}, {:?}", batch.id, batch.operation, batch.state);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn list_batches(&self) -> List<BatchSummary> {
        let client = self.clone();
        List::new(move |page_size, next_page_token| {
            let (client, namespace) = (client.clone(), client.namespace().to_owned());
            async move {
                let request = api::ListBatchOperationsRequest { namespace, page_size, next_page_token };
                let page = rpc!(client.connection(), list_batch_operations, request, client.short()).await?;
                Ok((page.operation_info.into_iter().map(BatchSummary::new).collect(), page.next_page_token))
            }
        })
    }
}

/// A batch operation of which it is not said yet what it does: [`Client::batch`] gives it, and its last method says so.
///
/// ```no_run
/// use tenure_client::{Client, ClientError, ResetPoint, Signal, attributes};
/// # struct Order;
/// const CLOSING_TIME: Signal<Order, (String,)> = Signal::new("closingTime");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let orders = || client.batch(attributes::WORKFLOW_TYPE.eq("Order")).reason("we close");
/// orders().signal(CLOSING_TIME, "ten o'clock").await?.wait().await?;
/// let reset = orders().max_operations_per_second(5.0).reset(ResetPoint::LastWorkflowTask).await?;
/// let end = reset.wait_with(|now| println!("{} of {}", now.completed + now.failed, now.total)).await?;
/// println!("{} orders could not be reset", end.failed);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "does nothing until it is said what"]
pub struct Batch {
    client: Client,
    /// `None`: one that nobody else has.
    job_id: Option<String>,
    request: api::StartBatchOperationRequest,
}

impl Batch {
    fn new(client: &Client, request: api::StartBatchOperationRequest) -> Self {
        let namespace = client.namespace().to_owned();
        let reason = format!("asked for by {}", client.identity());
        let request = api::StartBatchOperationRequest { namespace, reason, ..request };
        Batch { client: client.clone(), job_id: None, request }
    }

    /// Why; the server keeps it with the operation, and in the history of what it terminates or resets. Default: who asks.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }

    /// The id of the operation, which is used once: a second operation with it is refused ([`is_already_exists`]) for as
    /// long as the first is kept. Default: a random uuid.
    ///
    /// [`is_already_exists`]: crate::ClientError::is_already_exists
    pub fn job_id(mut self, id: impl Into<String>) -> Self {
        self.job_id = Some(id.into());
        self
    }

    /// Executions in a second, at most. Default, and limit: what the server allows.
    pub fn max_operations_per_second(mut self, operations: f32) -> Self {
        self.request.max_operations_per_second = operations;
        self
    }
}

/// An execution that [`Client::batch_of`] is given: a workflow id (the run that is the latest when the operation begins), a
/// workflow id with a run id, a handle, or what a list found.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchTarget(WorkflowExecution);

impl From<&str> for BatchTarget {
    fn from(workflow_id: &str) -> Self {
        workflow_id.to_owned().into()
    }
}

impl From<String> for BatchTarget {
    fn from(workflow_id: String) -> Self {
        (workflow_id, String::new()).into()
    }
}

impl<W: Into<String>, R: Into<String>> From<(W, R)> for BatchTarget {
    fn from((workflow_id, run_id): (W, R)) -> Self {
        BatchTarget(WorkflowExecution { workflow_id: workflow_id.into(), run_id: run_id.into() })
    }
}

impl<W: WorkflowDefinition> From<&WorkflowHandle<W>> for BatchTarget {
    fn from(handle: &WorkflowHandle<W>) -> Self {
        BatchTarget(handle.execution())
    }
}

impl From<Description> for BatchTarget {
    fn from(found: Description) -> Self {
        (found.workflow_id, found.run_id).into()
    }
}
