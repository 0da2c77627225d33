//! Random scripts of legal and illegal commands: whatever happens, the rows stay sound.

use super::{cancel_timer, complete_workflow, timer};
use crate::{
    command::{ActivityRef, Poll, Reply, ShardCommand, StartTask, WorkflowTaskStarted},
    events,
    key::{RunKey, TaskKind},
    rows::{RowKey, StateReader},
    testing::{MemoryRows, Sim, start_request},
    token::TaskToken,
    transition::Refused,
    txn::earliest_deadline,
};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};
use tenure_api::{
    command::v1::{
        FailWorkflowExecutionCommandAttributes, RequestCancelActivityTaskCommandAttributes,
        ScheduleActivityTaskCommandAttributes, command::Attributes as Verb,
    },
    common::v1::{ActivityType, RetryPolicy},
    history::v1::{HistoryEvent, history_event::Attributes},
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    workflowservice::v1 as api,
};

#[derive(Clone, Debug)]
enum Step {
    Start { run_timeout: i64, delay: i64, attempts: i32, cron: bool, eager: bool },
    SignalWithStart,
    Poll,
    Complete { verbs: Vec<Command>, sticky: bool, force: bool, inline: bool },
    Fail,
    Return,
    Stale,
    Signal,
    RequestCancel,
    Terminate,
    ResetSticky,
    StickyUnavailable,
    PollActivity,
    CompleteActivity,
    FailActivity,
    CancelActivity,
    Heartbeat,
    ReturnActivity,
    Advance(u64),
}

#[derive(Clone, Debug)]
enum Command {
    Timer(u8, i64),
    CancelTimer(u8),
    Activity(u8, bool),
    CancelActivity(i64),
    Close,
    Fail,
    ContinueAsNew,
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => (0u8..30, 0i64..40).prop_map(|(id, s)| Command::Timer(id, s)),
        2 => (0u8..30).prop_map(Command::CancelTimer),
        6 => (0u8..30, any::<bool>()).prop_map(|(id, eager)| Command::Activity(id, eager)),
        2 => (0i64..60).prop_map(Command::CancelActivity),
        1 => prop_oneof![Just(Command::Close), Just(Command::Fail), Just(Command::ContinueAsNew)],
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (prop_oneof![Just(0), 20i64..200], prop_oneof![Just(0), 1i64..20], 0i32..4, any::<(bool, bool)>())
            .prop_map(|(run_timeout, delay, attempts, (cron, eager))| {
                Step::Start { run_timeout, delay, attempts, cron, eager }
            }),
        1 => Just(Step::SignalWithStart),
        12 => Just(Step::Poll),
        10 => (prop::collection::vec(command(), 0..14), any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(verbs, sticky, force, inline)| Step::Complete { verbs, sticky, force, inline }),
        3 => Just(Step::Fail),
        2 => Just(Step::Return),
        2 => Just(Step::Stale),
        8 => Just(Step::Signal),
        1 => Just(Step::RequestCancel),
        1 => Just(Step::Terminate),
        1 => Just(Step::ResetSticky),
        1 => Just(Step::StickyUnavailable),
        8 => Just(Step::PollActivity),
        6 => Just(Step::CompleteActivity),
        4 => Just(Step::FailActivity),
        2 => Just(Step::CancelActivity),
        2 => Just(Step::Heartbeat),
        1 => Just(Step::ReturnActivity),
        4 => (1u64..30).prop_map(Step::Advance),
    ]
}

/// The shard, and what its workers hold.
struct World {
    sim: Sim,
    task: Option<WorkflowTaskStarted>,
    stale: Option<WorkflowTaskStarted>,
    activity: Option<TaskToken>,
    /// The current run.
    run: RunKey,
    /// That it received.
    signals: u64,
}

impl Default for World {
    fn default() -> Self {
        let sim = Sim::started();
        let run = sim.current_run();
        World { sim, task: None, stale: None, activity: None, run, signals: 0 }
    }
}

