//! The workflow task of a run: at most one, scheduled, then started, then ended.
//!
//! | | start | complete | fail | time out | return |
//! |---|---|---|---|---|---|
//! | none | - | - | - | - | - |
//! | `Ready` | `Started` | - | - | - | - |
//! | `Ready` on a sticky queue | `Started` | - | - | `Ready` | - |
//! | `Started` | - | none | `Ready`, next attempt | `Ready`, next attempt | `Ready` |
//!
//! The first attempt's events are in history as they happen. Further attempts are *transient*: their scheduled and
//! started events are kept here and enter history only when one completes, or when other events come before its
//! start. A task that fails on a sticky queue is tried on the normal queue first, as the same attempt.
//!
//! A first attempt that is there for updates only is transient too, and called *speculative*: its events enter
//! history as soon as another event comes, or when it ends in any other way than by rejecting them all. If that is
//! how it ends, it never was.
//!
//! A completion that the server refuses fails the first attempt. Further attempts stay with their worker until they
//! time out, which takes longer and longer: a worker that answers the same again and again costs next to nothing. A
//! refusal because of events that the worker has not seen is another thing: the next task brings them, and while it
//! runs no signal and no update comes in between.

mod completed;
pub(crate) mod events;
mod paused;
pub(crate) mod state;

pub(crate) use completed::CompletedTask;
pub use events::transient_events;
pub(crate) use paused::{fail_unstarted, schedule_after_pause};
pub(crate) use state::Build;
pub use state::{PendingTask, StartedTask, TaskFailure, TaskPhase, WorkflowTask};

use crate::{
    command::{Poll, WorkflowTaskStarted},
    id::{ProposalId, SERVER_IDENTITY, Stamp},
    key::{RunKey, TaskKind},
    rows::ReadyTask,
    state::ExecutionState,
    subject::SubjectKind,
    time::Timestamp,
    token::TaskToken,
    transition::types::Effect,
    txn::Txn,
    update,
};
use events::{scheduled_attributes, started_attributes, timed_out, transient_history};
use prost::Message;
use std::time::Duration;
use tenure_api::{
    common::v1::{WorkerVersionCapabilities, WorkerVersionStamp},
    enums::v1::{SuggestContinueAsNewReason as Suggest, TaskQueueKind, TimeoutType, WorkflowTaskFailedCause as Cause},
    error::ApiError,
    failure::v1::{Failure, ResetWorkflowFailureInfo, failure::FailureInfo},
    history::v1::{
        History, WorkflowTaskCompletedEventAttributes, WorkflowTaskFailedEventAttributes,
        WorkflowTaskStartedEventAttributes, history_event::Attributes,
    },
};
use uuid::Uuid;

/// The time that a speculative task waits in a normal queue before its events enter history.
const SPECULATIVE_SCHEDULE_TO_START: Duration = Duration::from_secs(5);

/// The number of attempts that may fail in a row before the run reports the failure.
const REPORT_AFTER_ATTEMPTS: i32 = 5;

/// The last attempt before timeouts grow, so that a workflow that cannot make progress costs less and less.
const ATTEMPTS_WITHOUT_BACKOFF: i32 = 3;
const ATTEMPT_BACKOFF: Duration = Duration::from_secs(5);
const MAX_ATTEMPT_BACKOFF: Duration = Duration::from_secs(10 * 60);

/// Schedules a task for something that the workflow has to see, unless a task is pending already, the first one is
/// still delayed, or the run is paused.
pub(crate) fn schedule_if_idle(txn: &mut Txn<'_, '_>) {
    let task = &txn.state.workflow_task;
    if txn.state.is_running() && txn.state.paused.is_none() && task.pending.is_none() && task.first_at.is_none() {
        schedule(txn, None);
    }
}

/// Schedules a task for an update that has to be sent to the worker, unless one is pending already.
pub(crate) fn schedule_for_update(txn: &mut Txn<'_, '_>) {
    if txn.state.workflow_task.pending.is_none() {
        schedule_speculative(txn);
    }
}

