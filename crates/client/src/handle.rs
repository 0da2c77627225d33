//! One execution: signal, query, update, wait, cancel, describe.

use crate::{
    client::Client,
    data::{Args, Data, DataConverter, DataError, IntoArgs},
    definition::{Handles, Query, Signal, Update, WorkflowDefinition},
    error::ClientError,
    failure::{Failure, FailureKind, TimeoutType},
    headers::ClientCallKind,
    pages::Events,
    rpc,
};
use std::{collections::BTreeMap, marker::PhantomData, time::SystemTime};
use tenure_api::{
    common::v1::{Payload, Payloads, WorkflowExecution},
    enums::v1::{HistoryEventFilterType, UpdateWorkflowExecutionLifecycleStage as Stage},
    history::v1::{HistoryEvent, history_event::Attributes},
    query::v1::WorkflowQuery,
    time::time_from_proto,
    update::v1::{Input, Meta, Outcome, Request, UpdateRef, WaitPolicy, outcome},
    workflow::v1::WorkflowExecutionInfo,
    workflowservice::v1 as api,
};

pub use tenure_api::enums::v1::WorkflowExecutionStatus;

/// An execution of the workflow `W`. Its latest run, unless [`Self::of_run`] names one.
///
/// ```no_run
/// use tenure_client::{Client, ClientError, Query, Signal, Update, WorkflowRef};
/// # struct Order;
/// # const ORDER: WorkflowRef<(String,), u64, Order> = WorkflowRef::new("Order");
/// # const PICK_UP: Signal<Order, (String,)> = Signal::new("pickUp");
/// # const STATUS: Query<Order, (), String> = Query::new("status");
/// # const TIP: Update<Order, (u64,), u64> = Update::new("tip");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let order = client.handle(ORDER, "order-1");
/// order.signal(PICK_UP, "Ann").await?;
/// let status: String = order.query(STATUS, ()).await?;
/// let all_tips = order.update(TIP, 200).await?;
/// let paid = order.result().await?;
/// # Ok(()) }
/// ```
pub struct WorkflowHandle<W> {
    client: Client,
    workflow_id: String,
    /// Empty: the latest.
    only_run: String,
    /// The run that a start began; results are of it and of what it continues as.
    first_run_id: String,
    workflow: PhantomData<fn(W)>,
}

impl<W> Clone for WorkflowHandle<W> {
    fn clone(&self) -> Self {
        WorkflowHandle {
            client: self.client.clone(),
            workflow_id: self.workflow_id.clone(),
            only_run: self.only_run.clone(),
            first_run_id: self.first_run_id.clone(),
            workflow: PhantomData,
        }
    }
}

impl<W> std::fmt::Debug for WorkflowHandle<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WorkflowHandle({:?}, run {:?})", self.workflow_id, self.only_run)
    }
}

impl<W: WorkflowDefinition> WorkflowHandle<W> {
    pub(crate) fn new(client: Client, workflow_id: String, only_run: String, first_run_id: String) -> Self {
        WorkflowHandle { client, workflow_id, only_run, first_run_id, workflow: PhantomData }
    }

    /// The same execution, this run of it only.
    #[must_use]
    pub fn of_run(mut self, run_id: impl Into<String>) -> Self {
        self.only_run = run_id.into();
        self.first_run_id.clone_from(&self.only_run);
        self
    }

    /// The workflow id.
    pub fn id(&self) -> &str {
        &self.workflow_id
    }

    /// The run that was started or named; empty for a handle that was made from an id.
    pub fn run_id(&self) -> &str {
        &self.first_run_id
    }

