//! One cached execution: history in, commands out. A pure function of what it is fed.
//!
//! History falls into sections, one for each workflow task that was completed: events that came in before it started,
//! then the events of the commands that it made. A section's events are fed in order, the code runs until it waits, and
//! its commands are held against the events, or, when the section is the last, sent.

mod carry;
mod data;
mod end;
mod events;
mod instance;
mod matching;
#[cfg(test)]
mod tests;
pub(crate) mod updates;

pub(crate) use instance::{Factory, Instance, Typed};
pub(crate) use matching::of_command as describe;

use crate::{
    info::{HistoryInfo, WorkflowInfo, time_of},
    interceptor::{InboundKind, Interceptors},
    runtime::{Broken, Command, LocalCall, Rt, Runtime, WOKEN_FROM_OUTSIDE, catch},
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tenure_api::{
    command::v1::{self as command, command::Attributes as Make},
    common::v1::{Payload, Payloads},
    enums::v1::{CommandType, EventType, WorkflowTaskFailedCause},
    events::{EventSource, WorkflowTaskStep as Step},
    failure::v1 as failure,
    history::v1::{HistoryEvent, WorkflowExecutionStartedEventAttributes as Started, history_event::Attributes},
    protocol::v1::Message,
};
use tenure_client::{DataConverter, Failure, Headers};

/// What a poll, or a replay, brings.
#[derive(Default)]
pub(crate) struct Task {
    /// Events from the first one on that was not fed yet, or from an earlier one.
    pub(crate) events: Vec<HistoryEvent>,
    pub(crate) messages: Vec<Message>,
    /// Nothing but a query: there is no workflow task to complete.
    pub(crate) only_query: bool,
}

/// What goes into the completion of the workflow task.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) commands: Vec<command::Command>,
    pub(crate) messages: Vec<Message>,
    pub(crate) closed: bool,
}

/// How far a live section is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) closed: bool,
    /// Somebody waits for the answer, beside the local activities.
    pub(crate) tells_of_more: bool,
}

#[derive(Debug)]
pub(crate) enum Trouble {
    /// The events do not follow those that were fed.
    Gap,
    /// The task fails; the execution must not be used any more.
    Fails(TaskFailure),
}

#[derive(Clone, Debug)]
pub(crate) struct TaskFailure {
    pub(crate) cause: WorkflowTaskFailedCause,
    pub(crate) failure: failure::Failure,
}

impl TaskFailure {
    pub(crate) fn new(cause: WorkflowTaskFailedCause, name: &str, message: String) -> Self {
        let failure = Failure::application(name, message).to_proto(&DataConverter::default());
        TaskFailure { cause, failure }
    }
}

impl From<Broken> for TaskFailure {
    fn from(broken: Broken) -> Self {
        let cause = match broken {
            Broken::Nondeterminism(_) => WorkflowTaskFailedCause::NonDeterministicError,
            Broken::Panic(_) | Broken::TooLarge(_) | Broken::Data(_) => {
                WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure
            }
        };
        TaskFailure { cause, failure: Failure::from(broken).to_proto(&DataConverter::default()) }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        let (kind, message) = match broken {
            Broken::Nondeterminism(message) => ("Nondeterminism", message),
            Broken::Panic(message) => ("Panic", message),
            Broken::TooLarge(message) => ("TooLarge", message),
            Broken::Data(message) => ("Data", message),
        };
        Failure::application(kind, message)
    }
}

/// Which execution this is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Name {
    pub(crate) namespace: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
}

pub(crate) struct Execution {
    rt: Rt,
    instance: Box<dyn Instance>,
    name: Name,
    /// The last event that was fed or matched.
    last_event: i64,
    /// Fed when the next workflow task starts.
    inputs: Vec<HistoryEvent>,
    /// The last section's commands were sent and no event has confirmed them yet.
    sent: bool,
    admitted: updates::Admitted,
    /// Commands must carry what the events have.
    strict: bool,
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.rt.end();
    }
}