/// Schedules a speculative task, which history need not show. It does not wait for the end of a start delay, nor end
/// it.
pub(crate) fn schedule_speculative(txn: &mut Txn<'_, '_>) {
    debug_assert!(txn.state.workflow_task.attempt == 1 && txn.state.buffered.is_empty(), "only the updates are news");
    place(txn, true, None);
}

/// Schedules the next task, unless the run is paused. `heartbeat_since` is set where the worker forced it to keep its
/// place.
pub(crate) fn schedule(txn: &mut Txn<'_, '_>, heartbeat_since: Option<Timestamp>) {
    debug_assert!(txn.state.workflow_task.pending.is_none(), "one task at a time");
    txn.state.workflow_task.first_at = None;
    if !txn.state.buffered.is_empty() {
        // With new events the task is another one, not the next attempt at the old one.
        txn.state.workflow_task.attempt = 1;
        txn.flush_buffered();
    }
    if txn.state.paused.is_some() {
        return;
    }
    let transient = txn.state.workflow_task.attempt > 1;
    place(txn, transient, heartbeat_since);
}

/// Schedules the next task after a failure.
pub(crate) fn schedule_after_failure(txn: &mut Txn<'_, '_>, why: Cause) {
    schedule(txn, None);
    if let Some(task) = &mut txn.state.workflow_task.pending {
        task.retries_close = why == Cause::UnhandledCommand;
    }
}

/// Whether a completion that is refused for this reason fails its task. If not, the task runs into its time-out.
pub(crate) fn refusal_fails(txn: &Txn<'_, '_>, why: Cause) -> bool {
    txn.state.workflow_task.attempt == 1 || why == Cause::UnhandledCommand
}

/// Refuses what would keep a run from closing whose worker tries to close it for the second time. The caller may try
/// again.
pub(crate) fn refuse_while_closing(state: &ExecutionState) -> Result<(), ApiError> {
    if state.workflow_task.is_closing() { Err(update::closing()) } else { Ok(()) }
}

fn place(txn: &mut Txn<'_, '_>, transient: bool, heartbeat_since: Option<Timestamp>) {
    let attempt = txn.state.workflow_task.attempt;
    let timeout = txn.state.info.task_timeout.saturating_add(extra_timeout(attempt));
    let (queue, sticky) = match &txn.state.sticky {
        Some(sticky) if attempt == 1 => (sticky.queue.clone(), true),
        _ => (txn.state.info.task_queue.clone(), false),
    };
    let now = txn.now();
    let scheduled_event_id = if transient {
        txn.state.next_event_id
    } else {
        let kind = if sticky { TaskQueueKind::Sticky } else { TaskQueueKind::Normal };
        let attributes = scheduled_attributes(&txn.state, &queue, kind, timeout, attempt);
        txn.add_event(Attributes::WorkflowTaskScheduledEventAttributes(attributes))
    };
    let task = PendingTask {
        scheduled_event_id,
        transient,
        scheduled_at: now,
        original_scheduled_at: heartbeat_since.unwrap_or(now),
        timeout,
        queue,
        sticky,
        retries_close: false,
        phase: TaskPhase::Ready { stamp: Stamp::default(), deadline: None, undelivered: None },
    };
    make_ready(txn, task, None);
}

/// The time by which this attempt may take longer than the first ones.
fn extra_timeout(attempt: i32) -> Duration {
    match attempt - ATTEMPTS_WITHOUT_BACKOFF {
        ..=0 => Duration::ZERO,
        n => ATTEMPT_BACKOFF.saturating_mul(1 << (n - 1).min(16)).min(MAX_ATTEMPT_BACKOFF),
    }
}

