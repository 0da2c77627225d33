//! Messages to other workflows.

use crate::{
    Failure,
    runtime::{Location, Notes, OpFuture, OperationKind, Rt},
};
use std::{
    marker::PhantomData,
    panic::Location as PanicLocation,
    pin::Pin,
    task::{Context, Poll},
};
use tenure_api::{
    command::v1::{self as command, command::Attributes},
    common::v1::WorkflowExecution,
};
use tenure_client::{Args, Handles, IntoArgs, Signal, WorkflowDefinition};

/// Another workflow.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// const KITCHEN: WorkflowRef<(), ()> = WorkflowRef::new("Kitchen");
/// const COOK: Signal<(), (String,)> = Signal::new("cook");
///
/// #[workflow]
/// async fn order(cx: WorkflowContext, dish: String) -> Result<()> {
///     cx.external(KITCHEN, "kitchen-1").signal(COOK, dish).await
/// }
/// ```
pub struct ExternalHandle<W> {
    rt: Rt,
    workflow_id: String,
    run_id: String,
    workflow: PhantomData<fn(W)>,
}

impl<W: WorkflowDefinition> ExternalHandle<W> {
    pub(crate) fn new(rt: Rt, workflow_id: String) -> Self {
        ExternalHandle { rt, workflow_id, run_id: String::new(), workflow: PhantomData }
    }

    /// The same, this run of it only.
    #[must_use]
    pub fn of_run(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = run_id.into();
        self
    }

    /// Signals it; done when the signal has arrived.
    #[track_caller]
    pub fn signal<P, A: Args>(&self, signal: Signal<P, A>, args: impl IntoArgs<A>) -> Sent
    where
        W::State: Handles<P>,
    {
        let execution = WorkflowExecution { workflow_id: self.workflow_id.clone(), run_id: self.run_id.clone() };
        signal_to(&self.rt, execution, false, signal.name(), &args.into_args(), PanicLocation::caller())
    }

    /// Asks it to stop; done when it was told.
    #[track_caller]
    pub fn cancel(&self) -> Sent {
        let cancel = command::RequestCancelExternalWorkflowExecutionCommandAttributes {
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id.clone(),
            ..Default::default()
        };
        let attributes = Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(cancel);
        send(&self.rt, Ok(attributes), PanicLocation::caller())
    }
}

pub(super) fn signal_to<A: Args>(
    rt: &Rt,
    execution: WorkflowExecution,
    child_workflow_only: bool,
    name: &str,
    args: &A,
    at: Location,
) -> Sent {
    let signal = rt.converter.encode_args(args).map(|input| {
        Attributes::SignalExternalWorkflowExecutionCommandAttributes(
            command::SignalExternalWorkflowExecutionCommandAttributes {
                execution: Some(execution),
                signal_name: name.to_owned(),
                input,
                child_workflow_only,
                ..Default::default()
            },
        )
    });
    send(rt, signal.map_err(Failure::from), at)
}

fn send(rt: &Rt, attributes: Result<Attributes, Failure>, at: Location) -> Sent {
    Sent(attributes.map_err(Some).map(|attributes| {
        let op = rt.start(OperationKind::External, Some(attributes), Notes::default(), at);
        OpFuture::new(rt.clone(), op).at(at)
    }))
}

/// A message that is on its way; done when it has arrived. Dropping it does not call it back.
#[must_use = "whether it arrived is told when it is awaited"]
pub struct Sent(Result<OpFuture, Option<Failure>>);

impl Future for Sent {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(op) => Pin::new(op).poll(cx).map(|resolution| resolution.map(|_| ())),
            Err(error) => Poll::Ready(Err(error.take().unwrap_or_else(|| Failure::msg("polled after its end")))),
        }
    }
}
