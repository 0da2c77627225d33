//! Resets: the new run's history, what is pending in it, and the events that it reapplies.

use super::{check_error, complete_workflow, timer};
use crate::{
    command::{Reply, RunRequest, ShardCommand},
    describe::describe,
    key::{TaskKind, parse_run_id},
    rows::{Op, RowKey, StateReader, WriteSet},
    testing::{Sim, execution, render, start_request, workflow},
    transition::Refused,
};
use expect_test::{Expect, expect};
use std::{collections::BTreeMap, time::Duration};
use tenure_api::{
    command::v1::{ScheduleActivityTaskCommandAttributes, command::Attributes as Verb},
    common::v1::{ActivityType, Payload, Payloads, Priority},
    enums::v1::{ResetReapplyExcludeType, ResetReapplyType, WorkflowIdConflictPolicy},
    taskqueue::v1::TaskQueue,
    workflow::v1::{
        OnConflictOptions, PostResetOperation, WorkflowExecutionOptions,
        post_reset_operation::{UpdateWorkflowOptions, Variant},
    },
    workflowservice::v1 as api,
};
use uuid::Uuid;

fn reset(
    sim: &mut Sim,
    finish: i64,
    with: impl FnOnce(&mut api::ResetWorkflowExecutionRequest),
) -> Result<Reply, Refused> {
    let mut request = api::ResetWorkflowExecutionRequest {
        workflow_execution: execution(),
        reason: "again".into(),
        workflow_task_finish_event_id: finish,
        request_id: sim.log.len().to_string(),
        ..Default::default()
    };
    with(&mut request);
    let run_id = parse_run_id(&request.workflow_execution.as_ref().expect("set").run_id).expect("a run id");
    sim.run(ShardCommand::ResetWorkflow(RunRequest::new(run_id, request)))
}

#[track_caller]
fn new_run(reply: Result<Reply, Refused>) -> Uuid {
    match reply {
        Ok(Reply::WorkflowReset { run_id }) => run_id,
        other => panic!("not reset: {other:?}"),
    }
}

fn activity(id: &str) -> Verb {
    Verb::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
        activity_id: id.into(),
        activity_type: Some(ActivityType { name: "A".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        start_to_close_timeout: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
        ..Default::default()
    })
}

/// A run with two completed tasks; the second one's worker saw `first`, and a third one waits because of `second`.
fn two_tasks() -> Sim {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, vec![activity("a"), timer("t", 100)]).unwrap();
    sim.signal("first");
    let task = sim.poll();
    sim.complete(&task, vec![timer("u", 200)]).unwrap();
    sim.signal("second");
    sim
}

#[track_caller]
fn check(finish: i64, with: impl FnOnce(&mut api::ResetWorkflowExecutionRequest), expected: Expect) {
    let mut sim = two_tasks();
    let run_id = new_run(reset(&mut sim, finish, with));
    assert_eq!(sim.current_run(), workflow().run(run_id));
    expected.assert_eq(&sim.history());
}

#[test]
fn the_task_fails_and_signals_are_reapplied() {
    check(
        4,
        |_| (),
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 ResetWorkflow "again"
            5 WORKFLOW_EXECUTION_SIGNALED first
            6 WORKFLOW_EXECUTION_SIGNALED second
            7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
}

#[test]
fn signals_are_not_reapplied_where_they_are_excluded() {
    let expected = || {
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 ResetWorkflow "again"
            5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]]
    };
    // Event 3 starts the task: the new run starts it by itself.
    check(3, |request| request.reset_reapply_type = ResetReapplyType::None.into(), expected());
    check(4, |request| request.reset_reapply_exclude_types = vec![ResetReapplyExcludeType::Signal.into()], expected());
}