fn api_verb(command: &Command) -> Verb {
    let seconds = |s| Some(prost_types::Duration { seconds: s, nanos: 0 });
    match command {
        Command::Timer(id, s) => timer(&id.to_string(), *s),
        Command::CancelTimer(id) => cancel_timer(&id.to_string()),
        Command::Activity(id, eager) => {
            Verb::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
                activity_id: id.to_string(),
                activity_type: Some(ActivityType { name: "A".into() }),
                task_queue: Some(TaskQueue { name: "a".into(), ..Default::default() }),
                schedule_to_close_timeout: seconds(60),
                start_to_close_timeout: seconds(7),
                heartbeat_timeout: seconds(i64::from(*id % 3) * 2),
                request_eager_execution: *eager,
                ..Default::default()
            })
        }
        Command::CancelActivity(id) => {
            let attributes = RequestCancelActivityTaskCommandAttributes { scheduled_event_id: *id };
            Verb::RequestCancelActivityTaskCommandAttributes(attributes)
        }
        Command::Close => complete_workflow(),
        Command::Fail => Verb::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes {
            failure: Some(Default::default()),
        }),
        Command::ContinueAsNew => Verb::ContinueAsNewWorkflowExecutionCommandAttributes(Default::default()),
    }
}

impl World {
    fn take(&mut self, step: &Step) {
        self.act(step);
        let run = self.sim.current_run();
        if run != self.run {
            let before = self.sim.rows.execution(&self.run).expect("rows can be read").expect("a run stays");
            assert!(!before.is_running(), "one run at a time");
            check_history(&self.sim.rows.history(&self.run));
            self.run = run;
            self.signals = u64::from(matches!(step, Step::SignalWithStart));
        }
    }

    fn act(&mut self, step: &Step) {
        match step {
            Step::Start { run_timeout, delay, attempts, cron, eager } => {
                let seconds = |s: i64| (s > 0).then_some(prost_types::Duration { seconds: s, nanos: 0 });
                let request = api::StartWorkflowExecutionRequest {
                    workflow_run_timeout: seconds(*run_timeout),
                    workflow_start_delay: seconds(*delay),
                    retry_policy: (*attempts > 0)
                        .then(|| RetryPolicy { maximum_attempts: *attempts, ..Default::default() }),
                    cron_schedule: if *cron && *delay == 0 { "@every 9s".into() } else { String::new() },
                    request_eager_execution: *eager,
                    ..start_request()
                };
                if let Some(Reply::WorkflowStarted { task: Some(task), .. }) =
                    self.run(ShardCommand::StartWorkflow(Box::new(request)))
                {
                    self.stale = self.task.replace(*task);
                }
            }
            Step::Poll => {
                if let Some(Reply::WorkflowTaskStarted(task)) = self.poll(TaskKind::Workflow) {
                    self.stale = self.task.replace(*task);
                }
            }
            Step::Complete { verbs, sticky, force, inline } => {
                let Some(task) = self.task.take() else { return };
                let request = api::RespondWorkflowTaskCompletedRequest {
                    commands: verbs.iter().map(|verb| crate::testing::command(api_verb(verb))).collect(),
                    sticky_attributes: sticky.then(|| StickyExecutionAttributes {
                        worker_task_queue: Some(TaskQueue { name: "sticky".into(), ..Default::default() }),
                        schedule_to_start_timeout: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
                    }),
                    force_create_new_workflow_task: *force,
                    return_new_workflow_task: *inline,
                    ..Default::default()
                };
                let command =
                    ShardCommand::CompleteWorkflowTask { token: task.token.clone(), request: Box::new(request) };
                let entries = self.sim.log.len();
                if let Some(Reply::WorkflowTaskCompleted { new_task, .. }) = self.run(command) {
                    self.task = new_task.map(|task| *task);
                }
                match self.sim.log.len() > entries {
                    true => self.stale = Some(task),
                    false => self.task = Some(task),
                }
            }
            Step::Fail => {
                let Some(task) = self.task.take() else { return };
                self.run(ShardCommand::FailWorkflowTask { token: task.token.clone(), request: Box::default() });
            }
            Step::Return => {
                let Some(task) = self.task.take() else { return };
                self.run(ShardCommand::ReturnTask { token: task.token });
            }
            Step::Stale => {
                let Some(task) = self.stale.clone() else { return };
                if self.task.as_ref().is_none_or(|now| now.token.stamp != task.token.stamp) {
                    let command = ShardCommand::CompleteWorkflowTask { token: task.token, request: Box::default() };
                    assert!(self.run(command).is_none(), "a stale token does nothing");
                }
            }
            Step::SignalWithStart => {
                let start = start_request();
                let request = api::SignalWithStartWorkflowExecutionRequest {
                    workflow_type: start.workflow_type,
                    task_queue: start.task_queue,
                    signal_name: "s".into(),
                    ..Default::default()
                };
                if self.run(ShardCommand::SignalWithStart(Box::new(request))).is_some() {
                    self.signals += 1;
                }
            }
            Step::Signal => {
                if self.run(ShardCommand::SignalWorkflow(Box::default())).is_some() {
                    self.signals += 1;
                }
            }
            Step::RequestCancel => drop(self.run(ShardCommand::RequestCancelWorkflow(Box::default()))),
            Step::Terminate => drop(self.run(ShardCommand::TerminateWorkflow(Box::default()))),
            Step::ResetSticky => drop(self.run(ShardCommand::ResetStickyTaskQueue { run_id: None })),
            Step::StickyUnavailable => {
                let Some(task) = self.sim.ready(TaskKind::Workflow).pop() else { return };
                self.run(ShardCommand::StickyUnavailable { run_id: task.run.run_id, stamp: task.stamp });
            }
            Step::PollActivity => {
                if let Some(Reply::ActivityTaskStarted(task)) = self.poll(TaskKind::Activity) {
                    self.activity = TaskToken::decode(&task.task_token);
                }
            }
            Step::CompleteActivity => {
                self.report(|activity| ShardCommand::CompleteActivity { activity, request: Box::default() })
            }
            Step::FailActivity => {
                self.report(|activity| ShardCommand::FailActivity { activity, request: Box::default() });
            }
            Step::CancelActivity => {
                self.report(|activity| ShardCommand::CancelActivity { activity, request: Box::default() });
            }
            Step::Heartbeat => {
                self.report(|activity| ShardCommand::HeartbeatActivity { activity, request: Box::default() });
            }
            Step::ReturnActivity => {
                let Some(token) = self.activity.clone() else { return };
                self.run(ShardCommand::ReturnTask { token });
            }
            Step::Advance(seconds) => self.sim.advance(Duration::from_secs(*seconds)),
        }
    }