    /// Sends a signal. It is recorded when this returns; the workflow sees it later.
    pub async fn signal<P, A: Args>(&self, signal: Signal<P, A>, args: impl IntoArgs<A>) -> Result<(), ClientError>
    where
        W::State: Handles<P>,
    {
        let request = api::SignalWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(self.execution()),
            signal_name: signal.name().to_owned(),
            input: self.client.converter().encode_args(&args.into_args())?,
            identity: self.client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            header: self.client.headers(ClientCallKind::Signal, signal.name(), &self.workflow_id)?,
            ..Default::default()
        };
        rpc!(self.client.connection(), signal_workflow_execution, request, self.client.short()).await?;
        Ok(())
    }

    /// Asks the workflow, running or closed; a worker must be there.
    pub async fn query<P, A: Args, R: Data>(
        &self,
        query: Query<P, A, R>,
        args: impl IntoArgs<A>,
    ) -> Result<R, ClientError>
    where
        W::State: Handles<P>,
    {
        let query = WorkflowQuery {
            query_type: query.name().to_owned(),
            query_args: self.client.converter().encode_args(&args.into_args())?,
            header: self.client.headers(ClientCallKind::Query, query.name(), &self.workflow_id)?,
        };
        let request = api::QueryWorkflowRequest {
            namespace: self.client.namespace().to_owned(),
            execution: Some(self.execution()),
            query: Some(query),
            ..Default::default()
        };
        let answer = rpc!(self.client.connection(), query_workflow, request, self.client.long()).await;
        let answer = answer.map_err(|error| of_query(error, self.client.converter()))?;
        if let Some(rejected) = answer.query_rejected {
            return Err(ClientError::QueryFailed(Failure::msg(format!("rejected: {:?}", rejected.status()))));
        }
        Ok(self.client.converter().decode_first(answer.query_result.as_ref())?)
    }

    /// Sends an update and waits for its result.
    pub async fn update<P, A: Args, R: Data>(
        &self,
        update: Update<P, A, R>,
        args: impl IntoArgs<A>,
    ) -> Result<R, ClientError>
    where
        W::State: Handles<P>,
    {
        self.send_update(update.name(), args.into_args(), None, Stage::Completed).await?.result().await
    }

    /// Sends an update and waits until the workflow has accepted it. Two with the same id are one.
    pub async fn start_update<P, A: Args, R: Data>(
        &self,
        update: Update<P, A, R>,
        args: impl IntoArgs<A>,
        update_id: impl Into<String>,
    ) -> Result<UpdateHandle<R>, ClientError>
    where
        W::State: Handles<P>,
    {
        self.send_update(update.name(), args.into_args(), Some(update_id.into()), Stage::Accepted).await
    }

    /// The handle of an update that was sent before, by any process: to wait for its result.
    pub fn update_handle<P, A: Args, R: Data>(
        &self,
        _: Update<P, A, R>,
        update_id: impl Into<String>,
    ) -> UpdateHandle<R>
    where
        W::State: Handles<P>,
    {
        UpdateHandle::of(self.client.clone(), self.execution(), update_id.into())
    }

    async fn send_update<A: Args, R: Data>(
        &self,
        name: &str,
        args: A,
        update_id: Option<String>,
        wait: Stage,
    ) -> Result<UpdateHandle<R>, ClientError> {
        let client = &self.client;
        let input = client.converter().encode_args(&args)?;
        let execution = (&*self.workflow_id, &*self.only_run);
        let request = update_request(client, execution, name, input, update_id, wait)?;
        loop {
            let answer = rpc!(client.connection(), update_workflow_execution, request.clone(), client.long()).await?;
            if answer.outcome.is_some() || answer.stage() >= Stage::Accepted {
                return Ok(UpdateHandle::new(client.clone(), &request, answer));
            }
        }
    }

    /// Waits until the workflow completes, over retries and continue-as-new, and gives its result.
    pub async fn result(&self) -> Result<W::Output, ClientError> {
        self.client.wait(self.closed()).await
    }

    async fn closed(&self) -> Result<W::Output, ClientError> {
        let mut run_id = self.first_run_id.clone();
        loop {
            let close = self.close_event(&run_id).await?;
            match outcome_of(close, self.client.converter()) {
                Closed::Next(next) => run_id = next,
                Closed::Result(result) => return Ok(self.client.converter().decode_first(result.as_ref())?),
                Closed::Failed(failure) => return Err(ClientError::WorkflowFailed(failure)),
            }
        }
    }

    async fn close_event(&self, run_id: &str) -> Result<HistoryEvent, ClientError> {
        let execution = WorkflowExecution { workflow_id: self.workflow_id.clone(), run_id: run_id.to_owned() };
        let mut request = api::GetWorkflowExecutionHistoryRequest {
            namespace: self.client.namespace().to_owned(),
            execution: Some(execution),
            wait_new_event: true,
            history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
            skip_archival: true,
            ..Default::default()
        };
        loop {
            let (connection, patience) = (self.client.connection(), self.client.long());
            let page = rpc!(connection, get_workflow_execution_history, request.clone(), patience).await?;
            let last = page.history.unwrap_or_default().events.pop();
            if let Some(event) = last.filter(is_close) {
                return Ok(event);
            }
            request.next_page_token = page.next_page_token;
        }
    }

    /// The history of the run.
    pub fn history(&self) -> Events {
        let request = api::GetWorkflowExecutionHistoryRequest {
            namespace: self.client.namespace().to_owned(),
            execution: Some(self.execution()),
            ..Default::default()
        };
        Events::new(self.client.clone(), request)
    }

    /// Asks the workflow to stop; it may clean up first.
    pub async fn cancel(&self) -> Result<(), ClientError> {
        let request = api::RequestCancelWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(self.execution()),
            identity: self.client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        rpc!(self.client.connection(), request_cancel_workflow_execution, request, self.client.short()).await?;
        Ok(())
    }

    /// Stops the workflow at once; its code learns nothing of it.
    pub async fn terminate(&self, reason: impl Into<String>) -> Result<(), ClientError> {
        let request = api::TerminateWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(self.execution()),
            reason: reason.into(),
            identity: self.client.identity().to_owned(),
            ..Default::default()
        };
        rpc!(self.client.connection(), terminate_workflow_execution, request, self.client.short()).await?;
        Ok(())
    }

    /// Pauses the workflow: its code gets no further turn until it is [unpaused](Self::unpause). Activities that run go on,
    /// timers fire and signals are kept for it; queries and updates are refused.
    pub async fn pause(&self, reason: impl Into<String>) -> Result<(), ClientError> {
        let WorkflowExecution { workflow_id, run_id } = self.execution();
        let request = api::PauseWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_id,
            run_id,
            reason: reason.into(),
            identity: self.client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        rpc!(self.client.connection(), pause_workflow_execution, request, self.client.short()).await?;
        Ok(())
    }

    /// Lets a paused workflow go on. One that is not paused is an error of the server's, FAILED_PRECONDITION.
    pub async fn unpause(&self, reason: impl Into<String>) -> Result<(), ClientError> {
        let WorkflowExecution { workflow_id, run_id } = self.execution();
        let request = api::UnpauseWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_id,
            run_id,
            reason: reason.into(),
            identity: self.client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        rpc!(self.client.connection(), unpause_workflow_execution, request, self.client.short()).await?;
        Ok(())
    }

    /// What the server knows of it.
    pub async fn describe(&self) -> Result<Description, ClientError> {
        let request = api::DescribeWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            execution: Some(self.execution()),
        };
        let answer = rpc!(self.client.connection(), describe_workflow_execution, request, self.client.short()).await?;
        Ok(Description::new(answer.workflow_execution_info.unwrap_or_default(), self.client.converter()))
    }

    pub(crate) fn execution(&self) -> WorkflowExecution {
        WorkflowExecution { workflow_id: self.workflow_id.clone(), run_id: self.only_run.clone() }
    }
}

