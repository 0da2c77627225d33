//! Child workflows.

use super::{Cancellation, Sent, external::signal_to};
use crate::{
    Failure,
    runtime::{Location, Notes, OpFuture, OperationKind, Rt},
};
use std::{
    future::IntoFuture,
    marker::PhantomData,
    panic::Location as PanicLocation,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tenure_api::{
    command::v1::{StartChildWorkflowExecutionCommandAttributes, command::Attributes},
    common::v1::{Memo, SearchAttributes, WorkflowExecution, WorkflowType},
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
};
use tenure_client::{
    Args, Data, Encode, Handles, IntoArgs, RetryPolicy, SearchKey, Signal, WorkflowDefinition, WorkflowIdReusePolicy,
};

pub use tenure_api::enums::v1::ParentClosePolicy;

/// A child workflow about to be started: awaiting it starts it and waits for its result.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// #[workflow]
/// async fn part(cx: WorkflowContext, number: u32) -> Result<u32> {
///     Ok(number)
/// }
///
/// #[workflow]
/// async fn whole(cx: WorkflowContext) -> Result<Vec<u32>> {
///     let parts = join_all((0..3).map(|number| cx.child(part, number).id(format!("part-{number}")))).await;
///     parts.into_iter().collect()
/// }
/// ```
#[must_use = "starts nothing unless it is awaited or started"]
pub struct ChildCall<W> {
    rt: Rt,
    start: StartChildWorkflowExecutionCommandAttributes,
    cancellation: Cancellation,
    notes: Notes,
    error: Option<Failure>,
    at: Location,
    workflow: PhantomData<fn(W)>,
}

impl<W: WorkflowDefinition> ChildCall<W> {
    pub(crate) fn new(rt: &Rt, workflow: &W, args: W::Args, at: Location) -> Self {
        let (input, error) = match rt.converter.encode_args(&args) {
            Ok(input) => (input, None),
            Err(error) => (None, Some(error.into())),
        };
        let start = StartChildWorkflowExecutionCommandAttributes {
            workflow_type: Some(WorkflowType { name: workflow.name().to_owned() }),
            task_queue: Some(TaskQueue { name: rt.info().task_queue.clone(), ..Default::default() }),
            input,
            ..Default::default()
        };
        let cancellation = Cancellation::WaitCompleted;
        let notes = Notes::default();
        ChildCall { rt: rt.clone(), start, cancellation, notes, error, at, workflow: PhantomData }
    }

    /// Default: the parent's run id and a number.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.start.workflow_id = id.into();
        self
    }

    /// Default: the parent's.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.start.task_queue = Some(TaskQueue { name: name.into(), ..Default::default() });
        self
    }

    /// What becomes of it when the parent closes. Default: it is terminated.
    pub fn parent_close(mut self, policy: ParentClosePolicy) -> Self {
        self.start.parent_close_policy = policy.into();
        self
    }

    /// What to do when an execution with this id has closed. Default: start another.
    pub fn reuse(mut self, policy: WorkflowIdReusePolicy) -> Self {
        self.start.workflow_id_reuse_policy = policy.into();
        self
    }

    /// Limit for all runs together. Default: none.
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.start.workflow_execution_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for one run. Default: none.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.start.workflow_run_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Retries of the child as a whole. Default: none.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.start.retry_policy = Some(policy.into_proto());
        self
    }

    /// Starts again and again on this schedule.
    pub fn cron(mut self, schedule: impl Into<String>) -> Self {
        self.start.cron_schedule = schedule.into();
        self
    }

    /// Adds a field to its memo, which lists show.
    pub fn memo<T: Encode>(mut self, key: impl Into<String>, value: T) -> Self {
        match self.rt.converter.encode(&value) {
            Ok(payload) => {
                self.start.memo.get_or_insert_with(Memo::default).fields.insert(key.into(), payload);
            }
            Err(error) => self.error = Some(error.into()),
        }
        self
    }

    /// Sets a search attribute, which list filters find.
    pub fn search_attribute<V>(mut self, key: impl SearchKey<V>, value: V) -> Self {
        let (key, value) = key.with(value);
        let attributes = self.start.search_attributes.get_or_insert_with(SearchAttributes::default);
        match value.into_payload() {
            Ok(payload) => {
                attributes.indexed_fields.insert(key, payload);
            }
            Err(error) => self.error = Some(error.into()),
        }
        self
    }

    /// Default: [`Cancellation::WaitCompleted`].
    pub fn cancellation(mut self, cancellation: Cancellation) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// What the UI shows beside it in the parent, and in a list of workflows.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.notes.summary = Some(summary.into());
        self
    }

    /// What the UI shows of it on its own page; it may be Markdown of several lines.
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.notes.details = Some(details.into());
        self
    }

    fn begin(mut self) -> Result<(Rt, WorkflowExecution, OpFuture, OpFuture), Failure> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let number = self.rt.operations.borrow_mut().next_child();
        if self.start.workflow_id.is_empty() {
            self.start.workflow_id = format!("{}_{number}", self.rt.info().run_id);
        }
        let execution = WorkflowExecution { workflow_id: self.start.workflow_id.clone(), run_id: String::new() };
        let kind = OperationKind::ChildStart {
            workflow_id: self.start.workflow_id.clone(),
            workflow_type: self.start.workflow_type.clone().unwrap_or_default().name,
            mode: self.cancellation.into(),
            cancel_requested: false,
        };
        let attributes = Attributes::StartChildWorkflowExecutionCommandAttributes(self.start);
        let started = self.rt.start(kind, Some(attributes), self.notes, self.at);
        let ended = OperationKind::ChildResult { start: started };
        let ended = self.rt.start(ended, None, Notes::default(), self.at);
        let wait = |op| OpFuture::new(self.rt.clone(), op).at(self.at);
        Ok((self.rt.clone(), execution, wait(started), wait(ended)))
    }

    /// Starts it; done when it has started.
    pub async fn start(self) -> Result<ChildHandle<W>, Failure> {
        let (rt, mut execution, started, mut ended) = self.begin()?;
        execution.run_id = started.await?.run_id;
        ended.detach();
        Ok(ChildHandle { rt, execution, ended, workflow: PhantomData })
    }
}

