//! Starting a workflow, alone or together with a signal or an update.

use crate::{
    args::RetryPolicy,
    client::Client,
    data::{Args, Data, DataError, Encode, IntoArgs},
    definition::{Handles, Signal, Update, WorkflowDefinition},
    error::{ClientError, detail},
    handle::{UpdateHandle, WorkflowHandle, update_request},
    headers::ClientCallKind,
    rpc,
    search::SearchKey,
};
use std::{future::IntoFuture, marker::PhantomData, pin::Pin, time::Duration};
use tenure_api::{
    common::v1::{Memo, Payload, SearchAttributes, WorkflowType},
    enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage,
    errordetails::v1::MultiOperationExecutionFailure,
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
    workflowservice::v1 as api,
};

pub use tenure_api::enums::v1::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};

/// A workflow about to be started: awaiting it starts it and gives its handle.
///
/// ```no_run
/// use std::time::Duration;
/// use tenure_client::{Client, ClientError, Query, Signal, Update, WorkflowRef};
/// # struct Order;
/// # const ORDER: WorkflowRef<(String,), u64, Order> = WorkflowRef::new("Order");
/// # const PICK_UP: Signal<Order, (String,)> = Signal::new("pickUp");
/// # const STATUS: Query<Order, (), String> = Query::new("status");
/// # const TIP: Update<Order, (u64,), u64> = Update::new("tip");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let start = || client.start(ORDER, "pizza").task_queue("orders");
/// let handle = start().id("order-1").execution_timeout(Duration::from_secs(3600)).await?;
/// // In one step with its first signal, or with an update.
/// let handle = start().id("order-2").signal_with_start(PICK_UP, "Ann").await?;
/// let (handle, tip) = start().id("order-3").update_with_start(TIP, 200).await?;
/// # Ok(()) }
/// ```
#[must_use = "starts nothing unless it is awaited"]
pub struct StartWorkflow<W> {
    client: Client,
    request: api::StartWorkflowExecutionRequest,
    error: Option<DataError>,
    workflow: PhantomData<fn(W)>,
}

impl<W: WorkflowDefinition> StartWorkflow<W> {
    pub(crate) fn new(client: Client, workflow: &W, args: W::Args) -> Self {
        let (input, error) = match client.converter().encode_args(&args) {
            Ok(input) => (input, None),
            Err(error) => (None, Some(error)),
        };
        let request = api::StartWorkflowExecutionRequest {
            namespace: client.namespace().to_owned(),
            workflow_id: uuid::Uuid::new_v4().to_string(),
            workflow_type: Some(WorkflowType { name: workflow.name().to_owned() }),
            input,
            identity: client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        StartWorkflow { client, request, error, workflow: PhantomData }
    }

    /// The workflow id. Default: a random uuid.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.request.workflow_id = id.into();
        self
    }

