//! The steps of scripts.

use super::super::{cancel_timer, complete_workflow, timer};
use crate::state::ExecutionState;
use proptest::prelude::*;
use tenure_api::{
    command::v1::{
        CancelWorkflowExecutionCommandAttributes, ContinueAsNewWorkflowExecutionCommandAttributes,
        FailWorkflowExecutionCommandAttributes, RecordMarkerCommandAttributes,
        RequestCancelActivityTaskCommandAttributes, RequestCancelExternalWorkflowExecutionCommandAttributes,
        ScheduleActivityTaskCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
        StartChildWorkflowExecutionCommandAttributes, command::Attributes as Verb,
    },
    common::v1::{ActivityType, RetryPolicy, WorkflowExecution, WorkflowType},
    failure::v1::Failure,
    taskqueue::v1::TaskQueue,
};

/// Ids of updates.
const UPDATES: std::ops::Range<u8> = 0..4;
/// Which one of what is pending.
const WHICH: std::ops::Range<usize> = 0..20;
/// The last of the points that a run can be reset to.
pub(super) const LAST: usize = usize::MAX;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Start(Start),
    SignalWithStart(Start),
    Poll,
    /// Polls first if the worker has no task.
    Complete(Completion),
    Update(u8),
    Fail,
    Return,
    /// Completes with a token that another start of the task made stale.
    Stale,
    Signal,
    RequestCancel,
    Terminate,
    Pause,
    Unpause,
    ResetSticky,
    StickyUnavailable,
    PollActivity,
    /// Polls first if the worker has none.
    Activity(Report),
    ActivityById(usize, Report),
    ReturnActivity,
    Operate(usize, Operation),
    /// The run is reset to one of its workflow tasks.
    Reset(usize),
    /// The last command comes again, under the same proposal.
    Again,
    /// A timer that nobody armed.
    FalseTimer,
    /// All forms that this build knows may be written from now on.
    RaiseLevel,
    Advance(u64),
    /// A message reaches its receiver; the receipt may be lost on its way back.
    Deliver {
        which: usize,
        lost: bool,
    },
    /// The worker of another workflow id answers its task.
    Other {
        which: usize,
        end: Option<Command>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) run_timeout: i64,
    pub(super) delay: i64,
    pub(super) retries: bool,
    pub(super) cron: bool,
    /// Whether the caller asks for the first task in the reply.
    pub(super) eager: bool,
    /// `WorkflowIdConflictPolicy`.
    pub(super) conflict: i32,
    /// Whether the start has a memo that is too large for the core row.
    pub(super) memo: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Completion {
    pub(super) commands: Vec<Command>,
    pub(super) end: Option<Command>,
    /// The messages about updates, in order.
    pub(super) words: Vec<(Word, usize)>,
    pub(super) sticky: bool,
    pub(super) force: bool,
    /// Whether the worker asks for the next task in the reply.
    pub(super) inline: bool,
}

/// A worker's message about an update.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    Accept,
    Reject,
    Respond,
}

/// A worker's report about an activity.
#[derive(Clone, Copy, Debug)]
pub(super) enum Report {
    Complete,
    Fail,
    Cancel,
    Heartbeat,
}

/// An operator's request about an activity.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Pause,
    Unpause,
    Reset {
        keep_paused: bool,
    },
    /// Seconds from schedule to close.
    Limit(i64),
}

#[derive(Clone, Debug)]
pub(super) enum Command {
    Timer { seconds: i64 },
    CancelTimer(usize),
    Activity { attempts: i32, eager: bool },
    CancelActivity(usize),
    Marker,
    Child { which: usize, policy: i32 },
    SignalOther(usize),
    CancelOther(usize),
    Complete,
    Fail,
    Cancel,
    ContinueAsNew,
    Bad(Bad),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Bad {
    NamelessTimer,
    NamelessActivity,
    TimerAgain,
    ActivityAgain,
    UnknownTimer,
    UnknownActivity,
}

fn command() -> impl Strategy<Value = Command> {
    use Bad::*;
    let bad = [NamelessTimer, NamelessActivity, TimerAgain, ActivityAgain, UnknownTimer, UnknownActivity];
    prop_oneof![
        24 => (0i64..40).prop_map(|seconds| Command::Timer { seconds }),
        12 => WHICH.prop_map(Command::CancelTimer),
        24 => (0i32..3, prop::bool::weighted(0.2)).prop_map(|(attempts, eager)| Command::Activity { attempts, eager }),
        12 => WHICH.prop_map(Command::CancelActivity),
        4 => Just(Command::Marker),
        10 => (WHICH, 0i32..4).prop_map(|(which, policy)| Command::Child { which, policy }),
        8 => WHICH.prop_map(Command::SignalOther),
        8 => WHICH.prop_map(Command::CancelOther),
        1 => prop::sample::select(bad.to_vec()).prop_map(Command::Bad),
    ]
}

fn end() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => Just(Command::Complete),
        1 => Just(Command::Fail),
        1 => Just(Command::Cancel),
        2 => Just(Command::ContinueAsNew),
    ]
}