    fn run(&mut self, command: ShardCommand) -> Option<Reply> {
        let entries = self.sim.log.len();
        match self.sim.run(command) {
            Ok(Reply::Failed(_)) => None,
            Ok(reply) => Some(reply),
            Err(Refused::Api(error)) => {
                assert_ne!(error.code, tenure_api::error::Code::Internal, "{error}");
                assert_eq!(self.sim.log.len(), entries, "what is refused is refused whole");
                None
            }
            Err(Refused::Read(error)) => panic!("{error}"),
        }
    }

    fn poll(&mut self, kind: TaskKind) -> Option<Reply> {
        let task = self.sim.ready(kind).pop()?;
        let start = StartTask { run_id: task.run.run_id, stamp: task.stamp, poll: Poll::default() };
        let started = self.run(match kind {
            TaskKind::Workflow => ShardCommand::StartWorkflowTask(start),
            TaskKind::Activity => ShardCommand::StartActivityTask(start),
        });
        assert!(started.is_some(), "a ready task can be started");
        started
    }

    fn report(&mut self, command: impl FnOnce(ActivityRef) -> ShardCommand) {
        if let Some(token) = self.activity.clone() {
            self.run(command(ActivityRef::Token(token)));
        }
    }

    fn check(&self) {
        let (run, state) = (self.sim.current_run(), self.sim.state());
        let history = self.sim.rows.history(&run);
        assert_eq!(history.len() as i64, state.last_event_id());
        check_history(&history);

        let is_signal =
            |e: &HistoryEvent| matches!(e.attributes, Some(Attributes::WorkflowExecutionSignaledEventAttributes(_)));
        let signals = history.iter().filter(|e| is_signal(e)).count()
            + state.buffered.values().filter(|e| is_signal(&e.decode())).count();
        assert_eq!(signals as u64, self.signals, "no signal is lost");
        assert!(state.buffered.is_empty() || state.workflow_task.begun().is_some(), "events wait for a task");

        let deadline = earliest_deadline(&state);
        let armed: Vec<_> = self.sim.rows.timers().into_iter().filter(|(_, of)| *of == run).map(|(at, _)| at).collect();
        assert_eq!(armed, Vec::from_iter(state.timer_row));
        assert!(deadline.is_none_or(|at| state.timer_row.is_some_and(|row| row <= at)), "no deadline is missed");
        assert!(deadline.is_none_or(|at| at > self.sim.now || armed.first() == Some(&at)), "time was let pass");

        let ready = self.sim.rows.ready_tasks();
        let mut backlog = BTreeMap::new();
        for task in &ready {
            assert_eq!(task.run, run, "closed runs have no tasks");
            *backlog.entry(task.queue.clone()).or_insert(0) += 1;
        }
        for (queue, count) in &backlog {
            assert_eq!(self.sim.rows.counter(&RowKey::Backlog(queue.clone())), *count);
        }
        let of_workflow = ready.iter().filter(|task| task.queue.kind == TaskKind::Workflow).count();
        let waits = state.workflow_task.pending.is_some() && !state.workflow_task.is_started();
        assert_eq!(of_workflow, usize::from(waits));
        let of_activities = state.activities.values().filter(|activity| activity.ready().is_some()).count();
        assert_eq!(ready.len() - of_workflow, of_activities);
    }
}

