//! Workflows driven by histories alone: no server, no clock, no threads.

mod ends;
mod errors;
mod sagas;
mod scopes;

use super::*;
use crate::{IntoWorkflow, Replayer, prelude::*, workflow::Workflow};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};
use tenure_api::{
    common::v1::{ActivityType, WorkflowType},
    history::v1::{self as events, History},
};

/// A server that does what the commands say, and what the test says.
struct Story<W: Workflow> {
    workflow: W,
    execution: Execution,
    history: History,
    fed: usize,
}

impl<W: Workflow + Copy> Story<W> {
    fn begin<G>(workflow: impl IntoWorkflow<G, Workflow = W>, args: impl tenure_client::IntoArgs<W::Args>) -> Self {
        Story::new(workflow.into_workflow(), &args.into_args())
    }

    fn new(workflow: W, args: &W::Args) -> Self {
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

    fn push(&mut self, kind: EventType, attributes: Attributes) -> i64 {
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
    fn task(&mut self) -> Vec<String> {
        self.try_task().unwrap()
    }

    fn try_task(&mut self) -> Result<Vec<String>, String> {
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
    fn recorded(&mut self, command: command::Command) {
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
    fn next_run(&self) -> Self {
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

    fn fail(&mut self, scheduled_event_id: i64, failure: Failure) {
        let failed = events::ActivityTaskFailedEventAttributes {
            failure: Some(failure.to_proto(&DataConverter::default())),
            scheduled_event_id,
            ..Default::default()
        };
        self.push(EventType::ActivityTaskFailed, Attributes::ActivityTaskFailedEventAttributes(failed));
    }

    fn signal<A: tenure_client::Args>(&mut self, signal: Signal<W::State, A>, args: impl tenure_client::IntoArgs<A>) {
        let signaled = events::WorkflowExecutionSignaledEventAttributes {
            signal_name: signal.name().to_owned(),
            input: DataConverter::default().encode_args(&args.into_args()).unwrap(),
            ..Default::default()
        };
        self.push(EventType::WorkflowExecutionSignaled, Attributes::WorkflowExecutionSignaledEventAttributes(signaled));
    }

    fn fire(&mut self, started_event_id: i64) {
        let fired = events::TimerFiredEventAttributes { started_event_id, ..Default::default() };
        self.push(EventType::TimerFired, Attributes::TimerFiredEventAttributes(fired));
    }

    fn complete<T: tenure_client::Data>(&mut self, scheduled_event_id: i64, value: T) {
        let payloads = vec![DataConverter::default().encode(&value).unwrap()];
        let completed = events::ActivityTaskCompletedEventAttributes {
            result: Some(Payloads { payloads }),
            scheduled_event_id,
            ..Default::default()
        };
        self.push(EventType::ActivityTaskCompleted, Attributes::ActivityTaskCompletedEventAttributes(completed));
    }

    fn cancel(&mut self) {
        let requested = Attributes::WorkflowExecutionCancelRequestedEventAttributes(Default::default());
        self.push(EventType::WorkflowExecutionCancelRequested, requested);
    }

    /// The event of a kind that came last.
    fn last(&self, kind: EventType) -> i64 {
        self.history.events.iter().rfind(|event| event.event_type() == kind).unwrap().event_id
    }

    fn result(&self) -> W::Output {
        match &self.history.events.last().unwrap().attributes {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(it)) => {
                DataConverter::default().decode_first(it.result.as_ref()).unwrap()
            }
            other => panic!("not completed: {other:?}"),
        }
    }

    /// The activity that was scheduled last, with its argument.
    fn called(&self) -> String {
        let scheduled = self.last(EventType::ActivityTaskScheduled);
        match &self.history.events[scheduled as usize - 1].attributes {
            Some(Attributes::ActivityTaskScheduledEventAttributes(it)) => {
                let what: String = DataConverter::default().decode_first(it.input.as_ref()).unwrap();
                format!("{} {what}", it.activity_type.clone().unwrap().name)
            }
            other => panic!("no activity: {other:?}"),
        }
    }

    fn failure(&self) -> Failure {
        match &self.history.events.last().unwrap().attributes {
            Some(Attributes::WorkflowExecutionFailedEventAttributes(it)) => {
                Failure::from_proto(it.failure.clone().unwrap(), &DataConverter::default())
            }
            other => panic!("not failed: {other:?}"),
        }
    }

    /// The code does what it did, from every prefix of what was recorded.
    fn replays(&self) {
        Replayer::new().workflow(self.workflow).replay_all_prefixes(&self.history).unwrap();
    }
}

#[activity]
async fn greet(name: String) -> String {
    name
}

#[workflow]
async fn greeting(cx: WorkflowContext, name: String) -> Result<String> {
    // A variable may have the activity's name.
    let greet = cx.activity(greet, name).await?;
    Ok(greet)
}

#[test]
fn an_activity_is_scheduled_and_its_result_is_the_workflows() {
    let mut story = Story::begin(greeting, "Ann");
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    story.complete(story.last(EventType::ActivityTaskScheduled), "Hello".to_owned());
    assert_eq!(story.task(), ["COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.result(), "Hello");
    story.replays();
}

#[test]
fn a_difference_names_both_sides_and_the_line() {
    let mut story = Story::begin(greeting, "Ann");
    story.task();
    let scheduled = &mut story.history.events.iter_mut().last().unwrap().attributes;
    let Some(Attributes::ActivityTaskScheduledEventAttributes(it)) = scheduled else { panic!("an activity") };
    it.activity_type = Some(ActivityType { name: "salute".to_owned() });
    let error = Replayer::new().workflow(greeting).replay(&story.history).err().unwrap().to_string();
    assert!(error.contains("history has: event 5, activity task scheduled: activity 1 \"salute\""), "{error}");
    assert!(error.contains("the code did: schedule activity task: activity 1 \"greet\" at crates/sdk/src"), "{error}");

    story.history.events.truncate(4);
    let error = Replayer::new().workflow(greeting).replay(&story.history).err().unwrap().to_string();
    assert!(error.contains("history has: nothing more in this workflow task"), "{error}");
}

#[test]
fn a_difference_is_found_in_the_same_task_by_a_worker_that_had_it_cached() {
    let mut story = Story::begin(greeting, "Ann");
    story.task();
    story.history.events.pop();
    let error = story.try_task().unwrap_err();
    assert!(error.contains("the code did: schedule activity task"), "{error}");
}

#[test]
fn events_that_are_missing_are_noticed() {
    let mut story = Story::begin(greeting, "Ann");
    story.task();
    story.fed += 1;
    assert_eq!(story.try_task().unwrap_err(), "gap");
}

#[workflow]
async fn panicking(_cx: WorkflowContext) -> Result<()> {
    panic!("out of tea")
}

#[test]
fn a_panic_fails_the_task() {
    let error = Story::begin(panicking, ()).try_task().unwrap_err();
    let line = line!() - 6;
    assert!(error.starts_with(&format!("panicked at crates/sdk/src/execution/tests.rs:{line}:")), "{error}");
    assert!(error.ends_with(": out of tea"), "{error}");
}

#[derive(Default)]
struct Names(Vec<String>);

#[handlers]
impl Names {
    #[signal]
    fn add(&mut self, name: String) {
        self.0.push(name);
    }
}

#[workflow]
async fn collecting(cx: WorkflowContext<Names>) -> Result<Vec<String>> {
    cx.state_mut().0 = vec!["first".to_owned()];
    cx.wait_until(|names| names.0.len() == 4).await?;
    let names = cx.state().0.clone();
    Ok(names)
}

#[test]
fn handlers_run_in_order_on_the_state_that_the_first_lines_made() {
    let mut story = Story::begin(collecting, ());
    story.signal(Names::ADD, "a");
    assert!(story.task().is_empty());
    story.signal(Names::ADD, "b");
    story.signal(Names::ADD, "c");
    assert_eq!(story.task(), ["COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.result(), ["first", "a", "b", "c"]);
    story.replays();
}

const WORDS: Signal<Names, (String,)> = Signal::new("words");

#[workflow]
async fn receiving(cx: WorkflowContext<Names>) -> Result<Option<String>> {
    Ok(cx.signals(WORDS).try_receive().map(|(word,)| word))
}

#[test]
fn signals_without_a_handler_are_there_before_the_first_line() {
    let mut story = Story::begin(receiving, ());
    story.signal(WORDS, "a");
    assert_eq!(story.task(), ["COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.result().as_deref(), Some("a"));
    story.replays();
}

#[expect(clippy::await_holding_refcell_ref, reason = "clippy finds it, too")]
#[workflow]
async fn holding(cx: WorkflowContext<Names>) -> Result<()> {
    let names = cx.state();
    cx.wait_until(|names| names.0.len() == 2).await?;
    assert_eq!(names.0.len(), 2);
    Ok(())
}

#[test]
fn a_guard_that_is_held_too_long_is_named() {
    let mut story = Story::begin(holding, ());
    story.task();
    story.signal(Names::ADD, "a");
    let error = story.try_task().unwrap_err();
    assert!(error.contains("the state is still held by the guard that was taken at crates/sdk/src"), "{error}");
}

#[workflow]
async fn looking(cx: WorkflowContext<Names>) -> Result<Vec<String>> {
    let mut done = Vec::new();
    while let Some(name) = cx.write(|names| names.0.pop()).or_else(|| done.is_empty().then(String::new)) {
        done.push(cx.activity(greet, format!("{name}{}", cx.read(|names| names.0.len()))).await?);
    }
    Ok(done)
}

#[test]
fn closures_hold_no_state_while_the_workflow_waits() {
    let mut story = Story::begin(looking, ());
    story.task();
    story.signal(Names::ADD, "a");
    story.signal(Names::ADD, "b");
    assert!(story.task().is_empty());
    for expected in ["0", "b1", "a0"] {
        assert_eq!(story.called(), format!("greet {expected}"));
        story.complete(story.last(EventType::ActivityTaskScheduled), expected.to_owned());
        story.task();
    }
    assert_eq!(story.result(), ["0", "b1", "a0"]);
    story.replays();
}

#[derive(Default)]
struct Oddities(Vec<String>);

#[derive(serde::Serialize, serde::Deserialize)]
struct SearchResult(String);

#[handlers]
impl Oddities {
    #[signal]
    fn r#move(&mut self, state: String, cx: String, handlers: String) {
        self.0 = vec![state, cx, handlers];
    }

    #[query]
    fn found(&self, names: String) -> SearchResult {
        SearchResult(names)
    }

    #[cfg(any())]
    #[signal]
    fn never(&mut self) {}
}

struct Owner;

#[activities]
impl Owner {
    #[activity]
    async fn own(&self, owner: String, registry: String) -> SearchResult {
        SearchResult(owner + &registry)
    }
}

#[activity]
async fn find(cx: String) -> SearchResult {
    SearchResult(cx)
}

#[workflow]
async fn odd(cx: WorkflowContext<Oddities>) -> Result<Vec<String>> {
    cx.wait_until(|it| !it.0.is_empty()).await?;
    let _ = (Owner::OWN, Oddities::FOUND, find);
    Ok(cx.read(|it| it.0.clone()))
}

#[test]
fn arguments_may_be_called_what_they_like() {
    let mut story = Story::begin(odd, ());
    story.signal(Oddities::MOVE, ("a".to_owned(), "b".to_owned(), "c".to_owned()));
    story.task();
    assert_eq!(story.result(), ["a", "b", "c"]);
    story.replays();
}

#[workflow]
async fn confused(cx: WorkflowContext) -> Result<u64> {
    const TALK: ActivityRef<(), u64> = ActivityRef::new("talk");
    cx.activity(TALK, ()).await
}

#[test]
fn a_result_of_another_type_fails_the_task_and_names_the_activity() {
    let mut story = Story::begin(confused, ());
    story.task();
    story.complete(story.last(EventType::ActivityTaskScheduled), "text".to_owned());
    let error = story.try_task().unwrap_err();
    assert!(
        error.starts_with("the result of activity \"talk\" (id 1) at crates/sdk/src/execution/tests.rs:"),
        "{error}"
    );
}

#[workflow]
async fn unwritable(_cx: WorkflowContext) -> Result<std::collections::BTreeMap<Vec<u8>, u8>> {
    Ok([(vec![1], 2)].into())
}

#[test]
fn a_result_that_cannot_be_written_fails_the_task() {
    let error = Story::begin(unwritable, ()).try_task().unwrap_err();
    assert!(error.starts_with("the result of the workflow: "), "{error}");
}

#[workflow]
async fn locals(cx: WorkflowContext, count: u32) -> Result<u32> {
    let _pending = cx.activity(greet, "Ann").summary("pending").start();
    for n in 0..count {
        cx.local_activity(greet, n.to_string()).await?;
    }
    Ok(count)
}

/// Counts what is written.
struct Counting(Arc<AtomicU64>);

impl tenure_client::PayloadCodec for Counting {
    fn encode(&self, payload: Payload) -> std::result::Result<Payload, tenure_client::DataError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(payload)
    }

    fn decode(&self, payload: Payload) -> std::result::Result<Payload, tenure_client::DataError> {
        Ok(payload)
    }
}

#[test]
fn local_activities_in_a_row_cost_the_same_each() {
    const COUNT: u64 = 100;
    let written = Arc::new(AtomicU64::new(0));
    let converter = DataConverter::default().with_codec(Counting(written.clone()));
    let mut story = Story::begin(locals, COUNT as u32);
    let factory: Arc<dyn Factory> = Arc::new(Typed::new(&story.workflow));
    story.execution = Execution::new(&factory, Name::default(), converter);
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    let before = written.load(Ordering::Relaxed);
    for seq in 1..=COUNT {
        assert_eq!(story.execution.take_local().len(), 1);
        let result = DataConverter::default().encode(&"x".to_owned()).unwrap();
        let progress = story.execution.finish_local(seq, Ok(Some(result))).unwrap();
        assert_eq!(progress.closed, seq == COUNT);
    }
    // The arguments of the others and the result: the commands that are there are not written anew at each end.
    assert_eq!(written.load(Ordering::Relaxed) - before, COUNT);
    assert_eq!(story.execution.output().unwrap().commands.len() as u64, COUNT + 1);
}

#[workflow]
async fn local_failure(cx: WorkflowContext) -> Result<()> {
    let failure = cx.local_activity(greet, "Ann").await.expect_err("it fails");
    assert!(
        matches!(&failure.kind, tenure_client::FailureKind::Activity { activity_type, .. } if activity_type == "greet")
    );
    Err(failure)
}

#[test]
fn a_local_activity_fails_as_any_other_does() {
    let mut story = Story::begin(local_failure, ());
    story.task();
    story.execution.take_local();
    story.execution.finish_local(1, Err(Failure::application("Shy", "says nothing"))).unwrap();
    let output = story.execution.output().unwrap();
    output.commands.into_iter().for_each(|command| story.recorded(command));
    assert_eq!(story.failure().to_string(), "activity greet failed: says nothing");
}

#[test]
fn signals_that_do_not_fit_into_the_next_run_fail_the_task() {
    let mut story = Story::begin(jukebox, 2);
    for _ in 0..3 {
        story.signal(SONGS, "x".repeat(1 << 20).as_str());
    }
    let error = story.try_task().unwrap_err();
    assert!(error.starts_with("2 signals that were not received, of 209"), "{error}");
}

#[workflow]
async fn combining(cx: WorkflowContext, how: String) -> Result<String> {
    let call = |name: &str| cx.activity(greet, name.to_owned());
    match &*how {
        "try_join" => try_join!(call("a"), call("b")).map(|(a, b)| a + &b),
        "try_join_all" => try_join_all(["a", "b"].map(call)).await.map(|all| all.concat()),
        _ => {
            let (first, at) = select_all(["a", "b"].map(call)).await;
            Ok(format!("{} {at}", first?))
        }
    }
}

#[test]
fn the_first_error_ends_what_is_tried_together() {
    for how in ["try_join", "try_join_all"] {
        let mut story = Story::begin(combining, how);
        story.task();
        let second = story.last(EventType::ActivityTaskScheduled);
        story.complete(second, "b".to_owned());
        assert!(story.task().is_empty());
        story.complete(second - 1, "a".to_owned());
        story.task();
        assert_eq!(story.result(), "ab", "{how}");
        story.replays();

        let mut story = Story::begin(combining, how);
        story.task();
        story.fail(story.last(EventType::ActivityTaskScheduled), Failure::application("Shy", "says nothing"));
        let expected = ["REQUEST_CANCEL_ACTIVITY_TASK", "FAIL_WORKFLOW_EXECUTION"];
        assert_eq!(story.task(), expected, "{how}");
        assert_eq!(story.failure().application_type(), Some("Shy"));
        story.replays();
    }
}

#[test]
fn the_first_that_is_done_is_told_with_its_place() {
    let mut story = Story::begin(combining, "select_all");
    story.task();
    story.complete(story.last(EventType::ActivityTaskScheduled), "b".to_owned());
    assert_eq!(story.task(), ["REQUEST_CANCEL_ACTIVITY_TASK", "COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.result(), "b 1");
    story.replays();
}

#[test]
fn a_workflow_tells_what_it_waits_for_and_what_it_handles() {
    let mut story = Story::begin(limited_order, ());
    story.task();
    let ask = |story: &Story<limited_order>, name: &str| -> serde_json::Value {
        DataConverter::default().decode(&story.execution.query(name, None).unwrap()).unwrap()
    };
    let line = line!() + 12;
    let trace = ask(&story, "__stack_trace");
    assert_eq!(trace, format!("activity \"greet\" (id 1), begun at crates/sdk/src/execution/tests.rs:{line}:8"));
    let metadata = ask(&story, "__temporal_workflow_metadata");
    assert_eq!(metadata["definition"]["type"], "limited_order");
    assert_eq!(metadata["definition"]["signalDefinitions"][0]["name"], "add");
}

#[workflow]
async fn limited_order(cx: WorkflowContext<Names>) -> Result<()> {
    // The line that the test names.
    //
    cx.activity(greet, "Ann").await?;
    Ok(())
}

#[workflow]
async fn renewing(cx: WorkflowContext, run: u32) -> Result<u32> {
    if run > 1 {
        return Ok(run);
    }
    let policy = tenure_client::RetryPolicy::default().maximum_attempts(3);
    cx.continue_as_new(renewing, run + 1)
        .memo("owner", "Bo".to_owned())
        .search_attribute("City", "Lisbon")
        .retry(policy)
        .task_timeout(Duration::from_secs(20))
        .finish()
}

#[test]
fn the_next_run_has_what_it_is_given() {
    let mut story = Story::begin(renewing, 1u32);
    story.push(EventType::WorkflowTaskScheduled, Attributes::WorkflowTaskScheduledEventAttributes(Default::default()));
    story.push(EventType::WorkflowTaskStarted, Attributes::WorkflowTaskStartedEventAttributes(Default::default()));
    let events = story.history.events.clone();
    let output = story.execution.advance(Task { events, ..Default::default() }).unwrap();
    let Some(Make::ContinueAsNewWorkflowExecutionCommandAttributes(next)) = &output.commands[0].attributes else {
        panic!("continued")
    };
    assert!(next.memo.as_ref().unwrap().fields.contains_key("owner"));
    assert!(next.search_attributes.as_ref().unwrap().indexed_fields.contains_key("City"));
    assert_eq!(next.retry_policy.as_ref().unwrap().maximum_attempts, 3);
    assert_eq!(next.workflow_task_timeout.unwrap().seconds, 20);
}

#[workflow]
async fn racing(cx: WorkflowContext) -> Result<String> {
    let winner = select! {
        _ = cx.sleep(Duration::from_secs(5)) => "five",
        _ = cx.sleep(Duration::from_secs(2)) => "two",
    };
    let waited = cx.wait_until(|()| false).timeout(Duration::from_secs(1)).await?;
    Ok(format!("{winner} {waited} {}", cx.now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs()))
}

#[test]
fn the_loser_of_a_race_is_cancelled() {
    let mut story = Story::begin(racing, ());
    assert_eq!(story.task(), ["START_TIMER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    assert_eq!(story.task(), ["CANCEL_TIMER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    let now = story.last(EventType::WorkflowTaskStarted);
    assert_eq!(story.result(), format!("two false {now}"));
    story.replays();
}

#[workflow]
async fn cleaning_up(cx: WorkflowContext) -> Result<()> {
    let failure = cx.sleep(Duration::from_secs(60)).await.unwrap_err();
    assert!(cx.sleep(Duration::from_secs(1)).await.is_err());
    cx.shielded(cx.activity(greet, "bye")).await?;
    Err(failure)
}

#[test]
fn cancellation_reaches_all_but_what_is_shielded() {
    let mut story = Story::begin(cleaning_up, ());
    story.task();
    story.cancel();
    assert_eq!(story.task(), ["CANCEL_TIMER", "SCHEDULE_ACTIVITY_TASK"]);
    story.complete(story.last(EventType::ActivityTaskScheduled), "bye".to_owned());
    assert_eq!(story.task(), ["CANCEL_WORKFLOW_EXECUTION"]);
    story.replays();
}

#[workflow]
async fn changing(cx: WorkflowContext, with_marker: bool) -> Result<bool> {
    // Stands for the code before and after a change.
    let patched = with_marker && cx.patched("change");
    cx.sleep(Duration::from_secs(if patched { 2 } else { 1 })).await?;
    Ok(patched)
}

#[workflow(name = "changing")]
async fn changed(cx: WorkflowContext, _with_marker: bool) -> Result<bool> {
    let patched = cx.patched("change");
    cx.sleep(Duration::from_secs(1)).await?;
    Ok(patched)
}

#[test]
fn runs_from_before_a_patch_keep_their_way() {
    for had_it in [false, true] {
        let mut story = Story::begin(changing, had_it);
        story.task();
        story.fire(story.last(EventType::TimerStarted));
        story.task();
        assert_eq!(story.result(), had_it);
        Replayer::new().workflow(changed).replay_all_prefixes(&story.history).unwrap();
    }
}

#[workflow(name = "rounds")]
async fn rounds_before(cx: WorkflowContext) -> Result<Vec<bool>> {
    for _ in 0..3 {
        cx.sleep(Duration::from_secs(1)).await?;
    }
    Ok(vec![false; 3])
}

#[workflow(name = "rounds")]
async fn rounds(cx: WorkflowContext) -> Result<Vec<bool>> {
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(cx.patched("round"));
        cx.sleep(Duration::from_secs(1)).await?;
    }
    Ok(answers)
}

#[test]
fn the_first_answer_of_a_patch_holds_for_the_run() {
    let mut old = Story::begin(rounds_before, ());
    old.task();
    old.fire(old.last(EventType::TimerStarted));
    old.task();
    old.fire(old.last(EventType::TimerStarted));
    // The new code comes in the third round.
    let mut story = Story::begin(rounds, ());
    story.history = old.history;
    assert_eq!(story.task(), ["START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    assert_eq!(story.result(), [false; 3]);
    story.replays();

    let mut new = Story::begin(rounds, ());
    assert_eq!(new.task(), ["RECORD_MARKER", "START_TIMER"]);
    for _ in 0..3 {
        new.fire(new.last(EventType::TimerStarted));
        new.task();
    }
    assert_eq!(new.result(), [true; 3]);
    new.replays();
}

#[workflow]
async fn forgetting(cx: WorkflowContext) -> Result<()> {
    cx.activity(greet, "Ann").start().detach();
    drop(cx.activity(greet, "Bob").start());
    Ok(())
}

#[test]
fn what_is_detached_runs_and_what_is_dropped_does_not() {
    let mut story = Story::begin(forgetting, ());
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK", "COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.called(), "greet Ann");
    story.replays();
}

#[workflow]
async fn choosing(cx: WorkflowContext) -> Result<u32> {
    let mut failed = 0;
    select! {
        found = cx.activity(greet, "Ann") => { if found.is_err() { failed += 1; } }
        _ = cx.sleep(Duration::from_secs(2)) => {},
        (first, _) = async { (7, 8) } => return Ok(first),
    }
    Ok(failed)
}

#[test]
fn branches_are_blocks_or_expressions_and_patterns_take_things_apart() {
    let mut story = Story::begin(choosing, ());
    story.task();
    assert_eq!(story.result(), 7);
    story.replays();
}

thread_local! {
    static WAKERS: std::cell::RefCell<Vec<std::task::Waker>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[workflow]
async fn waiting_for_a_thread(cx: WorkflowContext<Names>) -> Result<()> {
    std::future::poll_fn(|cx| {
        WAKERS.with_borrow_mut(|wakers| wakers.push(cx.waker().clone()));
        std::task::Poll::<()>::Pending
    })
    .await;
    cx.wait_until(|_| true).await
}

#[test]
fn what_another_thread_wakes_fails_the_task_and_says_why() {
    let mut story = Story::begin(waiting_for_a_thread, ());
    assert!(story.task().is_empty());
    let waker = WAKERS.with_borrow_mut(|wakers| wakers.pop().unwrap());
    std::thread::spawn(move || waker.wake()).join().unwrap();
    story.signal(Names::ADD, "a");
    let error = story.try_task().unwrap_err();
    assert!(error.contains("put it in an activity"), "{error}");
}

#[workflow]
async fn sleeping_in_tokio(_cx: WorkflowContext) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

#[test]
fn what_needs_a_runtime_is_told_what_to_use_instead() {
    let error = Story::begin(sleeping_in_tokio, ()).try_task().unwrap_err();
    assert!(error.contains("use `cx.sleep`"), "{error}");
}

#[workflow]
async fn spreading(cx: WorkflowContext, count: u32) -> Result<Vec<String>> {
    join_all((0..count).map(|n| cx.activity(greet, n.to_string()))).await.into_iter().collect()
}

#[test]
fn results_keep_the_order_of_the_calls() {
    let mut story = Story::begin(spreading, 3);
    assert_eq!(story.task().len(), 3);
    let last = story.last(EventType::ActivityTaskScheduled);
    for (scheduled, value) in [(last, "c"), (last - 2, "a"), (last - 1, "b")] {
        story.complete(scheduled, value.to_owned());
        story.task();
    }
    assert_eq!(story.result(), ["a", "b", "c"]);
    story.replays();
}

#[workflow]
async fn random(cx: WorkflowContext) -> Result<Vec<String>> {
    let before = cx.uuid().to_string();
    let kept = cx.side_effect(|| {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|it| it.as_nanos() as u64).unwrap_or_default()
    });
    cx.sleep(Duration::from_secs(1)).await?;
    Ok(vec![before, cx.uuid().to_string(), kept.to_string()])
}

#[test]
fn chance_is_the_same_every_time() {
    let mut story = Story::begin(random, ());
    assert_eq!(story.task(), ["RECORD_MARKER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    let result = story.result();
    assert_ne!(result[0], result[1]);
    story.replays();
}

const SONGS: Signal<(), (String,)> = Signal::new("song");

#[workflow]
async fn jukebox(cx: WorkflowContext, runs: u32) -> Result<Vec<String>> {
    let songs = cx.signals(SONGS);
    let (first,) = songs.receive().await?;
    if runs > 1 {
        return cx.continue_as_new(jukebox, runs - 1).finish();
    }
    let others = std::iter::from_fn(|| songs.try_receive()).map(|(song,)| song);
    Ok(std::iter::once(first).chain(others).collect())
}

#[test]
fn signals_that_a_run_has_not_received_are_there_for_the_next() {
    let mut story = Story::begin(jukebox, 2);
    for song in ["a", "b", "c"] {
        story.signal(SONGS, song);
    }
    assert_eq!(story.task(), ["CONTINUE_AS_NEW_WORKFLOW_EXECUTION"]);
    story.replays();
    let mut next = story.next_run();
    next.signal(SONGS, "d");
    assert_eq!(next.task(), ["COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(next.result(), ["b", "c", "d"]);
    next.replays();
}
