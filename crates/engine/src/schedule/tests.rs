//! Schedules as tables: what each thing that happens does to one.

use super::*;
use crate::{
    command::{Envelope, Reply, ShardCommand},
    feature_level::FeatureLevel,
    id::{Ids, Process, ProposalId, Stamp},
    key::{NamespaceId, WorkflowKey},
    limits::Limits,
    outbox::{Body, ClosePolicy, OutboxMessage, Receipt},
    proto::Encoded,
    rows::RowKey,
    schedule::state::{NewSchedule, SchedulePatch, ScheduleUpdate, Switch},
    search_attributes::{Registry, of_type},
    subject::SubjectKind,
    testing::MemoryRows,
    time::Timestamp,
    transition::{Context, Refused, transition},
};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    common::v1::{Payload, Payloads, SearchAttributes},
    enums::v1::{IndexedValueType, ScheduleOverlapPolicy as Policy, WorkflowExecutionStatus as Status},
    error::{ApiError, Code},
    failure::v1::Failure,
    history::v1::{
        HistoryEvent, WorkflowExecutionCompletedEventAttributes, WorkflowExecutionFailedEventAttributes,
        history_event::Attributes,
    },
    schedule::v1::{
        self as api, BackfillRequest, IntervalSpec, Schedule, ScheduleAction, SchedulePolicies, ScheduleSpec,
        TriggerImmediatelyRequest, schedule_action::Action,
    },
    workflow::v1::NewWorkflowExecutionInfo,
    workflowservice::v1::StartWorkflowExecutionRequest,
};
use tenure_limits::{SCHEDULE_BACKFILLS, SCHEDULE_DUE, SCHEDULE_STARTS, SCHEDULE_STEP};
use tenure_schedule::Spec;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The rows of a shard with one schedule, at most, that fires each minute.
struct World {
    rows: MemoryRows,
    now: Timestamp,
    level: FeatureLevel,
    stamps: u64,
}

impl Default for World {
    fn default() -> Self {
        let now = Timestamp(1_700_000_000 * 1_000_000_000);
        World { rows: MemoryRows::default(), now, level: FeatureLevel::KNOWN, stamps: 0 }
    }
}

fn lane() -> Lane {
    Lane::of_schedule(NamespaceId(Uuid::from_u128(1)), "s")
}

fn policies(overlap: Policy) -> SchedulePolicies {
    SchedulePolicies { overlap_policy: overlap.into(), ..Default::default() }
}

fn schedule(policies: SchedulePolicies) -> Encoded<Schedule> {
    let interval = IntervalSpec {
        interval: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        phase: Some(prost_types::Duration::default()),
    };
    let action = NewWorkflowExecutionInfo { workflow_id: "w".into(), ..Default::default() };
    Encoded::of(&Schedule {
        spec: Some(ScheduleSpec { interval: vec![interval], ..Default::default() }),
        action: Some(ScheduleAction { action: Some(Action::StartWorkflow(action)) }),
        policies: Some(policies),
        state: None,
    })
}

fn definition(schedule: Encoded<Schedule>) -> Definition {
    let attribute = of_type(IndexedValueType::Keyword, &"v".into());
    let attributes = SearchAttributes { indexed_fields: [("Keyword".to_owned(), attribute)].into() };
    Definition { schedule, memo: None, search_attributes: Some(Encoded::of(&attributes)), namespace: "n".into() }
}

impl World {
    fn run(&mut self, command: ShardCommand) -> Result<Reply, ApiError> {
        let mut ids = Ids::new(u128::from(self.stamps), Stamp { term: 1, counter: self.stamps });
        let mut cx = Context {
            now: self.now,
            ids: &mut ids,
            limits: &Limits::default(),
            level: self.level,
            retention: None,
            search_attributes: &Registry::default(),
            origin: Process::default(),
        };
        let envelope = Envelope { lane: lane(), proposal: ProposalId(1), origin: Process::default(), command };
        let done = match transition(&self.rows, &envelope, &mut cx) {
            Ok(done) => done,
            Err(Refused::Api(error)) => return Err(error),
            Err(Refused::Read(error)) => panic!("{error}"),
        };
        self.stamps = ids.next_counter();
        self.rows.apply(&done.writes);
        self.check();
        Ok(done.reply)
    }

