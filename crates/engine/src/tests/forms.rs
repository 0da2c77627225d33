//! Forms of rows and task tokens, in `crates/engine/forms/`: those that random scripts write.

use super::properties;
use crate::{
    FeatureLevel,
    activity::state::PendingActivity,
    batch::{BatchState, BatchTarget, Phase, Stopped, TargetRun},
    chain::Chain,
    child::state::{Execution, Lineage, PendingChild},
    codec,
    id::{Ids, Process, ProposalId, Stamp},
    info::ExecutionInfo,
    key::{NamespaceId, QueueKey, TaskKind},
    limits::Limits,
    outbox::{Body, ClosePolicy, OutboxMessage, Target},
    pause::state::Paused,
    proposals::{Proposal, ProposalResult, Proposals},
    proto::Encoded,
    queue_config::QueueConfigRow,
    reclaim::Reclaim,
    retry::RetryPolicy,
    rows::{CurrentRun, Op, PendingKind, ReadyTask, RowKey, SystemTable},
    schedule::{
        Carried, Definition, ScheduleState,
        state::{Action, Backfill, BufferedStart, Counts, RunningWorkflow, Starting},
    },
    search_attributes::Registry,
    standalone::{
        End, Ended, Fixed, StandaloneState,
        state::{CancelRequest, Requests},
    },
    state::ExecutionState,
    subject::{Lane, SubjectKind},
    system::{
        self, SystemCommand,
        change::{MembersRow, Nodes},
        cluster::{ClusterMap, ClusterRow, FirstMembers, NodeRow, ShardRow},
        namespace::NamespaceRow,
        proposals::Recent,
        token_secret::TokenSecret,
    },
    testing::{MemoryRows, workflow},
    time::Timestamp,
    timer::state::UserTimer,
    token::TaskToken,
    transition::Context,
    update::{PendingUpdate, state::CompletedUpdate},
    visibility::{Filling, RecordRow},
    workflow_task::state::{Build, TaskFailure},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tenure_api::{
    activity::v1::{ActivityExecutionOutcome, ActivityOptions},
    batch::v1::BatchOperationInfo,
    common::v1::{Memo, Payloads, Priority, SearchAttributes, WorkerVersionStamp},
    error::ApiError,
    failure::v1::Failure,
    history::v1::{ActivityTaskScheduledEventAttributes, HistoryEvent},
    operatorservice::v1::DeleteNamespaceRequest,
    schedule::v1::Schedule,
    sdk::v1::UserMetadata,
    workflow::v1::WorkflowExecutionOptions,
    workflowservice::v1::{
        RegisterNamespaceRequest, StartActivityExecutionRequest, StartBatchOperationRequest, UpdateNamespaceRequest,
    },
};
use uuid::Uuid;

#[path = "../../forms/kept.rs"]
mod kept;

use kept::{Form, check_kept, check_read, form, write_new};

const FORMS: [Form; 37] = [
    form::<PendingActivity>("activity"),
    form::<Encoded<BatchOperationInfo>>("batch_record"),
    form::<Encoded<StartBatchOperationRequest>>("batch_request"),
    form::<BatchState>("batch_state"),
    form::<Vec<BatchTarget>>("batch_targets"),
    form::<Encoded<HistoryEvent>>("buffered_event"),
    form::<PendingChild>("child"),
    form::<ClusterRow>("cluster"),
    form::<CompletedUpdate>("completed_update"),
    form::<CurrentRun>("current_run"),
    form::<ExecutionState>("execution"),
    form::<Filling>("filling"),
    form::<FirstMembers>("first_members"),
    form::<ExecutionInfo>("info"),
    form::<ClusterMap>("map"),
    form::<MembersRow>("members"),
    form::<OutboxMessage>("message"),
    form::<NamespaceRow>("namespace"),
    form::<NamespaceId>("namespace_id"),
    form::<NodeRow>("node"),
    form::<Vec<Proposal>>("proposals"),
    form::<QueueConfigRow>("queue_config"),
    form::<ReadyTask>("ready_task"),
    form::<Reclaim>("reclaim"),
    form::<RecordRow>("record"),
    form::<Carried>("schedule_carried"),
    form::<Definition>("schedule_definition"),
    form::<ScheduleState>("schedule_state"),
    form::<ShardRow>("shard"),
    form::<Fixed>("standalone_fixed"),
    form::<Encoded<ActivityExecutionOutcome>>("standalone_outcome"),
    form::<StandaloneState>("standalone_state"),
    form::<Recent>("system_proposals"),
    form::<TaskToken>("task_token"),
    form::<UserTimer>("timer"),
    form::<TokenSecret>("token_secret"),
    form::<PendingUpdate>("update"),
];

const STAMP: Stamp = Stamp { term: 2, counter: 3 };

#[test]
fn every_form_that_was_ever_written_is_read() {
    check_read(&FORMS);
}

#[test]
fn every_form_that_is_written_is_kept() {
    check_kept(&FORMS, &written());
}

#[test]
#[ignore = "writes files, for a form that is new"]
fn write_new_forms() {
    write_new(&FORMS, written());
}

/// Rows and tokens that scripts write, by the name of their form.
fn written() -> Vec<(&'static str, Bytes)> {
    let mut written = of_the_system_shard();
    let task_token = TaskToken {
        kind: TaskKind::Activity,
        run: workflow().run(Uuid::from_u128(1)),
        scheduled_event_id: 5,
        attempt: 1,
        stamp: STAMP,
        activity_id: "a".into(),
        of: SubjectKind::RUN,
    };
    written.push(("task_token", task_token.encode()));
    written.push(("task_token", TaskToken { of: SubjectKind::ACTIVITY, ..task_token }.encode()));
    let config = QueueConfigRow { config: Bytes::from_static(b"c"), set_by: ProposalId(u128::MAX) };
    written.push(("queue_config", codec::encode(&config)));
    let filling = Filling { after: Some(workflow().run(Uuid::from_u128(1))), done: true, left_out: 1 };
    written.push(("filling", codec::encode(&filling)));
    for done in [false, true] {
        written.push(("reclaim", codec::encode(&Reclaim { since: Timestamp(1), done })));
    }
    written.extend(of_proposals());
    written.extend(of_a_batch_job());
    written.extend(of_a_schedule());
    written.extend(of_a_standalone_activity());
    written.extend(with_all_fields());
    for sim in properties::played() {
        for op in sim.log.iter().flat_map(|entry| &entry.ops) {
            let Op::Put(key, value) = op else { continue };
            let name = match key {
                RowKey::Execution(_) => {
                    written.extend(of_a_state(value));
                    "execution"
                }
                RowKey::Info(_) => "info",
                RowKey::Pending { kind: PendingKind::Activity, .. } => "activity",
                RowKey::Pending { kind: PendingKind::Timer, .. } => "timer",
                RowKey::Pending { kind: PendingKind::BufferedEvent, .. } => "buffered_event",
                RowKey::Pending { kind: PendingKind::Child, .. } => "child",
                RowKey::Pending { kind: PendingKind::Update, .. } => "update",
                RowKey::Pending { kind: PendingKind::Proposals, .. } => "proposals",
                RowKey::Current(_) => "current_run",
                RowKey::Ready { .. } => "ready_task",
                RowKey::Record { .. } => "record",
                RowKey::Outbox { .. } => "message",
                RowKey::QueueConfig(_) => "queue_config",
                RowKey::RequestId { request_id, .. } if request_id.starts_with("update/") => "completed_update",
                // Encoded messages of the API, ids, and rows whose key says all.
                RowKey::History { .. } | RowKey::RequestId { .. } | RowKey::Timer { .. } | RowKey::Index { .. } => {
                    continue;
                }
                RowKey::Clock | RowKey::ListFill | RowKey::System { .. } => continue,
                RowKey::Batch { .. } | RowKey::Schedule { .. } | RowKey::Activity { .. } => continue,
            };
            written.push((name, value.clone()));
        }
    }
    written
}

/// The values of a core row that may as well have a row of their own.
fn of_a_state(core: &[u8]) -> Vec<(&'static str, Bytes)> {
    let state: ExecutionState = codec::decode(core).expect("readable");
    let activities = state.activities.values().map(|activity| ("activity", codec::encode(activity)));
    let timers = state.timers.values().map(|timer| ("timer", codec::encode(timer)));
    let events = state.buffered.values().map(|event| ("buffered_event", codec::encode(event)));
    let children = state.relations.children.values().map(|child| ("child", codec::encode(child)));
    let updates = state.updates.in_flight.values().map(|update| ("update", codec::encode(update)));
    activities.chain(timers).chain(events).chain(children).chain(updates).collect()
}

/// The rows of a schedule, with all of their fields.
fn of_a_schedule() -> Vec<(&'static str, Bytes)> {
    let (at, run, id) = (Timestamp(1), Uuid::from_u128(1), || "w".into());
    let state = ScheduleState {
        id: run,
        created_at: at,
        updated_at: Some(at),
        conflict_token: 2,
        created_by: "c".into(),
        requests: ["r".to_owned()].into(),
        processed_to: at,
        timer: Some(at),
        paused: true,
        notes: "n".into(),
        limited: true,
        remaining: 3,
        due: vec![BufferedStart { nominal: at, due: at, overlap_policy: 1, manual: true }],
        backfills: [Backfill { after: at, to: at, overlap_policy: 1 }].into(),
        starting: vec![Starting { number: 4, workflow_id: id(), due: at, alone: true }],
        running: vec![RunningWorkflow { workflow_id: id(), first_run_id: run, told: Some(ClosePolicy::Terminate) }],
        recent: [Action { due: at, started_at: at, workflow_id: id(), first_run_id: run, status: 1, number: 4 }].into(),
        counts: Counts { actions: 5, missed: 6, overlap_skipped: 7, buffer_dropped: 8 },
        refused: Some("r".into()),
        last_start: 9,
    };
    let definition = Definition {
        schedule: Encoded::of(&Schedule::default()),
        memo: Some(Encoded::of(&Memo::default())),
        search_attributes: Some(Encoded::of(&SearchAttributes::default())),
        namespace: "n".into(),
    };
    let carried =
        Carried { result: Some(Encoded::of(&Payloads::default())), failure: Some(Encoded::of(&Failure::default())) };
    vec![
        ("schedule_state", codec::encode(&state)),
        ("schedule_definition", codec::encode(&definition)),
        ("schedule_carried", codec::encode(&carried)),
    ]
}

/// The rows of an activity without a workflow, with all of their fields.
fn of_a_standalone_activity() -> Vec<(&'static str, Bytes)> {
    let at = Timestamp(1);
    let activity = PendingActivity::scheduled(0, at, &ActivityTaskScheduledEventAttributes::default());
    let state = StandaloneState {
        activity,
        created_at: at,
        start_delay: Duration::from_millis(1500),
        end: Some(End { how: Ended::Completed, at }),
        start_request: "r".into(),
        started_by: ProposalId(u128::MAX),
        last_started_at: Some(at),
        transitions: 2,
        heartbeats: 3,
        cancel: Some(CancelRequest { request_id: "c".into(), identity: "i".into(), reason: "r".into() }),
        requests: Requests {
            terminate: "t".into(),
            pause: "p".into(),
            unpause: "u".into(),
            reset: "r".into(),
            options: "o".into(),
        },
        timer: Some(at),
        recent: [ProposalId(1)].into(),
    };
    let ends = [Ended::Failed, Ended::Canceled, Ended::Terminated, Ended::TimedOut];
    let ended = ends.map(|how| StandaloneState { end: Some(End { how, at }), ..state.clone() });
    let fixed = Fixed {
        request: Encoded::of(&StartActivityExecutionRequest::default()),
        search_attributes: Some(Encoded::of(&SearchAttributes::default())),
    };
    let run = workflow().run(Uuid::from_u128(1));
    let queue = QueueKey { namespace: workflow().namespace, kind: TaskKind::Activity, name: "q".into() };
    let task = ReadyTask {
        queue,
        priority: 3,
        stamp: STAMP,
        run,
        scheduled_event_id: 0,
        scheduled_at: at,
        sticky: false,
        of: SubjectKind::ACTIVITY,
    };
    let mut rows = vec![
        ("standalone_state", codec::encode(&state)),
        ("standalone_fixed", codec::encode(&fixed)),
        ("standalone_outcome", codec::encode(&Encoded::of(&ActivityExecutionOutcome::default()))),
        ("ready_task", codec::encode(&task)),
    ];
    rows.extend(ended.iter().map(|state| ("standalone_state", codec::encode(state))));
    rows
}

/// Values with all of their fields, which scripts do not write.
fn with_all_fields() -> Vec<(&'static str, Bytes)> {
    let (at, soon, run) = (Timestamp(1), Some(Duration::from_millis(1500)), workflow().run(Uuid::from_u128(1)));
    let root = Execution { workflow_id: "root".into(), run_id: Uuid::from_u128(2) };
    let info = ExecutionInfo {
        chain: Chain { scheduled_by: Some("s".into()), ..Chain::default() },
        lineage: Some(Lineage { parent: run.clone(), parent_namespace: "n".into(), initiated_event_id: 5, root }),
        execution_timeout: soon,
        run_timeout: soon,
        execution_expires_at: Some(at),
        run_expires_at: Some(at),
        retry: Some(RetryPolicy::unlimited()),
        memo: Some(Encoded::of(&Memo::default())),
        search_attributes: Some(Encoded::of(&SearchAttributes::default())),
        user_metadata: Some(Encoded::of(&UserMetadata::default())),
        priority: Some(Encoded::of(&Priority::default())),
        ..ExecutionInfo::default()
    };
    let row = codec::encode(&info);
    let mut state = ExecutionState::new(info);
    assert_eq!(state.info.take_write(&run, FeatureLevel::FIRST), None);
    state.workflow_task.reported_failure = Some(TaskFailure::Failed(1));
    let version = Some(Encoded::of(&WorkerVersionStamp { build_id: "b".into(), ..Default::default() }));
    state.workflow_task.build = Build { stamp: version.clone(), deployment_name: "d".into() };
    state.paused = Some(Paused { at, identity: "i".into(), reason: "r".into(), request_id: "p".into() });
    let mut activity = PendingActivity::scheduled(5, at, &ActivityTaskScheduledEventAttributes::default());
    activity.priority = Some(Encoded::of(&Priority::default()));
    activity.last_worker_version = version;
    let target = Target { run_id: Some(Uuid::from_u128(3)), child_workflow_only: true };
    let signal = Body::Signal { initiated_event_id: 5, target, request: Encoded::of(&Default::default()) };
    let cancel =
        Body::RequestCancel { initiated_event_id: 5, target, request_id: Uuid::from_u128(4), reason: "r".into() };
    let message = |body| ("message", codec::encode(&OutboxMessage { to: workflow().into(), body }));
    vec![
        ("info", row),
        ("execution", state.encode()),
        ("activity", codec::encode(&activity)),
        message(signal),
        message(cancel),
        message(Body::StartScheduled { number: 1, request: Encoded::of(&Default::default()) }),
        message(Body::EndScheduled {
            first_run_id: Uuid::from_u128(1),
            how: ClosePolicy::Terminate,
            identity: "i".into(),
        }),
        message(Body::ScheduledClosed {
            first_run_id: Uuid::from_u128(1),
            event: Encoded::of(&Default::default()),
            replaced: true,
        }),
    ]
}

/// The rows of a batch job, with all that they may have.
fn of_a_batch_job() -> Vec<(&'static str, Bytes)> {
    let job = BatchState {
        id: Uuid::from_u128(1),
        operation: 13,
        identity: "i".into(),
        started_at: Timestamp(1),
        closed_at: Some(Timestamp(2)),
        phase: Phase::Stopped,
        total: 3,
        place: Some(Bytes::from_static(b"p")),
        complete: 1,
        failed: 1,
        first_page: 1,
        timer: Timestamp(3),
        proposal: ProposalId(u128::MAX),
        stopped: Some(Stopped { proposal: ProposalId(1), reason: "r".into(), identity: "i".into() }),
        cause: Some("c".into()),
    };
    let bare = |phase| BatchState { phase, closed_at: None, place: None, stopped: None, cause: None, ..job.clone() };
    let phases = [Phase::Finding, Phase::Working, Phase::Completed, Phase::Failed].map(bare);
    let runs = [TargetRun::Run(Uuid::from_u128(1)), TargetRun::Missing, TargetRun::Invalid];
    let targets = runs.map(|run| BatchTarget { workflow_id: "w".into(), run }).to_vec();
    let lane = Lane::of_batch(workflow().namespace, "j");
    let mut rows = vec![
        ("batch_request", codec::encode(&Encoded::of(&StartBatchOperationRequest::default()))),
        ("batch_targets", codec::encode(&targets)),
        ("batch_record", job.record(&lane).1),
        ("batch_state", codec::encode(&job)),
    ];
    rows.extend(phases.iter().map(|job| ("batch_state", codec::encode(job))));
    rows
}

/// A page of answers of each kind.
fn of_proposals() -> Vec<(&'static str, Bytes)> {
    let results = [
        ProposalResult::Done,
        ProposalResult::Signaled,
        ProposalResult::WorkflowTaskCompleted { stamp: STAMP, reset_history_event_id: 4, activities: vec![5] },
        ProposalResult::FoundRunning { attached: true },
        ProposalResult::ActivityOptions(Encoded::of(&ActivityOptions::default())),
        ProposalResult::WorkflowOptions(Encoded::of(&WorkflowExecutionOptions::default())),
        ProposalResult::Failed(ApiError::not_found("m")),
    ];
    let mut proposals = Proposals::default();
    for number in 0..40 {
        proposals.remember(ProposalId(1 << 100 | number), Timestamp(1), results[number as usize % 7].clone());
    }
    let pages = proposals.take_writes(&workflow().run(Uuid::from_u128(1))).into_iter();
    pages.filter_map(|op| if let Op::Put(_, value) = op { Some(("proposals", value)) } else { None }).collect()
}

/// Rows of a system shard that was asked for everything.
fn of_the_system_shard() -> Vec<(&'static str, Bytes)> {
    let node = NodeRow::new(Uuid::from_u128(2), "a:1".into(), "a:2".into());
    let map = ClusterMap::found(Uuid::from_u128(1), FeatureLevel::KNOWN, [(1, node)].into(), 2).expect("a cluster");
    let (mut rows, mut log) = (MemoryRows::default(), vec![map.writes()]);
    let namespace = || "n".to_owned();
    let commands = [
        SystemCommand::CreateTokenSecret(TokenSecret([7; 32])),
        SystemCommand::RaiseFeatureLevel(FeatureLevel(FeatureLevel::KNOWN.0 + 1)),
        SystemCommand::RegisterNamespace(Arc::new(RegisterNamespaceRequest {
            namespace: namespace(),
            workflow_execution_retention_period: Some(prost_types::Duration { seconds: 86400, nanos: 0 }),
            ..Default::default()
        })),
        SystemCommand::UpdateNamespace(Arc::new(UpdateNamespaceRequest {
            namespace: namespace(),
            ..Default::default()
        })),
        SystemCommand::DeleteNamespace(Arc::new(DeleteNamespaceRequest {
            namespace: namespace(),
            ..Default::default()
        })),
    ];
    for (number, command) in commands.iter().enumerate() {
        rows.apply(log.last().expect("the map's"));
        let mut ids = Ids::new(number as u128, Stamp::default());
        let mut cx = Context {
            now: Timestamp(1),
            ids: &mut ids,
            limits: &Limits::default(),
            level: FeatureLevel::KNOWN,
            retention: None,
            search_attributes: &Registry::default(),
            origin: Process::default(),
        };
        let proposal = ProposalId(1 << 100 | number as u128);
        log.push(system::transition(&rows, proposal, command, &mut cx).expect("done").1);
    }
    let mut written = vec![("map", codec::encode(&map))];
    let come = NodeRow::new(Uuid::from_u128(3), "b:1".into(), "b:2".into());
    let first = FirstMembers { nodes: map.nodes.clone(), joined: true };
    written.push(("first_members", codec::encode(&first)));
    let begun = map.begin(Nodes { add: Some(2), remove: Some(1) }, Some(come.clone()), 1).expect("changes");
    let voting = begun.advance(2);
    let ended = voting.advance(3);
    let again = ended.begin(Nodes { add: Some(3), remove: None }, Some(come), 4).expect("changes again");
    for (before, now) in [(&map, &begun), (&begun, &voting), (&voting, &ended), (&ended, &again)] {
        log.push(now.writes_since(before));
        written.push(("map", codec::encode(now)));
    }
    for op in log.into_iter().flat_map(|entry| entry.ops) {
        let Op::Put(RowKey::System { table, .. }, value) = op else { continue };
        let name = match table {
            SystemTable::Cluster => "cluster",
            SystemTable::Node => "node",
            SystemTable::Shard => "shard",
            SystemTable::Namespace => "namespace",
            SystemTable::NamespaceName => "namespace_id",
            SystemTable::Secret => "token_secret",
            SystemTable::Proposals => "system_proposals",
            SystemTable::Members => "members",
            SystemTable::Reclaim => unreachable!("the system shard has none"),
        };
        written.push((name, value));
    }
    written
}