fn make_ready(txn: &mut Txn<'_, '_>, mut task: PendingTask, undelivered: Option<StartedTask>) {
    let stamp = txn.stamp();
    let schedule_to_start = match &txn.state.sticky {
        Some(sticky) if task.sticky => sticky.schedule_to_start,
        _ if task.transient && txn.state.workflow_task.attempt == 1 => Some(SPECULATIVE_SCHEDULE_TO_START),
        _ => None,
    };
    let deadline = schedule_to_start.map(|schedule_to_start| txn.now().plus(schedule_to_start));
    txn.put_ready(ReadyTask {
        queue: txn.queue(TaskKind::Workflow, &task.queue),
        priority: txn.state.info.task_priority(),
        stamp,
        run: txn.run.clone(),
        scheduled_event_id: if task.transient { 0 } else { task.scheduled_event_id },
        scheduled_at: task.scheduled_at,
        sticky: task.sticky,
        of: SubjectKind::RUN,
    });
    task.phase = TaskPhase::Ready { stamp, deadline, undelivered };
    txn.state.workflow_task.pending = Some(task);
}

/// Removes the pending task's ready task, if it has one.
pub(crate) fn withdraw(txn: &mut Txn<'_, '_>) {
    let Some(PendingTask { phase: TaskPhase::Ready { stamp, .. }, queue, .. }) = &txn.state.workflow_task.pending
    else {
        return;
    };
    let (queue, stamp) = (txn.queue(TaskKind::Workflow, queue), *stamp);
    let priority = txn.state.info.task_priority();
    txn.take_ready(queue, priority, stamp);
}

/// Makes a ready task again of what [`withdraw`] removed, with a new stamp.
pub(crate) fn put_back(txn: &mut Txn<'_, '_>) {
    match txn.state.workflow_task.pending.take() {
        Some(mut task @ PendingTask { phase: TaskPhase::Ready { .. }, .. }) => {
            let undelivered = match &mut task.phase {
                TaskPhase::Ready { undelivered, .. } => undelivered.take(),
                TaskPhase::Started(_) => None,
            };
            make_ready(txn, task, undelivered);
        }
        other => txn.state.workflow_task.pending = other,
    }
}

/// Drops the task of a run that is being closed.
pub(crate) fn forget(txn: &mut Txn<'_, '_>) {
    withdraw(txn);
    if txn.state.workflow_task.pending.is_some() {
        txn.effect(Effect::WorkflowTaskEnded { run: txn.run.clone() });
    }
    txn.state.workflow_task.pending = None;
    txn.state.workflow_task.first_at = None;
}

/// Starts the pending task for a poll; the caller knows that it is ready.
pub(crate) fn start(txn: &mut Txn<'_, '_>, poll: &Poll) -> WorkflowTaskStarted {
    let worker_has_cache = txn.state.workflow_task.pending.as_ref().is_some_and(|task| task.sticky);
    begin(txn, poll, worker_has_cache)
}

/// The same as [`start`], for the worker that has just completed the previous task, and so has the run as that left it.
pub(crate) fn start_for_same_worker(txn: &mut Txn<'_, '_>, poll: &Poll) -> WorkflowTaskStarted {
    begin(txn, poll, true)
}

/// Starts the pending task. `worker_has_cache`: the poll's worker has the run as its last task left it.
fn begin(txn: &mut Txn<'_, '_>, poll: &Poll, worker_has_cache: bool) -> WorkflowTaskStarted {
    withdraw(txn);
    let Some(mut task) = txn.state.workflow_task.pending.take() else { unreachable!("the caller saw a ready task") };
    debug_assert!(matches!(task.phase, TaskPhase::Ready { .. }), "only a ready task is started");
    let now = txn.now();
    let (stamp, proposal, identity, process) = (txn.stamp(), txn.proposal, poll.identity.clone(), poll.process);
    update::attach(txn, stamp, worker_has_cache);
    if let TaskPhase::Ready { undelivered: Some(before), .. } = task.phase {
        task.phase =
            TaskPhase::Started(StartedTask { stamp, at: now, proposal, identity, process, worker_has_cache, ..before });
        txn.state.workflow_task.pending = Some(task);
        return describe_started(&txn.run, &txn.state).expect("it was started just now");
    }
    if task.transient && task.scheduled_event_id != txn.state.next_event_id {
        // Events came after it was scheduled, so this is no longer an attempt at the task that failed.
        txn.state.workflow_task.attempt = 1;
        task.transient = false;
        task.scheduled_at = now;
        let attributes = scheduled_attributes(&txn.state, &task.queue, TaskQueueKind::Normal, task.timeout, 1);
        task.scheduled_event_id = txn.add_event(Attributes::WorkflowTaskScheduledEventAttributes(attributes));
    }
    let started = StartedTask {
        stamp,
        at: now,
        proposal,
        event_id: if task.transient { task.scheduled_event_id + 1 } else { txn.state.next_event_id },
        request_id: txn.cx.ids.uuid(),
        identity,
        process,
        worker_has_cache,
        history_size: txn.history_size(),
        suggestions: suggestions(txn),
    };
    if !task.transient {
        let mut attributes = started_attributes(task.scheduled_event_id, &started);
        attributes.worker_version = poll.worker_version.as_ref().map(|version| {
            let WorkerVersionCapabilities { build_id, use_versioning, .. } = version.decode();
            WorkerVersionStamp { build_id, use_versioning }
        });
        let id = txn.add_event(Attributes::WorkflowTaskStartedEventAttributes(attributes));
        debug_assert_eq!(id, started.event_id, "a started event is never buffered");
    }
    task.phase = TaskPhase::Started(started);
    txn.state.workflow_task.pending = Some(task);
    describe_started(&txn.run, &txn.state).expect("it was started just now")
}

