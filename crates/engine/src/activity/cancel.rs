//! The workflow command that asks for the cancellation of an activity.

use super::close::remove;
use crate::{bad_command::BadCommand, txn::Txn, workflow_task::CompletedTask};
use bytes::Bytes;
use tenure_api::{
    command::v1::RequestCancelActivityTaskCommandAttributes,
    common::v1::{Payload, Payloads},
    enums::v1::WorkflowTaskFailedCause as Cause,
    events::{EventSource, Operation},
    history::v1::{
        ActivityTaskCancelRequestedEventAttributes, ActivityTaskCanceledEventAttributes, history_event::Attributes,
    },
};

/// Details of an activity that was cancelled before a worker had it.
const NOT_STARTED: &[u8] = br#""ACTIVITY_ID_NOT_STARTED""#;

/// Applies the workflow command `RequestCancelActivityTask`. An activity that no worker has is cancelled at once.
pub(crate) fn request_cancel(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: RequestCancelActivityTaskCommandAttributes,
) -> Result<(), BadCommand> {
    let bad = |message| BadCommand::new(Cause::BadRequestCancelActivityAttributes, message);
    let id = command.scheduled_event_id;
    if id <= 0 {
        return Err(bad("ScheduledEventId is not set on RequestCancelActivityTaskCommand.".into()));
    }
    let pending = match txn.state.activities.get(id) {
        Some(activity) => activity.cancel_requested_event_id.is_none(),
        // Closed while the task was running: the worker could not know.
        None => closed_unseen(txn, id),
    };
    if !pending {
        return Err(bad(format!(
            "invalid history builder state for action: add-activitytask-cancel-requested-event, ScheduledEventID: {id}"
        )));
    }
    let requested = ActivityTaskCancelRequestedEventAttributes {
        scheduled_event_id: id,
        workflow_task_completed_event_id: task.completed_event_id,
    };
    let requested = txn.add_event(Attributes::ActivityTaskCancelRequestedEventAttributes(requested));
    // Nothing is left to cancel of one that was closed unseen.
    let Some(mut activity) = txn.state.activities.get_mut(id) else { return Ok(()) };
    activity.cancel_requested_event_id = Some(requested);
    if activity.started().is_some() {
        return Ok(());
    }
    drop(activity);
    remove(txn, id);
    txn.add_after_commands(Attributes::ActivityTaskCanceledEventAttributes(ActivityTaskCanceledEventAttributes {
        details: Some(not_started_details()),
        latest_cancel_requested_event_id: requested,
        scheduled_event_id: id,
        identity: task.identity.clone(),
        ..Default::default()
    }));
    Ok(())
}

/// Whether an event that ends this activity is buffered until the running workflow task ends.
fn closed_unseen(txn: &Txn<'_, '_>, id: i64) -> bool {
    let ends = |event: Attributes| {
        event.event_type().source() == EventSource::End(Operation::Activity) && event.begun_by() == Some(id)
    };
    txn.state.buffered.values().any(|event| event.decode().attributes.is_some_and(ends))
}

fn not_started_details() -> Payloads {
    let metadata = [("encoding".to_owned(), Bytes::from_static(b"json/plain"))].into();
    Payloads { payloads: vec![Payload { metadata, data: Bytes::from_static(NOT_STARTED), ..Default::default() }] }
}
