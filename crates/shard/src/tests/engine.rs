//! An engine of a few lines: just enough for a leader to have something to run.

use prost::Message;
use std::{sync::Arc, time::Duration};
use tenure_api::{
    error::ApiError,
    history::v1::{History, HistoryEvent},
    workflowservice::v1 as api,
};
use tenure_engine::{
    Effect, Envelope, Op, QueueKey, Reply, RowKey, RunKey, ShardCommand, Stamp, StateReader, SubjectKind, TaskKind,
    Timestamp, Transition, WriteSet,
    chain::Start,
    codec,
    command::{ActivityRef, RunRequest, WorkflowTaskStarted},
    rows::ReadyTask,
    token::TaskToken,
    transition::{Context, Refused},
};
use uuid::Uuid;

pub(super) const RUN: Uuid = Uuid::from_u128(7);

/// A row of the test's own, under a name.
pub(super) fn row(run: &RunKey, name: &str) -> RowKey {
    RowKey::RequestId { workflow: run.workflow.clone(), request_id: name.into() }
}

/// - start: makes a ready task in the named queue, or a timer if a start delay is given;
/// - signal: appends its name to the row `signals`;
/// - start of a workflow task: once, and again for the same proposal; its token's stamp is in the row `started`;
/// - heartbeat: writes the row `beat`;
/// - return: makes the task ready again;
/// - timer: writes the time to the row `fired`.
pub(super) fn engine(rows: &dyn StateReader, envelope: &Envelope, cx: &mut Context<'_>) -> Result<Transition, Refused> {
    let run = envelope.lane.workflow().expect("a workflow").run(RUN);
    let mut transition =
        Transition { reply: Reply::Done, writes: WriteSet::default(), states: vec![], effects: vec![], copy: None };
    let mut put = |key: RowKey, value| transition.writes.ops.push(Op::Put(key, value));
    match &envelope.command {
        ShardCommand::StartWorkflow(start) if !start.options.delay.is_zero() => {
            let due = cx.now.plus(start.options.delay);
            put(RowKey::Timer { due, subject: (&run).into() }, Default::default());
            put(row(&run, "due"), codec::encode(&due));
            transition.effects.push(Effect::TimerArmed { subject: run.into(), due: Some(due) });
        }
        ShardCommand::StartWorkflow(start) => {
            make_ready(&mut transition, &run, start.request.task_queue.as_ref().unwrap().name.as_str(), cx);
        }
        ShardCommand::SignalWorkflow(RunRequest { request, .. }) => {
            let mut signals: Vec<String> = read(rows, &row(&run, "signals"))?.unwrap_or_default();
            signals.push(request.signal_name.clone());
            put(row(&run, "signals"), codec::encode(&signals));
        }
        ShardCommand::HeartbeatActivity { .. } => {
            put(row(&run, "beat"), codec::encode(&cx.now));
            transition.reply = Reply::ActivityHeartbeat(Default::default());
        }
        ShardCommand::StartWorkflowTask(start) => {
            let ready: Option<ReadyTask> = read(rows, &row(&run, "ready"))?;
            let before: Option<(u128, Stamp)> = read(rows, &row(&run, "started"))?;
            let stamp = match (ready, before) {
                (Some(ready), _) if ready.stamp == start.stamp => {
                    let stamp = cx.ids.stamp();
                    put(row(&run, "started"), codec::encode(&(envelope.proposal.0, stamp)));
                    let ReadyTask { queue, priority, stamp: ready, .. } = ready;
                    transition.writes.ops.push(Op::Delete(row(&run, "ready")));
                    transition.writes.ops.push(Op::Delete(RowKey::Ready {
                        queue: queue.clone(),
                        priority,
                        stamp: ready,
                    }));
                    transition.effects.push(Effect::TaskGone { queue, stamp: ready });
                    stamp
                }
                (None, Some((proposal, stamp))) if proposal == envelope.proposal.0 => stamp,
                _ => return Err(ApiError::not_found("no such task").into()),
            };
            transition.reply = Reply::WorkflowTaskStarted(Box::new(started(&run, stamp)));
        }
        ShardCommand::ReturnTask { token } => {
            let before: Option<(u128, Stamp)> = read(rows, &row(&run, "started"))?;
            if before.is_none_or(|(_, stamp)| stamp != token.stamp) {
                return Err(ApiError::not_found("stale").into());
            }
            transition.writes.ops.push(Op::Delete(row(&run, "started")));
            make_ready(&mut transition, &run, &token.activity_id, cx);
        }
        ShardCommand::TimerDue { .. } => {
            let due: Option<Timestamp> = read(rows, &row(&run, "due"))?;
            let Some(due) = due.filter(|due| *due <= cx.now) else {
                return Err(ApiError::internal("the timer is early").into());
            };
            put(row(&run, "fired"), codec::encode(&cx.now));
            transition.writes.ops.push(Op::Delete(RowKey::Timer { due, subject: (&run).into() }));
            transition.effects.push(Effect::TimerArmed { subject: run.into(), due: None });
        }
        other => return Err(ApiError::unimplemented(&format!("{other:?}")).into()),
    }
    Ok(transition)
}

