//! The engine on rows of this crate: what a transition wrote is what the next one reads.

use crate::common::*;
use std::sync::Arc;
use tenure_api::{
    command::v1::{Command, StartTimerCommandAttributes, command::Attributes},
    common::v1::WorkflowType,
    enums::v1::CommandType,
    taskqueue::v1::TaskQueue,
    workflowservice::v1 as api,
};
use tenure_engine::{
    Envelope, FeatureLevel, Ids, Limits, Process, ProposalId, Reply, ShardCommand, Stamp, Timestamp,
    chain::Start,
    command::{Poll, StartTask},
    rows::{StateReader, TimerTable},
    state::ExecutionState,
    transition::{Context, transition},
};
use tenure_storage::{ShardRows, write_set};

/// Runs a command for the workflow `w` and applies what it writes.
fn execute(rows: &ShardRows, command: ShardCommand) -> (Reply, Arc<ExecutionState>) {
    let index = rows.applied().map_or(0, |a| a.index) + 1;
    let mut ids = Ids::new(u128::from(index), Stamp { term: 1, counter: index * 1000 });
    let mut context = Context {
        now: Timestamp(1),
        ids: &mut ids,
        limits: &Limits::default(),
        level: FeatureLevel::KNOWN,
        retention: None,
        search_attributes: &Default::default(),
        origin: Process::default(),
    };
    let envelope = Envelope {
        lane: workflow("w").into(),
        proposal: ProposalId(u128::from(index)),
        origin: Process::default(),
        command,
    };
    let transition = transition(&rows.reader(), &envelope, &mut context).unwrap();
    rows.apply(&applied(index), [&write_set::encode([&transition.writes])[..]]).unwrap();
    let written = transition.states.into_iter().next().unwrap();
    let (run, state) = (written.subject.run().unwrap(), written.state.downcast().unwrap());
    assert_eq!(rows.reader().execution(&run).unwrap().as_ref(), Some(&state));
    assert_eq!(rows.reader().view().unwrap().execution(&run).unwrap().as_ref(), Some(&state));
    (transition.reply, state)
}

#[test]
fn an_execution_with_more_timers_than_its_core_row_holds_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir);
    let rows = storage.shard(1).unwrap().rows;
    let (reply, _) = execute(
        &rows,
        ShardCommand::StartWorkflow(Box::new(
            Start::new(api::StartWorkflowExecutionRequest {
                request_id: "r".into(),
                workflow_type: Some(WorkflowType { name: "W".into() }),
                task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
                ..Default::default()
            })
            .unwrap(),
        )),
    );
    assert!(matches!(reply, Reply::WorkflowStarted { .. }), "{reply:?}");

    let reader = rows.reader();
    let queues = reader.view().unwrap().ready_queues().unwrap();
    let ready = reader.view().unwrap().ready_tasks(&queues[0], None, 10).unwrap();
    assert_eq!((queues.len(), ready.len()), (1, 1));
    let poll = Poll { queue: "q".into(), ..Poll::default() };
    let start = StartTask::of(&ready[0], poll);
    let (reply, _) = execute(&rows, ShardCommand::StartWorkflowTask(start));
    let Reply::WorkflowTaskStarted(task) = reply else { panic!("{reply:?}") };

    let timer = |n: i64| Command {
        command_type: CommandType::StartTimer.into(),
        attributes: Some(Attributes::StartTimerCommandAttributes(StartTimerCommandAttributes {
            timer_id: format!("timer {n}"),
            start_to_fire_timeout: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        })),
        ..Default::default()
    };
    let commands = (1..=30).map(timer).collect();
    let request = api::RespondWorkflowTaskCompletedRequest { commands, ..Default::default() };
    let request = Arc::new(request);
    let (_, state) = execute(&rows, ShardCommand::CompleteWorkflowTask { token: task.token.clone(), request });
    assert_eq!(state.timers.len(), 30);

    let view = reader.view().unwrap();
    let timers = view.timers(TimerTable::Others, 10).unwrap();
    assert_eq!(timers.len(), 1, "one timer row, whatever is pending");
    assert!(view.ready_queues().unwrap().is_empty());
    let last = reader.event(&task.run, state.last_event_id()).unwrap().unwrap();
    assert_eq!(last.event_id, state.last_event_id());
}
