//! What each event means to the code.

use super::Execution;
use crate::info::time_of;
use crate::interceptor::InboundKind;
use crate::runtime::{
    Broken, Command, LOCAL_ACTIVITY, Notes, OpId, OperationResult, PATCH, ROOT, Resolution, SIDE_EFFECT, local_marker,
};
use std::{collections::BTreeMap, panic::Location};
use tenure_api::{
    common::v1::{Payload, Payloads, WorkflowExecution, WorkflowType},
    failure::v1 as proto,
    history::v1::{HistoryEvent, MarkerRecordedEventAttributes, history_event::Attributes as Is},
    protocol::v1::Message,
};
use tenure_client::{DataConverter, Failure, FailureKind, Headers, RetryState, TimeoutType};

impl Execution {
    /// Notes what markers tell the code, adds the updates that it accepted, and gives the markers of local activities.
    pub(super) fn look_ahead(&mut self, ahead: &[HistoryEvent], messages: &mut Vec<Message>) -> Vec<HistoryEvent> {
        let mut locals = Vec::new();
        let mut known = self.rt.known.borrow_mut();
        for event in ahead {
            if let Some((id, _)) = patch_of(event) {
                known.patches.insert(id);
            } else if let Some((number, value)) = side_effect_of(event) {
                known.side_effects.insert(number, value);
            } else if local_of(event).is_some() {
                locals.push(event.clone());
            } else if let Some(Is::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) = &event.attributes {
                messages.push(self.admitted.accepted(accepted));
            }
        }
        locals
    }

    pub(super) fn feed(&mut self, event: HistoryEvent) {
        if self.rt.is_over() {
            return;
        }
        let at = time_of(&event);
        let Some(is) = event.attributes else { return };
        match is {
            Is::WorkflowExecutionStartedEventAttributes(mut started) => {
                let input = started.input.take();
                super::carry::strip(started.header.as_mut());
                self.set_info(at, started);
                let info = self.rt.info();
                if let Err(failure) = self.rt.inbound(InboundKind::Start, &info.workflow_type, &info.headers) {
                    self.rt.fail(failure);
                } else if let Err(broken) = self.instance.start(input.as_ref()) {
                    self.rt.break_with(Broken::Data(broken.to_string()));
                }
            }
            Is::WorkflowExecutionSignaledEventAttributes(it) => {
                let headers = Headers::from_proto(it.header);
                if let Err(failure) = self.rt.inbound(InboundKind::Signal, &it.signal_name, &headers) {
                    self.rt.fail(failure);
                } else if !self.instance.signal(&it.signal_name, it.input.as_ref()) {
                    let mut channels = self.rt.channels.borrow_mut();
                    channels.entry(it.signal_name).or_default().push_back(it.input);
                }
                self.rt.progressed();
            }
            Is::WorkflowExecutionCancelRequestedEventAttributes(_) => self.rt.cancel_scope(ROOT, Location::caller()),
            Is::WorkflowExecutionUpdateAdmittedEventAttributes(it) => self.admitted.note(it.request),
            other => self.resolve(other),
        }
    }