fn of_query(error: ClientError, converter: &DataConverter) -> ClientError {
    use tenure_api::errordetails::v1::QueryFailedFailure;
    let ClientError::Status(status) = &error else { return error };
    match crate::error::detail::<QueryFailedFailure>(status) {
        Some(detail) => ClientError::QueryFailed(match detail.failure {
            Some(failure) => Failure::from_proto(failure, converter),
            None => Failure::msg(status.message()),
        }),
        None => error,
    }
}

fn is_close(event: &HistoryEvent) -> bool {
    use Attributes as A;
    matches!(
        event.attributes,
        Some(
            A::WorkflowExecutionCompletedEventAttributes(_)
                | A::WorkflowExecutionFailedEventAttributes(_)
                | A::WorkflowExecutionTimedOutEventAttributes(_)
                | A::WorkflowExecutionCanceledEventAttributes(_)
                | A::WorkflowExecutionTerminatedEventAttributes(_)
                | A::WorkflowExecutionContinuedAsNewEventAttributes(_)
        )
    )
}

enum Closed {
    Next(String),
    Result(Option<Payloads>),
    Failed(Failure),
}

fn outcome_of(event: HistoryEvent, converter: &DataConverter) -> Closed {
    use Attributes as A;
    let next_or = |next: String, closed: Closed| if next.is_empty() { closed } else { Closed::Next(next) };
    match event.attributes {
        Some(A::WorkflowExecutionCompletedEventAttributes(it)) => {
            next_or(it.new_execution_run_id, Closed::Result(it.result))
        }
        Some(A::WorkflowExecutionContinuedAsNewEventAttributes(it)) => Closed::Next(it.new_execution_run_id),
        Some(A::WorkflowExecutionFailedEventAttributes(it)) => {
            let failure = Failure::from_proto(it.failure.unwrap_or_default(), converter);
            next_or(it.new_execution_run_id, Closed::Failed(failure))
        }
        Some(A::WorkflowExecutionTimedOutEventAttributes(it)) => {
            let failure = Failure::timeout(TimeoutType::StartToClose, "the workflow timed out");
            next_or(it.new_execution_run_id, Closed::Failed(failure))
        }
        Some(A::WorkflowExecutionCanceledEventAttributes(it)) => {
            let details = it.details.map(|details| details.payloads).unwrap_or_default();
            Closed::Failed(Failure::new(FailureKind::Cancelled { details }, "the workflow was cancelled"))
        }
        Some(A::WorkflowExecutionTerminatedEventAttributes(it)) => {
            Closed::Failed(Failure::new(FailureKind::Terminated, format!("terminated: {}", it.reason)))
        }
        _ => Closed::Failed(Failure::msg("the workflow closed in an unknown way")),
    }
}