fn suggestions(txn: &Txn<'_, '_>) -> Vec<i32> {
    let limits = txn.limits();
    let mut reasons = Vec::new();
    if txn.history_size() >= limits.suggest_continue_as_new_size as i64 {
        reasons.push(Suggest::HistorySizeTooLarge.into());
    }
    if txn.state.next_event_id >= limits.suggest_continue_as_new_count {
        reasons.push(Suggest::TooManyHistoryEvents.into());
    }
    if txn.state.updates.total() >= limits.suggest_continue_as_new_updates as u64 {
        reasons.push(Suggest::TooManyUpdates.into());
    }
    reasons
}

/// The token of the task that is running.
pub fn started_token(run: &RunKey, state: &ExecutionState) -> Option<TaskToken> {
    let (task, started) = state.workflow_task.started()?;
    Some(TaskToken {
        kind: TaskKind::Workflow,
        run: run.clone(),
        scheduled_event_id: task.scheduled_event_id,
        attempt: state.workflow_task.attempt,
        stamp: started.stamp,
        activity_id: String::new(),
        of: SubjectKind::RUN,
    })
}

/// The reply to the poll while the task is running.
pub(crate) fn describe_started(run: &RunKey, state: &ExecutionState) -> Option<WorkflowTaskStarted> {
    let (task, started) = state.workflow_task.started()?;
    let attempt = state.workflow_task.attempt;
    let transient_events = if task.transient { transient_history(state, task, started) } else { Vec::new() };
    Some(WorkflowTaskStarted {
        token: started_token(run, state)?,
        run: run.clone(),
        workflow_type: state.info.workflow_type.to_string(),
        task_queue: state.info.task_queue.to_string(),
        attempt,
        previous_started_event_id: state.workflow_task.last_completed_started_event_id,
        started_event_id: started.event_id,
        last_event_id: state.last_event_id(),
        transient_events: History { events: transient_events }.encode_to_vec(),
        scheduled_at: task.scheduled_at,
        started_at: started.at,
        sticky: started.worker_has_cache,
        updates: update::carries_any(state, started.stamp),
    })
}

/// The same as [`describe_started`], if this proposal started the task.
pub(crate) fn started_by(run: &RunKey, state: &ExecutionState, proposal: ProposalId) -> Option<WorkflowTaskStarted> {
    let (_, started) = state.workflow_task.started()?;
    if started.proposal != proposal {
        return None;
    }
    describe_started(run, state)
}