impl Execution {
    pub(crate) fn new(factory: &Arc<dyn Factory>, name: Name, converter: DataConverter) -> Self {
        let rt = Runtime::new(converter);
        rt.tasks.belong_to(&name.workflow_id, &name.run_id);
        let instance = factory.create(rt.clone());
        Execution {
            rt,
            instance,
            name,
            last_event: 0,
            inputs: Vec::new(),
            sent: false,
            admitted: updates::Admitted::default(),
            strict: false,
        }
    }

    pub(crate) fn intercepted(self, interceptors: &Interceptors) -> Self {
        let _ = self.rt.interceptors.set(interceptors.clone());
        self
    }

    /// Makes the state that the workflow begins with. What cannot be made, or read, is said when it begins.
    pub(crate) fn prepared(self, input: Option<&Payloads>) -> Self {
        let _ = catch(|| self.instance.prepare(input));
        self
    }

    pub(crate) fn strictly(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Feeds a task. What it answers is of its last section; replayed sections answer nothing.
    pub(crate) fn advance(&mut self, task: Task) -> Result<Output, Trouble> {
        if !self.is_continued_by(&task.events) {
            return Err(Trouble::Gap);
        }
        let mut events = task.events;
        events.retain(|event| event.event_id > self.last_event);
        let mut messages = Some(task.messages);
        let mut live = false;
        let mut at = 0;
        while at < events.len() {
            let next = events.get(at + 1).map(HistoryEvent::event_type);
            match step_of(&events[at]) {
                Some(Step::Started) => match next {
                    Some(EventType::WorkflowTaskCompleted) => {
                        self.section(&events[at], following(&events[at + 1..]), Vec::new(), false)?;
                    }
                    // The code's answer never arrived.
                    Some(_) => {}
                    None if task.only_query => break,
                    None => {
                        live = true;
                        self.section(&events[at], &[], messages.take().unwrap_or_default(), true)?;
                    }
                },
                Some(Step::Completed) => {
                    at += self.confirm(&events[at + 1..])?;
                    self.last_event = events[at].event_id;
                }
                Some(Step::Failed) => self.reseed(&events[at]),
                Some(Step::Scheduled | Step::TimedOut) => {}
                None => self.inputs.push(std::mem::take(&mut events[at])),
            }
            at += 1;
        }
        if task.only_query {
            // Fed again with the task that they belong to.
            self.inputs.clear();
        }
        if live { self.output() } else { Ok(Output::default()) }
    }

    /// Whether the events follow those that were fed, and what was sent is what happened.
    pub(crate) fn is_continued_by(&self, events: &[HistoryEvent]) -> bool {
        let mut new = events.iter().filter(|event| event.event_id > self.last_event).peekable();
        if new.peek().is_some_and(|first| first.event_id != self.last_event + 1) {
            return false;
        }
        let answered = |event: &HistoryEvent| match step_of(event)? {
            Step::Completed => Some(true),
            Step::Failed | Step::TimedOut => Some(false),
            Step::Scheduled | Step::Started => None,
        };
        !self.sent || new.find_map(answered).unwrap_or(true)
    }

    /// The code of a workflow that was reset goes on with another sequence of random numbers.
    fn reseed(&self, event: &HistoryEvent) {
        if let Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) = &event.attributes
            && failed.cause() == WorkflowTaskFailedCause::ResetWorkflow
        {
            self.rt.seed(&failed.new_run_id);
        }
    }

