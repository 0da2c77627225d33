//! The histories that a reset needs, folded while they are read, so that they are never in memory as a whole: the part
//! that is kept gives the state after it and its requests without an answer; the part after that gives the events that
//! the new run reapplies. Of runs without such events only the end is read.

use super::call::Stop;
use crate::{
    child,
    events::event_len,
    external,
    info::ExecutionInfo,
    key::RunKey,
    replay,
    rows::{ReadError, StateReader},
    state::ExecutionState,
    update,
};
use prost::Message;
use tenure_api::{
    enums::v1::{ResetReapplyExcludeType as Exclude, ResetReapplyType as Reapply},
    error::ApiError,
    history::v1::{History, HistoryEvent, history_event::Attributes},
    update::v1 as update_api,
    workflowservice::v1::ResetWorkflowExecutionRequest,
};
use tenure_limits::{HISTORY_PAGE, REAPPLIED};
use uuid::Uuid;

/// The events that the new run begins with.
#[derive(Default)]
pub(super) struct KeptHistory {
    /// The state after them; `None` before the first.
    pub(super) state: Option<ExecutionState>,
    /// Their size in bytes.
    pub(super) size: i64,
    pub(super) outcomes: update::reset::Outcomes,
    pub(super) children: child::reset::UnansweredStarts,
    pub(super) external: external::reset::UnansweredRequests,
}

impl KeptHistory {
    fn take(&mut self, base: &ExecutionInfo, event: &HistoryEvent) {
        let state = self.state.get_or_insert_with(|| replay::begin(base, event));
        replay::apply(state, event);
        self.size += event_len(event);
        self.outcomes.add_kept(event);
        self.children.add_kept(event);
        self.external.add_kept(event);
    }

    /// Whether they end with a workflow task that can fail.
    fn waits_for_task(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.workflow_task.pending.is_some())
    }
}

/// The events after the reset point, of the base run and of those that continued it, as far as the new run reapplies
/// them.
pub(super) struct LaterEvents {
    pub(super) events: Vec<HistoryEvent>,
    pub(super) last_run: Uuid,
    filter: ReapplyFilter,
    bytes: i64,
}

/// The choice of events that the new run reapplies.
#[derive(Clone, Copy)]
pub(super) struct ReapplyFilter {
    base: Uuid,
    signals: bool,
    updates: bool,
}

impl ReapplyFilter {
    pub(super) fn of(request: &ResetWorkflowExecutionRequest, base: Uuid) -> Self {
        let excluded = |kind: Exclude| request.reset_reapply_exclude_types.contains(&kind.into());
        let all = matches!(request.reset_reapply_type(), Reapply::Unspecified | Reapply::AllEligible);
        ReapplyFilter {
            base,
            signals: request.reset_reapply_type() != Reapply::None && !excluded(Exclude::Signal),
            updates: all && !excluded(Exclude::Update),
        }
    }

    fn accepts(self, run_id: Uuid, event: &HistoryEvent) -> bool {
        match event.attributes.as_ref().and_then(Reapplied::of) {
            Some(Reapplied::Signal(_)) => self.signals,
            Some(Reapplied::Options) => true,
            Some(Reapplied::Update(_)) => self.updates,
            // Ids of events mean the same in the base run alone.
            Some(Reapplied::Child) => run_id == self.base,
            None => false,
        }
    }
}