fn words() -> impl Strategy<Value = Vec<(Word, usize)>> {
    let word = prop_oneof![4 => Just(Word::Accept), 2 => Just(Word::Reject), 4 => Just(Word::Respond)];
    prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec((word, WHICH), 1..4)]
}

/// Enough commands for more to be pending than the core row holds.
fn completion() -> impl Strategy<Value = Completion> {
    let commands = prop_oneof![
        3 => Just(Vec::new()),
        6 => prop::collection::vec(command(), 0..9),
        3 => prop::collection::vec(command(), 16..40),
    ];
    let end = prop_oneof![12 => Just(None), 1 => end().prop_map(Some)];
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    (commands, end, words(), flags).prop_map(|(commands, end, words, (sticky, force, inline))| Completion {
        commands,
        end,
        words,
        sticky,
        force,
        inline,
    })
}

pub(super) fn start() -> impl Strategy<Value = Start> {
    let run_timeout = prop_oneof![Just(0), 20i64..200];
    let delay = prop_oneof![3 => Just(0), 1 => 1i64..20];
    let conflict = prop_oneof![6 => Just(0), 1 => 1i32..4];
    let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.3), any::<bool>());
    (run_timeout, delay, flags, conflict).prop_map(|(run_timeout, delay, (retries, cron, eager, memo), conflict)| {
        Start { run_timeout, delay, retries, cron: cron && delay == 0, eager, conflict, memo }
    })
}

fn report() -> impl Strategy<Value = Report> {
    prop_oneof![
        6 => Just(Report::Complete),
        4 => Just(Report::Fail),
        2 => Just(Report::Cancel),
        2 => Just(Report::Heartbeat),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => Just(Operation::Pause),
        3 => Just(Operation::Unpause),
        2 => any::<bool>().prop_map(|keep_paused| Operation::Reset { keep_paused }),
        1 => (0i64..100).prop_map(Operation::Limit),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => start().prop_map(Step::Start),
        1 => start().prop_map(Step::SignalWithStart),
        6 => Just(Step::Poll),
        20 => completion().prop_map(Step::Complete),
        8 => UPDATES.prop_map(Step::Update),
        2 => Just(Step::Fail),
        2 => Just(Step::Return),
        2 => Just(Step::Stale),
        8 => Just(Step::Signal),
        1 => Just(Step::RequestCancel),
        1 => Just(Step::Terminate),
        2 => Just(Step::Pause),
        5 => Just(Step::Unpause),
        1 => Just(Step::ResetSticky),
        1 => Just(Step::StickyUnavailable),
        4 => Just(Step::PollActivity),
        16 => report().prop_map(Step::Activity),
        2 => (WHICH, report()).prop_map(|(which, report)| Step::ActivityById(which, report)),
        1 => Just(Step::ReturnActivity),
        3 => (WHICH, operation()).prop_map(|(which, operation)| Step::Operate(which, operation)),
        3 => WHICH.prop_map(Step::Reset),
        3 => Just(Step::Again),
        1 => Just(Step::FalseTimer),
        4 => Just(Step::RaiseLevel),
        5 => (1u64..50).prop_map(Step::Advance),
        16 => (WHICH, prop::bool::weighted(0.3)).prop_map(|(which, lost)| Step::Deliver { which, lost }),
        14 => (WHICH, prop::option::weighted(0.7, end())).prop_map(|(which, end)| Step::Other { which, end }),
    ]
}

pub(super) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    (seconds > 0).then_some(prost_types::Duration { seconds, nanos: 0 })
}