    /// The timer row and the record are those of the schedule, and are its only ones.
    fn check(&self) {
        let timers = self.rows.rows().filter_map(|(key, _)| match key {
            RowKey::Timer { due, .. } => Some(*due),
            _ => None,
        });
        let state = read(&self.rows, &lane()).unwrap();
        assert_eq!(timers.collect::<Vec<_>>(), state.iter().filter_map(|s| s.timer).collect::<Vec<_>>());
        let records =
            self.rows.rows().filter(|(key, _)| matches!(key, RowKey::Record { kind: SubjectKind::SCHEDULE, .. }));
        assert_eq!(records.count(), usize::from(state.is_some()));
    }

    fn state(&self) -> ScheduleState {
        read(&self.rows, &lane()).unwrap().expect("there is a schedule")
    }

    fn create(&mut self, policies: SchedulePolicies, switch: Switch) {
        let definition = definition(schedule(policies));
        let request = NewSchedule { definition, switch, patch: None, request_id: "create".into() };
        self.run(ShardCommand::CreateSchedule(Box::new(request))).unwrap();
    }

    fn with(policy: Policy) -> World {
        let mut world = World::default();
        world.create(policies(policy), Switch::default());
        world
    }

    fn patch(&mut self, patch: api::SchedulePatch) -> Result<Reply, ApiError> {
        let request = SchedulePatch { patch, request_id: format!("patch-{}-{:?}", self.stamps, self.now).into() };
        self.run(ShardCommand::PatchSchedule(Box::new(request)))
    }

    fn trigger(&mut self) {
        let trigger = TriggerImmediatelyRequest::default();
        self.now = self.now.plus(Duration::from_secs(1));
        self.patch(api::SchedulePatch { trigger_immediately: Some(trigger), ..Default::default() }).unwrap();
    }

    /// Lets time pass, with all timers on the way.
    fn pass(&mut self, time: Duration) {
        let to = self.now.plus(time);
        while let Some(due) = read(&self.rows, &lane()).unwrap().and_then(|state| state.timer).filter(|due| *due <= to)
        {
            self.now = self.now.max(due);
            self.fire();
        }
        self.now = to;
    }

    fn fire(&mut self) {
        self.run(ShardCommand::TimerDue { instance: Uuid::nil() }).unwrap();
    }

    fn messages(&self) -> Vec<(Stamp, Body)> {
        let message = |(key, value): (&RowKey, &bytes::Bytes)| match key {
            RowKey::Outbox { stamp, .. } => Some((*stamp, codec::decode::<OutboxMessage>(value).unwrap().body)),
            _ => None,
        };
        self.rows.rows().filter_map(message).collect()
    }

    fn starts(&self) -> Vec<StartWorkflowExecutionRequest> {
        let start = |(_, body)| match body {
            Body::StartScheduled { request, .. } => Some(request.decode()),
            _ => None,
        };
        self.messages().into_iter().filter_map(start).collect()
    }

    /// All messages are answered; a start with this.
    fn answer(&mut self, receipt: impl Fn(u64) -> Receipt) {
        for (stamp, body) in self.messages() {
            let receipt = match body {
                Body::StartScheduled { number, .. } => receipt(number),
                _ => Receipt::Done,
            };
            self.run(ShardCommand::Acknowledge { instance: Uuid::nil(), stamp, receipt }).unwrap();
        }
    }

    fn all_start(&mut self) {
        self.answer(|number| Receipt::Started { run_id: Uuid::from_u128(number.into()) });
    }

    fn closed(&mut self, workflow_id: &str, run: u128, attributes: Attributes) -> Reply {
        let event = HistoryEvent { attributes: Some(attributes), ..Default::default() };
        let body =
            Body::ScheduledClosed { first_run_id: Uuid::from_u128(run), event: Encoded::of(&event), replaced: false };
        let workflow = WorkflowKey { namespace: lane().namespace, workflow_id: workflow_id.into() };
        let from = workflow.run(Uuid::from_u128(run)).into();
        let message = Box::new(OutboxMessage { to: crate::subject::Address::Lane(lane()), body });
        self.run(ShardCommand::Receive { from, message }).unwrap()
    }

    fn running(&self) -> Vec<Arc<str>> {
        self.state().running.iter().map(|running| running.workflow_id.clone()).collect()
    }
}