#[test]
fn what_is_pending_before_the_point_is_pending_after_it() {
    let mut sim = two_tasks();
    sim.advance(Duration::from_secs(50));
    new_run(reset(&mut sim, 10, |_| ()));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
        5 ACTIVITY_TASK_SCHEDULED a task=4
        6 TIMER_STARTED t task=4
        7 WORKFLOW_EXECUTION_SIGNALED first
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        9 WORKFLOW_TASK_STARTED scheduled=8
        10 WORKFLOW_TASK_FAILED scheduled=8 started=9 ResetWorkflow "again"
        11 WORKFLOW_EXECUTION_SIGNALED second
        12 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
    let state = sim.state();
    assert_eq!((state.activities.len(), state.timers.len(), state.signals), (1, 1, 2));
    assert_eq!(sim.ready(TaskKind::Activity).len(), 1, "the base run's task is gone");
    assert_eq!(state.workflow_task.last_completed_started_event_id, 3);
    // The timer counts from its own start.
    sim.advance(Duration::from_secs(50));
    assert!(sim.history().contains("TIMER_FIRED t"));
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    assert!(sim.history().ends_with("WORKFLOW_EXECUTION_COMPLETED task=15\n"), "{}", sim.history());
}

#[test]
fn the_base_run_is_terminated_and_knows_its_successor() {
    let mut sim = two_tasks();
    let base = sim.current_run();
    sim.poll();
    sim.signal("third");
    let new = new_run(reset(&mut sim, 4, |_| ()));
    expect![[r#"
        14 WORKFLOW_TASK_STARTED scheduled=13
        15 WORKFLOW_TASK_FAILED scheduled=13 started=14 ForceCloseCommand
        16 WORKFLOW_EXECUTION_SIGNALED third
        17 WORKFLOW_EXECUTION_TERMINATED "again"
    "#]]
    .assert_eq(&render(&sim.rows.history(&base)[13..]));
    assert!(sim.history().contains("SIGNALED third"));
    let state = sim.rows.execution(&base).unwrap().unwrap();
    let shown = describe(&base, &state).workflow_extended_info.unwrap();
    assert_eq!(shown.reset_run_id, new.to_string());
    let shown = describe(&sim.current_run(), &sim.state());
    assert_eq!(shown.workflow_execution_info.unwrap().first_run_id, base.run_id.to_string());
    let extended = shown.workflow_extended_info.unwrap();
    assert_eq!(extended.last_reset_time, Some(sim.now.to_proto()));
    assert_eq!(extended.request_id_infos.len(), 1);
}

#[test]
fn a_closed_run_can_be_reset_and_the_running_one_goes() {
    let mut sim = Sim::started();
    let base = sim.current_run();
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    let other = sim.start(start_request());
    sim.signal("of another run");
    let execution = base.clone();
    new_run(reset(&mut sim, 4, |request| {
        request.workflow_execution.as_mut().unwrap().run_id = execution.run_id.to_string();
    }));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 ResetWorkflow "again"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
    let other = render(&sim.rows.history(&workflow().run(other)));
    assert!(other.ends_with("TERMINATED \"again\"\n"), "{other}");
}

#[test]
fn options_of_the_new_run_may_change_with_it() {
    let mut sim = two_tasks();
    let options = WorkflowExecutionOptions {
        priority: Some(Priority { priority_key: 1, ..Default::default() }),
        ..Default::default()
    };
    let variant = Variant::UpdateWorkflowOptions(UpdateWorkflowOptions {
        workflow_execution_options: Some(options),
        update_mask: Some(prost_types::FieldMask { paths: vec!["priority".into()] }),
    });
    let operation = |variant| PostResetOperation { variant };
    new_run(reset(&mut sim, 4, |request| request.post_reset_operations = vec![operation(Some(variant))]));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 ResetWorkflow "again"
        5 WORKFLOW_EXECUTION_SIGNALED first
        6 WORKFLOW_EXECUTION_SIGNALED second
        7 WORKFLOW_EXECUTION_OPTIONS_UPDATED
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
    assert_eq!(sim.ready(TaskKind::Workflow)[0].priority, 1);
    check_error(
        reset(&mut sim, 4, |request| request.post_reset_operations = vec![operation(None)]),
        expect!["InvalidArgument: unsupported post reset operation: <nil>"],
    );
}

#[test]
fn options_that_changed_are_those_of_the_new_run_whenever_they_did() {
    let mut sim = Sim::default();
    let priority = |priority_key| Some(Priority { priority_key, ..Default::default() });
    sim.start(api::StartWorkflowExecutionRequest { priority: priority(2), ..start_request() });
    let attach = |sim: &mut Sim, id: &str| {
        sim.start(api::StartWorkflowExecutionRequest {
            request_id: id.into(),
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
            on_conflict_options: Some(OnConflictOptions { attach_request_id: true, ..Default::default() }),
            ..start_request()
        })
    };
    attach(&mut sim, "before");
    let task = sim.poll();
    sim.complete(&task, vec![activity("a")]).unwrap();
    let change = api::UpdateWorkflowExecutionOptionsRequest {
        workflow_execution_options: Some(WorkflowExecutionOptions { priority: priority(4), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["priority".into()] }),
        ..Default::default()
    };
    sim.run(ShardCommand::UpdateWorkflowOptions(RunRequest::new(None, change))).unwrap();
    attach(&mut sim, "since");
    let run_id = new_run(reset(&mut sim, 5, |request| request.set_reset_reapply_type(ResetReapplyType::None)));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_EXECUTION_OPTIONS_UPDATED before
        4 WORKFLOW_TASK_STARTED scheduled=2
        5 WORKFLOW_TASK_FAILED scheduled=2 started=4 ResetWorkflow "again"
        6 WORKFLOW_EXECUTION_OPTIONS_UPDATED
        7 WORKFLOW_EXECUTION_OPTIONS_UPDATED since
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
    assert_eq!(sim.ready(TaskKind::Workflow)[0].priority, 4);
    assert_eq!([attach(&mut sim, "before"), attach(&mut sim, "since")], [run_id; 2]);
    let known: BTreeMap<_, _> =
        sim.state().info.request_ids.iter().skip(1).map(|r| (r.request_id.to_string(), r.event_id)).collect();
    assert_eq!(known, BTreeMap::from([("before".to_owned(), 3), ("since".to_owned(), 7)]));
}

#[test]
fn a_reset_run_leaves_nothing_behind() {
    let mut sim = two_tasks();
    new_run(reset(&mut sim, 4, |_| ()));
    sim.terminate().unwrap();
    sim.advance(sim.retention.unwrap());
    assert_eq!(sim.rows.rows().count(), 0, "{:?}", sim.rows.rows().map(|(key, _)| key).collect::<Vec<_>>());
}

#[test]
fn a_request_resets_once() {
    let mut sim = two_tasks();
    let first = new_run(reset(&mut sim, 4, |request| request.request_id = "r".into()));
    let entries = sim.log.len();
    assert_eq!(new_run(reset(&mut sim, 4, |request| request.request_id = "r".into())), first);
    assert_eq!(sim.log.len(), entries);
}

#[test]
fn only_ends_of_tasks_are_points_to_reset_to() {
    for finish in [-1, 0, 1, 14, 100] {
        check_error(
            reset(&mut two_tasks(), finish, |_| ()),
            expect!["InvalidArgument: Workflow task finish ID must be > 1 && <= workflow last event ID."],
        );
    }
    check_error(
        reset(&mut two_tasks(), 5, |_| ()),
        expect![
            "InvalidArgument: StateRebuilder unable to Rebuild mutable state to event ID: 4, version: 0, this event must be at the boundary"
        ],
    );
}

/// F7: what is copied is cut into rows of limited size, goes ahead in pieces of limited size, and reads as before.
#[test]
fn history_is_copied_in_pieces() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, vec![]).unwrap();
    let base = sim.current_run();
    for size in [1 << 20, 200 << 10, 200 << 10, 10, 10, 3 << 20 >> 1, 100 << 10] {
        let data = vec![b'x'; size].into();
        let input = Payloads { payloads: vec![Payload { data, ..Default::default() }] };
        let request =
            api::SignalWorkflowExecutionRequest { signal_name: "s".into(), input: Some(input), ..Default::default() };
        sim.run(ShardCommand::SignalWorkflow(RunRequest::new(None, request))).unwrap();
    }
    let task = sim.poll();
    sim.complete(&task, vec![timer("t", 100)]).unwrap();
    let finish = task.started_event_id + 1;
    sim.log.clear();
    new_run(reset(&mut sim, finish, |_| ()));
    let run = sim.current_run();
    let kept = usize::try_from(finish - 1).unwrap();
    assert_eq!(sim.rows.history(&run)[..kept], sim.rows.history(&base)[..kept]);
    let size = |events: &[tenure_api::history::v1::HistoryEvent]| {
        prost::Message::encoded_len(&tenure_api::history::v1::History { events: events.to_vec() })
    };
    let whole = sim.rows.history(&run);
    assert_eq!(sim.state().history_size, size(&whole) as i64);
    for (_, row) in sim.rows.history_rows(&run, 1, usize::MAX).unwrap() {
        let events = <tenure_api::history::v1::History as prost::Message>::decode(row.clone()).unwrap().events;
        assert!(row.len() <= tenure_limits::HISTORY_ROW || events.len() == 1, "{} events", events.len());
    }
    assert!(sim.log.len() >= 3 && sim.log.iter().all(|entry| entry.size() < 3 << 20));
}

