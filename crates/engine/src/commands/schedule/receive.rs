//! A workflow that a schedule has started tells that the last of its runs has closed.

use super::{
    super::call::{Stop, VerbResult, unchanged},
    advance::{advance, catch_up},
    change::{Change, ScheduleCall},
};
use crate::{
    command::Reply,
    outbox::{Body, OutboxMessage, Receipt},
    proto::Encoded,
    schedule::{
        Carried,
        state::{Action, RunningWorkflow},
    },
    subject::Subject,
};
use std::sync::Arc;
use tenure_api::{
    enums::v1::WorkflowExecutionStatus as Status,
    failure::v1::Failure,
    history::v1::{HistoryEvent, history_event::Attributes},
    text::prefix,
};
use uuid::Uuid;

pub(super) fn run(call: ScheduleCall<'_, '_>, from: &Subject, message: &OutboxMessage) -> VerbResult {
    let Body::ScheduledClosed { first_run_id, event, replaced } = &message.body else {
        return receipt(Receipt::Refused);
    };
    let Some(mut change) = call.open()? else { return receipt(Receipt::Done) };
    // The run that takes its place keeps it, unless others wait for it.
    if *replaced && change.state.due.is_empty() {
        return receipt(Receipt::Done);
    }
    let Some(was) = found(&mut change, &from.lane.id, *first_run_id) else { return receipt(Receipt::Done) };
    catch_up(&mut change)?;
    closed(&mut change, &from.lane.id, *first_run_id, was, event)?;
    let mut transition = advance(change)?;
    transition.reply = Reply::Received(Receipt::Done);
    Ok(transition)
}

fn receipt(receipt: Receipt) -> VerbResult {
    Ok(unchanged(Reply::Received(receipt)))
}

/// Bytes of a failure's message and of what else the notes say of it, at most.
const NOTES: usize = 1000;

/// How a workflow ran that has closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Was {
    /// Others waited for its end.
    Alone,
    /// Beside others; it is only shown among the last actions.
    Beside,
}

/// Finds a workflow that has closed, of which the schedule does not know it yet; it runs no more. The answer to its start may
/// still be on its way.
fn found(change: &mut Change<'_, '_>, workflow_id: &Arc<str>, first_run_id: Uuid) -> Option<Was> {
    let is_it = |running: &RunningWorkflow| running.first_run_id == first_run_id;
    if let Some(place) = change.state.running.iter().position(is_it) {
        change.state.running.remove(place);
        return Some(Was::Alone);
    }
    if let Some(place) = change.state.starting.iter().position(|starting| starting.workflow_id == *workflow_id) {
        let starting = change.state.starting.remove(place);
        super::acknowledge::started(change, &starting, first_run_id);
        change.state.running.retain(|running| !is_it(running));
        return Some(if starting.alone { Was::Alone } else { Was::Beside });
    }
    let open = |action: &Action| action.first_run_id == first_run_id && action.status() == Status::Running;
    change.state.recent.iter().any(open).then_some(Was::Beside)
}

fn closed(
    change: &mut Change<'_, '_>,
    workflow_id: &str,
    first_run_id: Uuid,
    was: Was,
    event: &Encoded<HistoryEvent>,
) -> Result<(), Stop> {
    let (status, result, failure) = match event.decode().attributes {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(of)) => (Status::Completed, of.result, None),
        Some(Attributes::WorkflowExecutionFailedEventAttributes(of)) => (Status::Failed, None, of.failure),
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(_)) => (Status::TimedOut, None, None),
        Some(Attributes::WorkflowExecutionCanceledEventAttributes(_)) => (Status::Canceled, None, None),
        _ => (Status::Terminated, None, None),
    };
    for action in change.state.recent.iter_mut().filter(|action| action.first_run_id == first_run_id) {
        action.status = status.into();
    }
    if was == Was::Beside {
        return Ok(());
    }
    let result = result.filter(|result| !result.payloads.is_empty());
    pause_on_failure(change, workflow_id, status, failure.as_ref())?;
    if result.is_some() {
        change.put_carried(Carried { result: result.as_ref().map(Encoded::of), failure: None });
    } else if failure.is_some() {
        let carried = Carried { failure: failure.as_ref().map(Encoded::of), ..change.carried()?.clone() };
        change.put_carried(carried);
    }
    Ok(())
}

fn pause_on_failure(
    change: &mut Change<'_, '_>,
    workflow_id: &str,
    status: Status,
    failure: Option<&Failure>,
) -> Result<(), Stop> {
    if !change.plan()?.policies.pause_on_failure || change.state.paused {
        return Ok(());
    }
    let notes = match status {
        Status::Failed => {
            let message = failure.map_or("", |failure| &failure.message);
            format!("paused due to workflow failure: {workflow_id}: {message}")
        }
        Status::TimedOut => format!("paused due to workflow timeout: {workflow_id}"),
        _ => return Ok(()),
    };
    change.state.paused = true;
    change.state.notes = prefix(&notes, NOTES).to_owned();
    change.state.conflict_token += 1;
    Ok(())
}