fn completed(result: &str) -> Attributes {
    let result = Payloads { payloads: vec![Payload { data: result.to_owned().into(), ..Default::default() }] };
    let attributes = WorkflowExecutionCompletedEventAttributes { result: Some(result), ..Default::default() };
    Attributes::WorkflowExecutionCompletedEventAttributes(attributes)
}

fn failed(message: &str) -> Attributes {
    let failure = Failure { message: message.into(), ..Default::default() };
    let attributes = WorkflowExecutionFailedEventAttributes { failure: Some(failure), ..Default::default() };
    Attributes::WorkflowExecutionFailedEventAttributes(attributes)
}

#[test]
fn it_starts_a_workflow_at_each_time() {
    let mut world = World::with(Policy::AllowAll);
    assert_eq!(world.state().timer, Some(Timestamp(1_700_000_040 * 1_000_000_000)));
    world.pass(MINUTE);
    let [start] = &world.starts()[..] else { panic!("one is started") };
    assert_eq!(start.workflow_id, "w-2023-11-14T22:14:00Z");
    assert_eq!(start.identity, "temporal-scheduler-n-s");
    let attributes = &start.search_attributes.as_ref().unwrap().indexed_fields;
    assert_eq!(attributes["TemporalScheduledById"].data, "\"s\"");
    assert_eq!(attributes["TemporalScheduledStartTime"].data, "\"2023-11-14T22:14:00Z\"");
    world.all_start();
    world.pass(4 * MINUTE);
    assert_eq!(world.starts().len(), 4);
    world.all_start();
    let state = world.state();
    assert_eq!((state.counts.actions, state.recent.len(), state.starting.len()), (5, 5, 0));
    assert!(world.messages().is_empty(), "what was answered is gone");
}

#[test]
fn what_overlaps_follows_the_policy() {
    let after_three = |policy| {
        let mut world = World::with(policy);
        for _ in 0..3 {
            world.trigger();
            world.all_start();
        }
        world.all_start();
        let state = world.state();
        (state.counts.actions, state.counts.overlap_skipped, state.due.len(), state.running.len())
    };
    assert_eq!(after_three(Policy::Skip), (1, 2, 0, 1));
    assert_eq!(after_three(Policy::BufferOne), (1, 1, 1, 1));
    assert_eq!(after_three(Policy::BufferAll), (1, 0, 2, 1));
    assert_eq!(after_three(Policy::CancelOther), (1, 0, 2, 1));
    assert_eq!(after_three(Policy::TerminateOther), (1, 0, 2, 1));
    assert_eq!(after_three(Policy::AllowAll), (3, 0, 0, 0));
}

#[test]
fn what_waits_starts_when_what_runs_has_closed() {
    let mut world = World::with(Policy::BufferAll);
    for _ in 0..3 {
        world.trigger();
    }
    world.all_start();
    let first = world.running()[0].clone();
    assert!(world.starts().is_empty());
    assert!(matches!(world.closed(&first, 1, completed("1")), Reply::Received(Receipt::Done)));
    let [start] = &world.starts()[..] else { panic!("the next one starts") };
    assert_eq!(start.last_completion_result.as_ref().unwrap().payloads[0].data, "1");
    world.all_start();
    assert_eq!(world.state().due.len(), 1);
    let second = world.running()[0].clone();
    world.closed(&second, 2, failed("2"));
    let [start] = &world.starts()[..] else { panic!("and the last one") };
    assert_eq!(start.last_completion_result.as_ref().unwrap().payloads[0].data, "1", "of the last that had a result");
    assert_eq!(start.continued_failure.as_ref().unwrap().message, "2");
    let statuses: Vec<_> = world.state().recent.iter().map(|action| action.status).collect();
    assert_eq!(statuses, [Status::Completed as i32, Status::Failed as i32]);
}

#[test]
fn what_is_in_the_way_is_told_to_end_once() {
    for (policy, expected) in
        [(Policy::CancelOther, ClosePolicy::RequestCancel), (Policy::TerminateOther, ClosePolicy::Terminate)]
    {
        let mut world = World::with(policy);
        world.trigger();
        world.all_start();
        world.trigger();
        world.trigger();
        let told: Vec<_> = world.messages().into_iter().map(|(_, body)| body).collect();
        let [Body::EndScheduled { first_run_id, how, identity }] = &told[..] else { panic!("{told:?}") };
        assert_eq!((*first_run_id, *how, identity.as_str()), (Uuid::from_u128(1), expected, "temporal-scheduler-n-s"));
        world.all_start();
        let first = world.running()[0].clone();
        world.closed(&first, 1, failed("canceled"));
        assert_eq!(world.starts().len(), 1, "the last one takes its place");
        assert!(world.state().due.is_empty());
    }
}