/// An event that the new run reapplies, if the request wants it.
pub(super) enum Reapplied<'a> {
    /// A signal, with its request's id; empty if it had none.
    Signal(&'a str),
    Options,
    /// An update, with its request where the event has it.
    Update(Option<&'a update_api::Request>),
    /// The start or the end of a child.
    Child,
}

impl<'a> Reapplied<'a> {
    pub(super) fn of(attributes: &'a Attributes) -> Option<Self> {
        use Attributes::*;
        match attributes {
            WorkflowExecutionSignaledEventAttributes(a) => Some(Reapplied::Signal(&a.request_id)),
            WorkflowExecutionOptionsUpdatedEventAttributes(_) => Some(Reapplied::Options),
            WorkflowExecutionUpdateAdmittedEventAttributes(a) => Some(Reapplied::Update(a.request.as_ref())),
            WorkflowExecutionUpdateAcceptedEventAttributes(a) => Some(Reapplied::Update(a.accepted_request.as_ref())),
            StartChildWorkflowExecutionFailedEventAttributes(_)
            | ChildWorkflowExecutionStartedEventAttributes(_)
            | ChildWorkflowExecutionCompletedEventAttributes(_)
            | ChildWorkflowExecutionFailedEventAttributes(_)
            | ChildWorkflowExecutionCanceledEventAttributes(_)
            | ChildWorkflowExecutionTimedOutEventAttributes(_)
            | ChildWorkflowExecutionTerminatedEventAttributes(_) => Some(Reapplied::Child),
            // The run's own course, which the new run takes in its own way.
            WorkflowExecutionStartedEventAttributes(_)
            | WorkflowExecutionCompletedEventAttributes(_)
            | WorkflowExecutionFailedEventAttributes(_)
            | WorkflowExecutionCanceledEventAttributes(_)
            | WorkflowExecutionContinuedAsNewEventAttributes(_)
            | WorkflowExecutionTimedOutEventAttributes(_)
            | WorkflowExecutionTerminatedEventAttributes(_)
            | WorkflowTaskScheduledEventAttributes(_)
            | WorkflowTaskStartedEventAttributes(_)
            | WorkflowTaskCompletedEventAttributes(_)
            | WorkflowTaskFailedEventAttributes(_)
            | WorkflowTaskTimedOutEventAttributes(_)
            | ActivityTaskScheduledEventAttributes(_)
            | ActivityTaskCancelRequestedEventAttributes(_)
            | TimerStartedEventAttributes(_)
            | TimerCanceledEventAttributes(_)
            | MarkerRecordedEventAttributes(_)
            | StartChildWorkflowExecutionInitiatedEventAttributes(_)
            | SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
            | RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_)
            | UpsertWorkflowSearchAttributesEventAttributes(_)
            | WorkflowPropertiesModifiedEventAttributes(_)
            | WorkflowExecutionUpdateCompletedEventAttributes(_)
            | WorkflowExecutionUpdateRejectedEventAttributes(_)
            // What the new run does again, and so is answered again.
            | ActivityTaskStartedEventAttributes(_)
            | ActivityTaskCompletedEventAttributes(_)
            | ActivityTaskFailedEventAttributes(_)
            | ActivityTaskTimedOutEventAttributes(_)
            | ActivityTaskCanceledEventAttributes(_)
            | TimerFiredEventAttributes(_)
            | SignalExternalWorkflowExecutionFailedEventAttributes(_)
            | ExternalWorkflowExecutionSignaledEventAttributes(_)
            | RequestCancelExternalWorkflowExecutionFailedEventAttributes(_)
            | ExternalWorkflowExecutionCancelRequestedEventAttributes(_)
            // A request to cancel the old run is none to cancel the new one.
            | WorkflowExecutionCancelRequestedEventAttributes(_)
            // This server does not write these.
            | WorkflowPropertiesModifiedExternallyEventAttributes(_)
            | ActivityPropertiesModifiedExternallyEventAttributes(_)
            | NexusOperationScheduledEventAttributes(_)
            | NexusOperationStartedEventAttributes(_)
            | NexusOperationCompletedEventAttributes(_)
            | NexusOperationFailedEventAttributes(_)
            | NexusOperationCanceledEventAttributes(_)
            | NexusOperationTimedOutEventAttributes(_)
            | NexusOperationCancelRequestedEventAttributes(_)
            | NexusOperationCancelRequestCompletedEventAttributes(_)
            | NexusOperationCancelRequestFailedEventAttributes(_)
            | WorkflowExecutionPausedEventAttributes(_)
            | WorkflowExecutionUnpausedEventAttributes(_)
            | WorkflowExecutionTimeSkippingTransitionedEventAttributes(_) => None,
        }
    }
}

impl LaterEvents {
    pub(super) fn take(&mut self, run_id: Uuid, event: HistoryEvent) -> Result<(), ApiError> {
        if !self.filter.accepts(run_id, &event) {
            return Ok(());
        }
        self.bytes += event_len(&event);
        if self.bytes > REAPPLIED as i64 {
            // The reference server's words.
            let message = format!("transaction size of {} bytes exceeds limit of {REAPPLIED} bytes", self.bytes);
            return Err(ApiError::invalid_argument(message));
        }
        self.events.push(event);
        Ok(())
    }
}

/// Reads the base run, whose events before `finish` are kept, and the runs that continued it.
///
/// # Errors
///
/// `not_a_boundary`, as soon as that is known.
pub(super) fn read(
    rows: &dyn StateReader,
    base: &RunKey,
    base_state: &ExecutionState,
    finish: i64,
    filter: ReapplyFilter,
    not_a_boundary: impl Fn() -> ApiError,
) -> Result<(KeptHistory, LaterEvents), Stop> {
    let mut kept = KeptHistory::default();
    let mut later = LaterEvents { events: Vec::new(), last_run: base.run_id, filter, bytes: 0 };
    let mut next = None;
    each_event(rows, base, |event| {
        if event.event_id < finish {
            kept.take(&base_state.info, &event);
            return Ok(());
        }
        if event.event_id == finish && !kept.waits_for_task() {
            return Err(not_a_boundary().into());
        }
        next = next_run(&event);
        kept.children.add_base(&event);
        Ok(later.take(base.run_id, event)?)
    })?;
    let mut priority = base_state.info.priority.clone();
    while let Some(run_id) = next.take() {
        later.last_run = run_id;
        let run = base.workflow.run(run_id);
        let Some(state) = rows.execution(&run)? else { break };
        let nothing_to_reapply = state.signals == 0
            && state.updates.admissions == 0
            && state.info.request_ids.len() <= 1
            && state.info.priority == priority;
        if nothing_to_reapply {
            next = rows.event(&run, state.last_event_id())?.as_ref().and_then(next_run);
        } else {
            each_event(rows, &run, |event| {
                next = next_run(&event);
                Ok(later.take(run_id, event)?)
            })?;
        }
        priority.clone_from(&state.info.priority);
    }
    Ok((kept, later))
}

/// Passes the events of a run to `take`, with one page of them in memory at a time.
fn each_event(
    rows: &dyn StateReader,
    run: &RunKey,
    mut take: impl FnMut(HistoryEvent) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut next = 1;
    loop {
        let page = rows.history_rows(run, next, HISTORY_PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        next = last + 1;
        for (first_event_id, chunk) in page {
            let chunk = History::decode(chunk).map_err(|error| ReadError::history(run, first_event_id, error))?;
            for event in chunk.events {
                take(event)?;
            }
        }
    }
}

/// The run that continues the one that ends with this event.
fn next_run(last: &HistoryEvent) -> Option<Uuid> {
    match last.attributes.as_ref()? {
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(a) => Uuid::try_parse(&a.new_execution_run_id).ok(),
        _ => None,
    }
}