fn make_ready(transition: &mut Transition, run: &RunKey, queue: &str, cx: &mut Context<'_>) {
    let queue = QueueKey { namespace: run.workflow.namespace, kind: TaskKind::Workflow, name: queue.into() };
    let (priority, stamp) = (3, cx.ids.stamp());
    let task = ReadyTask {
        queue: queue.clone(),
        priority,
        stamp,
        run: run.clone(),
        scheduled_event_id: 2,
        scheduled_at: cx.now,
        sticky: false,
        of: SubjectKind::RUN,
    };
    let history = History { events: vec![HistoryEvent { event_id: 1, ..Default::default() }] };
    transition.writes.ops.extend([
        Op::Put(RowKey::History { run: run.clone(), first_event_id: 1 }, history.encode_to_vec().into()),
        Op::Put(RowKey::Ready { queue, priority, stamp }, codec::encode(&task)),
        Op::Put(row(run, "ready"), codec::encode(&task)),
    ]);
    transition.effects.push(Effect::TaskReady(task));
}

/// The token's activity id names the queue, for a return.
fn started(run: &RunKey, stamp: Stamp) -> WorkflowTaskStarted {
    WorkflowTaskStarted {
        token: TaskToken {
            kind: TaskKind::Workflow,
            run: run.clone(),
            scheduled_event_id: 2,
            attempt: 1,
            stamp,
            activity_id: "queue".into(),
            of: SubjectKind::RUN,
        },
        run: run.clone(),
        workflow_type: "type".into(),
        task_queue: "queue".into(),
        attempt: 1,
        previous_started_event_id: 0,
        started_event_id: 3,
        last_event_id: 1,
        transient_events: vec![],
        scheduled_at: Timestamp(0),
        started_at: Timestamp(0),
        sticky: false,
        updates: false,
    }
}

fn read<T: for<'b> minicbor::Decode<'b, ()>>(rows: &dyn StateReader, key: &RowKey) -> Result<Option<T>, Refused> {
    Ok(rows.get(key)?.map(|value| codec::decode(&value).expect("the test wrote it")))
}

pub(super) fn start(queue: &str) -> ShardCommand {
    ShardCommand::StartWorkflow(Box::new(
        Start::new(api::StartWorkflowExecutionRequest {
            task_queue: Some(tenure_api::taskqueue::v1::TaskQueue { name: queue.into(), ..Default::default() }),
            ..Default::default()
        })
        .unwrap(),
    ))
}

pub(super) fn start_after(delay: Duration) -> ShardCommand {
    ShardCommand::StartWorkflow(Box::new(
        Start::new(api::StartWorkflowExecutionRequest {
            workflow_start_delay: delay.try_into().ok(),
            ..Default::default()
        })
        .unwrap(),
    ))
}

pub(super) fn signal(name: &str) -> ShardCommand {
    ShardCommand::SignalWorkflow(RunRequest::new(
        None,
        api::SignalWorkflowExecutionRequest { signal_name: name.into(), ..Default::default() },
    ))
}

pub(super) fn heartbeat() -> ShardCommand {
    let activity = ActivityRef::ById { run_id: None, activity_id: "a".into() };
    ShardCommand::HeartbeatActivity { activity, request: Arc::default() }
}