#[test]
fn the_end_of_a_workflow_may_be_told_before_the_answer_to_its_start() {
    let mut world = World::with(Policy::BufferAll);
    world.trigger();
    let [start] = &world.starts()[..] else { panic!("one is started") };
    let workflow_id = start.workflow_id.clone();
    world.closed(&workflow_id, 1, completed("1"));
    world.all_start();
    let state = world.state();
    assert_eq!((state.counts.actions, state.running.len(), state.starting.len()), (1, 0, 0));
    assert_eq!(state.recent[0].status, Status::Completed as i32);
    // Told twice, it counts once.
    world.closed(&workflow_id, 1, completed("2"));
    assert_eq!(read_carried(&world.rows, &lane()).unwrap().result.unwrap().decode().payloads[0].data, "1");
}

#[test]
fn a_start_that_is_refused_is_told_and_keeps_nothing_waiting() {
    let mut world = World::with(Policy::BufferAll);
    world.trigger();
    world.trigger();
    world.answer(|_| Receipt::AlreadyExists);
    assert!(world.state().refused.unwrap().ends_with("is running already"));
    assert_eq!(world.starts().len(), 1, "the next one has its turn");
    world.all_start();
    assert_eq!((world.state().refused, world.state().counts.actions), (None, 1));
}

#[test]
fn what_is_noticed_too_late_is_missed() {
    let mut world = World::default();
    let window = prost_types::Duration { seconds: 600, nanos: 0 };
    world.create(SchedulePolicies { catchup_window: Some(window), ..policies(Policy::AllowAll) }, Switch::default());
    world.now = world.now.plus(2 * HOUR);
    world.fire();
    while world.state().timer.is_some_and(|due| due <= world.now) {
        world.fire();
    }
    let state = world.state();
    assert_eq!(state.counts.missed + world.starts().len() as i64, 120);
    assert_eq!(world.starts().len(), 10, "those of the last ten minutes are made up for");
    assert!(state.timer > Some(world.now));
}

#[test]
fn a_pause_lets_times_pass() {
    let mut world = World::with(Policy::AllowAll);
    world.patch(api::SchedulePatch { pause: "lunch".into(), ..Default::default() }).unwrap();
    let state = world.state();
    assert_eq!((state.paused, state.notes.as_str(), state.conflict_token), (true, "lunch", 2));
    world.pass(10 * MINUTE);
    assert!(world.starts().is_empty());
    world.trigger();
    assert_eq!(world.starts().len(), 1, "who asks for it gets it");
    world.patch(api::SchedulePatch { unpause: "back".into(), ..Default::default() }).unwrap();
    world.pass(2 * MINUTE);
    assert_eq!((world.starts().len(), world.state().counts.missed), (3, 0));
}

#[test]
fn a_failure_pauses_where_the_policy_says_so() {
    for pause_on_failure in [false, true] {
        let mut world = World::default();
        world.create(SchedulePolicies { pause_on_failure, ..policies(Policy::Skip) }, Switch::default());
        world.trigger();
        world.all_start();
        let first = world.running()[0].clone();
        world.closed(&first, 1, failed("no"));
        let state = world.state();
        assert_eq!(state.paused, pause_on_failure);
        if pause_on_failure {
            assert_eq!(state.notes, format!("paused due to workflow failure: {first}: no"));
        }
    }
}

#[test]
fn a_long_failure_is_cut() {
    let mut world = World::default();
    world.create(SchedulePolicies { pause_on_failure: true, ..policies(Policy::Skip) }, Switch::default());
    world.trigger();
    world.all_start();
    let first = world.running()[0].clone();
    world.closed(&first, 1, failed(&"é".repeat(1000)));
    let notes = world.state().notes;
    assert!((990..=1000).contains(&notes.len()) && notes.starts_with("paused due to workflow failure: "), "{notes}");
}

