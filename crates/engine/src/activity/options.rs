//! Changes of a pending activity's options by an operator: by field mask, or back to what its scheduled event says.

use super::{
    describe,
    ready::{make_ready, withdraw},
    schedule,
    state::{ActivityPhase, PendingActivity},
    timeouts::Timeouts,
};
use crate::{checks::check_priority, limits::Limits, proto::Encoded, retry::RetryPolicy, rows::ReadError, txn::Txn};
use std::time::Duration;
use tenure_api::{
    activity::v1::ActivityOptions,
    command::v1::ScheduleActivityTaskCommandAttributes,
    common::v1::{ActivityType, Priority},
    enums::v1::TaskQueueKind,
    error::ApiError,
    history::v1::{ActivityTaskScheduledEventAttributes, history_event::Attributes},
    taskqueue::v1::TaskQueue,
};

/// The change that is asked for: the masked fields of these options, or everything back to the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OptionsChange<'a> {
    Masked(&'a ActivityOptions, &'a [String]),
    Restore,
}

/// Changes the options of one activity and returns what they are now.
pub(crate) fn update(
    txn: &mut Txn<'_, '_>,
    id: i64,
    change: OptionsChange<'_>,
) -> Result<Result<ActivityOptions, ApiError>, ReadError> {
    let Some(activity) = txn.state.activities.get(id) else {
        return Ok(Err(ApiError::internal(format!("activity {id} is not pending"))));
    };
    let kind = match change {
        OptionsChange::Masked(..) => TaskQueueKind::Normal,
        OptionsChange::Restore => TaskQueueKind::Unspecified,
    };
    let wanted = match change {
        OptionsChange::Masked(options, mask) => merged(describe::options(activity), options, mask),
        OptionsChange::Restore => match txn.event(id)?.and_then(|event| event.attributes) {
            Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) => Ok(original(scheduled)),
            _ => return Err(ReadError::history(&txn.run, id, "no activity was scheduled by this event")),
        },
    };
    Ok(wanted.and_then(|wanted| {
        let queue = apply(txn, id, wanted)?;
        let activity = txn.state.activities.get(id).map(describe::options).unwrap_or_default();
        let task_queue = Some(TaskQueue { name: queue, kind: kind.into(), ..Default::default() });
        Ok(ActivityOptions { task_queue, ..activity })
    }))
}

/// The options that the activity was scheduled with.
fn original(scheduled: ActivityTaskScheduledEventAttributes) -> ActivityOptions {
    ActivityOptions {
        task_queue: scheduled.task_queue,
        schedule_to_close_timeout: scheduled.schedule_to_close_timeout,
        schedule_to_start_timeout: scheduled.schedule_to_start_timeout,
        start_to_close_timeout: scheduled.start_to_close_timeout,
        heartbeat_timeout: scheduled.heartbeat_timeout,
        retry_policy: scheduled.retry_policy,
        priority: scheduled.priority,
        ..Default::default()
    }
}

/// `into` with the masked fields of `options`. Paths are in the proto's or in JSON's spelling; unknown ones count
/// for nothing.
pub(crate) fn merged(
    mut into: ActivityOptions,
    options: &ActivityOptions,
    mask: &[String],
) -> Result<ActivityOptions, ApiError> {
    let absent = |what: &str| ApiError::invalid_argument(format!("{what} is not provided"));
    let retry = || options.retry_policy.clone().ok_or_else(|| absent("RetryPolicy"));
    let priority = || options.priority.clone().ok_or_else(|| absent("Priority"));
    for path in mask {
        let kept = into.retry_policy.get_or_insert_default();
        match snake_case(path).as_str() {
            "task_queue.name" => {
                let queue = options.task_queue.as_ref().ok_or_else(|| absent("TaskQueue"))?;
                into.task_queue = Some(TaskQueue { name: queue.name.clone(), ..Default::default() });
            }
            "schedule_to_close_timeout" => into.schedule_to_close_timeout = options.schedule_to_close_timeout,
            "schedule_to_start_timeout" => into.schedule_to_start_timeout = options.schedule_to_start_timeout,
            "start_to_close_timeout" => into.start_to_close_timeout = options.start_to_close_timeout,
            "heartbeat_timeout" => into.heartbeat_timeout = options.heartbeat_timeout,
            "retry_policy" => into.retry_policy = Some(retry()?),
            "retry_policy.initial_interval" => kept.initial_interval = retry()?.initial_interval,
            "retry_policy.backoff_coefficient" => kept.backoff_coefficient = retry()?.backoff_coefficient,
            "retry_policy.maximum_interval" => kept.maximum_interval = retry()?.maximum_interval,
            "retry_policy.maximum_attempts" => kept.maximum_attempts = retry()?.maximum_attempts,
            "priority" => into.priority.clone_from(&options.priority),
            "priority.priority_key" => {
                into.priority.get_or_insert_with(Priority::default).priority_key = priority()?.priority_key;
            }
            "priority.fairness_key" => {
                into.priority.get_or_insert_with(Priority::default).fairness_key = priority()?.fairness_key;
            }
            "priority.fairness_weight" => {
                into.priority.get_or_insert_with(Priority::default).fairness_weight = priority()?.fairness_weight;
            }
            _ => {}
        }
    }
    Ok(into)
}

