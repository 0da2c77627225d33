//! Batch jobs as tables: each phase with each command.

use super::*;
use crate::{
    command::{Envelope, Reply, ShardCommand},
    feature_level::FeatureLevel,
    id::{Ids, Process, ProposalId, Stamp},
    key::NamespaceId,
    limits::Limits,
    rows::{RowKey, WriteSet},
    search_attributes::Registry,
    subject::SubjectKind,
    testing::MemoryRows,
    time::Timestamp,
    transition::{Context, Effect, Refused, transition},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tenure_api::{
    batch::v1::BatchOperationTermination,
    enums::v1::BatchOperationState,
    error::{ApiError, Code},
    workflowservice::v1::{StopBatchOperationRequest, start_batch_operation_request::Operation},
};
use tenure_limits::BATCH_TARGETS;
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86400);

/// The rows of a shard with one job, at most.
struct World {
    rows: MemoryRows,
    now: Timestamp,
    level: FeatureLevel,
    retention: Option<Duration>,
    effects: Vec<Effect>,
    entries: usize,
}

impl Default for World {
    fn default() -> Self {
        let (rows, level) = (MemoryRows::default(), FeatureLevel::KNOWN);
        World { rows, now: Timestamp(1_000_000_000), level, retention: Some(DAY), effects: Vec::new(), entries: 0 }
    }
}

fn lane() -> Lane {
    Lane::of_batch(NamespaceId(Uuid::from_u128(1)), "job")
}

impl World {
    fn run(&mut self, proposal: u128, command: ShardCommand) -> Result<Reply, ApiError> {
        self.now = self.now.plus(Duration::from_secs(1));
        let mut ids = Ids::new(proposal, Stamp::default());
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
        match transition(&self.rows, &envelope, &mut cx) {
            Ok(done) => {
                self.entries += usize::from(!done.writes.ops.is_empty());
                self.rows.apply(&done.writes);
                self.effects = done.effects;
                self.check();
                Ok(done.reply)
            }
            Err(Refused::Api(error)) => Err(error),
            Err(Refused::Read(error)) => panic!("{error}"),
        }
    }

    /// A job has one timer row and one record, and these say what its core row says.
    fn check(&self) {
        let job = self.job();
        let timers = self.rows.rows().filter_map(|(key, _)| match key {
            RowKey::Timer { due, .. } => Some(*due),
            _ => None,
        });
        let records: Vec<_> = self
            .rows
            .rows()
            .filter(|(key, _)| matches!(key, RowKey::Record { kind: SubjectKind::BATCH, .. }))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(timers.collect::<Vec<_>>(), job.iter().map(|job| job.timer).collect::<Vec<_>>());
        assert_eq!(records, job.iter().map(|job| job.record(&lane())).collect::<Vec<_>>());
    }

    fn job(&self) -> Option<BatchState> {
        read(&self.rows, &lane()).unwrap()
    }

    fn pages(&self) -> usize {
        let pages = |(key, _): &(&RowKey, &Bytes)| matches!(key, RowKey::Batch { part: BatchPart::Targets(_), .. });
        self.rows.rows().filter(pages).count()
    }

    fn start(&mut self, proposal: u128) -> Result<Reply, ApiError> {
        let operation =
            Operation::TerminationOperation(BatchOperationTermination { identity: "me".into(), ..Default::default() });
        let request = StartBatchOperationRequest {
            job_id: "job".into(),
            reason: "why".into(),
            visibility_query: "q".into(),
            operation: Some(operation),
            ..Default::default()
        };
        self.run(proposal, ShardCommand::StartBatch(Arc::new(request)))
    }

    fn stop(&mut self, proposal: u128) -> Result<Reply, ApiError> {
        self.run(proposal, ShardCommand::StopBatch(Arc::new(StopBatchOperationRequest::default())))
    }

    fn advance(&mut self, advance: Advance) -> Result<Reply, ApiError> {
        self.run(u128::MAX, ShardCommand::AdvanceBatch(advance))
    }

    fn found(&mut self, from: u64, count: u64, more: bool) {
        let target = |n| BatchTarget { workflow_id: format!("w{n}").into(), run: TargetRun::Missing };
        let targets = (from..from + count).map(target).collect();
        self.advance(Advance::Targets { from, targets, place: more.then(|| Bytes::from_static(b"p")) }).unwrap();
    }

    fn worked(&mut self, from: u64, complete: u64, failed: u64) {
        self.advance(Advance::Results { from, complete, failed }).unwrap();
    }