#[test]
fn limited_actions_come_to_an_end() {
    let mut world = World::default();
    world.create(policies(Policy::AllowAll), Switch { limited: true, remaining: 2, ..Switch::default() });
    world.pass(10 * MINUTE);
    world.all_start();
    let state = world.state();
    assert_eq!((state.counts.actions, state.remaining, state.conflict_token), (2, 0, 3));
    world.trigger();
    assert_eq!(world.starts().len(), 1, "who asks for it gets it");
}

#[test]
fn backfills_go_on_as_there_is_room() {
    let mut world = World::with(Policy::Skip);
    let from = world.now.plus(HOUR);
    let to = from.plus(Duration::from_secs(60 * 60 * 24 * 10));
    let backfill = BackfillRequest {
        start_time: Some(from.to_proto()),
        end_time: Some(to.to_proto()),
        overlap_policy: Policy::BufferAll.into(),
    };
    world.patch(api::SchedulePatch { backfill_request: vec![backfill], ..Default::default() }).unwrap();
    let mut most = 0;
    for round in 0..1000 {
        world.all_start();
        most = most.max(world.state().due.len());
        let Some(first) = world.running().first().cloned() else { panic!("one runs") };
        world.closed(&first, round + 1, completed("1"));
        world.now = world.now.plus(Duration::from_nanos(10));
        world.fire();
    }
    let state = world.state();
    assert_eq!((state.counts.actions, state.counts.buffer_dropped), (1000, 0));
    assert!((2..=SCHEDULE_DUE / 2).contains(&most), "{most}");
    assert_eq!(state.backfills.len(), 1, "there is more");
}

#[test]
fn a_backfill_of_what_is_skipped_goes_on_to_its_end() {
    let mut world = World::with(Policy::Skip);
    let (start_time, end_time) = (Some(world.now.to_proto()), Some(world.now.plus(50 * HOUR).to_proto()));
    let backfill_request = vec![BackfillRequest { start_time, end_time, overlap_policy: 0 }];
    world.patch(api::SchedulePatch { backfill_request, ..Default::default() }).unwrap();
    world.pass(Duration::from_secs(1));
    let state = world.state();
    assert_eq!((state.backfills.len(), state.counts.overlap_skipped, state.starting.len()), (0, 2999, 1));
}

#[test]
fn many_starts_are_sent_in_pieces() {
    let mut world = World::with(Policy::Skip);
    let (from, to) = (world.now, world.now.plus(2 * HOUR));
    let overlap_policy = Policy::AllowAll.into();
    let (start_time, end_time) = (Some(from.to_proto()), Some(to.to_proto()));
    let backfill_request = vec![BackfillRequest { start_time, end_time, overlap_policy }];
    world.patch(api::SchedulePatch { backfill_request, ..Default::default() }).unwrap();
    assert_eq!(world.starts().len(), SCHEDULE_STARTS);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.starts().len(), 120);
    assert!(world.state().backfills.is_empty() && world.state().due.is_empty());
}

#[test]
fn an_update_names_what_it_was_made_from() {
    let mut world = World::with(Policy::AllowAll);
    let update = |token: Option<i64>, id: &str| {
        let request = ScheduleUpdate {
            schedule: schedule(policies(Policy::Skip)),
            switch: Switch { paused: true, notes: "new".into(), ..Switch::default() },
            search_attributes: Some(Encoded::of(&SearchAttributes::default())),
            memo: None,
            conflict_token: token,
            request_id: id.into(),
        };
        ShardCommand::UpdateSchedule(Box::new(request))
    };
    let indexed = |world: &World| world.rows.rows().filter(|(key, _)| matches!(key, RowKey::Index { .. })).count();
    let before = indexed(&world);
    assert_eq!(world.run(update(Some(7), "a")).unwrap_err().code, Code::FailedPrecondition);
    world.run(update(Some(1), "b")).unwrap();
    let state = world.state();
    assert_eq!((state.conflict_token, state.paused, state.notes.as_str()), (2, true, "new"));
    assert_eq!(indexed(&world), before - 1, "an attribute went");
    world.run(update(Some(1), "b")).unwrap();
    assert_eq!(world.state().conflict_token, 2, "the same request again changes nothing");
    world.run(update(None, "c")).unwrap();
    assert_eq!(world.state().conflict_token, 3);
}