impl<W: WorkflowDefinition> IntoFuture for ChildCall<W> {
    type Output = Result<W::Output, Failure>;
    type IntoFuture = ChildFuture<W::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let inner = self.begin().map(|(_, _, mut started, ended)| {
            // A start that fails ends the other, too.
            started.detach();
            ended
        });
        ChildFuture { inner: inner.map_err(Some), output: PhantomData }
    }
}

/// Waits for a child workflow. Dropping it cancels the child.
#[must_use = "a child that nobody awaits is cancelled; `.start()` on the call gives a handle that leaves it alone"]
pub struct ChildFuture<T> {
    inner: Result<OpFuture, Option<Failure>>,
    output: PhantomData<fn() -> T>,
}

impl<T: Data> Future for ChildFuture<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.inner {
            Ok(op) => match ready!(Pin::new(&mut *op).poll(cx)) {
                Ok(outcome) => op.read(&outcome).map(Ok),
                Err(failure) => Poll::Ready(Err(failure)),
            },
            Err(error) => Poll::Ready(Err(error.take().unwrap_or_else(|| Failure::msg("polled after its end")))),
        }
    }
}

/// A child workflow that has started. Dropping it leaves the child alone.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// # const ADD: Signal<(), (u64,)> = Signal::new("add");
/// # #[workflow] async fn sum(cx: WorkflowContext) -> Result<u64> { Ok(0) }
/// #[workflow]
/// async fn parent(cx: WorkflowContext) -> Result<u64> {
///     let child = cx.child(sum, ()).start().await?;
///     child.signal(ADD, 5).await?;
///     child.result().await
/// }
/// ```
pub struct ChildHandle<W> {
    rt: Rt,
    execution: WorkflowExecution,
    ended: OpFuture,
    workflow: PhantomData<fn(W)>,
}

impl<W: WorkflowDefinition> ChildHandle<W> {
    /// Its workflow id.
    pub fn id(&self) -> &str {
        &self.execution.workflow_id
    }

    /// Its run id.
    pub fn run_id(&self) -> &str {
        &self.execution.run_id
    }

    /// Waits for its result.
    pub async fn result(self) -> Result<W::Output, Failure> {
        let mut ended = self.ended;
        let outcome = (&mut ended).await?;
        std::future::poll_fn(|_| ended.read(&outcome).map(Ok)).await
    }

    /// Signals it; done when the signal has arrived.
    #[track_caller]
    pub fn signal<P, A: Args>(&self, signal: Signal<P, A>, args: impl IntoArgs<A>) -> Sent
    where
        W::State: Handles<P>,
    {
        // By id: a child that continued as new is still the child.
        let execution = WorkflowExecution { run_id: String::new(), ..self.execution.clone() };
        signal_to(&self.rt, execution, true, signal.name(), &args.into_args(), PanicLocation::caller())
    }

    /// Asks it to stop.
    pub fn cancel(&self) {
        self.ended.cancel();
    }
}
