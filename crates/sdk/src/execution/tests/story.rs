//! A story: a history that a test tells, and the code that goes along with it.

use super::*;
use crate::{IntoWorkflow, workflow::Workflow};
use tenure_api::{common::v1::WorkflowType, history::v1::History};

/// A server that does what the commands say, and what the test says.
pub(super) struct Story<W: Workflow> {
    pub(super) workflow: W,
    pub(super) execution: Execution,
    pub(super) history: History,
    pub(super) fed: usize,
}

impl<W: Workflow + Copy> Story<W> {
    pub(super) fn begin<G>(
        workflow: impl IntoWorkflow<G, Workflow = W>,
        args: impl tenure_client::IntoArgs<W::Args>,
    ) -> Self {
        Story::new(workflow.into_workflow(), &args.into_args())
    }

    pub(super) fn new(workflow: W, args: &W::Args) -> Self {
        let factory: Arc<dyn Factory> = Arc::new(Typed::new(&workflow));
        let name = Name { workflow_id: "story".to_owned(), run_id: "run".to_owned(), ..Default::default() };
        let execution = Execution::new(&factory, name, DataConverter::default());
        let mut story = Story { workflow, execution, history: History::default(), fed: 0 };
        let started = events::WorkflowExecutionStartedEventAttributes {
            workflow_type: Some(WorkflowType { name: workflow.name().to_owned() }),
            original_execution_run_id: "run".to_owned(),
            workflow_id: "story".to_owned(),
            input: DataConverter::default().encode_args(args).unwrap(),
            ..Default::default()
        };
        story.push(EventType::WorkflowExecutionStarted, Attributes::WorkflowExecutionStartedEventAttributes(started));
        story
    }

    pub(super) fn push(&mut self, kind: EventType, attributes: Attributes) -> i64 {
        let event_id = self.history.events.len() as i64 + 1;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(event_id as u64);
        self.history.events.push(HistoryEvent {
            event_id,
            event_time: Some(time.into()),
            event_type: kind.into(),
            attributes: Some(attributes),
            ..Default::default()
        });
        event_id
    }

    /// A workflow task: its commands, by name.
    pub(super) fn task(&mut self) -> Vec<String> {
        self.try_task().unwrap()
    }

    pub(super) fn try_task(&mut self) -> Result<Vec<String>, String> {
        self.push(
            EventType::WorkflowTaskScheduled,
            Attributes::WorkflowTaskScheduledEventAttributes(Default::default()),
        );
        self.push(EventType::WorkflowTaskStarted, Attributes::WorkflowTaskStartedEventAttributes(Default::default()));
        let events = self.history.events[self.fed..].to_vec();
        self.fed = self.history.events.len();
        let output =
            self.execution.advance(Task { events, ..Default::default() }).map_err(|trouble| match trouble {
                Trouble::Gap => "gap".to_owned(),
                Trouble::Fails(failure) => failure.failure.message,
            })?;
        self.push(
            EventType::WorkflowTaskCompleted,
            Attributes::WorkflowTaskCompletedEventAttributes(Default::default()),
        );
        let name =
            |it: &command::Command| it.command_type().as_str_name().trim_start_matches("COMMAND_TYPE_").to_owned();
        let names = output.commands.iter().map(name).collect();
        output.commands.into_iter().for_each(|command| self.recorded(command));
        Ok(names)
    }

    /// The event that a command makes.
    pub(super) fn recorded(&mut self, command: command::Command) {
        use Attributes as Is;
        let (kind, attributes) = match command.attributes.unwrap() {
            Make::ScheduleActivityTaskCommandAttributes(it) => (
                EventType::ActivityTaskScheduled,
                Is::ActivityTaskScheduledEventAttributes(events::ActivityTaskScheduledEventAttributes {
                    activity_id: it.activity_id,
                    activity_type: it.activity_type,
                    input: it.input,
                    ..Default::default()
                }),
            ),
            Make::StartTimerCommandAttributes(it) => (
                EventType::TimerStarted,
                Is::TimerStartedEventAttributes(events::TimerStartedEventAttributes {
                    timer_id: it.timer_id,
                    start_to_fire_timeout: it.start_to_fire_timeout,
                    ..Default::default()
                }),
            ),
            Make::CancelTimerCommandAttributes(it) => (
                EventType::TimerCanceled,
                Is::TimerCanceledEventAttributes(events::TimerCanceledEventAttributes {
                    timer_id: it.timer_id,
                    ..Default::default()
                }),
            ),
            Make::RecordMarkerCommandAttributes(it) => (
                EventType::MarkerRecorded,
                Is::MarkerRecordedEventAttributes(events::MarkerRecordedEventAttributes {
                    marker_name: it.marker_name,
                    details: it.details,
                    failure: it.failure,
                    ..Default::default()
                }),
            ),
            Make::RequestCancelActivityTaskCommandAttributes(it) => (
                EventType::ActivityTaskCancelRequested,
                Is::ActivityTaskCancelRequestedEventAttributes(events::ActivityTaskCancelRequestedEventAttributes {
                    scheduled_event_id: it.scheduled_event_id,
                    ..Default::default()
                }),
            ),
            Make::CompleteWorkflowExecutionCommandAttributes(it) => (
                EventType::WorkflowExecutionCompleted,
                Is::WorkflowExecutionCompletedEventAttributes(events::WorkflowExecutionCompletedEventAttributes {
                    result: it.result,
                    ..Default::default()
                }),
            ),
            Make::CancelWorkflowExecutionCommandAttributes(_) => {
                (EventType::WorkflowExecutionCanceled, Is::WorkflowExecutionCanceledEventAttributes(Default::default()))
            }
            Make::FailWorkflowExecutionCommandAttributes(it) => (
                EventType::WorkflowExecutionFailed,
                Is::WorkflowExecutionFailedEventAttributes(events::WorkflowExecutionFailedEventAttributes {
                    failure: it.failure,
                    ..Default::default()
                }),
            ),
            Make::ContinueAsNewWorkflowExecutionCommandAttributes(it) => (
                EventType::WorkflowExecutionContinuedAsNew,
                Is::WorkflowExecutionContinuedAsNewEventAttributes(
                    events::WorkflowExecutionContinuedAsNewEventAttributes {
                        input: it.input,
                        header: it.header,
                        ..Default::default()
                    },
                ),
            ),
            other => panic!("the story has no event for {other:?}"),
        };
        self.push(kind, attributes);
    }