fn check_history(history: &[HistoryEvent]) {
    use Attributes::*;
    let at = |id: i64| history.get(id as usize - 1).and_then(|e| e.attributes.as_ref());
    for (index, event) in history.iter().enumerate() {
        assert_eq!(event.event_id, index as i64 + 1, "ids have no gaps");
        assert!(!events::closes(event.event_type()) || index + 1 == history.len(), "nothing follows the close");
        match event.attributes.as_ref().expect("attributes") {
            WorkflowTaskStartedEventAttributes(a) => {
                assert!(matches!(at(a.scheduled_event_id), Some(WorkflowTaskScheduledEventAttributes(_))));
            }
            WorkflowTaskCompletedEventAttributes(a) => {
                assert!(matches!(at(a.started_event_id), Some(WorkflowTaskStartedEventAttributes(_))));
                assert_eq!(a.started_event_id + 1, event.event_id, "nothing comes into a running task");
            }
            WorkflowTaskFailedEventAttributes(a) => {
                assert!(matches!(at(a.started_event_id), Some(WorkflowTaskStartedEventAttributes(_))));
            }
            TimerFiredEventAttributes(a) => {
                assert!(
                    matches!(at(a.started_event_id), Some(TimerStartedEventAttributes(t)) if t.timer_id == a.timer_id)
                );
            }
            TimerCanceledEventAttributes(a) => {
                assert!(
                    matches!(at(a.started_event_id), Some(TimerStartedEventAttributes(t)) if t.timer_id == a.timer_id)
                );
            }
            ActivityTaskStartedEventAttributes(a) => {
                assert!(matches!(at(a.scheduled_event_id), Some(ActivityTaskScheduledEventAttributes(_))));
            }
            ActivityTaskCompletedEventAttributes(a) => assert!(
                matches!(at(a.started_event_id), Some(ActivityTaskStartedEventAttributes(s)) if s.scheduled_event_id == a.scheduled_event_id)
            ),
            ActivityTaskFailedEventAttributes(a) => assert!(
                matches!(at(a.started_event_id), Some(ActivityTaskStartedEventAttributes(s)) if s.scheduled_event_id == a.scheduled_event_id)
            ),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn rows_stay_sound(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::default();
        world.check();
        for step in &steps {
            world.take(step);
            world.check();
        }
        let mut replica = MemoryRows::default();
        for entry in &world.sim.log {
            replica.apply(entry);
        }
        prop_assert_eq!(&replica, &world.sim.rows);
    }
}
