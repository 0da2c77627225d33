//! Commands against events: the first difference ends the task.

use super::{Execution, Trouble, data};
use crate::runtime::{Broken, Command};
use std::fmt::Write;
use tenure_api::{
    command::v1::command::Attributes as Made,
    enums::v1::{CommandType, EventType},
    history::v1::{HistoryEvent, history_event::Attributes as Is},
};

impl Execution {
    /// Holds the commands of the section that just ended against the events that follow its completion. Gives how many
    /// events that were.
    pub(super) fn confirm(&mut self, events: &[HistoryEvent]) -> Result<usize, Trouble> {
        self.sent = false;
        let mut confirmed = 0;
        for event in events.iter().take_while(|event| is_of_command(event.event_type())) {
            confirmed += 1;
            let front = self.rt.commands.borrow().front().cloned();
            match front {
                Some(command) if is(&command.attributes, event, |id| self.names(id, event)) => {
                    self.same_data(&command, event)?;
                    self.rt.commands.borrow_mut().pop();
                    if let Some(op) = command.op {
                        self.rt.operations.borrow_mut().confirm(op, event.event_id);
                    }
                }
                // A patch that was given up may leave its marker behind.
                _ if is_deprecated_patch(event) => {}
                made => return self.differs(Some(event), made.as_ref()),
            }
        }
        let left = self.rt.commands.borrow().front().cloned();
        match left {
            Some(command) => self.differs(None, Some(&command)),
            None => Ok(confirmed),
        }
    }

    /// Compares what the command carries with what the event has, where it matters.
    fn same_data(&self, command: &Command, event: &HistoryEvent) -> Result<(), Trouble> {
        let (Some(is), true) = (&event.attributes, self.strict) else { return Ok(()) };
        let (code, history) = (data::of_command(&command.attributes), data::of_event(is));
        for ((what, code), (_, history)) in code.into_iter().zip(history) {
            let (code, history) = (code.read(&self.rt.converter), history.read(&self.rt.converter));
            if code != history {
                let mut diff = format!("the same code does not do the same again: the {what} differs");
                let _ = write!(diff, "\n  history has: event {}, {} with {history}", event.event_id, of_event(event));
                let _ = write!(diff, "\n  the code did: {} with {code}", of_command(&command.attributes));
                let _ = write!(diff, " at {}", command.at);
                let _ = write!(diff, "\n  does it read a clock, random numbers, or the order of a hash map?");
                return self.broken(diff);
            }
        }
        Ok(())
    }

    fn differs<T>(&self, event: Option<&HistoryEvent>, made: Option<&Command>) -> Result<T, Trouble> {
        let mut diff = String::from("the code does not do what it did before");
        let history = event.map_or("nothing more in this workflow task".to_owned(), |event| {
            format!("event {}, {}", event.event_id, of_event(event))
        });
        let code = made.map_or("nothing more".to_owned(), |command| {
            format!("{} at {}", of_command(&command.attributes), command.at)
        });
        let _ = write!(diff, "\n  history has: {history}\n  the code did: {code}");
        self.broken(diff)
    }

    fn broken<T>(&self, mut diff: String) -> Result<T, Trouble> {
        let (name, id) = (self.instance.name(), &self.name.workflow_id);
        let _ = write!(diff, "\n  workflow: {name} {id:?}, after event {}", self.last_event);
        self.rt.break_with(Broken::Nondeterminism(diff));
        self.check()?;
        Err(Trouble::Gap)
    }

    /// Whether a message of an update is the one of this event.
    fn names(&self, message_id: &str, event: &HistoryEvent) -> bool {
        match &event.attributes {
            Some(Is::WorkflowExecutionUpdateAcceptedEventAttributes(it)) => {
                message_id == format!("{}/accept", it.protocol_instance_id)
            }
            Some(Is::WorkflowExecutionUpdateCompletedEventAttributes(it)) => {
                let update = it.meta.as_ref().map_or("", |meta| &meta.update_id);
                message_id == format!("{update}/complete")
            }
            _ => false,
        }
    }
}

