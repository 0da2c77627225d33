//! What stands between a worker and the code that it runs: for traces, checks and measures of one's own.

use crate::{ActivityContext, Failure, WorkflowInfo};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tenure_api::command::v1::command::Attributes;
use tenure_client::{Headers, Payload};

/// A future in a box, as trait methods give it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sees what a worker runs: [`Worker::interceptor`](crate::Worker::interceptor). Each method has a default that does
/// nothing, and several interceptors see the same in the order in which they were given.
///
/// What the methods for workflows do must be the same whenever the code runs again; they run in replay, too.
///
/// ```
/// use tenure_sdk::{BoxFuture, NextActivity, OutboundCall, Payload, WorkerInterceptor, prelude::*};
///
/// /// Hands the tenant of a workflow on to all that it calls, and says how long activities took.
/// struct Tenants;
///
/// impl WorkerInterceptor for Tenants {
///     fn workflow_outbound(&self, call: &mut OutboundCall<'_>) {
///         call.headers.copy_from(&call.workflow.headers, "tenant");
///     }
///
///     fn activity<'a>(
///         &'a self,
///         cx: &'a ActivityContext,
///         next: NextActivity,
///     ) -> BoxFuture<'a, Result<Payload, Failure>> {
///         Box::pin(async move {
///             let began = std::time::Instant::now();
///             let result = next.await;
///             let tenant: Option<String> = cx.info().headers.get("tenant");
///             println!("{} for {tenant:?} took {:?}", cx.info().activity_type, began.elapsed());
///             result
///         })
///     }
/// }
///
/// # fn worker(client: Client) -> Worker {
/// Worker::new(client, "shop").interceptor(Tenants)
/// # }
/// ```
pub trait WorkerInterceptor: Send + Sync + 'static {
    /// Around an attempt of an activity, a local one too. What it gives is the attempt's end; without awaiting `next`,
    /// the activity does not run.
    fn activity<'a>(&'a self, cx: &'a ActivityContext, next: NextActivity) -> BoxFuture<'a, Result<Payload, Failure>> {
        let _ = cx;
        Box::pin(next)
    }

    /// The span in which an attempt of an activity is about to run, or the code of a workflow in a task of it; and the headers
    /// that came along.
    fn span(&self, headers: &Headers, span: &tracing::Span) {
        let _ = (headers, span);
    }

    /// Something reaches a workflow. A failure is that of its code: it fails the workflow (of a start, of a signal), is the
    /// answer (of a query), or rejects (an update).
    fn workflow_inbound(&self, call: &InboundCall<'_>) -> Result<(), Failure> {
        let _ = call;
        Ok(())
    }

    /// A workflow calls something.
    fn workflow_outbound(&self, call: &mut OutboundCall<'_>) {
        let _ = call;
    }
}

/// The activity itself, and the interceptors behind this one; runs when it is awaited.
#[must_use = "the activity runs when this is awaited"]
pub struct NextActivity(pub(crate) BoxFuture<'static, Result<Payload, Failure>>);

impl Future for NextActivity {
    type Output = Result<Payload, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

/// What reaches a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InboundKind {
    /// It begins.
    Start,
    /// A signal.
    Signal,
    /// A query. It is answered by a workflow that may be replayed only for it.
    Query,
    /// An update that is not accepted yet; in replay, those that were rejected are not seen.
    Update,
}

/// Something that reaches a workflow.
#[derive(Debug)]
#[non_exhaustive]
pub struct InboundCall<'a> {
    /// What it is.
    pub kind: InboundKind,
    /// The workflow type, or the name of the signal, query or update.
    pub name: &'a str,
    /// What travelled along.
    pub headers: &'a Headers,
    /// The workflow.
    pub workflow: &'a WorkflowInfo,
    /// Whether history is replayed: it was seen before.
    pub is_replaying: bool,
}

/// What a workflow calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutboundKind {
    /// An activity.
    Activity,
    /// A local activity.
    LocalActivity,
    /// A child workflow.
    Child,
    /// A signal to another workflow, or a child.
    Signal,
    /// The next run.
    ContinueAsNew,
}

/// A call that a workflow makes.
#[derive(Debug)]
#[non_exhaustive]
pub struct OutboundCall<'a> {
    /// What it calls.
    pub kind: OutboundKind,
    /// The type of the activity or workflow, or the name of the signal.
    pub name: &'a str,
    /// What travels along.
    pub headers: &'a mut Headers,
    /// The workflow.
    pub workflow: &'a WorkflowInfo,
    /// Whether history is replayed: it was made before.
    pub is_replaying: bool,
}

/// The interceptors of a worker.
pub(crate) type Interceptors = Arc<[Arc<dyn WorkerInterceptor>]>;

/// Which call a command is, with its name and its headers, if it is one.
pub(crate) fn call_of(
    command: &mut Attributes,
) -> Option<(OutboundKind, String, &mut Option<tenure_api::common::v1::Header>)> {
    let named =
        |it: &Option<tenure_api::common::v1::WorkflowType>| it.as_ref().map_or_else(String::new, |it| it.name.clone());
    Some(match command {
        Attributes::ScheduleActivityTaskCommandAttributes(it) => {
            let name = it.activity_type.as_ref().map_or_else(String::new, |it| it.name.clone());
            (OutboundKind::Activity, name, &mut it.header)
        }
        Attributes::StartChildWorkflowExecutionCommandAttributes(it) => {
            (OutboundKind::Child, named(&it.workflow_type), &mut it.header)
        }
        Attributes::SignalExternalWorkflowExecutionCommandAttributes(it) => {
            (OutboundKind::Signal, it.signal_name.clone(), &mut it.header)
        }
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(it) => {
            (OutboundKind::ContinueAsNew, named(&it.workflow_type), &mut it.header)
        }
        // They reach no code.
        Attributes::StartTimerCommandAttributes(_)
        | Attributes::CancelTimerCommandAttributes(_)
        | Attributes::RequestCancelActivityTaskCommandAttributes(_)
        | Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(_)
        | Attributes::RecordMarkerCommandAttributes(_)
        | Attributes::UpsertWorkflowSearchAttributesCommandAttributes(_)
        | Attributes::ModifyWorkflowPropertiesCommandAttributes(_)
        | Attributes::ProtocolMessageCommandAttributes(_)
        | Attributes::CompleteWorkflowExecutionCommandAttributes(_)
        | Attributes::FailWorkflowExecutionCommandAttributes(_)
        | Attributes::CancelWorkflowExecutionCommandAttributes(_)
        | Attributes::ScheduleNexusOperationCommandAttributes(_)
        | Attributes::RequestCancelNexusOperationCommandAttributes(_) => return None,
    })
}
