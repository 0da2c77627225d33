//! Durable functions that read like plain Rust.
//!
//! A *workflow* is an `async fn` that survives the death of its process: what it waits for is recorded by a server, and
//! another worker replays the record and goes on. An *activity* is a function that may do anything: call a payment
//! service, write a file, fail and be tried again.
//!
//! ```no_run
//! use std::time::Duration;
//! use tenure_sdk::prelude::*;
//!
//! #[activity]
//! async fn charge(customer: String, cents: u64) -> Result<String> {
//!     Ok(format!("receipt of {customer}, {cents}"))
//! }
//!
//! /// What the handlers share with the function: no locks, no closures.
//! #[derive(Default)]
//! struct Subscription {
//!     cents: u64,
//!     charges: u32,
//!     ended: bool,
//! }
//!
//! #[handlers]
//! impl Subscription {
//!     #[signal]
//!     fn end(&mut self) {
//!         self.ended = true;
//!     }
//!
//!     #[query]
//!     fn charges(&self) -> u32 {
//!         self.charges
//!     }
//!
//!     #[update(validate = check_amount)]
//!     fn change_amount(&mut self, cents: u64) -> u64 {
//!         std::mem::replace(&mut self.cents, cents)
//!     }
//!
//!     fn check_amount(&self, cents: &u64) -> Result<()> {
//!         if *cents == 0 {
//!             return Err(Failure::application("Free", "not for nothing"));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! #[workflow]
//! async fn subscription(cx: WorkflowContext<Subscription>, customer: String, cents: u64) -> Result<u32> {
//!     cx.state_mut().cents = cents;
//!     while !cx.wait_until(|it| it.ended).timeout(Duration::from_secs(30 * 24 * 3600)).await? {
//!         let cents = cx.state().cents;
//!         cx.activity(charge, (customer.clone(), cents)).start_to_close(Duration::from_secs(10)).await?;
//!         cx.state_mut().charges += 1;
//!     }
//!     let charges = cx.state().charges;
//!     Ok(charges)
//! }
//!
//! # async fn run() -> Result<(), ClientError> {
//! let client = Client::connect(["127.0.0.1:7233"]).await?;
//! let worker = Worker::new(client.clone(), "billing").workflow(subscription).activity(charge);
//! # let serve = async {
//! worker.run().await?; // until SIGTERM
//! # Ok::<_, ClientError>(()) };
//!
//! let handle = client.start(subscription, ("Ann".to_owned(), 999)).id("ann").task_queue("billing").await?;
//! handle.update(Subscription::CHANGE_AMOUNT, 1299).await?;
//! handle.signal(Subscription::END, ()).await?;
//! println!("{} charges", handle.result().await?);
//! # Ok(()) }
//! ```
//!
//! # What is where
//!
//! - [`WorkflowContext`]: what a workflow can do: activities, timers, conditions, children, scopes, patches, updates of
//!   its memo, and a clock and random numbers that are the same whenever the code runs again.
//! - [`WorkerInterceptor`], [`ClientInterceptor`] and [`Headers`]: what stands between callers and code.
//! - [`ActivityContext`]: heartbeats, cancellation, which attempt it is.
//! - [`Client`] and [`WorkflowHandle`]: start, signal, query, update, wait.
//! - [`Client::start_activity`]: one activity, without a workflow around it.
//! - [`Client::schedule`]: start a workflow again and again, at the times of a calendar or a cron string.
//! - [`Worker`]: polls and runs.
//! - [`Failure`]: the one error type, a chain that ends at what went wrong first. Every error turns into it by `?`.
//! - [`join!`], [`try_join!`], [`select!`], [`join_all`], [`try_join_all`], [`select_all`]: combinators that always look in
//!   the same order.
//! - [`Replayer`]: runs a workflow against a recorded history, without a server.
//! - [`testing::ActivityEnv`]: runs an activity alone. The crate `tenure-sdk-testing` has a server for tests.
//!
//! # What must not happen in a workflow
//!
//! Its code runs again and must do the same again: ask [`WorkflowContext::now`] for the time, do I/O in activities,
//! change code that running workflows depend on under a [`WorkflowContext::patched`]. A command that differs from
//! history fails the workflow task with both sides and the line of code; so does a panic. The task is tried again, with
//! growing pauses, until a worker has better code. An `Err` fails the workflow.
//!
//! What a workflow waits for is cancelled when it is dropped: the timer that lost in a [`select!`], an activity whose
//! future goes out of scope.

#![warn(missing_docs)]

// What the attributes write names this crate so, here too.
#[allow(unused_extern_crates)]
extern crate self as tenure_sdk;