/// Events that a workflow task's commands make.
pub(crate) fn is_of_command(event: EventType) -> bool {
    use EventType as E;
    matches!(
        event,
        E::ActivityTaskScheduled
            | E::ActivityTaskCancelRequested
            | E::TimerStarted
            | E::TimerCanceled
            | E::StartChildWorkflowExecutionInitiated
            | E::SignalExternalWorkflowExecutionInitiated
            | E::RequestCancelExternalWorkflowExecutionInitiated
            | E::MarkerRecorded
            | E::UpsertWorkflowSearchAttributes
            | E::WorkflowPropertiesModified
            | E::WorkflowExecutionUpdateAccepted
            | E::WorkflowExecutionUpdateCompleted
            | E::WorkflowExecutionCompleted
            | E::WorkflowExecutionFailed
            | E::WorkflowExecutionCanceled
            | E::WorkflowExecutionContinuedAsNew
    )
}

pub(super) fn closes(command: CommandType) -> bool {
    use CommandType as C;
    matches!(
        command,
        C::CompleteWorkflowExecution
            | C::FailWorkflowExecution
            | C::CancelWorkflowExecution
            | C::ContinueAsNewWorkflowExecution
    )
}

/// Whether the command is the one that made the event.
fn is(made: &Made, event: &HistoryEvent, names: impl Fn(&str) -> bool) -> bool {
    let Some(is) = &event.attributes else { return false };
    match (made, is) {
        (Made::ScheduleActivityTaskCommandAttributes(made), Is::ActivityTaskScheduledEventAttributes(is)) => {
            made.activity_id == is.activity_id && made.activity_type == is.activity_type
        }
        (
            Made::RequestCancelActivityTaskCommandAttributes(made),
            Is::ActivityTaskCancelRequestedEventAttributes(is),
        ) => made.scheduled_event_id == is.scheduled_event_id,
        (Made::StartTimerCommandAttributes(made), Is::TimerStartedEventAttributes(is)) => made.timer_id == is.timer_id,
        (Made::CancelTimerCommandAttributes(made), Is::TimerCanceledEventAttributes(is)) => {
            made.timer_id == is.timer_id
        }
        (
            Made::StartChildWorkflowExecutionCommandAttributes(made),
            Is::StartChildWorkflowExecutionInitiatedEventAttributes(is),
        ) => made.workflow_id == is.workflow_id && made.workflow_type == is.workflow_type,
        (
            Made::SignalExternalWorkflowExecutionCommandAttributes(made),
            Is::SignalExternalWorkflowExecutionInitiatedEventAttributes(is),
        ) => {
            let id =
                |it: &Option<tenure_api::common::v1::WorkflowExecution>| it.as_ref().map(|it| it.workflow_id.clone());
            made.signal_name == is.signal_name && id(&made.execution) == id(&is.workflow_execution)
        }
        (
            Made::RequestCancelExternalWorkflowExecutionCommandAttributes(made),
            Is::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(is),
        ) => is.workflow_execution.as_ref().is_some_and(|it| it.workflow_id == made.workflow_id),
        (Made::RecordMarkerCommandAttributes(made), Is::MarkerRecordedEventAttributes(is)) => {
            made.marker_name == is.marker_name && super::events::same_marker(&made.details, &is.details)
        }
        (
            Made::ProtocolMessageCommandAttributes(made),
            Is::WorkflowExecutionUpdateAcceptedEventAttributes(_)
            | Is::WorkflowExecutionUpdateCompletedEventAttributes(_),
        ) => names(&made.message_id),
        (
            Made::UpsertWorkflowSearchAttributesCommandAttributes(_),
            Is::UpsertWorkflowSearchAttributesEventAttributes(_),
        )
        | (Made::ModifyWorkflowPropertiesCommandAttributes(_), Is::WorkflowPropertiesModifiedEventAttributes(_))
        | (Made::CompleteWorkflowExecutionCommandAttributes(_), Is::WorkflowExecutionCompletedEventAttributes(_))
        | (Made::FailWorkflowExecutionCommandAttributes(_), Is::WorkflowExecutionFailedEventAttributes(_))
        | (Made::CancelWorkflowExecutionCommandAttributes(_), Is::WorkflowExecutionCanceledEventAttributes(_))
        | (
            Made::ContinueAsNewWorkflowExecutionCommandAttributes(_),
            Is::WorkflowExecutionContinuedAsNewEventAttributes(_),
        ) => true,
        _ => false,
    }
}

