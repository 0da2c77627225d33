//! The workflow command that schedules an activity: its checks, its defaults, its event.

use super::{
    find::find_by_id,
    ready::make_ready,
    state::{ActivityPhase, PendingActivity},
    timeouts::Timeouts,
};
use crate::{
    bad_command::BadCommand,
    checks::{check_priority, check_queue},
    limits::Limits,
    retry::RetryPolicy,
    txn::Txn,
    workflow_task::CompletedTask,
};
use prost::Message;
use tenure_api::{
    command::v1::ScheduleActivityTaskCommandAttributes,
    enums::v1::WorkflowTaskFailedCause as Cause,
    history::v1::{ActivityTaskScheduledEventAttributes, HistoryEvent, history_event::Attributes},
    sdk::v1::UserMetadata,
    taskqueue::v1::TaskQueue,
};

/// Applies the workflow command `ScheduleActivityTask`.
pub(crate) fn schedule(
    txn: &mut Txn<'_, '_>,
    task: &mut CompletedTask,
    command: ScheduleActivityTaskCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    let limits = txn.limits();
    let bad = |message| BadCommand::new(Cause::BadScheduleActivityAttributes, message);
    let checked = check(&command, limits).and_then(|(activity_type, task_queue, retry)| {
        let timeouts = Timeouts::resolve(&command, activity_type, txn.state.info.run_timeout)?;
        Ok((task_queue, retry, timeouts))
    });
    let (task_queue, retry, timeouts) = checked.map_err(bad)?;
    if command.input.as_ref().is_some_and(|input| input.encoded_len() > limits.blob_size) {
        return Err(bad("ScheduleActivityTaskCommandAttributes.Input exceeds size limit.".into()).terminating());
    }
    let pending = txn.state.activities.len();
    if pending >= limits.pending_activities {
        let limit = limits.pending_activities;
        let message =
            format!("the number of pending activities, {pending}, has reached the per-workflow limit of {limit}");
        return Err(BadCommand::new(Cause::PendingActivitiesLimitExceeded, message));
    }
    if find_by_id(&txn.state, &command.activity_id).is_some() {
        let action = "invalid history builder state for action: add-activitytask-scheduled-event";
        let message = format!("{action}, ActivityID: {}", command.activity_id);
        return Err(BadCommand::new(Cause::ScheduleActivityDuplicateId, message));
    }

    let mut event = ActivityTaskScheduledEventAttributes {
        activity_id: command.activity_id,
        activity_type: command.activity_type,
        task_queue: Some(task_queue),
        header: command.header,
        input: command.input,
        workflow_task_completed_event_id: task.completed_event_id,
        retry_policy: Some(retry.to_proto()),
        use_workflow_build_id: command.use_workflow_build_id,
        priority: command.priority,
        ..Default::default()
    };
    timeouts.write_to(&mut event);
    let mut activity = PendingActivity::scheduled(0, txn.now(), &event);
    let id = txn.add(HistoryEvent {
        user_metadata,
        attributes: Some(Attributes::ActivityTaskScheduledEventAttributes(event)),
        ..Default::default()
    });
    activity.scheduled_event_id = id;
    txn.state.activities.insert(id, activity);
    make_ready(txn, id, |activity, stamp, _| activity.phase = ActivityPhase::Ready(stamp));
    if command.request_eager_execution {
        task.eager.push(id);
    }
    Ok(())
}

/// Checks everything but the timeouts. The error is the reference server's message.
pub(super) fn check<'a>(
    command: &'a ScheduleActivityTaskCommandAttributes,
    limits: &Limits,
) -> Result<(&'a str, TaskQueue, RetryPolicy), String> {
    let task_queue = check_queue(command.task_queue.as_ref(), limits.id_length)?;
    if command.activity_id.is_empty() {
        return Err("activityId is not set".into());
    }
    let activity_type = command.activity_type.as_ref().map_or("", |t| &t.name);
    if activity_type.is_empty() {
        return Err("activityType is not set".into());
    }
    let retry = RetryPolicy::new(command.retry_policy.as_ref().unwrap_or(&Default::default()))?;
    for (name, value) in [("activityId", command.activity_id.as_str()), ("activityType", activity_type)] {
        if value.len() > limits.id_length {
            let (length, limit) = (value.len(), limits.id_length);
            return Err(format!("{name} exceeds length limit. Length={length} Limit={limit}"));
        }
    }
    check_priority(command.priority.as_ref()).map_err(|error| format!("invalid priorities: {error}"))?;
    Ok((activity_type, task_queue, retry))
}