mod activity;
mod execution;
#[cfg(feature = "json-history")]
mod history_json;
mod info;
mod interceptor;
#[doc(hidden)]
pub mod macros;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
mod replay;
mod runtime;
pub mod testing;
mod worker;
mod workflow;

pub use activity::{Activities, Activity, ActivityContext, ActivityInfo, ActivityRegistry};
#[cfg(feature = "json-history")]
pub use history_json::history_from_json;
pub use info::{HistoryInfo, WorkflowInfo};
pub use interceptor::{
    BoxFuture, InboundCall, InboundKind, NextActivity, OutboundCall, OutboundKind, WorkerInterceptor,
};
#[cfg(feature = "opentelemetry")]
pub use opentelemetry::OpenTelemetry;
pub use replay::{ReplayError, Replayed, Replayer};
pub use tenure_api::history::v1::{History, HistoryEvent};
#[cfg(feature = "tls")]
pub use tenure_client::Tls;
pub use tenure_client::{
    ActivityDefinition, ActivityDescription, ActivityExecutionStatus, ActivityHandle, ActivityIdConflictPolicy,
    ActivityIdReusePolicy, ActivityOptions, ActivityRef, ApplicationError, Args, AsyncActivityHandle, Backfill, Batch,
    BatchActivities, BatchDescription, BatchHandle, BatchOperationState, BatchOperationType, BatchSummary, BatchTarget,
    Binary, Calendar, CalendarRange, ChangedSchedule, Client, ClientBuilder, ClientCall, ClientCallKind, ClientError,
    ClientInterceptor, Data, DataConverter, DataError, Description, Encode, Events, Failure, FailureData, FailureKind,
    Filter, FilterValue, Handles, Headers, HeartbeatAnswer, Interval, IntoActivity, IntoArgs, IntoRanges, IntoWorkflow,
    Json, List, ListStream, NewSchedule, Outgoing, PatchSchedule, Payload, PayloadCodec, PayloadConverter,
    PayloadReader, Query, Raw, ResetPoint, ResetReapplyExcludeType, RetryPolicy, RetryState, ScheduleBuilder,
    ScheduleDescription, ScheduleHandle, ScheduleOverlapPolicy, ScheduleSummary, ScheduleTimes, ScheduledAction,
    ScheduledRun, SearchAttribute, SearchKey, SearchValue, Signal, StartActivity, StartBatch, StartWorkflow,
    TimeoutType, Trigger, Update, UpdateHandle, Weekday, WorkflowDefinition, WorkflowExecutionStatus, WorkflowHandle,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowOptions, WorkflowRef, attributes,
};
/// ```
/// use tenure_sdk::prelude::*;
///
/// #[derive(Debug, thiserror::Error, ApplicationError)]
/// enum OrderError {
///     #[error("the card was declined")]
///     #[failure(non_retryable)]
///     Declined,
///     #[error("{0} is sold out")]
///     SoldOut(String),
///     // Whatever else fails stays what it is: a cancellation, a time-out, a failed activity.
///     #[error(transparent)]
///     Other(#[from] Failure),
/// }
///
/// #[activity]
/// async fn charge(cents: u64) -> Result<String, OrderError> {
///     if cents > 1_000_000 {
///         return Err(OrderError::Declined);
///     }
///     Ok(format!("receipt for {cents} cents"))
/// }
///
/// #[workflow]
/// async fn order(cx: WorkflowContext, cents: u64) -> Result<String, OrderError> {
///     let patient = RetryPolicy::default().never_for(["SoldOut"]);
///     Ok(cx.activity(charge, cents).retry(patient).await?)
/// }
/// ```
pub use tenure_sdk_macros::ApplicationError;
/// ```
/// # use tenure_sdk::prelude::*;
/// # struct Database;
/// struct Payments {
///     database: Database,
/// }
///
/// #[activities]
/// impl Payments {
///     #[activity(name = "chargeCustomer")]
///     async fn charge(&self, cents: u64) -> Result<String> {
///         Ok(format!("receipt for {cents} cents"))
///     }
/// }
///
/// # async fn run(client: Client, database: Database) {
/// let worker = Worker::new(client, "payments").activities(Payments { database });
/// # }
/// # #[workflow] async fn pay(cx: WorkflowContext) -> Result<String> {
/// cx.activity(Payments::CHARGE, 999).await
/// # }
/// ```
///
/// What they depend on may be a parameter, so that tests give another one. The name of an activity is the same for all.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// trait Gateway: Send + Sync + 'static {
///     fn charge(&self, cents: u64) -> String;
/// }
///
/// struct Payments<G> {
///     gateway: G,
/// }
///
/// #[activities]
/// impl<G: Gateway> Payments<G> {
///     #[activity]
///     async fn charge(&self, cents: u64) -> String {
///         self.gateway.charge(cents)
///     }
/// }
///
/// struct Real;
/// impl Gateway for Real {
///     fn charge(&self, cents: u64) -> String {
///         format!("receipt for {cents} cents")
///     }
/// }
///
/// #[workflow]
/// async fn pay(cx: WorkflowContext) -> Result<String> {
///     cx.activity(Payments::<Real>::CHARGE, 999).await
/// }
///
/// # async fn run(client: Client) {
/// let worker = Worker::new(client, "payments").workflow(pay).activities(Payments { gateway: Real });
/// # }
/// ```
pub use tenure_sdk_macros::activities;
/// ```
/// # use tenure_sdk::prelude::*;
/// #[activity]
/// async fn greet(name: String) -> String {
///     format!("Hello, {name}!")
/// }
///
/// // What blocks is not `async`.
/// #[activity(name = "readFile")]
/// fn read(path: String) -> Result<String> {
///     Ok(std::fs::read_to_string(path)?)
/// }
///
/// # async fn test() {
/// assert_eq!(greet::call("Ann".to_owned()).await, "Hello, Ann!");
/// # }
/// ```
pub use tenure_sdk_macros::activity;
/// ```
/// # use std::time::Duration;
/// # use tenure_sdk::prelude::*;
/// #[derive(Default)]
/// struct Order {
///     picked_up: bool,
///     tips: u64,
/// }
///
/// #[handlers]
/// impl Order {
///     #[signal(name = "pickedUp")]
///     fn picked_up(&mut self) {
///         self.picked_up = true;
///     }
///
///     #[query]
///     fn tips(&self) -> u64 {
///         self.tips
///     }
///
///     #[update(validate = check_tip)]
///     async fn tip(cx: WorkflowContext<Self>, cents: u64) -> Result<u64> {
///         cx.wait_until(|order| order.picked_up).await?;
///         cx.state_mut().tips += cents;
///         Ok(cx.state().tips)
///     }
///
///     fn check_tip(&self, cents: &u64) -> Result<()> {
///         if *cents == 0 { Err(Failure::application("NoTip", "nothing")) } else { Ok(()) }
///     }
/// }
///
/// # #[workflow] async fn order(cx: WorkflowContext<Order>) -> Result<()> { Ok(()) }
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let handle = client.handle(order, "order-1");
/// handle.signal(Order::PICKED_UP, ()).await?;
/// let tips: u64 = handle.update(Order::TIP, 200).await?;
/// # Ok(()) }
/// ```
pub use tenure_sdk_macros::handlers;
/// ```
/// # use tenure_sdk::prelude::*;
/// #[workflow]
/// async fn hello(cx: WorkflowContext, name: String) -> Result<String> {
///     Ok(format!("Hello, {name}!"))
/// }
///
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let handle = client.start(hello, "Ann").id("hello-1").task_queue("hello").await?;
/// assert_eq!(handle.result().await?, "Hello, Ann!");
/// # Ok(()) }
/// ```
pub use tenure_sdk_macros::workflow;
pub use worker::{Deployment, Versioning, Worker, WorkerOptions};
#[cfg(feature = "rand")]
pub use workflow::WorkflowRng;
pub use workflow::{
    ActivityCall, ActivityFuture, Cancellation, ChildCall, ChildFuture, ChildHandle, ContinueAsNew, ExternalHandle,
    Handlers, JoinAll, JoinHandle, LocalActivityCall, ParentClosePolicy, Saga, Scope, Sent, SignalChannel, StateMut,
    StateRef, TaskProblem, Timer, WaitUntil, WaitUntilTimeout, Workflow, WorkflowContext, WorkflowMutex,
    WorkflowMutexGuard, WorkflowSemaphore, WorkflowSemaphoreAcquire, WorkflowSemaphorePermit, WorkflowState, join_all,
    select_all, try_join_all,
};

/// A result whose error is a [`Failure`], unless another is named.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What most programs use.
pub mod prelude {
    pub use crate::{
        ActivityContext, ActivityRef, ApplicationError, Cancellation, Client, ClientError, Failure, Query, Result,
        RetryPolicy, Signal, Update, Worker, WorkerOptions, WorkflowContext, WorkflowRef, WorkflowState, activities,
        activity, handlers, join, join_all, select, select_all, try_join, try_join_all, workflow,
    };
}

/// The snippets of the guides compile; one of them reads histories.
#[cfg(all(doctest, feature = "json-history"))]
#[doc = include_str!("../../../docs/sdk-bad-days.md")]
struct BadDays;
