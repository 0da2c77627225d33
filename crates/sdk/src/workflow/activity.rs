//! Calls of activities.

use crate::{
    Failure,
    interceptor::OutboundKind,
    runtime::{LocalCall, LocalRequest, Location, Notes, OpFuture, OperationKind, Rt},
    workflow::Cancellation,
};
use std::{
    future::IntoFuture,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tenure_api::{
    command::v1::{ScheduleActivityTaskCommandAttributes, command::Attributes},
    common::v1::ActivityType,
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
};
use tenure_client::{ActivityDefinition, Data, Headers, RetryPolicy};

/// An activity about to be called: awaiting it calls it and waits for its result.
///
/// ```
/// use std::time::Duration;
/// use tenure_sdk::prelude::*;
/// # #[activity] async fn charge(cents: u64) -> Result<String> { Ok(String::new()) }
/// #[workflow]
/// async fn pay(cx: WorkflowContext) -> Result<String> {
///     let patient = RetryPolicy::default().maximum_attempts(5).never_for(["CardDeclined"]);
///     cx.activity(charge, 999).start_to_close(Duration::from_secs(10)).retry(patient).await
/// }
/// ```
#[must_use = "calls nothing unless it is awaited or started"]
pub struct ActivityCall<D> {
    rt: Rt,
    schedule: ScheduleActivityTaskCommandAttributes,
    cancellation: Cancellation,
    summary: Option<String>,
    error: Option<Failure>,
    at: Location,
    activity: PhantomData<fn(D)>,
}

impl<D: ActivityDefinition> ActivityCall<D> {
    pub(crate) fn new(rt: &Rt, activity: &D, args: D::Args, at: Location) -> Self {
        let (input, error) = match rt.converter.encode_args(&args) {
            Ok(input) => (input, None),
            Err(error) => (None, Some(error.into())),
        };
        let schedule = ScheduleActivityTaskCommandAttributes {
            activity_type: Some(ActivityType { name: activity.name().to_owned() }),
            task_queue: Some(TaskQueue { name: rt.info().task_queue.clone(), ..Default::default() }),
            input,
            ..Default::default()
        };
        let cancellation = Cancellation::default();
        ActivityCall { rt: rt.clone(), schedule, cancellation, summary: None, error, at, activity: PhantomData }
    }

    /// The task queue that its workers poll. Default: the workflow's own queue.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.schedule.task_queue = Some(TaskQueue { name: name.into(), ..Default::default() });
        self
    }

    /// Limit for one attempt. Default: one minute, unless [`Self::schedule_to_close`] is set.
    pub fn start_to_close(mut self, timeout: Duration) -> Self {
        self.schedule.start_to_close_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for all attempts and the time between them. Default: none.
    pub fn schedule_to_close(mut self, timeout: Duration) -> Self {
        self.schedule.schedule_to_close_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for the time until a worker takes it. Default: none.
    pub fn schedule_to_start(mut self, timeout: Duration) -> Self {
        self.schedule.schedule_to_start_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// An attempt that is silent for so long has failed. Default: none.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.schedule.heartbeat_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Default: the server's, which retries until the time is up.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.schedule.retry_policy = Some(policy.into_proto());
        self
    }

    /// Default: [`Cancellation::TryCancel`].
    pub fn cancellation(mut self, cancellation: Cancellation) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// The activity id. Default: a number of this workflow's own.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.schedule.activity_id = id.into();
        self
    }

    /// What the UI shows beside it.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// Calls it now; the future waits for its result.
    pub fn start(mut self) -> ActivityFuture<D::Output> {
        if let Some(error) = self.error {
            return ActivityFuture { inner: Err(Some(error)), output: PhantomData };
        }
        let number = self.rt.operations.borrow_mut().next_activity();
        let schedule = &mut self.schedule;
        if schedule.activity_id.is_empty() {
            schedule.activity_id = number.to_string();
        }
        if schedule.start_to_close_timeout.is_none() && schedule.schedule_to_close_timeout.is_none() {
            schedule.start_to_close_timeout = Some(duration_to_proto(Duration::from_secs(60)));
        }
        let own_queue = schedule.task_queue.as_ref().is_some_and(|queue| queue.name == self.rt.info().task_queue);
        schedule.request_eager_execution = own_queue;
        let kind = OperationKind::Activity {
            id: schedule.activity_id.clone(),
            activity_type: schedule.activity_type.clone().unwrap_or_default().name,
            mode: self.cancellation.into(),
            identity: String::new(),
        };
        let attributes = Attributes::ScheduleActivityTaskCommandAttributes(self.schedule);
        let op = self.rt.start(kind, Some(attributes), Notes::of(self.summary), self.at);
        ActivityFuture { inner: Ok(OpFuture::new(self.rt, op).at(self.at)), output: PhantomData }
    }
}

impl<D: ActivityDefinition> IntoFuture for ActivityCall<D> {
    type Output = Result<D::Output, Failure>;
    type IntoFuture = ActivityFuture<D::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}

/// Waits for an activity. Dropping it cancels the activity.
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// # use tenure_sdk::prelude::*;
/// # #[activity] async fn notify(text: String) {}
/// # #[workflow]
/// # async fn order(cx: WorkflowContext) -> Result<()> {
/// cx.activity(notify, "it began").start(); // dropped, so never called
/// # Ok(()) }
/// ```
///
/// ```
/// # use tenure_sdk::prelude::*;
/// # #[activity] async fn charge(cents: u64) -> Result<String> { Ok(String::new()) }
/// #[workflow]
/// async fn pay_twice(cx: WorkflowContext) -> Result<(String, String)> {
///     // Both run at the same time.
///     let (first, second) = (cx.activity(charge, 500).start(), cx.activity(charge, 499).start());
///     Ok((first.await?, second.await?))
/// }
/// ```
#[must_use = "an activity that nobody awaits is cancelled; `.detach()` lets it run"]
pub struct ActivityFuture<T> {
    inner: Result<OpFuture, Option<Failure>>,
    output: PhantomData<fn() -> T>,
}

impl<T> ActivityFuture<T> {
    /// Asks the activity to stop.
    pub fn cancel(&self) {
        if let Ok(op) = &self.inner {
            op.cancel();
        }
    }

    /// Lets the activity run, whatever becomes of this workflow's interest in it: fire and forget.
    ///
    /// ```
    /// # use tenure_sdk::prelude::*;
    /// # #[activity] async fn notify(text: String) {}
    /// #[workflow]
    /// async fn order(cx: WorkflowContext) -> Result<()> {
    ///     cx.activity(notify, "it began").start().detach();
    ///     Ok(())
    /// }
    /// ```
    pub fn detach(mut self) {
        if let Ok(op) = &mut self.inner {
            op.detach();
        }
    }
}

impl<T: Data> Future for ActivityFuture<T> {
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

/// A local activity about to be called: awaiting it calls it and waits for its result.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// #[activity]
/// fn parse(text: String) -> Result<u64> {
///     Ok(text.parse()?)
/// }
///
/// #[workflow]
/// async fn double(cx: WorkflowContext, text: String) -> Result<u64> {
///     Ok(2 * cx.local_activity(parse, text).await?)
/// }
/// ```
#[must_use = "calls nothing unless it is awaited or started"]
pub struct LocalActivityCall<D> {
    rt: Rt,
    call: LocalCall,
    error: Option<Failure>,
    at: Location,
    activity: PhantomData<fn(D)>,
}

impl<D: ActivityDefinition> LocalActivityCall<D> {
    pub(crate) fn new(rt: &Rt, activity: &D, args: D::Args, at: Location) -> Self {
        let (input, error) = match rt.converter.encode_args(&args) {
            Ok(input) => (input, None),
            Err(error) => (None, Some(error.into())),
        };
        let call = LocalCall {
            seq: 0,
            activity_type: activity.name().to_owned(),
            input,
            start_to_close: None,
            schedule_to_close: None,
            retry: None,
            headers: Headers::default(),
            summary: None,
        };
        LocalActivityCall { rt: rt.clone(), call, error, at, activity: PhantomData }
    }

    /// Limit for one attempt. Default: one minute.
    pub fn start_to_close(mut self, timeout: Duration) -> Self {
        self.call.start_to_close = Some(timeout);
        self
    }

    /// Limit for all attempts. Default: none.
    pub fn schedule_to_close(mut self, timeout: Duration) -> Self {
        self.call.schedule_to_close = Some(timeout);
        self
    }

    /// What the UI shows beside it.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.call.summary = Some(summary.into());
        self
    }

    /// Default: retries, one second apart and then longer.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.call.retry = Some(policy.into_proto());
        self
    }

    /// Calls it now; the future waits for its result.
    pub fn start(mut self) -> ActivityFuture<D::Output> {
        if let Some(error) = self.error {
            return ActivityFuture { inner: Err(Some(error)), output: PhantomData };
        }
        self.call.seq = self.rt.operations.borrow_mut().next_local();
        self.rt.outbound(OutboundKind::LocalActivity, &self.call.activity_type, &mut self.call.headers);
        let op = self.rt.start(OperationKind::Local(self.call.clone()), None, Notes::default(), self.at);
        if self.rt.operations.borrow().is_pending(op) && !self.rt.replaying.get() {
            self.rt.local.borrow_mut().push(LocalRequest { op, call: self.call });
        } else if self.rt.operations.borrow().is_pending(op) {
            // Its marker tells, or the next live task asks for it.
            self.rt.deferred_local.borrow_mut().push(LocalRequest { op, call: self.call });
        }
        ActivityFuture { inner: Ok(OpFuture::new(self.rt, op).at(self.at)), output: PhantomData }
    }
}

impl<D: ActivityDefinition> IntoFuture for LocalActivityCall<D> {
    type Output = Result<D::Output, Failure>;
    type IntoFuture = ActivityFuture<D::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}