    /// Events that end an operation, by the event that began it.
    fn resolve(&self, is: Is) {
        match is {
            Is::TimerFiredEventAttributes(it) => self.settle(it.started_event_id, Ok(OperationResult::default())),
            Is::ActivityTaskStartedEventAttributes(it) => {
                if let Some(op) = self.op(it.scheduled_event_id) {
                    self.rt.operations.borrow_mut().taken_by(op, it.identity);
                }
            }
            Is::ActivityTaskCompletedEventAttributes(it) => {
                self.settle(it.scheduled_event_id, Ok(OperationResult { result: it.result, ..Default::default() }));
            }
            Is::ActivityTaskFailedEventAttributes(it) => {
                let meta = (it.scheduled_event_id, it.started_event_id, it.retry_state());
                self.activity_failed(meta, self.failure(it.failure));
            }
            Is::ActivityTaskTimedOutEventAttributes(it) => {
                let meta = (it.scheduled_event_id, it.started_event_id, it.retry_state());
                self.activity_failed(meta, self.failure(it.failure));
            }
            Is::ActivityTaskCanceledEventAttributes(it) => {
                let meta = (it.scheduled_event_id, it.started_event_id, RetryState::CancelRequested);
                self.activity_failed(meta, cancelled(it.details));
            }
            Is::ChildWorkflowExecutionStartedEventAttributes(it) => {
                let run_id = it.workflow_execution.unwrap_or_default().run_id;
                self.child_started(it.initiated_event_id, run_id);
            }
            Is::StartChildWorkflowExecutionFailedEventAttributes(it) => {
                let execution = WorkflowExecution { workflow_id: it.workflow_id.clone(), run_id: String::new() };
                let exists = Failure::application("ChildWorkflowAlreadyExists", format!("{:?}", it.cause()));
                let failure =
                    child(&Some(execution), &it.workflow_type, it.initiated_event_id, RetryState::Unspecified)
                        .caused_by(exists.non_retryable());
                self.settle(it.initiated_event_id, Err(failure.clone()));
                self.settle_child(it.initiated_event_id, Err(failure));
            }
            Is::ChildWorkflowExecutionCompletedEventAttributes(it) => {
                let outcome = OperationResult { result: it.result, ..Default::default() };
                self.settle_child(it.initiated_event_id, Ok(outcome));
            }
            Is::ChildWorkflowExecutionFailedEventAttributes(it) => {
                let failure = child(&it.workflow_execution, &it.workflow_type, it.initiated_event_id, it.retry_state());
                let cause = self.failure(it.failure);
                self.settle_child(it.initiated_event_id, Err(failure.caused_by(cause)));
            }
            Is::ChildWorkflowExecutionCanceledEventAttributes(it) => {
                let state = RetryState::CancelRequested;
                let failure = child(&it.workflow_execution, &it.workflow_type, it.initiated_event_id, state);
                self.settle_child(it.initiated_event_id, Err(failure.caused_by(cancelled(it.details))));
            }
            Is::ChildWorkflowExecutionTimedOutEventAttributes(it) => {
                let failure = child(&it.workflow_execution, &it.workflow_type, it.initiated_event_id, it.retry_state());
                let timeout = Failure::timeout(TimeoutType::StartToClose, "the child workflow timed out");
                self.settle_child(it.initiated_event_id, Err(failure.caused_by(timeout)));
            }
            Is::ChildWorkflowExecutionTerminatedEventAttributes(it) => {
                let state = RetryState::NonRetryableFailure;
                let failure = child(&it.workflow_execution, &it.workflow_type, it.initiated_event_id, state);
                let terminated = Failure::new(FailureKind::Terminated, "terminated");
                self.settle_child(it.initiated_event_id, Err(failure.caused_by(terminated)));
            }
            Is::ExternalWorkflowExecutionSignaledEventAttributes(it) => {
                self.settle(it.initiated_event_id, Ok(OperationResult::default()));
            }
            Is::SignalExternalWorkflowExecutionFailedEventAttributes(it) => {
                self.settle(it.initiated_event_id, Err(not_reached(&format!("{:?}", it.cause()))));
            }
            Is::ExternalWorkflowExecutionCancelRequestedEventAttributes(it) => {
                self.settle(it.initiated_event_id, Ok(OperationResult::default()));
            }
            Is::RequestCancelExternalWorkflowExecutionFailedEventAttributes(it) => {
                self.settle(it.initiated_event_id, Err(not_reached(&format!("{:?}", it.cause()))));
            }
            // What the code is told of in other ways: see [`Execution::feed`] and [`Execution::look_ahead`].
            Is::WorkflowExecutionStartedEventAttributes(_)
            | Is::WorkflowExecutionSignaledEventAttributes(_)
            | Is::WorkflowExecutionCancelRequestedEventAttributes(_)
            | Is::WorkflowExecutionUpdateAdmittedEventAttributes(_)
            // They begin and end sections, or commands are held against them.
            | Is::WorkflowTaskScheduledEventAttributes(_)
            | Is::WorkflowTaskStartedEventAttributes(_)
            | Is::WorkflowTaskCompletedEventAttributes(_)
            | Is::WorkflowTaskFailedEventAttributes(_)
            | Is::WorkflowTaskTimedOutEventAttributes(_)
            | Is::ActivityTaskScheduledEventAttributes(_)
            | Is::ActivityTaskCancelRequestedEventAttributes(_)
            | Is::TimerStartedEventAttributes(_)
            | Is::TimerCanceledEventAttributes(_)
            | Is::MarkerRecordedEventAttributes(_)
            | Is::StartChildWorkflowExecutionInitiatedEventAttributes(_)
            | Is::SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
            | Is::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_)
            | Is::UpsertWorkflowSearchAttributesEventAttributes(_)
            | Is::WorkflowPropertiesModifiedEventAttributes(_)
            | Is::WorkflowExecutionUpdateAcceptedEventAttributes(_)
            | Is::WorkflowExecutionUpdateCompletedEventAttributes(_)
            | Is::WorkflowExecutionCompletedEventAttributes(_)
            | Is::WorkflowExecutionFailedEventAttributes(_)
            | Is::WorkflowExecutionCanceledEventAttributes(_)
            | Is::WorkflowExecutionContinuedAsNewEventAttributes(_)
            // Nothing runs behind them.
            | Is::WorkflowExecutionTimedOutEventAttributes(_)
            | Is::WorkflowExecutionTerminatedEventAttributes(_)
            // The code is not told of these.
            | Is::ActivityPropertiesModifiedExternallyEventAttributes(_)
            | Is::WorkflowExecutionUpdateRejectedEventAttributes(_)
            | Is::WorkflowPropertiesModifiedExternallyEventAttributes(_)
            | Is::WorkflowExecutionOptionsUpdatedEventAttributes(_)
            | Is::WorkflowExecutionPausedEventAttributes(_)
            | Is::WorkflowExecutionUnpausedEventAttributes(_)
            | Is::WorkflowExecutionTimeSkippingTransitionedEventAttributes(_)
            // The code has no way to begin these.
            | Is::NexusOperationScheduledEventAttributes(_)
            | Is::NexusOperationStartedEventAttributes(_)
            | Is::NexusOperationCompletedEventAttributes(_)
            | Is::NexusOperationFailedEventAttributes(_)
            | Is::NexusOperationCanceledEventAttributes(_)
            | Is::NexusOperationTimedOutEventAttributes(_)
            | Is::NexusOperationCancelRequestedEventAttributes(_)
            | Is::NexusOperationCancelRequestCompletedEventAttributes(_)
            | Is::NexusOperationCancelRequestFailedEventAttributes(_) => {}
        }
    }

    fn op(&self, event_id: i64) -> Option<OpId> {
        self.rt.operations.borrow().by_event(event_id)
    }

    fn settle(&self, began: i64, resolution: Resolution) {
        if let Some(op) = self.op(began) {
            self.rt.resolve(op, resolution);
        }
    }

    fn settle_child(&self, initiated: i64, resolution: Resolution) {
        if let Some(start) = self.op(initiated) {
            self.rt.resolve(start + 1, resolution);
        }
    }

    fn child_started(&self, initiated: i64, run_id: String) {
        let Some(start) = self.op(initiated) else { return };
        self.rt.resolve(start, Ok(OperationResult { run_id, result: None }));
        let late = self.rt.operations.borrow().late_cancel_of_child(start);
        if let Some(attributes) = late {
            self.rt.command(attributes, Location::caller());
        }
    }

    fn failure(&self, failure: Option<proto::Failure>) -> Failure {
        Failure::from_proto(failure.unwrap_or_default(), &self.rt.converter)
    }

    fn activity_failed(&self, (scheduled, started, retry_state): (i64, i64, RetryState), cause: Failure) {
        let Some(op) = self.op(scheduled) else { return };
        let failure = self.rt.operations.borrow().cancelled(op);
        self.rt.resolve(op, Err(failed(failure, started, retry_state).caused_by(cause)));
    }

    /// The result of a local activity, as its marker keeps it.
    pub(super) fn replay_local(&mut self, event: &HistoryEvent) {
        let Some((seq, marker)) = local_of(event) else { return };
        let result = match &marker.failure {
            Some(failure) => Err(self.failure(Some(failure.clone()))),
            None => Ok(first(marker.details.get("result"))),
        };
        self.resolve_local(seq, result);
    }

    pub(super) fn resolve_local(&mut self, seq: u64, result: Result<Option<Payload>, Failure>) {
        let Some((op, call)) = self.rt.operations.borrow().by_local(seq) else { return };
        let marker = local_marker(&call, result.clone(), &self.rt.converter);
        let notes = Notes::of(call.summary);
        self.rt.push(Command { notes, ..Command::new(None, marker, Location::caller()) });
        // The same shape as that of any other activity.
        let result = result.map_err(|cause| {
            let failure = self.rt.operations.borrow().cancelled(op);
            failed(failure, 0, RetryState::Unspecified).caused_by(cause)
        });
        let payloads = |result: Option<Payload>| result.map(|it| Payloads { payloads: vec![it] });
        self.rt.resolve(op, result.map(|result| OperationResult { result: payloads(result), ..Default::default() }));
    }
}