pub(super) fn one_of<T>(these: &[T], which: usize) -> Option<&T> {
    these.get(which % these.len().max(1))
}

impl Command {
    /// The API's command. `None`: nothing of the kind is pending. `fresh` names what is new.
    pub(super) fn verb(&self, state: &ExecutionState, fresh: &str) -> Option<Verb> {
        let timers: Vec<&str> = state.timers.values().map(|timer| &*timer.timer_id).collect();
        let activities: Vec<&str> = state.activities.values().map(|activity| &*activity.activity_id).collect();
        let scheduled: Vec<i64> = state.activities.ids().collect();
        Some(match self {
            Command::Timer { seconds } => timer(fresh, *seconds),
            Command::CancelTimer(which) => cancel_timer(one_of(&timers, *which)?),
            Command::Activity { attempts, eager } => activity(fresh, *attempts, *eager),
            Command::CancelActivity(which) => cancel_activity(*one_of(&scheduled, *which)?),
            Command::Marker => Verb::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
                marker_name: "m".into(),
                ..Default::default()
            }),
            Command::Child { which, policy } => {
                Verb::StartChildWorkflowExecutionCommandAttributes(StartChildWorkflowExecutionCommandAttributes {
                    workflow_id: other(*which),
                    workflow_type: Some(WorkflowType { name: "C".into() }),
                    task_queue: Some(TaskQueue { name: "c".into(), ..Default::default() }),
                    parent_close_policy: *policy,
                    ..Default::default()
                })
            }
            Command::SignalOther(which) => Verb::SignalExternalWorkflowExecutionCommandAttributes(
                SignalExternalWorkflowExecutionCommandAttributes {
                    execution: Some(WorkflowExecution { workflow_id: other(*which), ..Default::default() }),
                    signal_name: "s".into(),
                    ..Default::default()
                },
            ),
            Command::CancelOther(which) => Verb::RequestCancelExternalWorkflowExecutionCommandAttributes(
                RequestCancelExternalWorkflowExecutionCommandAttributes {
                    workflow_id: other(*which),
                    ..Default::default()
                },
            ),
            Command::Complete => complete_workflow(),
            Command::Fail => Verb::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes {
                failure: Some(Failure::default()),
            }),
            Command::Cancel => {
                Verb::CancelWorkflowExecutionCommandAttributes(CancelWorkflowExecutionCommandAttributes::default())
            }
            Command::ContinueAsNew => {
                Verb::ContinueAsNewWorkflowExecutionCommandAttributes(ContinueAsNewWorkflowExecutionCommandAttributes {
                    workflow_type: Some(WorkflowType { name: "W".into() }),
                    task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
                    ..Default::default()
                })
            }
            Command::Bad(Bad::NamelessTimer) => timer("", 1),
            Command::Bad(Bad::NamelessActivity) => activity("", 1, false),
            Command::Bad(Bad::TimerAgain) => timer(one_of(&timers, 0)?, 1),
            Command::Bad(Bad::ActivityAgain) => activity(one_of(&activities, 0)?, 1, false),
            Command::Bad(Bad::UnknownTimer) => cancel_timer("unknown"),
            Command::Bad(Bad::UnknownActivity) => cancel_activity(1),
        })
    }
}

/// Another workflow id.
fn other(which: usize) -> String {
    format!("c{}", which % 3)
}

fn cancel_activity(scheduled_event_id: i64) -> Verb {
    let attributes = RequestCancelActivityTaskCommandAttributes { scheduled_event_id };
    Verb::RequestCancelActivityTaskCommandAttributes(attributes)
}

/// The command for an activity; every third has no heartbeat timeout.
fn activity(id: &str, maximum_attempts: i32, request_eager_execution: bool) -> Verb {
    let heartbeat = id.parse::<i64>().unwrap_or(0) % 3 * 2;
    Verb::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
        activity_id: id.into(),
        activity_type: Some(ActivityType { name: "A".into() }),
        task_queue: Some(TaskQueue { name: "a".into(), ..Default::default() }),
        schedule_to_close_timeout: seconds(60),
        start_to_close_timeout: seconds(7),
        heartbeat_timeout: seconds(heartbeat),
        request_eager_execution,
        retry_policy: Some(RetryPolicy { maximum_attempts, ..Default::default() }),
        ..Default::default()
    })
}