    /// The run that the last one continues as.
    pub(super) fn next_run(&self) -> Self {
        let Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(ended)) =
            &self.history.events.last().unwrap().attributes
        else {
            panic!("not continued")
        };
        let args = DataConverter::default().decode_args::<W::Args>(ended.input.as_ref()).unwrap();
        let mut next = Story::new(self.workflow, &args);
        if let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) =
            &mut next.history.events[0].attributes
        {
            started.header = ended.header.clone();
        }
        next
    }

    pub(super) fn fail(&mut self, scheduled_event_id: i64, failure: Failure) {
        let failed = events::ActivityTaskFailedEventAttributes {
            failure: Some(failure.to_proto(&DataConverter::default())),
            scheduled_event_id,
            ..Default::default()
        };
        self.push(EventType::ActivityTaskFailed, Attributes::ActivityTaskFailedEventAttributes(failed));
    }

    pub(super) fn signal<P, A: tenure_client::Args>(
        &mut self,
        signal: Signal<P, A>,
        args: impl tenure_client::IntoArgs<A>,
    ) where
        W::State: tenure_client::Handles<P>,
    {
        let signaled = events::WorkflowExecutionSignaledEventAttributes {
            signal_name: signal.name().to_owned(),
            input: DataConverter::default().encode_args(&args.into_args()).unwrap(),
            ..Default::default()
        };
        self.push(EventType::WorkflowExecutionSignaled, Attributes::WorkflowExecutionSignaledEventAttributes(signaled));
    }

    pub(super) fn fire(&mut self, started_event_id: i64) {
        let fired = events::TimerFiredEventAttributes { started_event_id, ..Default::default() };
        self.push(EventType::TimerFired, Attributes::TimerFiredEventAttributes(fired));
    }

    pub(super) fn complete<T: tenure_client::Data>(&mut self, scheduled_event_id: i64, value: T) {
        let payloads = vec![DataConverter::default().encode(&value).unwrap()];
        let completed = events::ActivityTaskCompletedEventAttributes {
            result: Some(Payloads { payloads }),
            scheduled_event_id,
            ..Default::default()
        };
        self.push(EventType::ActivityTaskCompleted, Attributes::ActivityTaskCompletedEventAttributes(completed));
    }

    pub(super) fn cancel(&mut self) {
        let requested = Attributes::WorkflowExecutionCancelRequestedEventAttributes(Default::default());
        self.push(EventType::WorkflowExecutionCancelRequested, requested);
    }

    /// The event of a kind that came last.
    pub(super) fn last(&self, kind: EventType) -> i64 {
        self.history.events.iter().rfind(|event| event.event_type() == kind).unwrap().event_id
    }

    pub(super) fn result(&self) -> W::Output {
        match &self.history.events.last().unwrap().attributes {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(it)) => {
                DataConverter::default().decode_first(it.result.as_ref()).unwrap()
            }
            other => panic!("not completed: {other:?}"),
        }
    }

    /// The activity that was scheduled last, with its argument.
    pub(super) fn called(&self) -> String {
        let scheduled = self.last(EventType::ActivityTaskScheduled);
        match &self.history.events[scheduled as usize - 1].attributes {
            Some(Attributes::ActivityTaskScheduledEventAttributes(it)) => {
                let what: String = DataConverter::default().decode_first(it.input.as_ref()).unwrap();
                format!("{} {what}", it.activity_type.clone().unwrap().name)
            }
            other => panic!("no activity: {other:?}"),
        }
    }

    pub(super) fn failure(&self) -> Failure {
        match &self.history.events.last().unwrap().attributes {
            Some(Attributes::WorkflowExecutionFailedEventAttributes(it)) => {
                Failure::from_proto(it.failure.clone().unwrap(), &DataConverter::default())
            }
            other => panic!("not failed: {other:?}"),
        }
    }

    /// The code does what it did, from every prefix of what was recorded.
    pub(super) fn replays(&self) {
        Replayer::new().workflow(self.workflow).replay_all_prefixes(&self.history).unwrap();
    }
}