#[test]
fn an_id_is_taken_once() {
    let mut world = World::with(Policy::Skip);
    let request = |id: &str| {
        let definition = definition(schedule(policies(Policy::Skip)));
        let request = NewSchedule { definition, switch: Switch::default(), patch: None, request_id: id.into() };
        ShardCommand::CreateSchedule(Box::new(request))
    };
    assert!(matches!(world.run(request("create")), Ok(Reply::Done)), "the same request again");
    assert_eq!(world.run(request("other")).unwrap_err().code, Code::AlreadyExists);
    world.run(ShardCommand::DeleteSchedule).unwrap();
    assert_eq!(world.rows, MemoryRows::default(), "nothing is left");
    assert_eq!(world.run(ShardCommand::DeleteSchedule).unwrap_err().code, Code::NotFound);
    world.run(request("other")).unwrap();
}

#[test]
fn what_was_started_outlives_its_schedule() {
    let mut world = World::with(Policy::Skip);
    world.trigger();
    world.run(ShardCommand::DeleteSchedule).unwrap();
    world.all_start();
    assert!(matches!(world.closed("w", 1, completed("1")), Reply::Received(Receipt::Done)));
    assert_eq!(world.rows, MemoryRows::default());
}

#[test]
fn no_schedule_is_written_below_the_level_that_knows_it() {
    let mut world = World { level: FeatureLevel::LISTS, ..World::default() };
    let definition = definition(schedule(policies(Policy::Skip)));
    let request = NewSchedule { definition, switch: Switch::default(), patch: None, request_id: "a".into() };
    let refused = world.run(ShardCommand::CreateSchedule(Box::new(request))).unwrap_err();
    assert_eq!(refused.code, Code::FailedPrecondition);
    assert_eq!(world.rows, MemoryRows::default());
}

#[test]
fn so_many_starts_wait_and_no_more() {
    let mut world = World::with(Policy::BufferAll);
    for _ in 0..SCHEDULE_DUE + 3 {
        world.trigger();
    }
    let state = world.state();
    assert_eq!(state.due.len(), SCHEDULE_DUE);
    // The first one runs, and some of its own times have come meanwhile.
    assert!((2..20).contains(&state.counts.buffer_dropped), "{:?}", state.counts);
}

#[test]
fn so_many_backfills_are_open_and_no_more() {
    let mut world = World::with(Policy::BufferAll);
    let backfill = BackfillRequest { start_time: Some(world.now.to_proto()), ..BackfillRequest::default() };
    let patch = |count| api::SchedulePatch { backfill_request: vec![backfill; count], ..Default::default() };
    world.patch(patch(SCHEDULE_BACKFILLS + 3)).unwrap();
    assert_eq!(
        (world.state().counts.buffer_dropped, world.state().backfills.len()),
        (3, 0),
        "there is nothing in them"
    );
}

#[test]
fn an_outage_is_made_up_for_in_steps() {
    let mut world = World::with(Policy::AllowAll);
    world.now = world.now.plus(20 * HOUR);
    world.fire();
    assert_eq!(world.state().due.len() + world.starts().len(), SCHEDULE_STEP);
    world.pass(Duration::from_secs(1));
    assert_eq!((world.state().due.len(), world.starts().len()), (0, 1200));
}

#[test]
fn the_times_to_come_are_those_that_the_schedule_will_have() {
    let mut schedule = schedule(policies(Policy::Skip)).decode();
    let jitter = Some(prost_types::Duration { seconds: 40, nanos: 0 });
    let spec = ScheduleSpec { jitter, ..schedule.spec.take().unwrap_or_default() };
    schedule.spec = Some(spec.clone());
    let spec = Spec::compile(&spec).unwrap();
    let now = World::default().now;
    let foreseen = times_to_come(&lane(), &spec, now, 5).unwrap();
    let (from, to) = (now.to_proto(), foreseen[4].to_proto());
    assert_eq!(matching_times(&lane(), &definition(Encoded::of(&schedule)), &from, &to).unwrap(), foreseen);

    let nameless = Lane::of_schedule(lane().namespace, "");
    let minute = |number: u64| Timestamp(1_700_000_000 * 1_000_000_000).plus(Duration::from_secs(number * 60 - 20));
    assert_eq!(times_to_come(&nameless, &spec, now, 3).unwrap(), [minute(1), minute(2), minute(3)]);
}