    fn due(&mut self) -> Reply {
        self.run(u128::MAX, ShardCommand::TimerDue { instance: Uuid::nil() }).unwrap()
    }

    fn phase(&self) -> Option<Phase> {
        self.job().map(|job| job.phase)
    }
}

/// A job in this phase: 600 targets, of which none or 500 are done.
fn at(phase: Phase) -> World {
    let mut world = World::default();
    world.start(1).unwrap();
    world.found(0, PAGE, true);
    match phase {
        Phase::Finding => return world,
        Phase::Stopped => drop(world.stop(2)),
        Phase::Failed => drop(world.advance(Advance::Refused { cause: "c".into() })),
        Phase::Working => world.found(PAGE, 100, false),
        Phase::Completed => {
            world.found(PAGE, 100, false);
            world.worked(0, 590, 10);
        }
    }
    assert_eq!(world.phase(), Some(phase));
    world
}

const PHASES: [Phase; 5] = [Phase::Finding, Phase::Working, Phase::Completed, Phase::Stopped, Phase::Failed];

#[test]
fn a_job_goes_through_its_phases_and_its_rows_go_with_them() {
    let mut world = World::default();
    world.start(1).unwrap();
    let running = Effect::BatchChanged { job: lane(), running: true };
    assert!(world.effects.contains(&running), "{:?}", world.effects);
    world.found(0, PAGE, true);
    world.found(PAGE, PAGE, true);
    world.found(2 * PAGE, 7, false);
    let job = world.job().unwrap();
    assert_eq!((job.phase, job.total, job.place, world.pages()), (Phase::Working, 1007, None, 3));
    world.worked(0, 400, 99);
    assert_eq!(world.pages(), 3);
    world.worked(499, 1, 0);
    assert_eq!(world.pages(), 2, "a page goes when all its targets are done");
    world.worked(500, 507, 0);
    let job = world.job().unwrap();
    assert_eq!((job.phase, job.complete, job.failed, world.pages()), (Phase::Completed, 908, 99, 0));
    assert_eq!(job.closed_at, Some(world.now));
    assert!(world.effects.contains(&Effect::BatchChanged { job: lane(), running: false }));
    let told = job.describe("job", read_request(&world.rows, &lane()).unwrap().unwrap().decode());
    let counts = (told.total_operation_count, told.complete_operation_count, told.failure_operation_count);
    assert_eq!((told.state(), counts), (BatchOperationState::Completed, (1007, 908, 99)));
    assert_eq!((told.identity, told.reason, told.query), ("me".into(), "why".into(), "q".into()));
}

#[test]
fn a_job_without_targets_is_completed_at_once() {
    let mut world = World::default();
    world.start(1).unwrap();
    world.found(0, 0, false);
    assert_eq!((world.phase(), world.pages()), (Some(Phase::Completed), 0));
}

#[test]
fn what_was_recorded_before_changes_nothing() {
    let mut world = at(Phase::Working);
    world.worked(0, 100, 0);
    let entries = world.entries;
    world.worked(0, 100, 0);
    world.found(0, PAGE, true);
    world.worked(50, 1, 0);
    assert_eq!((world.entries, world.job().unwrap().complete), (entries, 100));
    world.worked(100, 501, 0);
    assert_eq!(world.entries, entries, "more results than targets");
}

#[test]
fn a_start_that_is_tried_again_starts_once_and_another_is_refused() {
    for phase in PHASES {
        let mut world = at(phase);
        let entries = world.entries;
        assert!(matches!(world.start(1), Ok(Reply::Done)));
        let running = world.job().unwrap().is_running();
        assert_eq!(world.effects, [Effect::BatchChanged { job: lane(), running }]);
        let refused = world.start(7).unwrap_err();
        assert_eq!(refused.code, Code::AlreadyExists);
        let how = if running { "is already running. " } else { "already finished. " };
        assert!(refused.message.starts_with(&format!("Workflow execution {how}WorkflowId: job, RunId: ")), "{refused}");
        assert_eq!(world.entries, entries);
    }
}