pub(crate) fn update_request(
    client: &Client,
    (workflow_id, run_id): (&str, &str),
    name: &str,
    args: Option<Payloads>,
    update_id: Option<String>,
    wait: Stage,
) -> Result<api::UpdateWorkflowExecutionRequest, ClientError> {
    let update_id = update_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let request = Request {
        meta: Some(Meta { update_id, identity: client.identity().to_owned() }),
        input: Some(Input {
            header: client.headers(ClientCallKind::Update, name, workflow_id)?,
            name: name.to_owned(),
            args,
        }),
        ..Default::default()
    };
    Ok(api::UpdateWorkflowExecutionRequest {
        namespace: client.namespace().to_owned(),
        workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.to_owned() }),
        wait_policy: Some(WaitPolicy { lifecycle_stage: wait.into() }),
        request: Some(request),
        ..Default::default()
    })
}

/// An update that the workflow has accepted.
///
/// ```no_run
/// use tenure_client::{Client, ClientError, Query, Signal, Update, WorkflowRef};
/// # struct Order;
/// # const ORDER: WorkflowRef<(String,), u64, Order> = WorkflowRef::new("Order");
/// # const PICK_UP: Signal<Order, (String,)> = Signal::new("pickUp");
/// # const STATUS: Query<Order, (), String> = Query::new("status");
/// # const TIP: Update<Order, (u64,), u64> = Update::new("tip");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let tip = client.handle(ORDER, "order-1").start_update(TIP, 200, "tip-of-ann").await?;
/// println!("update {} is accepted", tip.id());
/// let all_tips: u64 = tip.result().await?;
/// # Ok(()) }
/// ```
pub struct UpdateHandle<R> {
    client: Client,
    reference: UpdateRef,
    outcome: Option<Outcome>,
    result: PhantomData<fn() -> R>,
}