/// Ends the started task as completed and returns the completed event's id. A transient task's events enter history
/// first.
pub(crate) fn end_completed(txn: &mut Txn<'_, '_>, mut completed: WorkflowTaskCompletedEventAttributes) -> i64 {
    txn.persist_task();
    let Some((task, started)) = txn.state.workflow_task.started() else { unreachable!("the caller saw it started") };
    let (task, mut started) = (task.clone(), started.clone());
    let transient = if task.transient { transient_history(&txn.state, &task, &started) } else { Vec::new() };
    txn.state.workflow_task.pending = None;
    txn.state.workflow_task.attempt = 1;
    txn.state.workflow_task.last_failure = None;
    txn.state.workflow_task.reported_failure = None;
    completed.scheduled_event_id = task.scheduled_event_id;
    for event in transient {
        started.event_id = txn.add(event);
    }
    completed.started_event_id = started.event_id;
    txn.state.workflow_task.last_completed_started_event_id = started.event_id;
    txn.state.workflow_task.build = Build::of(&completed);
    txn.add_event(Attributes::WorkflowTaskCompletedEventAttributes(completed))
}

/// The reason why a started task ended without success.
pub(crate) struct FailedTask {
    pub cause: Cause,
    pub failure: Option<Failure>,
    pub identity: String,
    pub binary_checksum: String,
}

/// Fails the started task, if there is one. The caller decides whether another one is scheduled.
pub(crate) fn fail(txn: &mut Txn<'_, '_>, failed: FailedTask) {
    if txn.state.workflow_task.is_started() {
        txn.persist_task();
    }
    let Some((task, started)) = txn.state.workflow_task.blocks_events() else { return };
    if !task.transient {
        let attributes = WorkflowTaskFailedEventAttributes {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: started.event_id,
            cause: failed.cause.into(),
            failure: failed.failure,
            identity: failed.identity,
            binary_checksum: failed.binary_checksum,
            ..Default::default()
        };
        txn.add_event(Attributes::WorkflowTaskFailedEventAttributes(attributes));
        txn.state.workflow_task.last_failure = Some(TaskFailure::Failed(failed.cause.into()));
    }
    next_attempt(txn);
    report_failure(txn);
    if failed.cause == Cause::ResetWorkflow {
        // What follows a reset is another task.
        txn.state.workflow_task.attempt = 1;
    }
}

/// Fails the task up to which a run was rebuilt for a reset.
pub(crate) fn fail_for_reset(txn: &mut Txn<'_, '_>, reason: &str, base_run_id: Uuid) {
    let Some(task) = txn.state.workflow_task.pending.take() else {
        return debug_assert!(false, "a run is rebuilt up to a task that can fail");
    };
    let started_event_id = match task.phase {
        TaskPhase::Started(started) => started.event_id,
        TaskPhase::Ready { .. } => {
            let attributes = WorkflowTaskStartedEventAttributes {
                scheduled_event_id: task.scheduled_event_id,
                identity: SERVER_IDENTITY.into(),
                request_id: txn.cx.ids.uuid().to_string(),
                history_size_bytes: txn.history_size(),
                ..Default::default()
            };
            txn.add_event(Attributes::WorkflowTaskStartedEventAttributes(attributes))
        }
    };
    let failure = Failure {
        message: reason.into(),
        failure_info: Some(FailureInfo::ResetWorkflowFailureInfo(ResetWorkflowFailureInfo::default())),
        ..Default::default()
    };
    let attributes = WorkflowTaskFailedEventAttributes {
        scheduled_event_id: task.scheduled_event_id,
        started_event_id,
        cause: Cause::ResetWorkflow.into(),
        failure: Some(failure),
        identity: SERVER_IDENTITY.into(),
        base_run_id: base_run_id.to_string(),
        new_run_id: txn.run.run_id.to_string(),
        ..Default::default()
    };
    txn.add_event(Attributes::WorkflowTaskFailedEventAttributes(attributes));
}

