//! User timers: started and cancelled by workflow commands, fired by time.

pub(crate) mod state;

pub(crate) use state::{TimerKey, UserTimer};

use crate::{bad_command::BadCommand, time::Timestamp, txn::Txn, workflow_task::CompletedTask};
use std::sync::Arc;
use tenure_api::{
    command::v1::{CancelTimerCommandAttributes, StartTimerCommandAttributes},
    enums::v1::WorkflowTaskFailedCause as Cause,
    history::v1::{
        HistoryEvent, TimerCanceledEventAttributes, TimerFiredEventAttributes, TimerStartedEventAttributes,
        history_event::Attributes,
    },
    sdk::v1::UserMetadata,
    time::optional_duration,
};

pub(crate) fn start(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: StartTimerCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    let bad = |message: String| BadCommand::new(Cause::BadStartTimerAttributes, message);
    if command.timer_id.is_empty() {
        return Err(bad("TimerId is not set on StartTimerCommand.".into()));
    }
    if command.timer_id.len() > txn.limits().id_length {
        return Err(bad(format!(
            "TimerId on StartTimerCommand exceeds length limit. TimerId={} Length={} Limit={}",
            command.timer_id,
            command.timer_id.len(),
            txn.limits().id_length
        )));
    }
    // Zero is a timer that fires at once.
    let duration = optional_duration(command.start_to_fire_timeout.as_ref()).map_err(|error| {
        bad(format!("An invalid StartToFireTimeout is set on StartTimerCommand: {error}. TimerId={}", command.timer_id))
    })?;
    let duration = duration.unwrap_or_default();
    let timer_id: Arc<str> = command.timer_id.as_str().into();
    if txn.state.timers.find(&TimerKey::Id(timer_id.clone())).is_some() {
        let action = "invalid history builder state for action: add-timer-started-event";
        return Err(BadCommand::new(Cause::StartTimerDuplicateId, format!("{action}, TimerID: {}", command.timer_id)));
    }
    let id = txn.add(HistoryEvent {
        user_metadata,
        attributes: Some(Attributes::TimerStartedEventAttributes(TimerStartedEventAttributes {
            timer_id: command.timer_id,
            start_to_fire_timeout: command.start_to_fire_timeout,
            workflow_task_completed_event_id: task.completed_event_id,
        })),
        ..Default::default()
    });
    let fire_at = txn.now().plus(duration);
    txn.state.timers.insert(id, UserTimer { timer_id, fire_at });
    Ok(())
}

pub(crate) fn cancel(
    txn: &mut Txn<'_, '_>,
    task: &mut CompletedTask,
    command: CancelTimerCommandAttributes,
) -> Result<(), BadCommand> {
    let bad = |message| BadCommand::new(Cause::BadCancelTimerAttributes, message);
    if command.timer_id.is_empty() {
        return Err(bad("TimerId is not set on CancelTimerCommand.".into()));
    }
    let (length, limit) = (command.timer_id.len(), txn.limits().id_length);
    if length > limit {
        return Err(bad(format!(
            "TimerId on CancelTimerCommand exceeds length limit. TimerId={} Length={length} Limit={limit}",
            command.timer_id,
        )));
    }
    let pending = txn.state.timers.find(&TimerKey::Id(command.timer_id.as_str().into()));
    let started_event_id = match pending {
        Some(id) => {
            txn.state.timers.remove(id);
            id
        }
        // It fired while the task was running: the worker does not know, and need not.
        None => {
            let fired = txn.take_buffered(
                |event| matches!(event, Attributes::TimerFiredEventAttributes(a) if a.timer_id == command.timer_id),
            );
            let Some(Attributes::TimerFiredEventAttributes(fired)) = fired.and_then(|event| event.attributes) else {
                let action = "invalid history builder state for action: add-timer-canceled-event";
                return Err(bad(format!("{action}, TimerID: {}", command.timer_id)));
            };
            task.unseen_events -= 1;
            fired.started_event_id
        }
    };
    txn.add_event(Attributes::TimerCanceledEventAttributes(TimerCanceledEventAttributes {
        timer_id: command.timer_id,
        started_event_id,
        workflow_task_completed_event_id: task.completed_event_id,
        identity: task.identity.clone(),
    }));
    Ok(())
}

/// Fires all timers that are due, in the order of their deadlines. Returns whether any did.
pub(crate) fn fire_due(txn: &mut Txn<'_, '_>) -> bool {
    let due = TimerKey::Due(Timestamp::MIN)..=TimerKey::Due(txn.now());
    let due: Vec<i64> = txn.state.timers.range(due).map(|(_, id)| id).collect();
    for &started_event_id in &due {
        let Some(timer) = txn.state.timers.remove(started_event_id) else { continue };
        txn.add_event(Attributes::TimerFiredEventAttributes(TimerFiredEventAttributes {
            timer_id: timer.timer_id.to_string(),
            started_event_id,
        }));
    }
    !due.is_empty()
}