fn is_deprecated_patch(event: &HistoryEvent) -> bool {
    super::events::patch_of(event).is_some_and(|(_, deprecated)| deprecated)
}

fn name(it: &Option<tenure_api::common::v1::WorkflowType>) -> &str {
    it.as_ref().map_or("", |it| &it.name)
}

fn of_event(event: &HistoryEvent) -> String {
    let kind = event.event_type().as_str_name().trim_start_matches("EVENT_TYPE_").to_lowercase().replace('_', " ");
    let what = match &event.attributes {
        Some(Is::ActivityTaskScheduledEventAttributes(it)) => {
            format!("activity {} {:?}", it.activity_id, it.activity_type.as_ref().map_or("", |it| &it.name))
        }
        Some(Is::TimerStartedEventAttributes(it)) => {
            format!("timer {}{}", it.timer_id, lasting(it.start_to_fire_timeout))
        }
        Some(Is::TimerCanceledEventAttributes(it)) => format!("timer {}", it.timer_id),
        Some(Is::StartChildWorkflowExecutionInitiatedEventAttributes(it)) => {
            format!("child {:?} {:?}", name(&it.workflow_type), it.workflow_id)
        }
        Some(Is::SignalExternalWorkflowExecutionInitiatedEventAttributes(it)) => format!("signal {:?}", it.signal_name),
        Some(Is::MarkerRecordedEventAttributes(it)) => format!("marker {:?}", it.marker_name),
        Some(Is::WorkflowExecutionUpdateAcceptedEventAttributes(it)) => format!("update {:?}", it.protocol_instance_id),
        _ => String::new(),
    };
    if what.is_empty() { kind } else { format!("{kind}: {what}") }
}

fn lasting(time: Option<prost_types::Duration>) -> String {
    let time: Option<std::time::Duration> = time.and_then(|time| time.try_into().ok());
    time.map_or(String::new(), |time| format!(" of {time:?}"))
}

fn of_command(made: &Made) -> String {
    let kind = crate::runtime::command_type(made).as_str_name();
    let kind = kind.trim_start_matches("COMMAND_TYPE_").to_lowercase().replace('_', " ");
    let what = match made {
        Made::ScheduleActivityTaskCommandAttributes(it) => {
            format!("activity {} {:?}", it.activity_id, it.activity_type.as_ref().map_or("", |it| &it.name))
        }
        Made::StartTimerCommandAttributes(it) => format!("timer {}{}", it.timer_id, lasting(it.start_to_fire_timeout)),
        Made::CancelTimerCommandAttributes(it) => format!("timer {}", it.timer_id),
        Made::StartChildWorkflowExecutionCommandAttributes(it) => {
            format!("child {:?} {:?}", name(&it.workflow_type), it.workflow_id)
        }
        Made::SignalExternalWorkflowExecutionCommandAttributes(it) => format!("signal {:?}", it.signal_name),
        Made::RecordMarkerCommandAttributes(it) => format!("marker {:?}", it.marker_name),
        Made::ProtocolMessageCommandAttributes(it) => format!("update {:?}", it.message_id),
        _ => String::new(),
    };
    if what.is_empty() { kind } else { format!("{kind}: {what}") }
}