/// The failure of an activity, made of that of a cancelled one.
fn failed(mut failure: Failure, started: i64, retry_state: RetryState) -> Failure {
    if let FailureKind::Activity { started_event_id, retry_state: state, .. } = &mut failure.kind {
        (*started_event_id, *state) = (started, retry_state);
    }
    "activity failed".clone_into(&mut failure.message);
    failure
}

fn cancelled(details: Option<Payloads>) -> Failure {
    let details = details.map(|details| details.payloads).unwrap_or_default();
    Failure::new(FailureKind::Cancelled { details }, "cancelled")
}

fn not_reached(cause: &str) -> Failure {
    Failure::application("ExternalWorkflow", format!("the workflow was not reached: {cause}"))
}

fn child(
    execution: &Option<WorkflowExecution>,
    workflow_type: &Option<WorkflowType>,
    initiated_event_id: i64,
    retry_state: RetryState,
) -> Failure {
    let execution = execution.clone().unwrap_or_default();
    let kind = FailureKind::ChildWorkflow {
        namespace: String::new(),
        workflow_id: execution.workflow_id,
        run_id: execution.run_id,
        workflow_type: workflow_type.clone().unwrap_or_default().name,
        initiated_event_id,
        started_event_id: 0,
        retry_state,
    };
    Failure::new(kind, "child workflow failed")
}