impl<R: Data> UpdateHandle<R> {
    pub(crate) fn new(
        client: Client,
        request: &api::UpdateWorkflowExecutionRequest,
        answer: api::UpdateWorkflowExecutionResponse,
    ) -> Self {
        let asked = || UpdateRef {
            workflow_execution: request.workflow_execution.clone(),
            update_id: request
                .request
                .as_ref()
                .and_then(|request| request.meta.clone())
                .map(|meta| meta.update_id)
                .unwrap_or_default(),
        };
        let reference = answer.update_ref.unwrap_or_else(asked);
        UpdateHandle { client, reference, outcome: answer.outcome, result: PhantomData }
    }

    pub(crate) fn of(client: Client, execution: WorkflowExecution, update_id: String) -> Self {
        let reference = UpdateRef { workflow_execution: Some(execution), update_id };
        UpdateHandle { client, reference, outcome: None, result: PhantomData }
    }

    /// The update id.
    pub fn id(&self) -> &str {
        &self.reference.update_id
    }

    /// Waits for the result. After an error that is none of the update, such as [`ClientError::is_unreachable`], ask again.
    pub async fn result(&self) -> Result<R, ClientError> {
        let converter = self.client.converter();
        let mut outcome = self.outcome.clone();
        loop {
            match outcome.and_then(|outcome| outcome.value) {
                Some(outcome::Value::Success(result)) => return Ok(converter.decode_first(Some(&result))?),
                Some(outcome::Value::Failure(failure)) => {
                    return Err(ClientError::UpdateFailed(Failure::from_proto(failure, converter)));
                }
                None => {}
            }
            let request = api::PollWorkflowExecutionUpdateRequest {
                namespace: self.client.namespace().to_owned(),
                update_ref: Some(self.reference.clone()),
                identity: self.client.identity().to_owned(),
                wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::Completed.into() }),
            };
            let connection = self.client.connection();
            let answer = rpc!(connection, poll_workflow_execution_update, request, self.client.long()).await?;
            outcome = answer.outcome;
        }
    }
}

/// What the server knows of an execution.
///
/// ```no_run
/// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
/// for order in client.list("WorkflowType = 'Order' AND ExecutionStatus = 'Running'").await? {
///     println!("{} since {:?}", order.workflow_id, order.started);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Description {
    /// The workflow id.
    pub workflow_id: String,
    /// The run id.
    pub run_id: String,
    /// The workflow type.
    pub workflow_type: String,
    /// Whether it runs, or how it closed.
    pub status: WorkflowExecutionStatus,
    /// When it was started.
    pub started: Option<SystemTime>,
    /// When it closed.
    pub closed: Option<SystemTime>,
    /// How many events its history has.
    pub history_length: i64,
    /// The queue on which its workers poll.
    pub task_queue: String,
    memo: BTreeMap<String, Payload>,
    search_attributes: BTreeMap<String, Payload>,
    converter: DataConverter,
}

impl Description {
    pub(crate) fn new(info: WorkflowExecutionInfo, converter: &DataConverter) -> Self {
        let status = info.status();
        let execution = info.execution.unwrap_or_default();
        Description {
            workflow_id: execution.workflow_id,
            run_id: execution.run_id,
            workflow_type: info.r#type.unwrap_or_default().name,
            status,
            started: time_from_proto(info.start_time),
            closed: time_from_proto(info.close_time),
            history_length: info.history_length,
            task_queue: info.task_queue,
            memo: info.memo.unwrap_or_default().fields,
            search_attributes: info.search_attributes.unwrap_or_default().indexed_fields,
            converter: converter.clone(),
        }
    }

    /// Whether it has not closed.
    pub fn is_running(&self) -> bool {
        matches!(self.status, WorkflowExecutionStatus::Running | WorkflowExecutionStatus::Paused)
    }

    /// A field of the memo.
    pub fn memo<T: Data>(&self, key: &str) -> Option<Result<T, DataError>> {
        self.memo.get(key).map(|payload| self.converter.decode(payload))
    }

    /// The value of a search attribute.
    pub fn search_attribute<T: Data>(&self, key: &str) -> Option<Result<T, DataError>> {
        self.search_attributes.get(key).map(|payload| DataConverter::default().decode(payload))
    }
}
