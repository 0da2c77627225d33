//! A typed client of the Temporal API: start workflows, signal, query and update them, wait for their results;
//! the schedules that start them; and activities without a workflow.
//!
//! It knows several addresses of a cluster and fails over between them; each call is retried within its deadline, with
//! ids that make a second try harmless. Types come from the workflow's definition, so that a wrong argument does not
//! compile. Workflows and workers are written with `tenure-sdk`, which gives all of this again.

#![warn(missing_docs)]

mod activity;
mod args;
mod batch;
mod client;
mod connection;
mod data;
mod definition;
#[cfg(feature = "env-config")]
mod environment;
mod error;
mod failure;
mod filter;
mod finite;
mod handle;
mod headers;
mod outgoing;
mod own_errors;
mod pages;
mod schedule;
mod search;
mod start;
#[cfg(feature = "tls")]
mod tls;

pub use activity::{
    ActivityDescription, ActivityExecutionStatus, ActivityHandle, ActivityIdConflictPolicy, ActivityIdReusePolicy,
    AsyncActivityHandle, HeartbeatAnswer, StartActivity,
};
pub use args::RetryPolicy;
pub use batch::{
    ActivityOptions, Batch, BatchActivities, BatchDescription, BatchHandle, BatchOperationState, BatchOperationType,
    BatchSummary, BatchTarget, ResetPoint, ResetReapplyExcludeType, StartBatch, WorkflowOptions,
};
pub use client::{Client, ClientBuilder};
pub use connection::{Connection, OperatorService, Patience, TenureService, WorkflowService};
pub use data::{
    Args, Binary, Data, DataConverter, DataError, Encode, IntoArg, IntoArgs, Json, PayloadCodec, PayloadConverter,
    PayloadReader, Raw,
};
pub use definition::{
    ActivityDefinition, ActivityRef, Handles, IntoActivity, IntoWorkflow, Query, Signal, Update, WorkflowDefinition,
    WorkflowRef, given,
};
pub use error::ClientError;
pub use failure::{Application, Failure, FailureData, FailureKind, RetryState, TimeoutType};
pub use filter::{Filter, FilterValue, attributes};
pub use handle::{Description, UpdateHandle, WorkflowExecutionStatus, WorkflowHandle};
pub use headers::{ClientCall, ClientCallKind, ClientInterceptor, Headers};
pub use outgoing::Outgoing;
pub use own_errors::ApplicationError;
pub use pages::{Events, List, ListStream};
pub use schedule::{
    Backfill, Calendar, CalendarRange, ChangedSchedule, Interval, IntoRanges, NewSchedule, PatchSchedule,
    ScheduleBuilder, ScheduleDescription, ScheduleHandle, ScheduleOverlapPolicy, ScheduleSummary, ScheduleTimes,
    ScheduledAction, ScheduledRun, Trigger, Weekday,
};
pub use search::{SearchAttribute, SearchKey, SearchValue};
pub use start::{StartWorkflow, WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
pub use tenure_api::common::v1::Payload;
#[cfg(feature = "tls")]
pub use tls::Tls;