    fn section(
        &mut self,
        started: &HistoryEvent,
        ahead: &[HistoryEvent],
        mut messages: Vec<Message>,
        live: bool,
    ) -> Result<(), Trouble> {
        self.check()?;
        self.rt.replaying.set(!live);
        self.rt.now.set(time_of(started));
        if let Some(Attributes::WorkflowTaskStartedEventAttributes(it)) = &started.attributes {
            *self.rt.history.borrow_mut() = HistoryInfo {
                events: started.event_id,
                bytes: it.history_size_bytes,
                continue_as_new_suggested: it.suggest_continue_as_new,
            };
        }
        // What replayed sections say was said before.
        self.rt.messages.borrow_mut().clear();
        let markers = self.look_ahead(ahead, &mut messages);
        let inputs = std::mem::take(&mut self.inputs);
        let span = self.span(&inputs);
        self.quietly(&span, |this| {
            let inputs = this.begin(inputs);
            let mut messages = messages.into_iter().peekable();
            for event in inputs {
                let event_id = event.event_id;
                this.feed(event);
                while let Some(message) = messages.next_if(|message| updates::after(message) <= event_id) {
                    this.deliver(message, live);
                }
            }
            messages.for_each(|message| this.deliver(message, live));
            this.rt.run();
            for marker in markers {
                this.replay_local(&marker);
                this.rt.run();
            }
        });
        self.finish();
        self.last_event = started.event_id;
        self.sent = live;
        self.check()
    }

    /// The function comes to its first wait before any handler or validator runs, so that they find the state that its
    /// first lines made. Signals that no handler takes are in their channels by then. Gives what is still to be fed.
    fn begin(&mut self, mut inputs: Vec<HistoryEvent>) -> Vec<HistoryEvent> {
        let first = inputs.first().and_then(|event| event.attributes.as_ref());
        let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = first else { return inputs };
        let carried = carry::unpack(started.header.as_ref());
        inputs.splice(1..1, carried);
        let waits_in_channel = |event: &HistoryEvent| {
            let Some(Attributes::WorkflowExecutionSignaledEventAttributes(it)) = &event.attributes else {
                return false;
            };
            !self.instance.handles(&it.signal_name)
        };
        let (before, after): (Vec<_>, _) = inputs
            .into_iter()
            .partition(|event| event.event_type().source() == EventSource::Start || waits_in_channel(event));
        before.into_iter().for_each(|event| self.feed(event));
        self.rt.run();
        after
    }

    /// Runs the code without its logs: in replay, what it logs was logged before.
    fn quietly(&mut self, span: &tracing::Span, run: impl FnOnce(&mut Self)) {
        let rt = self.rt.clone();
        let run = || {
            if rt.replaying.get() {
                tracing::dispatcher::with_default(&tracing::Dispatch::none(), || run(self));
            } else {
                span.in_scope(|| run(self));
            }
        };
        if let Err(panic) = catch(run) {
            rt.break_with(Broken::Panic(panic));
        }
    }

    /// What the log says beside the lines of the code.
    fn span(&self, inputs: &[HistoryEvent]) -> tracing::Span {
        if self.rt.replaying.get() {
            return tracing::Span::none();
        }
        let Name { workflow_id, run_id, .. } = &self.name;
        let span = tracing::info_span!("workflow", %workflow_id, %run_id);
        if let Some(interceptors) = self.rt.interceptors.get().filter(|all| !all.is_empty()) {
            let started = inputs.first().and_then(|event| event.attributes.as_ref());
            let headers = match (self.rt.info.get(), started) {
                (Some(info), _) => info.headers.clone(),
                (None, Some(Attributes::WorkflowExecutionStartedEventAttributes(started))) => {
                    Headers::from_proto(started.header.clone())
                }
                (None, _) => Headers::default(),
            };
            interceptors.iter().for_each(|interceptor| interceptor.span(&headers, &span));
        }
        span
    }

    /// A broken task stays broken.
    fn check(&self) -> Result<(), Trouble> {
        if let Some(error) = self.rt.converter.take_trouble() {
            self.rt.break_with(Broken::Data(error.to_string()));
        }
        if self.rt.tasks.woken_from_outside() {
            let message = format!("the workflow waits for something that {WOKEN_FROM_OUTSIDE}");
            self.rt.break_with(Broken::Nondeterminism(message));
        }
        match &*self.rt.broken.borrow() {
            Some(broken) => Err(Trouble::Fails(broken.clone().into())),
            None => Ok(()),
        }
    }

