//! Commands against events: the first difference ends the task.

use super::{Execution, TaskFailure, Trouble, data};
use crate::runtime::{Broken, Command};
use std::fmt::Write;
use tenure_api::{
    command::v1::command::Attributes as Made,
    common::v1::{WorkflowExecution, WorkflowType},
    events::EventSource,
    history::v1::{HistoryEvent, history_event::Attributes as Is},
    time::duration_from_proto,
};

/// What is behind most differences of the same code.
const HINT: &str = "does it read a clock, random numbers, or the order of a hash map?";

impl Execution {
    /// Holds the commands of the section that just ended against the events that follow its completion. Gives how many
    /// events that were.
    pub(super) fn confirm(&mut self, events: &[HistoryEvent]) -> Result<usize, Trouble> {
        self.sent = false;
        let mut confirmed = 0;
        for event in events.iter().take_while(|event| event.event_type().is_of_command()) {
            confirmed += 1;
            if event.event_type().closes_run() {
                self.forget_late_answers(event);
            }
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

    /// Drops the answers of updates that stand before the end of the run in the code's commands alone: handlers that were
    /// ready when the function returned did not finish in earlier versions, whose histories stay readable.
    fn forget_late_answers(&self, event: &HistoryEvent) {
        let mut commands = self.rt.commands.borrow_mut();
        let is_answer = |it: &Command| matches!(it.attributes, Made::ProtocolMessageCommandAttributes(_));
        let answers = commands.iter().take_while(|it| is_answer(it)).count();
        if commands.iter().nth(answers).is_some_and(|end| is(&end.attributes, event, |_| false)) {
            for _ in 0..answers {
                commands.pop();
            }
        }
    }

    /// Compares what the command carries with what the event has, where it matters.
    fn same_data(&self, command: &Command, event: &HistoryEvent) -> Result<(), Trouble> {
        let (Some(is), true) = (&event.attributes, self.strict) else { return Ok(()) };
        let Some((what, code)) = data::of_command(&command.attributes) else { return Ok(()) };
        let Some(history) = data::of_event(&command.attributes, is) else { return Ok(()) };
        let (code, history) = (code.read(&self.rt.converter), history.read(&self.rt.converter));
        if code == history {
            return Ok(());
        }
        let mut diff = format!("the same code does not do the same again: the {what} differs");
        let _ = write!(diff, "\n  history has: event {}, {} with {history}", event.event_id, of_event(event));
        let _ = write!(diff, "\n  the code did: {} with {code}", of_command(&command.attributes));
        let _ = write!(diff, " at {}", command.at);
        let _ = write!(diff, "\n  {HINT}");
        self.broken(diff)
    }

    /// Compares the commands of this live section with those of another execution of the same code, which came to the same
    /// place from the first event on.
    pub(crate) fn does_the_same_as(&self, again: &Execution) -> Result<(), TaskFailure> {
        let (first, second) = (self.rt.commands.borrow(), again.rt.commands.borrow());
        let shown = |command: Option<&Command>| match command {
            Some(command) => {
                let data = data::of_command(&command.attributes).map(|(_, part)| part.read(&self.rt.converter));
                let with = data.map_or_else(String::new, |data| format!(" with {data}"));
                format!("{}{with}", of_command(&command.attributes))
            }
            None => "nothing more".to_owned(),
        };
        let (mut ones, mut others) = (first.iter(), second.iter());
        loop {
            let (one, other) = (ones.next(), others.next());
            if one.is_none() && other.is_none() {
                return Ok(());
            }
            if self.same(one, other) {
                continue;
            }
            let at = one.or(other).map_or_else(String::new, |command| format!(" at {}", command.at));
            let mut diff = "the same code does not do the same again, in the same workflow task".to_owned();
            let _ = write!(diff, "\n  first: {}{at}\n  then: {}", shown(one), shown(other));
            let _ = write!(diff, "\n  {HINT}\n  workflow: {} {:?}", self.instance.name(), self.name.workflow_id);
            return Err(Broken::Nondeterminism(diff).into());
        }
    }

    fn same(&self, one: Option<&Command>, other: Option<&Command>) -> bool {
        let (Some(one), Some(other)) = (one, other) else { return false };
        let data = |command: &Command| {
            let part = data::of_command(&command.attributes).map(|(_, part)| part.read(&self.rt.converter));
            (of_command(&command.attributes), part)
        };
        data(one) == data(other)
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
        if let Some(Is::WorkflowExecutionUpdateAcceptedEventAttributes(it)) = &event.attributes {
            return message_id == format!("{}/accept", it.protocol_instance_id);
        }
        if let Some(Is::WorkflowExecutionUpdateCompletedEventAttributes(it)) = &event.attributes {
            let update = it.meta.as_ref().map_or("", |meta| &meta.update_id);
            return message_id == format!("{update}/complete");
        }
        false
    }
}

/// Whether the command is the one that made the event: the event is one of such a command, and about the same thing.
fn is(made: &Made, event: &HistoryEvent, names: impl Fn(&str) -> bool) -> bool {
    let Some(is) = &event.attributes else { return false };
    if is.event_type().source() != EventSource::Command(made.command_type()) {
        return false;
    }
    match made {
        Made::ScheduleActivityTaskCommandAttributes(made) => matches!(
            is,
            Is::ActivityTaskScheduledEventAttributes(is)
                if made.activity_id == is.activity_id && made.activity_type == is.activity_type
        ),
        Made::RequestCancelActivityTaskCommandAttributes(made) => is.begun_by() == Some(made.scheduled_event_id),
        Made::StartTimerCommandAttributes(made) => {
            matches!(is, Is::TimerStartedEventAttributes(is) if made.timer_id == is.timer_id)
        }
        Made::CancelTimerCommandAttributes(made) => {
            matches!(is, Is::TimerCanceledEventAttributes(is) if made.timer_id == is.timer_id)
        }
        Made::StartChildWorkflowExecutionCommandAttributes(made) => matches!(
            is,
            Is::StartChildWorkflowExecutionInitiatedEventAttributes(is)
                if made.workflow_id == is.workflow_id && made.workflow_type == is.workflow_type
        ),
        Made::SignalExternalWorkflowExecutionCommandAttributes(made) => matches!(
            is,
            Is::SignalExternalWorkflowExecutionInitiatedEventAttributes(is)
                if made.signal_name == is.signal_name && id(&made.execution) == id(&is.workflow_execution)
        ),
        Made::RequestCancelExternalWorkflowExecutionCommandAttributes(made) => matches!(
            is,
            Is::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(is)
                if id(&is.workflow_execution) == Some(&made.workflow_id)
        ),
        Made::RecordMarkerCommandAttributes(made) => matches!(
            is,
            Is::MarkerRecordedEventAttributes(is)
                if made.marker_name == is.marker_name && super::events::same_marker(&made.details, &is.details)
        ),
        Made::ProtocolMessageCommandAttributes(made) => names(&made.message_id),
        // The same type is enough; what they carry is compared where replay is strict.
        Made::UpsertWorkflowSearchAttributesCommandAttributes(_)
        | Made::ModifyWorkflowPropertiesCommandAttributes(_)
        | Made::CompleteWorkflowExecutionCommandAttributes(_)
        | Made::FailWorkflowExecutionCommandAttributes(_)
        | Made::CancelWorkflowExecutionCommandAttributes(_)
        | Made::ContinueAsNewWorkflowExecutionCommandAttributes(_) => true,
        // The code has no way to make these.
        Made::ScheduleNexusOperationCommandAttributes(_) | Made::RequestCancelNexusOperationCommandAttributes(_) => {
            false
        }
    }
}

fn id(execution: &Option<WorkflowExecution>) -> Option<&String> {
    execution.as_ref().map(|execution| &execution.workflow_id)
}

fn is_deprecated_patch(event: &HistoryEvent) -> bool {
    super::events::patch_of(event).is_some_and(|(_, deprecated)| deprecated)
}

fn name(it: &Option<WorkflowType>) -> &str {
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
        // The name of its kind has to do.
        Some(_) | None => String::new(),
    };
    if what.is_empty() { kind } else { format!("{kind}: {what}") }
}

fn lasting(time: Option<prost_types::Duration>) -> String {
    duration_from_proto(time).map_or(String::new(), |time| format!(" of {time:?}"))
}

pub(crate) fn of_command(made: &Made) -> String {
    let kind = made.command_type().as_str_name();
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
        // The name of its kind has to do.
        Made::RequestCancelActivityTaskCommandAttributes(_)
        | Made::RequestCancelExternalWorkflowExecutionCommandAttributes(_)
        | Made::UpsertWorkflowSearchAttributesCommandAttributes(_)
        | Made::ModifyWorkflowPropertiesCommandAttributes(_)
        | Made::CompleteWorkflowExecutionCommandAttributes(_)
        | Made::FailWorkflowExecutionCommandAttributes(_)
        | Made::CancelWorkflowExecutionCommandAttributes(_)
        | Made::ContinueAsNewWorkflowExecutionCommandAttributes(_)
        | Made::ScheduleNexusOperationCommandAttributes(_)
        | Made::RequestCancelNexusOperationCommandAttributes(_) => String::new(),
    };
    if what.is_empty() { kind } else { format!("{kind}: {what}") }
}