/// Fires what is due: the timeout of the running task, the wait in a queue, the delayed first task.
pub(crate) fn fire_due(txn: &mut Txn<'_, '_>) {
    if txn.state.workflow_task.deadline().is_none_or(|at| at > txn.now()) {
        return;
    }
    txn.persist_task();
    match &txn.state.workflow_task.pending {
        None => schedule(txn, None),
        Some(PendingTask { phase: TaskPhase::Started(_), .. }) => time_out(txn),
        Some(task @ PendingTask { phase: TaskPhase::Ready { undelivered: None, .. }, .. }) => {
            let event = timed_out(task, 0, TimeoutType::ScheduleToStart);
            withdraw(txn);
            clear_sticky(txn);
            txn.state.workflow_task.pending = None;
            txn.add_event(event);
            schedule(txn, None);
        }
        // Its started event is in history, where no time-out before the start may follow.
        Some(PendingTask { phase: TaskPhase::Ready { undelivered: Some(_), .. }, .. }) => leave_sticky_queue(txn),
    }
}

/// Times out the started task and schedules the next attempt.
pub(crate) fn time_out(txn: &mut Txn<'_, '_>) {
    txn.persist_task();
    let Some((task, started)) = txn.state.workflow_task.started() else {
        return debug_assert!(false, "only a task that is running takes too long");
    };
    if !task.transient {
        let event = timed_out(task, started.event_id, TimeoutType::StartToClose);
        txn.add_event(event);
        txn.state.workflow_task.last_failure = Some(TaskFailure::TimedOut);
    }
    end_without_success(txn);
    txn.state.workflow_task.attempt += 1;
    report_failure(txn);
    schedule(txn, None);
}

/// Reports the last failure after an attempt ended without success, if there were enough of them.
fn report_failure(txn: &mut Txn<'_, '_>) {
    let task = &mut txn.state.workflow_task;
    if task.attempt > REPORT_AFTER_ATTEMPTS {
        task.reported_failure = task.last_failure;
    }
}

/// Moves the ready task from a sticky queue that nobody polls to the normal one. It is the same task, so history need
/// not show it.
pub(crate) fn leave_sticky_queue(txn: &mut Txn<'_, '_>) {
    withdraw(txn);
    clear_sticky(txn);
    let Some(mut task) = txn.state.workflow_task.pending.take() else {
        return debug_assert!(false, "only a task that waits leaves its queue");
    };
    task.queue = txn.state.info.task_queue.clone();
    task.sticky = false;
    let undelivered = match &mut task.phase {
        TaskPhase::Ready { undelivered, .. } => undelivered.take(),
        TaskPhase::Started(_) => {
            debug_assert!(false, "only a task that waits leaves its queue");
            None
        }
    };
    make_ready(txn, task, undelivered);
}

/// Drops a task that failed, and counts the next attempt.
fn next_attempt(txn: &mut Txn<'_, '_>) {
    let was_sticky = end_without_success(txn);
    // The worker's cache may be to blame: once more from the beginning of history.
    txn.state.workflow_task.attempt = if was_sticky { 1 } else { txn.state.workflow_task.attempt + 1 };
}

/// Drops the pending task, and the worker's claim to the run. Returns whether there was such a claim.
fn end_without_success(txn: &mut Txn<'_, '_>) -> bool {
    withdraw(txn);
    txn.effect(Effect::WorkflowTaskEnded { run: txn.run.clone() });
    txn.state.workflow_task.pending = None;
    clear_sticky(txn)
}

/// Forgets the worker that cached the run: what it was sent is sent again. Returns whether there was one.
pub(crate) fn clear_sticky(txn: &mut Txn<'_, '_>) -> bool {
    update::detach(txn, None);
    txn.state.sticky.take().is_some()
}

/// Returns the started task, which never reached its worker: the same attempt is ready again, unless the run is paused.
pub(crate) fn return_task(txn: &mut Txn<'_, '_>) {
    let Some((task, started)) = txn.state.workflow_task.started() else {
        return debug_assert!(false, "only a task that was started is given back");
    };
    let (task, started) = (task.clone(), started.clone());
    txn.state.workflow_task.pending = None;
    txn.effect(Effect::WorkflowTaskEnded { run: txn.run.clone() });
    update::detach(txn, Some(started.stamp));
    if task.transient {
        // History does not know of the start, so nothing has to wait for its end.
        txn.flush_buffered();
        make_ready(txn, task, None);
    } else {
        make_ready(txn, task, Some(started));
    }
    if txn.state.paused.is_some() {
        fail_unstarted(txn);
    }
}
