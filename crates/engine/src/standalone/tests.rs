//! Activities without a workflow as tables: what each thing that happens does to one.

use super::{state::NewActivity, *};
use crate::{
    activity::describe,
    command::{ActivityRef, Envelope, Poll, Reply, RunRequest, ShardCommand, StartTask},
    feature_level::FeatureLevel,
    id::{Ids, Process, ProposalId, Stamp},
    key::NamespaceId,
    limits::Limits,
    rows::{ReadyTask, RowKey},
    search_attributes::{Registry, of_type},
    subject::SubjectKind,
    testing::MemoryRows,
    time::Timestamp,
    transition::{Context, Effect, Refused, transition},
    visibility,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tenure_api::{
    activity::v1::activity_execution_outcome::Value,
    common::v1::{ActivityType, Payload, Payloads, RetryPolicy, SearchAttributes},
    enums::v1::{
        ActivityExecutionStatus as Status, ActivityIdConflictPolicy as Conflict, ActivityIdReusePolicy as Reuse,
        IndexedValueType, PendingActivityState as State, RetryState, TimeoutType,
    },
    error::Code,
    failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{self as api, PollActivityTaskQueueResponse},
};

const RETENTION: Duration = Duration::from_secs(86_400);

/// The rows of a shard with one activity's id.
struct World {
    rows: MemoryRows,
    now: Timestamp,
    level: FeatureLevel,
    stamps: u64,
    proposals: u128,
    retention: Option<Duration>,
    /// What those who wait for a run were told last.
    told: BTreeMap<Uuid, i64>,
}

impl Default for World {
    fn default() -> Self {
        World {
            rows: MemoryRows::default(),
            now: Timestamp(1_700_000_000 * 1_000_000_000),
            level: FeatureLevel::KNOWN,
            stamps: 0,
            proposals: 0,
            retention: Some(RETENTION),
            told: BTreeMap::new(),
        }
    }
}

fn lane() -> Lane {
    Lane::of_activity(NamespaceId(Uuid::from_u128(1)), "a")
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn request(id: &str) -> api::StartActivityExecutionRequest {
    api::StartActivityExecutionRequest {
        activity_id: "a".into(),
        activity_type: Some(ActivityType { name: "A".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        start_to_close_timeout: seconds(600),
        request_id: id.into(),
        ..Default::default()
    }
}

fn retried(maximum_attempts: i32) -> Option<RetryPolicy> {
    Some(RetryPolicy {
        initial_interval: seconds(10),
        backoff_coefficient: 1.0,
        maximum_attempts,
        ..Default::default()
    })
}

fn failure(non_retryable: bool) -> Option<Failure> {
    let info = ApplicationFailureInfo { non_retryable, ..Default::default() };
    let failure_info = Some(FailureInfo::ApplicationFailureInfo(info));
    Some(Failure { message: "no".into(), failure_info, ..Default::default() })
}

fn by_id() -> ActivityRef {
    ActivityRef::ById { run_id: None, activity_id: "a".into() }
}

impl World {
    fn propose(&mut self, proposal: u128, command: ShardCommand) -> Result<Reply, ApiError> {
        let mut ids = Ids::new(u128::from(self.stamps), Stamp { term: 1, counter: self.stamps });
        let mut cx = Context {
            now: self.now,
            ids: &mut ids,
            limits: &Limits::default(),
            level: self.level,
            retention: self.retention,
            search_attributes: &Registry::default(),
            origin: Process::default(),
        };
        let envelope = Envelope { lane: lane(), proposal: ProposalId(proposal), origin: Process::default(), command };
        let done = match transition(&self.rows, &envelope, &mut cx) {
            Ok(done) => done,
            Err(Refused::Api(error)) => return Err(error),
            Err(Refused::Read(error)) => panic!("{error}"),
        };
        // Whatever an entry drew is never drawn again.
        self.stamps = ids.next_counter() + 1;
        self.rows.apply(&done.writes);
        for effect in &done.effects {
            if let Effect::ActivityAdvanced { run, transitions, .. } = effect {
                let before = self.told.insert(run.instance, *transitions);
                assert!(before.is_none_or(|before| before < *transitions), "who waits is told of more each time");
            }
        }
        self.check();
        Ok(done.reply)
    }

    fn run(&mut self, command: ShardCommand) -> Result<Reply, ApiError> {
        self.proposals += 1;
        self.propose(self.proposals, command)
    }

    fn runs(&self) -> BTreeSet<Uuid> {
        let run = |key: &RowKey| match key {
            RowKey::Activity { part: ActivityPart::State(run_id), .. } => Some(*run_id),
            _ => None,
        };
        self.rows.rows().filter_map(|(key, _)| run(key)).collect()
    }

    /// The rows beside the states are those that the states tell, and there are no others.
    fn check(&self) {
        let (mut expected, mut ready) = (BTreeMap::new(), BTreeSet::new());
        for run_id in self.runs() {
            let state = read(&self.rows, &lane(), run_id).unwrap().unwrap();
            let fixed = read_fixed(&self.rows, &lane(), run_id).unwrap().expect("every run has such a row");
            let outcome = read_outcome(&self.rows, &lane(), run_id).unwrap();
            assert_eq!(outcome.is_some(), !state.is_running(), "what has ended, has ended with something");
            let given = fixed.search_attributes.as_ref().map(Encoded::decode);
            expected.extend(visibility::rows_of_record(&lane(), &record(run_id, &state, given)));
            let subject = lane().instance(run_id);
            expected.extend(state.timer.map(|due| (RowKey::Timer { due, subject }, Bytes::new())));
            if let Some((at, _)) = state.next_due() {
                assert!(state.timer.is_some_and(|timer| timer <= at), "nothing is due before the timer row");
            }
            assert!(state.is_running() || state.timer.is_some(), "a run that has ended goes some time");
            ready.extend(state.activity.ready().filter(|_| state.is_running()));
        }
        let rows = self
            .rows
            .rows()
            .filter(|(key, _)| matches!(key, RowKey::Record { .. } | RowKey::Index { .. } | RowKey::Timer { .. }));
        let rows: BTreeMap<RowKey, Bytes> = rows.map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(rows, expected);
        let tasks = self.rows.ready_tasks();
        assert_eq!(tasks.iter().map(|task| task.stamp).collect::<BTreeSet<_>>(), ready);
        assert!(tasks.iter().all(|task| task.of == SubjectKind::ACTIVITY && task.lane() == lane()));
        if let Some(current) = read_current(&self.rows, &lane()).unwrap() {
            let began = |run_id: Uuid| read(&self.rows, &lane(), run_id).unwrap().unwrap().created_at;
            assert_eq!(self.runs().into_iter().map(began).max(), Some(began(current)), "the latest run is meant");
        }
        let parts = self.rows.rows().filter(|(key, _)| matches!(key, RowKey::Activity { .. })).count();
        let ended = |run_id: &Uuid| !read(&self.rows, &lane(), *run_id).unwrap().unwrap().is_running();
        let of_runs: usize = self.runs().iter().map(|run_id| 2 + usize::from(ended(run_id))).sum();
        let current = read_current(&self.rows, &lane()).unwrap().is_some();
        assert_eq!(parts, of_runs + usize::from(current), "no row is left behind");
    }

    fn try_start(&mut self, request: api::StartActivityExecutionRequest) -> Result<(Uuid, bool), ApiError> {
        let mut options = start::check(&request, &Limits::default())?;
        options.search_attributes = request.search_attributes.clone();
        let new = NewActivity { request: Arc::new(request), options };
        match self.run(ShardCommand::StartActivity(Box::new(new)))? {
            Reply::ActivityStarted { run_id, started } => Ok((run_id, started)),
            reply => panic!("{reply:?}"),
        }
    }

    fn start(&mut self, request: api::StartActivityExecutionRequest) -> Uuid {
        self.try_start(request).unwrap().0
    }

    fn with(change: impl FnOnce(&mut api::StartActivityExecutionRequest)) -> World {
        let (mut world, mut request) = (World::default(), request("start"));
        change(&mut request);
        world.start(request);
        world
    }

    fn latest(&self) -> (Uuid, StandaloneState) {
        find(&self.rows, &lane(), None).unwrap().expect("there is a run")
    }

    fn state(&self) -> StandaloneState {
        self.latest().1
    }

    fn ready(&self) -> Option<ReadyTask> {
        self.rows.ready_tasks().into_iter().next()
    }

    fn poll(&mut self) -> PollActivityTaskQueueResponse {
        let task = self.ready().expect("a task is ready");
        let poll = Poll { identity: "worker".into(), ..Poll::default() };
        match self.run(ShardCommand::StartActivityTask(StartTask::of(&task, poll))).unwrap() {
            Reply::ActivityTaskStarted(response) => *response,
            reply => panic!("{reply:?}"),
        }
    }

    fn polled(&mut self) -> ActivityRef {
        ActivityRef::Token(TaskToken::decode(&self.poll().task_token).unwrap())
    }

    fn complete(&mut self, activity: &ActivityRef) -> Result<Reply, ApiError> {
        self.run(ShardCommand::CompleteActivity { activity: activity.clone(), request: Arc::default() })
    }

    fn fail(&mut self, activity: &ActivityRef, non_retryable: bool) -> Result<Reply, ApiError> {
        let request = api::RespondActivityTaskFailedRequest { failure: failure(non_retryable), ..Default::default() };
        self.run(ShardCommand::FailActivity { activity: activity.clone(), request: Arc::new(request) })
    }

    fn cancelled(&mut self, activity: &ActivityRef) -> Result<Reply, ApiError> {
        self.run(ShardCommand::CancelActivity { activity: activity.clone(), request: Arc::default() })
    }

    fn beat(&mut self, activity: &ActivityRef, details: &'static str) -> Result<Reply, ApiError> {
        let payload = Payload { data: details.into(), ..Default::default() };
        let details = Some(Payloads { payloads: vec![payload] });
        let request = api::RecordActivityTaskHeartbeatRequest { details, ..Default::default() };
        self.run(ShardCommand::HeartbeatActivity { activity: activity.clone(), request: Arc::new(request) })
    }

    fn request_cancel(&mut self, id: &str) -> Result<Reply, ApiError> {
        let request = api::RequestCancelActivityExecutionRequest { request_id: id.into(), ..Default::default() };
        self.run(ShardCommand::RequestCancelActivity(RunRequest::new(None, request)))
    }

    fn terminate(&mut self, id: &str) -> Result<Reply, ApiError> {
        let request = api::TerminateActivityExecutionRequest { request_id: id.into(), ..Default::default() };
        self.run(ShardCommand::TerminateActivity(RunRequest::new(None, request)))
    }

    fn pause(&mut self, id: &str) -> Result<Reply, ApiError> {
        let request = api::PauseActivityExecutionRequest { request_id: id.into(), ..Default::default() };
        self.run(ShardCommand::PauseStandalone(RunRequest::new(None, request)))
    }

    fn unpause(&mut self, id: &str, jitter: i64) -> Result<Reply, ApiError> {
        let request = api::UnpauseActivityExecutionRequest {
            request_id: id.into(),
            jitter: seconds(jitter),
            ..Default::default()
        };
        self.run(ShardCommand::UnpauseStandalone(RunRequest::new(None, request)))
    }

    fn reset(&mut self, id: &str, change: fn(&mut api::ResetActivityExecutionRequest)) -> Result<Reply, ApiError> {
        let mut request = api::ResetActivityExecutionRequest { request_id: id.into(), ..Default::default() };
        change(&mut request);
        self.run(ShardCommand::ResetStandalone(RunRequest::new(None, request)))
    }

    fn delete(&mut self, run_id: Option<Uuid>) -> Result<Reply, ApiError> {
        self.run(ShardCommand::DeleteActivity { run_id })
    }

    /// Lets time pass, with all timers on the way.
    fn pass(&mut self, time: u64) {
        let to = self.now.plus(Duration::from_secs(time));
        loop {
            let timer = |run_id: Uuid| Some((read(&self.rows, &lane(), run_id).unwrap()?.timer?, run_id));
            let Some((due, run_id)) = self.runs().into_iter().filter_map(timer).min().filter(|(due, _)| *due <= to)
            else {
                break;
            };
            self.now = self.now.max(due);
            self.run(ShardCommand::TimerDue { instance: run_id }).unwrap();
        }
        self.now = to;
    }

    fn outcome(&self) -> (RetryState, Value) {
        let outcome = read_outcome(&self.rows, &lane(), self.latest().0).unwrap().expect("the run has ended");
        (outcome.retry_state(), outcome.value.expect("with something"))
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ApiError>, code: Code, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.code, &*error.message), (code, message));
}

#[test]
fn a_run_goes_from_its_start_over_a_worker_to_its_end_and_is_gone_when_it_is_kept_no_longer() {
    let mut world = World::with(|_| {});
    assert_eq!((world.state().status(), world.state().run_state()), (Status::Running, State::Scheduled));
    let response = world.poll();
    let run_id = world.latest().0;
    assert_eq!(response.activity_run_id, run_id.to_string());
    assert_eq!((&*response.activity_id, response.attempt), ("a", 1));
    assert_eq!(response.workflow_execution, Some(Default::default()), "it has no workflow");
    assert_eq!(world.state().run_state(), State::Started);
    let activity = ActivityRef::Token(TaskToken::decode(&response.task_token).unwrap());
    world.complete(&activity).unwrap();
    assert_eq!((world.state().status(), world.state().transitions), (Status::Completed, 3));
    assert_eq!(world.outcome(), (RetryState::Unspecified, Value::Result(Payloads::default())));
    world.pass(RETENTION.as_secs() - 1);
    assert_eq!(world.runs().len(), 1);
    world.pass(2);
    assert_eq!(world.rows.rows().count(), 0, "nothing is left");
}

#[test]
fn what_a_leader_does_not_know_the_retention_of_is_kept() {
    let mut world = World::with(|_| {});
    world.retention = None;
    world.terminate("t").unwrap();
    world.pass(3 * RETENTION.as_secs());
    assert_eq!(world.runs().len(), 1);
    world.retention = Some(RETENTION);
    world.pass(3600);
    assert_eq!(world.runs().len(), 0);
}

#[test]
fn nothing_begins_below_the_level_that_knows_it() {
    let mut world = World { level: FeatureLevel::SCHEDULES, ..World::default() };
    let message = "the cluster has feature level 5, and activities without a workflow need 7";
    refused(world.try_start(request("start")), Code::FailedPrecondition, message);
}

#[test]
fn an_id_is_used_again_as_the_policies_say() {
    type Ending = fn(&mut World);
    let run: Ending = |_| {};
    let completed: Ending = |world| drop(world.complete(&by_id()).unwrap());
    let failed: Ending = |world| {
        let activity = world.polled();
        world.fail(&activity, true).unwrap();
    };
    let terminated: Ending = |world| drop(world.terminate("t").unwrap());
    /// What becomes of a second start: another run, the first one, or a refusal.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Second {
        New,
        Found,
        Refused,
    }
    use Second::*;
    let check = |ending: Ending, reuse: Reuse, conflict: Conflict, expected: Second| {
        let mut world = World::with(|_| {});
        ending(&mut world);
        let first = world.latest().0;
        let again = api::StartActivityExecutionRequest {
            id_reuse_policy: reuse.into(),
            id_conflict_policy: conflict.into(),
            ..request("other")
        };
        let second = match world.try_start(again) {
            Ok((run_id, started)) => {
                assert_eq!(run_id != first, started);
                if started { New } else { Found }
            }
            Err(error) => {
                assert_eq!((error.code, &*error.message), (Code::AlreadyExists, "activity execution already started"));
                Refused
            }
        };
        assert_eq!(second, expected, "{reuse:?} {conflict:?}");
    };
    for reuse in [Reuse::Unspecified, Reuse::AllowDuplicate, Reuse::AllowDuplicateFailedOnly, Reuse::RejectDuplicate] {
        check(run, reuse, Conflict::Unspecified, Refused);
        check(run, reuse, Conflict::Fail, Refused);
        check(run, reuse, Conflict::UseExisting, Found);
    }
    for conflict in [Conflict::Unspecified, Conflict::UseExisting] {
        for ending in [completed, failed, terminated] {
            check(ending, Reuse::Unspecified, conflict, New);
            check(ending, Reuse::AllowDuplicate, conflict, New);
            check(ending, Reuse::RejectDuplicate, conflict, Refused);
        }
        check(completed, Reuse::AllowDuplicateFailedOnly, conflict, Refused);
        check(failed, Reuse::AllowDuplicateFailedOnly, conflict, New);
        check(terminated, Reuse::AllowDuplicateFailedOnly, conflict, New);
    }
}

#[test]
fn a_start_that_is_tried_again_finds_its_run() {
    let mut world = World::default();
    let new = |request: api::StartActivityExecutionRequest| {
        let options = start::check(&request, &Limits::default()).unwrap();
        ShardCommand::StartActivity(Box::new(NewActivity { request: Arc::new(request), options }))
    };
    let started = |reply| match reply {
        Reply::ActivityStarted { run_id, started } => (run_id, started),
        reply => panic!("{reply:?}"),
    };
    let first = started(world.propose(7, new(request("start"))).unwrap());
    assert!(first.1);
    assert_eq!(started(world.propose(7, new(request("start"))).unwrap()), first, "inside the server");
    assert_eq!(world.try_start(request("start")).unwrap(), (first.0, false), "by a client");
    world.terminate("t").unwrap();
    assert_eq!(world.try_start(request("start")).unwrap(), (first.0, false), "after its end, too");
    world.start(request("other"));
    refused(world.try_start(request("start")), Code::AlreadyExists, "activity execution already started");
}

#[test]
fn an_answer_that_is_tried_again_acts_once() {
    let mut world = World::with(|request| request.retry_policy = retried(0));
    let activity = world.polled();
    let fail = ShardCommand::FailActivity { activity, request: Arc::default() };
    world.propose(77, fail.clone()).unwrap();
    let state = world.state();
    world.propose(77, fail.clone()).unwrap();
    assert_eq!(world.state(), state);
    refused(world.propose(78, fail), Code::NotFound, "activity not found for ID: a");
    world.pass(10);
    let activity = world.polled();
    let complete = ShardCommand::CompleteActivity { activity, request: Arc::default() };
    world.propose(79, complete.clone()).unwrap();
    world.propose(79, complete).unwrap();
    assert_eq!(world.state().status(), Status::Completed);
}

#[test]
fn attempts_follow_each_other_until_they_run_out() {
    let mut world = World::with(|request| request.retry_policy = retried(2));
    let activity = world.polled();
    world.beat(&activity, "half").unwrap();
    world.fail(&activity, false).unwrap();
    let state = world.state();
    assert_eq!((state.activity.attempt, state.run_state(), state.heartbeats), (2, State::Scheduled, 1));
    assert!(world.ready().is_none(), "it backs off");
    world.pass(10);
    assert_eq!(world.state().transitions, state.transitions, "nobody has to see that it goes on");
    let response = world.poll();
    assert_eq!((response.attempt, response.heartbeat_details.unwrap().payloads[0].data.as_ref()), (2, &b"half"[..]));
    world.fail(&by_id(), false).unwrap();
    assert_eq!(world.state().status(), Status::Failed);
    assert_eq!(world.outcome(), (RetryState::MaximumAttemptsReached, Value::Failure(failure(false).unwrap())));
    refused(world.fail(&by_id(), false), Code::NotFound, "activity not found for ID: a");
    refused(world.complete(&by_id()), Code::FailedPrecondition, "invalid transition from Failed");
}

#[test]
fn timeouts_end_attempts_and_runs() {
    /// Lets ten minutes pass; expects how the run ended and by which timeout, or the attempt that it is at.
    #[track_caller]
    fn check(
        change: impl FnOnce(&mut api::StartActivityExecutionRequest),
        polled: bool,
        expected: Result<(TimeoutType, RetryState), i32>,
    ) {
        let mut world = World::with(|request| {
            request.retry_policy = retried(2);
            change(request);
        });
        if polled {
            world.poll();
        }
        world.pass(600);
        let state = world.state();
        if state.is_running() {
            assert_eq!(Err(state.activity.attempt), expected);
            return;
        }
        assert_eq!(state.status(), Status::TimedOut);
        let (retry_state, value) = world.outcome();
        let Value::Failure(Failure { failure_info: Some(FailureInfo::TimeoutFailureInfo(info)), .. }) = value else {
            panic!("{value:?}")
        };
        assert_eq!(Ok((info.timeout_type(), retry_state)), expected);
    }
    check(|_| {}, false, Err(1));
    check(
        |request| request.schedule_to_start_timeout = seconds(5),
        false,
        Ok((TimeoutType::ScheduleToStart, RetryState::Timeout)),
    );
    check(
        |request| request.schedule_to_close_timeout = seconds(5),
        true,
        Ok((TimeoutType::ScheduleToClose, RetryState::Timeout)),
    );
    check(|request| request.start_to_close_timeout = seconds(5), true, Err(2));
    check(|request| request.heartbeat_timeout = seconds(5), true, Err(2));
    let once = |request: &mut api::StartActivityExecutionRequest| request.retry_policy = retried(1);
    let ended = |kind| Ok((kind, RetryState::MaximumAttemptsReached));
    check(
        |request| {
            once(request);
            request.start_to_close_timeout = seconds(5);
        },
        true,
        ended(TimeoutType::StartToClose),
    );
    check(
        |request| {
            once(request);
            request.heartbeat_timeout = seconds(5);
        },
        true,
        ended(TimeoutType::Heartbeat),
    );
}

#[test]
fn a_delay_comes_before_the_first_attempt_and_before_all_timeouts() {
    let mut world = World::with(|request| {
        request.start_delay = seconds(100);
        request.schedule_to_close_timeout = seconds(50);
    });
    assert!(world.ready().is_none());
    world.pass(99);
    assert!(world.ready().is_none());
    world.pass(1);
    assert!(world.ready().is_some());
    world.pass(50);
    assert_eq!(world.state().status(), Status::TimedOut);
}

#[test]
fn somebody_who_knows_the_id_completes_what_no_worker_has() {
    for begin in [|_: &mut World| {}, |world: &mut World| drop(world.pause("p").unwrap())] {
        let mut world = World::with(|_| {});
        begin(&mut world);
        for refused_one in [world.fail(&by_id(), true), world.cancelled(&by_id()), world.beat(&by_id(), "x")] {
            refused(refused_one, Code::NotFound, "activity not found for ID: a");
        }
        world.complete(&by_id()).unwrap();
        assert_eq!(world.state().status(), Status::Completed);
        assert!(world.ready().is_none());
    }
}

#[test]
fn a_token_is_good_for_one_start() {
    let mut world = World::with(|request| request.retry_policy = retried(0));
    let first = world.polled();
    world.fail(&first, false).unwrap();
    world.pass(10);
    let second = world.polled();
    for stale in [world.complete(&first), world.fail(&first, false), world.cancelled(&first), world.beat(&first, "x")] {
        refused(stale, Code::NotFound, "activity not found for ID: a");
    }
    let ActivityRef::Token(token) = second else { unreachable!() };
    world.run(ShardCommand::ReturnTask { token: token.clone() }).unwrap();
    assert_eq!((world.state().activity.attempt, world.state().run_state()), (2, State::Scheduled));
    refused(world.complete(&ActivityRef::Token(token)), Code::NotFound, "activity not found for ID: a");
    world.polled();
}

#[test]
fn a_cancellation_ends_what_no_worker_has_and_is_told_to_who_has_it() {
    let mut world = World::with(|_| {});
    world.request_cancel("c").unwrap();
    assert_eq!(world.state().status(), Status::Canceled);
    refused(world.request_cancel("d"), Code::FailedPrecondition, "activity is in terminal state Canceled");

    let mut world = World::with(|request| request.retry_policy = retried(0));
    let activity = world.polled();
    let early = "unable to mark activity as canceled without activity being request canceled first";
    refused(world.cancelled(&activity), Code::InvalidArgument, early);
    world.request_cancel("c").unwrap();
    world.request_cancel("c").unwrap();
    let other = "cancellation already requested with request ID c";
    refused(world.request_cancel("d"), Code::FailedPrecondition, other);
    assert_eq!(world.state().run_state(), State::CancelRequested);
    match world.beat(&activity, "x").unwrap() {
        Reply::ActivityHeartbeat(answer) => assert!(answer.cancel_requested),
        reply => panic!("{reply:?}"),
    }
    refused(world.pause("p"), Code::FailedPrecondition, "activity is in non-pausable state CancelRequested");
    world.fail(&activity, false).unwrap();
    assert_eq!(world.state().status(), Status::Failed, "no attempt follows");
    assert_eq!(world.outcome().0, RetryState::CancelRequested);
}

#[test]
fn a_termination_ends_whatever_there_is_once() {
    let mut world = World::with(|_| {});
    world.poll();
    world.terminate("t").unwrap();
    world.terminate("t").unwrap();
    refused(world.terminate("u"), Code::FailedPrecondition, "already terminated with request ID t");
    world.start(request("other"));
    world.complete(&by_id()).unwrap();
    refused(world.terminate("t"), Code::FailedPrecondition, "invalid transition from Completed");
}

#[test]
fn a_pause_holds_attempts_back_but_not_the_timeout_of_the_whole() {
    let mut world = World::with(|request| request.schedule_to_close_timeout = seconds(100));
    world.pause("p").unwrap();
    world.pause("p").unwrap();
    refused(world.pause("q"), Code::FailedPrecondition, "activity is in non-pausable state Paused");
    assert_eq!(world.state().status(), Status::Paused);
    assert!(world.ready().is_none());
    world.pass(50);
    world.unpause("u", 0).unwrap();
    assert!(world.ready().is_some());
    world.pause("p").unwrap();
    assert_eq!(world.state().status(), Status::Running, "the same request was answered before");
    world.pause("q").unwrap();
    world.pass(50);
    assert_eq!(world.state().status(), Status::TimedOut);
    refused(world.unpause("v", 0), Code::FailedPrecondition, "activity is in terminal state TimedOut");
}

#[test]
fn an_attempt_that_runs_goes_on_until_it_ends_and_is_paused_then() {
    let mut world = World::with(|request| request.retry_policy = retried(0));
    let activity = world.polled();
    world.pause("p").unwrap();
    assert_eq!((world.state().status(), world.state().run_state()), (Status::Running, State::PauseRequested));
    world.pass(600);
    assert_eq!((world.state().status(), world.state().activity.attempt), (Status::Paused, 2), "it has timed out");
    refused(world.complete(&activity), Code::NotFound, "activity not found for ID: a");
    world.pass(10_000);
    assert!(world.ready().is_none());
    world.unpause("u", 5).unwrap();
    world.pass(5);
    assert!(world.ready().is_some(), "within the jitter");
    refused(world.unpause("v", 0), Code::FailedPrecondition, "activity is in non-unpausable state Scheduled");
}

#[test]
fn what_was_waited_for_before_a_pause_is_waited_for_after_it() {
    let mut world = World::with(|request| request.start_delay = seconds(100));
    world.pause("p").unwrap();
    world.pass(50);
    world.unpause("u", 0).unwrap();
    world.pass(49);
    assert!(world.ready().is_none());
    world.pass(1);
    assert!(world.ready().is_some());
}

#[test]
fn a_reset_counts_attempts_from_one_again() {
    let mut world = World::with(|request| request.retry_policy = retried(2));
    let activity = world.polled();
    world.beat(&activity, "half").unwrap();
    world.fail(&activity, false).unwrap();
    world.reset("r", |_| {}).unwrap();
    assert_eq!((world.state().activity.attempt, world.ready().is_some()), (1, true), "it backs off no longer");
    let activity = world.polled();
    world.reset("s", |request| request.reset_heartbeat = true).unwrap();
    world.reset("s", |_| {}).unwrap();
    let pending = "cannot reset an activity with a pending reset";
    refused(world.reset("t", |_| {}), Code::FailedPrecondition, pending);
    match world.beat(&activity, "more").unwrap() {
        Reply::ActivityHeartbeat(answer) => assert!(answer.reset),
        reply => panic!("{reply:?}"),
    }
    world.fail(&activity, false).unwrap();
    let state = world.state();
    assert_eq!((state.activity.attempt, state.activity.heartbeat), (1, None), "the next one is the first");
    world.pause("p").unwrap();
    world.reset("u", |request| request.keep_paused = true).unwrap();
    assert_eq!(world.state().status(), Status::Paused);
    world.reset("v", |_| {}).unwrap();
    assert!(world.ready().is_some());
    world.complete(&by_id()).unwrap();
    refused(world.reset("w", |_| {}), Code::FailedPrecondition, "activity execution is not running");
}

#[test]
fn a_reset_does_not_shorten_a_delay() {
    let mut world = World::with(|request| request.start_delay = seconds(100));
    world.reset("r", |_| {}).unwrap();
    assert!(world.ready().is_none());
    world.pass(100);
    assert!(world.ready().is_some());
}

#[test]
fn options_are_changed_where_the_run_stands_and_restored() {
    let mut world = World::with(|request| request.retry_policy = retried(0));
    let change = |world: &mut World, id: &str, paths: &[&str], options: tenure_api::activity::v1::ActivityOptions| {
        let restore = paths.is_empty();
        let mask = prost_types::FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() };
        let request = api::UpdateActivityExecutionOptionsRequest {
            request_id: id.into(),
            activity_options: (!restore).then_some(options),
            update_mask: (!restore).then_some(mask),
            restore_original: restore,
            ..Default::default()
        };
        world.run(ShardCommand::UpdateStandaloneOptions(RunRequest::new(None, request)))
    };
    let to_queue = |name: &str| tenure_api::activity::v1::ActivityOptions {
        task_queue: Some(TaskQueue { name: name.into(), ..Default::default() }),
        start_delay: seconds(5),
        retry_policy: Some(RetryPolicy { initial_interval: seconds(60), ..Default::default() }),
        ..Default::default()
    };
    change(&mut world, "1", &["task_queue.name"], to_queue("other")).unwrap();
    assert_eq!(&*world.ready().unwrap().queue.name, "other");
    let late = "cannot update start_delay: the first activity attempt has already been dispatched";
    refused(change(&mut world, "2", &["start_delay"], to_queue("q")), Code::FailedPrecondition, late);
    let activity = world.polled();
    world.fail(&activity, false).unwrap();
    change(&mut world, "3", &["retry_policy.initial_interval"], to_queue("q")).unwrap();
    change(&mut world, "3", &["task_queue.name"], to_queue("q")).unwrap();
    assert_eq!(&*world.state().activity.task_queue, "other", "the same request was answered before");
    world.pass(59);
    assert!(world.ready().is_none());
    change(&mut world, "4", &[], Default::default()).unwrap();
    assert_eq!(&*world.ready().expect("its time has come by now").queue.name, "q");
    let options = describe::options(&world.state().activity);
    assert_eq!(options.retry_policy.unwrap().initial_interval, seconds(10));
    world.terminate("t").unwrap();
    let ended = "Cannot update options for activity in state Terminated";
    refused(change(&mut world, "5", &[], Default::default()), Code::FailedPrecondition, ended);

    let mut world = World::with(|request| request.start_delay = seconds(100));
    change(&mut world, "1", &["startDelay"], to_queue("q")).unwrap();
    world.pass(5);
    assert!(world.ready().is_some());
}

#[test]
fn a_run_that_is_deleted_is_gone_whatever_it_was_at() {
    let mut world = World::with(|_| {});
    let first = world.latest().0;
    world.terminate("t").unwrap();
    let second = world.start(request("other"));
    world.delete(Some(first)).unwrap();
    assert_eq!((world.runs().len(), world.latest().0), (1, second));
    let activity = world.polled();
    world.delete(None).unwrap();
    assert_eq!(world.rows.rows().count(), 0);
    for gone in [world.delete(None), world.complete(&activity), world.terminate("t")] {
        refused(gone, Code::NotFound, "activity not found for ID: a");
    }
    world.start(request("other"));
    world.run(ShardCommand::ReclaimRun { run_id: world.latest().0 }).unwrap();
    assert_eq!(world.rows.rows().count(), 0);
}

#[test]
fn lists_show_what_a_run_was_given_and_what_became_of_it() {
    let attribute = of_type(IndexedValueType::Keyword, &"red".into());
    let given = SearchAttributes { indexed_fields: [("MyKeyword".to_owned(), attribute)].into() };
    let mut world = World::with(|request| request.search_attributes = Some(given.clone()));
    let shown = |world: &World| {
        let (run_id, state) = world.latest();
        entry(record(run_id, &state, Some(given.clone())).info().clone())
    };
    let before = shown(&world);
    assert_eq!((before.status(), before.close_time, before.state_transition_count), (Status::Running, None, 0));
    assert_eq!(before.search_attributes.unwrap().indexed_fields.keys().collect::<Vec<_>>(), ["MyKeyword"]);
    world.pause("p").unwrap();
    assert_eq!(shown(&world).status(), Status::Paused);
    world.terminate("t").unwrap();
    let after = shown(&world);
    assert_eq!((after.status(), after.state_transition_count), (Status::Terminated, 3));
    assert!(after.close_time.is_some());
}

/// Whatever happens in whatever order, the rows beside the states are those that the states tell (`World::check`).
#[test]
fn rows_are_those_of_the_states_whatever_happens() {
    for seed in 0..60 {
        let mut world = World::default();
        let mut ids = Ids::new(seed, Stamp::default());
        let mut random = |below: u64| ids.uuid().as_u64_pair().1 % below;
        let mut tokens: Vec<ActivityRef> = vec![by_id()];
        for step in 0..120 {
            let id = format!("{step}");
            let activity = tokens[random(tokens.len() as u64) as usize].clone();
            match random(18) {
                0 | 1 => {
                    let mut start = request(&id);
                    start.retry_policy = retried(random(3) as i32);
                    start.start_delay = seconds(random(2) as i64 * 20);
                    start.schedule_to_close_timeout = seconds(random(3) as i64 * 100);
                    start.heartbeat_timeout = seconds(random(2) as i64 * 15);
                    _ = world.try_start(start);
                }
                2..=4 if world.ready().is_some() => tokens.push(world.polled()),
                5 => _ = world.complete(&activity),
                6 | 7 => _ = world.fail(&activity, random(4) == 0),
                8 => _ = world.cancelled(&activity),
                9 => _ = world.beat(&activity, "x"),
                10 => _ = world.request_cancel(&id),
                11 if random(3) == 0 => _ = world.terminate(&id),
                12 => _ = world.pause(&id),
                13 => _ = world.unpause(&id, random(2) as i64 * 7),
                14 => _ = world.reset(&id, |request| request.reset_heartbeat = true),
                15 if random(4) == 0 => _ = world.delete(None),
                16 => {
                    if let ActivityRef::Token(token) = activity {
                        _ = world.run(ShardCommand::ReturnTask { token });
                    }
                }
                _ => world.pass(random(40)),
            }
        }
        world.terminate("end").ok();
        world.pass(3 * RETENTION.as_secs());
        assert_eq!(world.rows.rows().count(), 0, "seed {seed}: nothing stays for ever");
    }
}