pub(crate) fn snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len() + 8);
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Options that were checked as those of a new activity are.
pub(crate) struct Checked {
    pub(crate) queue: String,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: RetryPolicy,
    pub(crate) priority: Option<Encoded<Priority>>,
}

/// Checks the options that an activity is to have.
pub(crate) fn check(
    activity: &PendingActivity,
    wanted: ActivityOptions,
    limits: &Limits,
    run_timeout: Option<Duration>,
) -> Result<Checked, ApiError> {
    let command = ScheduleActivityTaskCommandAttributes {
        activity_id: activity.activity_id.to_string(),
        activity_type: Some(ActivityType { name: activity.activity_type.to_string() }),
        task_queue: wanted.task_queue.map(|queue| TaskQueue { name: queue.name, ..Default::default() }),
        schedule_to_close_timeout: wanted.schedule_to_close_timeout,
        schedule_to_start_timeout: wanted.schedule_to_start_timeout,
        start_to_close_timeout: wanted.start_to_close_timeout,
        heartbeat_timeout: wanted.heartbeat_timeout,
        retry_policy: wanted.retry_policy,
        priority: wanted.priority,
        ..Default::default()
    };
    check_priority(command.priority.as_ref()).map_err(ApiError::invalid_argument)?;
    check_command(&command, limits, run_timeout)
}

/// Checks the options of a new activity.
pub(crate) fn check_command(
    command: &ScheduleActivityTaskCommandAttributes,
    limits: &Limits,
    run_timeout: Option<Duration>,
) -> Result<Checked, ApiError> {
    let checked = schedule::check(command, limits).and_then(|(activity_type, queue, retry)| {
        Ok((queue, retry, Timeouts::resolve(command, activity_type, run_timeout)?))
    });
    let (queue, retry, timeouts) = checked.map_err(ApiError::invalid_argument)?;
    Ok(Checked { queue: queue.name, timeouts, retry, priority: command.priority.as_ref().map(Encoded::of) })
}

/// Checks the options as those of a new activity would be, and gives them to this one. Returns its queue.
fn apply(txn: &mut Txn<'_, '_>, id: i64, wanted: ActivityOptions) -> Result<String, ApiError> {
    let Some(activity) = txn.state.activities.get(id) else { unreachable!("the caller saw it") };
    let checked = check(activity, wanted, txn.limits(), txn.state.info.run_timeout)?;
    withdraw(txn, id);
    let Some(mut activity) = txn.state.activities.get_mut(id) else { unreachable!("the caller saw it") };
    let queue = checked.queue.clone();
    give(&mut activity, checked);
    if reschedule(&mut activity) {
        activity.last_failure = None;
    }
    let ready = matches!(activity.phase, ActivityPhase::Ready(_));
    drop(activity);
    if ready {
        make_ready(txn, id, |activity, stamp, _| activity.phase = ActivityPhase::Ready(stamp));
    }
    Ok(queue)
}

/// Gives an activity what was checked.
pub(crate) fn give(activity: &mut PendingActivity, checked: Checked) {
    activity.task_queue = checked.queue.into();
    (activity.timeouts, activity.retry, activity.priority) = (checked.timeouts, checked.retry, checked.priority);
}

/// Adapts the wait before the next attempt to the retry policy, which has changed. Returns whether there is one.
pub(crate) fn reschedule(activity: &mut PendingActivity) -> bool {
    let waits = matches!(activity.phase, ActivityPhase::Backoff | ActivityPhase::Paused);
    let Some(ended) = activity.last_attempt_completed_at.filter(|_| waits && activity.attempt > 1) else {
        return false;
    };
    activity.attempt_scheduled_at = ended.plus(activity.retry.interval_after(activity.attempt - 1));
    true
}