/// F7: rows that were copied for a run that never came to be go when its time is up.
#[test]
fn a_copy_without_a_run_is_removed() {
    let mut sim = two_tasks();
    let before = sim.rows.rows().count();
    let run = workflow().run(crate::id::Ids::new(1, crate::id::Stamp::default()).run_id(sim.now));
    let copy = crate::HistoryCopy { from: sim.current_run(), before: 4, to: run.clone() };
    let (writes, next) = copy.piece(&sim.rows, crate::HistoryCopy::BEGIN).unwrap().unwrap();
    assert_eq!(next, 4);
    assert!(copy.piece(&sim.rows, next).unwrap().is_none());
    sim.rows.apply(&writes);
    assert!(sim.rows.rows().count() > before);
    sim.run(ShardCommand::TimerDue { instance: run.run_id }).unwrap();
    assert!(sim.rows.rows().count() > before, "not before its time");
    sim.now = copy.expires();
    sim.run(ShardCommand::TimerDue { instance: run.run_id }).unwrap();
    assert_eq!(sim.rows.rows().count(), before);
}

/// F7: a long chain is not read as a whole, and the events that are reapplied have a limit.
#[test]
fn of_runs_without_events_to_reapply_only_the_end_is_read() {
    use tenure_api::command::v1::ContinueAsNewWorkflowExecutionCommandAttributes as ContinueAsNew;
    let mut sim = Sim::started();
    let base = sim.current_run();
    let again = || Verb::ContinueAsNewWorkflowExecutionCommandAttributes(ContinueAsNew::default());
    let mut runs = Vec::new();
    for nth in 0..20 {
        let task = sim.poll();
        sim.complete(&task, vec![timer("t", 1)]).unwrap();
        if nth % 10 == 5 {
            sim.signal(&format!("s{nth}"));
        }
        sim.advance(Duration::from_secs(2));
        let task = sim.poll();
        sim.complete(&task, vec![again()]).unwrap();
        runs.push(sim.current_run());
    }
    // All but the ends of runs without events to reapply is taken away.
    for (nth, run) in (1..20).zip(&runs) {
        if nth % 10 != 5 {
            let rows = sim.rows.history_rows(run, 1, usize::MAX).unwrap();
            let ops = rows[..rows.len() - 1].iter().map(|(first_event_id, _)| {
                Op::Delete(RowKey::History { run: run.clone(), first_event_id: *first_event_id })
            });
            sim.rows.apply(&WriteSet { ops: ops.collect() });
        }
    }
    let named = |request: &mut api::ResetWorkflowExecutionRequest| {
        request.workflow_execution.as_mut().unwrap().run_id = base.run_id.to_string();
    };
    new_run(reset(&mut sim, 4, named));
    let history = sim.history();
    let told: Vec<&str> = history.lines().filter(|line| line.contains("SIGNALED")).collect();
    assert_eq!(told, ["5 WORKFLOW_EXECUTION_SIGNALED s5", "6 WORKFLOW_EXECUTION_SIGNALED s15"]);
}
