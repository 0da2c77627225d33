//! User timers: started and cancelled by workflow commands, fired by time.

use crate::{
    proto::{duration_to_proto, optional_duration},
    time::Timestamp,
    txn::Txn,
    workflow_task::{BadCommand, CompletedTask},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tenure_api::{
    command::v1::{CancelTimerCommandAttributes, StartTimerCommandAttributes},
    enums::v1::WorkflowTaskFailedCause as Cause,
    history::v1::{
        HistoryEvent, TimerCanceledEventAttributes, TimerFiredEventAttributes, TimerStartedEventAttributes,
        history_event::Attributes,
    },
    sdk::v1::UserMetadata,
};

/// A timer that was started and neither fired nor was cancelled; pending under its started event's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTimer {
    pub timer_id: Arc<str>,
    pub fire_at: Timestamp,
}

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
    if txn.state.timers.values().any(|timer| *timer.timer_id == command.timer_id) {
        let action = "invalid history builder state for action: add-timer-started-event";
        return Err(BadCommand::new(Cause::StartTimerDuplicateId, format!("{action}, TimerID: {}", command.timer_id)));
    }
    let timer_id: Arc<str> = command.timer_id.as_str().into();
    let id = txn.add(HistoryEvent {
        user_metadata,
        attributes: Some(Attributes::TimerStartedEventAttributes(TimerStartedEventAttributes {
            timer_id: command.timer_id,
            start_to_fire_timeout: Some(duration_to_proto(duration)),
            workflow_task_completed_event_id: task.completed_event_id,
        })),
        ..Default::default()
    });
    let fire_at = txn.now().after(duration);
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
    let pending = txn.state.timers.iter().find(|(_, timer)| *timer.timer_id == command.timer_id).map(|(id, _)| id);
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
            task.unseen -= 1;
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

/// Fires all timers that are due, in the order in which they are. Says whether any did.
pub(crate) fn fire_due(txn: &mut Txn<'_, '_>) -> bool {
    let now = txn.now();
    let mut due: Vec<(Timestamp, i64)> =
        txn.state.timers.iter().filter(|(_, t)| t.fire_at <= now).map(|(id, t)| (t.fire_at, id)).collect();
    due.sort_unstable();
    for &(_, started_event_id) in &due {
        let Some(timer) = txn.state.timers.remove(started_event_id) else { continue };
        txn.add_event(Attributes::TimerFiredEventAttributes(TimerFiredEventAttributes {
            timer_id: timer.timer_id.to_string(),
            started_event_id,
        }));
    }
    !due.is_empty()
}