fn first(payloads: Option<&Payloads>) -> Option<Payload> {
    payloads.and_then(|payloads| payloads.payloads.first().cloned())
}

fn marker<'a>(event: &'a HistoryEvent, name: &str) -> Option<&'a MarkerRecordedEventAttributes> {
    match &event.attributes {
        Some(Is::MarkerRecordedEventAttributes(it)) if it.marker_name == name => Some(it),
        _ => None,
    }
}

fn json(details: &BTreeMap<String, Payloads>, key: &str) -> Option<serde_json::Value> {
    DataConverter::default().decode(&first(details.get(key))?).ok()
}

/// The id of a patch, and whether it was given up.
pub(super) fn patch_of(event: &HistoryEvent) -> Option<(String, bool)> {
    let data = json(&marker(event, PATCH)?.details, "patch-data")?;
    Some((data["id"].as_str()?.to_owned(), data["deprecated"].as_bool().unwrap_or_default()))
}

fn side_effect_of(event: &HistoryEvent) -> Option<(u64, Option<Payload>)> {
    let marker = marker(event, SIDE_EFFECT)?;
    side_effect_in(&marker.marker_name, &marker.details)
}

/// The number of a side effect, and its value.
pub(super) fn side_effect_in(name: &str, details: &BTreeMap<String, Payloads>) -> Option<(u64, Option<Payload>)> {
    (name == SIDE_EFFECT).then_some(())?;
    Some((json(details, "number")?.as_u64()?, first(details.get("value"))))
}

fn local_of(event: &HistoryEvent) -> Option<(u64, &MarkerRecordedEventAttributes)> {
    let marker = marker(event, LOCAL_ACTIVITY)?;
    Some((json(&marker.details, "data")?["seq"].as_u64()?, marker))
}

/// Whether two markers of one name are of the same patch, side effect or local activity.
pub(super) fn same_marker(made: &BTreeMap<String, Payloads>, is: &BTreeMap<String, Payloads>) -> bool {
    const IDENTITY: [(&str, &[&str]); 3] =
        [("patch-data", &["id"]), ("number", &[]), ("data", &["seq", "activity_type"])];
    IDENTITY.iter().all(|(key, fields)| match (json(made, key), json(is, key)) {
        (Some(made), Some(is)) if fields.is_empty() => made == is,
        (Some(made), Some(is)) => fields.iter().all(|field| made[field] == is[field]),
        (None, None) => true,
        _ => false,
    })
}