    /// What this live section answers, beside what it has answered before.
    pub(crate) fn output(&self) -> Result<Output, Trouble> {
        let commands: Vec<_> =
            self.rt.commands.borrow().iter().map(|command| command.to_proto(&self.rt.converter)).collect();
        let closed = commands.last().is_some_and(|command| command.command_type().closes_run());
        self.check()?;
        Ok(Output { commands, messages: self.rt.messages.take(), closed })
    }

    /// The local activities that the code has asked for since the last call.
    pub(crate) fn take_local(&self) -> Vec<LocalCall> {
        let operations = self.rt.operations.borrow();
        let asked = self.rt.deferred_local.take().into_iter().chain(self.rt.local.take());
        asked.filter(|request| operations.is_pending(request.op)).map(|request| request.call).collect()
    }

    /// Before its first task: side effects of the live section give what they gave there.
    pub(crate) fn repeats_side_effects_of(&mut self, first: &Execution) {
        let mut known = self.rt.known.borrow_mut();
        for command in first.rt.commands.borrow().iter() {
            if let Make::RecordMarkerCommandAttributes(marker) = &command.attributes
                && let Some((number, value)) = events::side_effect_in(&marker.marker_name, &marker.details)
            {
                known.side_effects.insert(number, value);
            }
        }
    }

    /// A local activity of this live section ended. What the code did thereupon is in [`Self::output`].
    pub(crate) fn finish_local(
        &mut self,
        seq: u64,
        result: Result<Option<Payload>, Failure>,
    ) -> Result<Progress, Trouble> {
        let span = self.span(&[]);
        self.quietly(&span, |this| {
            this.resolve_local(seq, result);
            this.rt.run();
        });
        self.finish();
        self.check()?;
        let commands = self.rt.commands.borrow();
        let of_local = |it: &Command| it.attributes.command_type() == CommandType::RecordMarker;
        Ok(Progress {
            closed: commands.last().is_some_and(|command| command.attributes.command_type().closes_run()),
            tells_of_more: !commands.iter().all(of_local) || !self.rt.messages.borrow().is_empty(),
        })
    }

    pub(crate) fn query(&self, name: &str, args: Option<&Payloads>, headers: &Headers) -> Result<Payload, Failure> {
        let answer = catch(|| {
            self.rt.inbound(InboundKind::Query, name, headers)?;
            self.instance.query(name, args)
        });
        // Only this answer failed.
        let _ = self.rt.converter.take_trouble();
        answer.unwrap_or_else(|panic| Err(Failure::application("Panic", panic)))
    }

    /// The task was completed without commands and the server has dropped its events.
    pub(crate) fn roll_back(&mut self, last_event: i64) {
        if last_event < self.last_event {
            self.last_event = last_event;
            self.sent = false;
        }
    }

    /// Within which a workflow task has to be answered.
    pub(crate) fn task_timeout(&self) -> Duration {
        self.rt.info.get().and_then(|info| info.task_timeout).unwrap_or(Duration::from_secs(10))
    }

    pub(crate) fn last_event(&self) -> i64 {
        self.last_event
    }

    fn set_info(&self, at: SystemTime, started: Started) {
        let Name { namespace, workflow_id, run_id } = &self.name;
        self.rt.seed(&started.original_execution_run_id);
        let info = WorkflowInfo::of(at, started, (namespace, workflow_id, run_id), &self.rt.converter);
        let _ = self.rt.info.set(info);
    }
}

/// What happens to a workflow task with the event, if it is one of a workflow task.
fn step_of(event: &HistoryEvent) -> Option<Step> {
    match event.event_type().source() {
        EventSource::WorkflowTask(step) => Some(step),
        EventSource::Start
        | EventSource::Command(_)
        | EventSource::Close(_)
        | EventSource::End(_)
        | EventSource::News => None,
    }
}

/// The events after a workflow task's start, up to the start of the next.
fn following(events: &[HistoryEvent]) -> &[HistoryEvent] {
    let end = events.iter().position(|event| event.event_type() == EventType::WorkflowTaskStarted);
    &events[..end.unwrap_or(events.len())]
}