    /// The task queue that its workers poll. There is no default.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.request.task_queue = Some(TaskQueue { name: name.into(), ..Default::default() });
        self
    }

    /// What to do when an execution with this id has closed. Default: start another.
    pub fn reuse(mut self, policy: WorkflowIdReusePolicy) -> Self {
        self.request.workflow_id_reuse_policy = policy.into();
        self
    }

    /// What to do when an execution with this id runs. Default: refuse.
    pub fn conflict(mut self, policy: WorkflowIdConflictPolicy) -> Self {
        self.request.workflow_id_conflict_policy = policy.into();
        self
    }

    /// Limit for the execution as a whole, over retries and continue-as-new.
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.request.workflow_execution_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for one run.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.request.workflow_run_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for one workflow task. Default: 10 s.
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.request.workflow_task_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Retries of the workflow as a whole. Default: none.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.request.retry_policy = Some(policy.into_proto());
        self
    }

    /// Starts again and again on this schedule.
    pub fn cron(mut self, schedule: impl Into<String>) -> Self {
        self.request.cron_schedule = schedule.into();
        self
    }

    /// Waits so long before the first workflow task.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.request.workflow_start_delay = Some(duration_to_proto(delay));
        self
    }

    /// Adds a field to the memo, which lists show.
    pub fn memo<T: Encode>(mut self, key: impl Into<String>, value: T) -> Self {
        match self.client.converter().encode(&value) {
            Ok(payload) => {
                self.request.memo.get_or_insert_with(Memo::default).fields.insert(key.into(), payload);
            }
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Sets a search attribute, which list filters find.
    pub fn search_attribute<V>(mut self, key: impl SearchKey<V>, value: V) -> Self {
        let (key, value) = key.with(value);
        let attributes = self.request.search_attributes.get_or_insert_with(SearchAttributes::default);
        match value.into_payload() {
            Ok(payload) => {
                attributes.indexed_fields.insert(key, payload);
            }
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// What the UI shows beside it in a list of workflows.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        let payload = self.note(summary.into());
        self.request.user_metadata.get_or_insert_default().summary = payload;
        self
    }

    /// What the UI shows of it on its own page; it may be Markdown of several lines.
    pub fn details(mut self, details: impl Into<String>) -> Self {
        let payload = self.note(details.into());
        self.request.user_metadata.get_or_insert_default().details = payload;
        self
    }

    fn note(&mut self, text: String) -> Option<Payload> {
        self.client.converter().encode(&text).map_err(|error| self.error = Some(error)).ok()
    }

    /// Retries with the same request id start once.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request.request_id = id.into();
        self
    }

    /// The request, with the headers of the client's interceptors.
    fn request(
        client: &Client,
        mut request: api::StartWorkflowExecutionRequest,
    ) -> Result<api::StartWorkflowExecutionRequest, ClientError> {
        let name = request.workflow_type.as_ref().map_or("", |it| &it.name);
        request.header = client.headers(ClientCallKind::StartWorkflow, name, &request.workflow_id)?;
        Ok(request)
    }

    /// Signals the execution, which is started first if it does not run; in one step.
    pub async fn signal_with_start<P, A: Args>(
        mut self,
        signal: Signal<P, A>,
        args: impl IntoArgs<A>,
    ) -> Result<WorkflowHandle<W>, ClientError>
    where
        W::State: Handles<P>,
    {
        self.error.take().map_or(Ok(()), Err)?;
        let signal_input = self.client.converter().encode_args(&args.into_args())?;
        let start = Self::request(&self.client, self.request)?;
        let workflow_id = start.workflow_id.clone();
        let request = api::SignalWithStartWorkflowExecutionRequest {
            namespace: start.namespace,
            workflow_id: start.workflow_id,
            workflow_type: start.workflow_type,
            task_queue: start.task_queue,
            input: start.input,
            workflow_execution_timeout: start.workflow_execution_timeout,
            workflow_run_timeout: start.workflow_run_timeout,
            workflow_task_timeout: start.workflow_task_timeout,
            identity: start.identity,
            request_id: start.request_id,
            workflow_id_reuse_policy: start.workflow_id_reuse_policy,
            workflow_id_conflict_policy: start.workflow_id_conflict_policy,
            signal_name: signal.name().to_owned(),
            signal_input,
            retry_policy: start.retry_policy,
            cron_schedule: start.cron_schedule,
            memo: start.memo,
            search_attributes: start.search_attributes,
            header: start.header,
            workflow_start_delay: start.workflow_start_delay,
            user_metadata: start.user_metadata,
            ..Default::default()
        };
        let client = self.client;
        let answer = rpc!(client.connection(), signal_with_start_workflow_execution, request, client.short()).await?;
        Ok(WorkflowHandle::new(client, workflow_id, String::new(), answer.run_id))
    }

    /// Updates the execution, which is started first if it does not run (set [`Self::conflict`]); in one step. Waits
    /// until the update is accepted.
    pub async fn update_with_start<P, A: Args, R: Data>(
        mut self,
        update: Update<P, A, R>,
        args: impl IntoArgs<A>,
    ) -> Result<(WorkflowHandle<W>, UpdateHandle<R>), ClientError>
    where
        W::State: Handles<P>,
    {
        use api::execute_multi_operation_request::{Operation, operation::Operation as Kind};
        use api::execute_multi_operation_response::response::Response;
        self.error.take().map_or(Ok(()), Err)?;
        let client = self.client;
        let workflow_id = self.request.workflow_id.clone();
        let input = client.converter().encode_args(&args.into_args())?;
        let update = update_request(&client, (&workflow_id, ""), update.name(), input, None, Stage::Accepted)?;
        let start = Self::request(&client, self.request)?;
        let operations = [Kind::StartWorkflow(start), Kind::UpdateWorkflow(update.clone())];
        let request = api::ExecuteMultiOperationRequest {
            namespace: client.namespace().to_owned(),
            operations: operations.map(|operation| Operation { operation: Some(operation) }).into(),
            ..Default::default()
        };
        let called = rpc!(client.connection(), execute_multi_operation, request, client.long()).await;
        let answer = called.map_err(|error| of_operations(error, &workflow_id))?;
        let mut run_id = String::new();
        let mut updated = None;
        for response in answer.responses.into_iter().filter_map(|response| response.response) {
            match response {
                Response::StartWorkflow(started) => run_id = started.run_id,
                Response::UpdateWorkflow(answer) => updated = Some(answer),
            }
        }
        let updated = updated.ok_or_else(|| ClientError::Invalid("the server answered no update".to_owned()))?;
        let handle = UpdateHandle::new(client.clone(), &update, updated);
        Ok((WorkflowHandle::new(client, workflow_id, String::new(), run_id), handle))
    }
}

/// The error of the operation that was at fault, of the two.
fn of_operations(error: ClientError, workflow_id: &str) -> ClientError {
    let ClientError::Status(status) = &error else { return error };
    let parts = detail::<MultiOperationExecutionFailure>(status).unwrap_or_default().statuses;
    // The other one says that it was aborted.
    let aborted = tonic::Code::Aborted as i32;
    match parts.into_iter().find(|part| part.code != 0 && part.code != aborted) {
        Some(part) if part.code == tonic::Code::AlreadyExists as i32 => {
            ClientError::AlreadyStarted { workflow_id: workflow_id.to_owned(), run_id: String::new() }
        }
        Some(part) => tonic::Status::new(part.code.into(), part.message).into(),
        None => error,
    }
}

impl<W: WorkflowDefinition> IntoFuture for StartWorkflow<W> {
    type Output = Result<WorkflowHandle<W>, ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let StartWorkflow { client, request, error, .. } = self;
        Box::pin(async move {
            error.map_or(Ok(()), Err)?;
            let request = Self::request(&client, request)?;
            let workflow_id = request.workflow_id.clone();
            let started = rpc!(client.connection(), start_workflow_execution, request, client.short()).await;
            let run_id = started.map_err(|error| error.of_start(&workflow_id))?.run_id;
            Ok(WorkflowHandle::new(client, workflow_id, String::new(), run_id))
        })
    }
}