#[test]
fn a_job_that_runs_can_be_stopped_once() {
    for phase in PHASES {
        let mut world = at(phase);
        match phase {
            Phase::Finding | Phase::Working => {
                assert!(matches!(world.stop(3), Ok(Reply::Done)));
                assert!(world.effects.contains(&Effect::BatchChanged { job: lane(), running: false }));
                assert!(matches!(world.stop(3), Ok(Reply::Done)), "tried again");
                assert_eq!(world.phase(), Some(Phase::Stopped));
            }
            Phase::Completed | Phase::Stopped | Phase::Failed => {}
        }
        let refused = world.stop(4).unwrap_err();
        assert_eq!((refused.code, &*refused.message), (Code::NotFound, "workflow execution already completed"));
    }
    let refused = World::default().stop(1).unwrap_err();
    assert_eq!((refused.code, &*refused.message), (Code::NotFound, "workflow not found for ID: job"));
}

#[test]
fn what_was_on_its_way_when_a_job_was_stopped_is_counted() {
    let mut world = at(Phase::Working);
    world.stop(2).unwrap();
    world.worked(0, 30, 1);
    let job = world.job().unwrap();
    assert_eq!((job.phase, job.complete, job.failed), (Phase::Stopped, 30, 1));
}

#[test]
fn a_job_has_no_more_targets_than_it_may() {
    let mut world = at(Phase::Finding);
    let mut job = world.job().unwrap();
    job.total = BATCH_TARGETS as u64 - PAGE;
    let put = rows_op(&job);
    world.rows.apply(&put);
    world.found(job.total, PAGE, true);
    assert_eq!(world.phase(), Some(Phase::Finding));
    world.found(BATCH_TARGETS as u64, 1, true);
    let job = world.job().unwrap();
    assert_eq!((job.phase, job.total), (Phase::Failed, BATCH_TARGETS as u64));
    assert_eq!(job.cause.as_deref(), Some("there are more than 1000000 targets"));
}

fn rows_op(job: &BatchState) -> WriteSet {
    WriteSet { ops: vec![crate::rows::Op::Put(row(&lane(), BatchPart::State), codec::encode(job))] }
}

#[test]
fn the_timer_of_a_job_that_runs_stays_for_the_next_leader() {
    for phase in [Phase::Finding, Phase::Working] {
        let mut world = at(phase);
        let entries = world.entries;
        assert!(world.job().unwrap().timer <= world.now);
        assert!(matches!(world.due(), Reply::TimerKept));
        assert_eq!(world.effects, [Effect::BatchChanged { job: lane(), running: true }]);
        assert_eq!(world.entries, entries);
    }
}

#[test]
fn a_closed_job_is_kept_for_the_retention_and_leaves_nothing() {
    for phase in [Phase::Completed, Phase::Stopped, Phase::Failed] {
        let mut world = at(phase);
        let due = world.job().unwrap().timer;
        assert_eq!(due, world.job().unwrap().closed_at.unwrap().plus(DAY));
        assert!(matches!(world.due(), Reply::Done));
        assert_eq!(world.phase(), Some(phase), "not yet");
        (world.now, world.retention) = (due, Some(2 * DAY));
        world.due();
        assert_eq!(world.phase(), Some(phase), "the retention has grown");
        (world.now, world.retention) = (world.job().unwrap().timer, None);
        world.due();
        assert_eq!(world.phase(), Some(phase), "the retention is not known");
        (world.now, world.retention) = (world.job().unwrap().timer, Some(DAY));
        world.due();
        assert_eq!(world.rows, MemoryRows::default());
        world.due();
    }
}

#[test]
fn many_pages_are_removed_in_pieces() {
    let mut world = at(Phase::Stopped);
    let mut job = world.job().unwrap();
    job.total = 2500 * PAGE;
    world.rows.apply(&rows_op(&job));
    world.now = job.timer;
    let mut pieces = 0;
    while world.phase().is_some() {
        world.due();
        pieces += 1;
    }
    assert_eq!((pieces, world.rows), (3, MemoryRows::default()));
}

#[test]
fn no_job_is_written_below_the_level_that_knows_it() {
    let mut world = World { level: FeatureLevel(FeatureLevel::LISTS.0 - 1), ..World::default() };
    assert_eq!(world.start(1).unwrap_err().code, Code::FailedPrecondition);
}

#[test]
fn each_target_has_an_id_of_its_own() {
    let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let [one, other] = [3, 4].map(|run| crate::testing::workflow().run(Uuid::from_u128(run)));
    let ids = [operation_id(a, &one), operation_id(a, &other), operation_id(b, &one)];
    assert_eq!(std::collections::BTreeSet::from(ids).len(), 3);
    assert_eq!(operation_id(a, &one).to_string(), "4a3a0cdc-a056-4f2b-b950-83ebb85b0bc1", "it must never change");
}
