//! Workflow tasks: attempts, buffering, stickiness, returns.

use super::{cancel_timer, check, check_error, complete_workflow, error, timer};
use crate::{
    command::{Poll, Reply, RunRequest, ShardCommand, StartTask},
    id::ProposalId,
    key::TaskKind,
    testing::Sim,
    workflow_task::transient_events,
};
use expect_test::expect;
use std::{sync::Arc, time::Duration};
use tenure_api::{
    command::v1::{RecordMarkerCommandAttributes, command::Attributes as Verb},
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    workflowservice::v1::{RespondWorkflowTaskCompletedRequest, SignalWorkflowExecutionRequest},
};

fn sticky(commands: Vec<Verb>) -> RespondWorkflowTaskCompletedRequest {
    RespondWorkflowTaskCompletedRequest {
        commands: commands.into_iter().map(crate::testing::command).collect(),
        sticky_attributes: Some(StickyExecutionAttributes {
            worker_task_queue: Some(TaskQueue { name: "sticky".into(), kind: 2, normal_name: "q".into() }),
            schedule_to_start_timeout: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
        }),
        ..Default::default()
    }
}

#[test]
fn commands_become_events_in_their_order() {
    check(
        |sim| {
            let task = sim.poll();
            sim.complete(&task, vec![timer("a", 60), timer("b", 10), cancel_timer("a")]).unwrap();
            sim.advance(Duration::from_secs(10));
            let task = sim.poll();
            sim.complete(&task, vec![complete_workflow()]).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 TIMER_STARTED a task=4
            6 TIMER_STARTED b task=4
            7 TIMER_CANCELED a started=5 task=4
            8 TIMER_FIRED b started=6
            9 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            10 WORKFLOW_TASK_STARTED scheduled=9
            11 WORKFLOW_TASK_COMPLETED scheduled=9 started=10
            12 WORKFLOW_EXECUTION_COMPLETED task=11
        "#]],
    );
}

#[test]
fn what_arrives_during_a_task_follows_its_completion() {
    check(
        |sim| {
            let task = sim.poll();
            sim.signal("a");
            sim.signal("b");
            sim.complete(&task, vec![timer("t", 60)]).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 TIMER_STARTED t task=4
            6 WORKFLOW_EXECUTION_SIGNALED a
            7 WORKFLOW_EXECUTION_SIGNALED b
            8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
}

#[test]
fn a_run_does_not_close_on_what_its_worker_has_not_seen() {
    check(
        |sim| {
            let task = sim.poll();
            sim.signal("a");
            check_error(sim.complete(&task, vec![complete_workflow()]), expect!["InvalidArgument: UnhandledCommand"]);
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 UnhandledCommand "UnhandledCommand"
            5 WORKFLOW_EXECUTION_SIGNALED a
            6 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
}

/// F71.
#[test]
fn signals_are_turned_away_while_a_run_tries_to_close_again() {
    check(
        |sim| {
            let task = sim.poll();
            sim.signal("a");
            check_error(sim.complete(&task, vec![complete_workflow()]), expect!["InvalidArgument: UnhandledCommand"]);
            sim.signal("before it starts");
            let lost = sim.poll();
            sim.run(ShardCommand::ReturnTask { token: lost.token }).unwrap();
            let task = sim.poll();
            let late = SignalWorkflowExecutionRequest { signal_name: "late".into(), ..Default::default() };
            check_error(
                sim.run(ShardCommand::SignalWorkflow(RunRequest::new(None, late))),
                expect!["ResourceExhausted: workflow operation can not be applied because workflow is closing"],
            );
            sim.complete(&task, vec![complete_workflow()]).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 UnhandledCommand "UnhandledCommand"
            5 WORKFLOW_EXECUTION_SIGNALED a
            6 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            7 WORKFLOW_EXECUTION_SIGNALED before it starts
            8 WORKFLOW_TASK_STARTED scheduled=6
            9 WORKFLOW_TASK_COMPLETED scheduled=6 started=8
            10 WORKFLOW_EXECUTION_COMPLETED task=9
        "#]],
    );
}

/// F70.
#[test]
fn a_worker_that_is_refused_again_and_again_slows_down() {
    let mut sim = Sim::started();
    let (hour, mut attempts) = (sim.now.plus(Duration::from_secs(3600)), 0);
    while sim.now < hour {
        if !sim.ready(TaskKind::Workflow).is_empty() {
            let task = sim.poll();
            error(sim.complete(&task, vec![cancel_timer("unknown")]));
            attempts += 1;
        }
        sim.advance(Duration::from_secs(1));
    }
    assert!(attempts < 20, "{attempts} attempts in an hour");
}

/// F70.
#[test]
fn a_task_that_is_refused_for_the_second_time_may_still_be_answered() {
    let mut sim = Sim::started();
    let task = sim.poll();
    error(sim.complete(&task, vec![cancel_timer("unknown")]));
    let task = sim.poll();
    error(sim.complete(&task, vec![cancel_timer("unknown")]));
    assert!(sim.ready(TaskKind::Workflow).is_empty(), "it is still with its worker");
    sim.complete(&task, vec![complete_workflow()]).unwrap();
}

#[test]
fn a_timer_that_fired_unseen_can_be_cancelled() {
    check(
        |sim| {
            let task = sim.poll();
            let force = RespondWorkflowTaskCompletedRequest {
                commands: vec![crate::testing::command(timer("t", 1))],
                force_create_new_workflow_task: true,
                return_new_workflow_task: true,
                ..Default::default()
            };
            let Ok(Reply::WorkflowTaskCompleted { new_task: Some(task), .. }) = sim.complete_with(&task, force) else {
                panic!("the next task comes at once")
            };
            sim.advance(Duration::from_secs(2));
            sim.complete(&task, vec![cancel_timer("t"), complete_workflow()]).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 TIMER_STARTED t task=4
            6 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            7 WORKFLOW_TASK_STARTED scheduled=6
            8 WORKFLOW_TASK_COMPLETED scheduled=6 started=7
            9 TIMER_CANCELED t started=5 task=8
            10 WORKFLOW_EXECUTION_COMPLETED task=8
        "#]],
    );
}

#[test]
fn failed_attempts_stay_out_of_history() {
    check(
        |sim| {
            for attempt in 1..=4 {
                let task = sim.poll();
                assert_eq!(task.attempt, attempt);
                assert_eq!(task.transient().len(), if attempt == 1 { 0 } else { 2 });
                assert_eq!(transient_events(&sim.state()), task.transient());
                sim.fail(&task).unwrap();
            }
            let task = sim.poll();
            assert_eq!((task.last_event_id, task.started_event_id), (4, 6));
            sim.complete(&task, vec![]).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 Unspecified
            5 WORKFLOW_TASK_SCHEDULED on q attempt=5 20s
            6 WORKFLOW_TASK_STARTED scheduled=5
            7 WORKFLOW_TASK_COMPLETED scheduled=5 started=6
        "#]],
    );
}

#[test]
fn events_turn_the_next_attempt_into_a_new_task() {
    // While the attempt waits ...
    check(
        |sim| {
            for _ in 0..2 {
                let task = sim.poll();
                sim.fail(&task).unwrap();
            }
            sim.signal("a");
            assert_eq!(sim.poll().attempt, 1);
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 Unspecified
            5 WORKFLOW_EXECUTION_SIGNALED a
            6 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            7 WORKFLOW_TASK_STARTED scheduled=6
        "#]],
    );
    // ... and while it runs.
    check(
        |sim| {
            let task = sim.poll();
            sim.fail(&task).unwrap();
            let task = sim.poll();
            sim.signal("a");
            sim.fail(&task).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 Unspecified
            5 WORKFLOW_EXECUTION_SIGNALED a
            6 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
}

#[test]
fn a_task_that_takes_too_long_is_tried_again() {
    check(
        |sim| {
            let task = sim.poll();
            sim.advance(Duration::from_secs(10));
            check_error(sim.complete(&task, vec![]), expect!["NotFound: Workflow task not found."]);
            let task = sim.poll();
            assert_eq!(task.attempt, 2);
            sim.advance(Duration::from_secs(10));
            let task = sim.poll();
            assert_eq!(task.attempt, 3);
            sim.complete(&task, vec![complete_workflow()]).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_TIMED_OUT scheduled=2 started=3 StartToClose
            5 WORKFLOW_TASK_SCHEDULED on q attempt=3 10s
            6 WORKFLOW_TASK_STARTED scheduled=5
            7 WORKFLOW_TASK_COMPLETED scheduled=5 started=6
            8 WORKFLOW_EXECUTION_COMPLETED task=7
        "#]],
    );
}

#[test]
fn sticky_tasks_leave_their_queue_when_nobody_comes() {
    check(
        |sim| {
            let task = sim.poll();
            sim.complete_with(&task, sticky(vec![timer("t", 1)])).unwrap();
            sim.advance(Duration::from_secs(1));
            assert_eq!(&*sim.ready(TaskKind::Workflow)[0].queue.name, "sticky");
            sim.advance(Duration::from_secs(5));
            assert_eq!(&*sim.ready(TaskKind::Workflow)[0].queue.name, "q");
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 TIMER_STARTED t task=4
            6 TIMER_FIRED t started=5
            7 WORKFLOW_TASK_SCHEDULED on sticky attempt=1 10s
            8 WORKFLOW_TASK_TIMED_OUT scheduled=7 started=0 ScheduleToStart
            9 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
    // The home knows at once that nobody polls; history need not know.
    check(
        |sim| {
            let task = sim.poll();
            sim.complete_with(&task, sticky(vec![timer("t", 1)])).unwrap();
            sim.advance(Duration::from_secs(1));
            let ready = sim.ready(TaskKind::Workflow).remove(0);
            sim.run(ShardCommand::StickyUnavailable { run_id: ready.run.run_id, stamp: ready.stamp }).unwrap();
            assert_eq!(&*sim.ready(TaskKind::Workflow)[0].queue.name, "q");
            assert!(!sim.poll().sticky);
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 TIMER_STARTED t task=4
            6 TIMER_FIRED t started=5
            7 WORKFLOW_TASK_SCHEDULED on sticky attempt=1 10s
            8 WORKFLOW_TASK_STARTED scheduled=7
        "#]],
    );
}

#[test]
fn a_failure_on_a_sticky_queue_is_tried_on_the_normal_one_first() {
    check(
        |sim| {
            let task = sim.poll();
            sim.complete_with(&task, sticky(vec![])).unwrap();
            sim.signal("a");
            let task = sim.poll();
            assert!(task.sticky);
            sim.fail(&task).unwrap();
            let task = sim.poll();
            assert!(!task.sticky);
            assert_eq!(task.attempt, 1);
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 WORKFLOW_EXECUTION_SIGNALED a
            6 WORKFLOW_TASK_SCHEDULED on sticky attempt=1 10s
            7 WORKFLOW_TASK_STARTED scheduled=6
            8 WORKFLOW_TASK_FAILED scheduled=6 started=7 Unspecified
            9 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            10 WORKFLOW_TASK_STARTED scheduled=9
        "#]],
    );
}

#[test]
fn a_task_that_is_too_slow_on_a_sticky_queue_is_the_next_attempt() {
    check(
        |sim| {
            let task = sim.poll();
            sim.complete_with(&task, sticky(vec![])).unwrap();
            sim.signal("a");
            assert!(sim.poll().sticky);
            sim.advance(Duration::from_secs(10));
            let task = sim.poll();
            assert_eq!((task.sticky, task.attempt), (false, 2));
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 WORKFLOW_EXECUTION_SIGNALED a
            6 WORKFLOW_TASK_SCHEDULED on sticky attempt=1 10s
            7 WORKFLOW_TASK_STARTED scheduled=6
            8 WORKFLOW_TASK_TIMED_OUT scheduled=6 started=7 StartToClose
        "#]],
    );
}

#[test]
fn an_undelivered_task_is_the_same_attempt_with_another_token() {
    check(
        |sim| {
            let lost = sim.poll();
            sim.run(ShardCommand::ReturnTask { token: lost.token.clone() }).unwrap();
            sim.signal("meanwhile");
            check_error(sim.complete(&lost, vec![]), expect!["NotFound: Workflow task not found."]);
            let task = sim.poll();
            assert_eq!((task.attempt, task.started_event_id, task.last_event_id), (1, 3, 3));
            sim.complete(&task, vec![]).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 WORKFLOW_EXECUTION_SIGNALED meanwhile
            6 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
    // A transient one left no trace in history.
    check(
        |sim| {
            let task = sim.poll();
            sim.fail(&task).unwrap();
            let lost = sim.poll();
            sim.signal("meanwhile");
            sim.run(ShardCommand::ReturnTask { token: lost.token.clone() }).unwrap();
            let task = sim.poll();
            sim.complete(&task, vec![complete_workflow()]).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 Unspecified
            5 WORKFLOW_EXECUTION_SIGNALED meanwhile
            6 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            7 WORKFLOW_TASK_STARTED scheduled=6
            8 WORKFLOW_TASK_COMPLETED scheduled=6 started=7
            9 WORKFLOW_EXECUTION_COMPLETED task=8
        "#]],
    );
}

#[test]
fn the_same_proposal_gets_the_same_answer() {
    let mut sim = Sim::started();
    let ready = sim.ready(TaskKind::Workflow).remove(0);
    let start = StartTask::of(&ready, Poll::default());
    let start = ShardCommand::StartWorkflowTask(start);
    let twice = |sim: &mut Sim, id, command: ShardCommand| {
        let first = sim.propose(ProposalId(id), command.clone()).unwrap();
        let entries = sim.log.len();
        let again = sim.propose(ProposalId(id), command).unwrap();
        assert_eq!(sim.log.len(), entries, "a retry writes nothing");
        assert_eq!(format!("{first:?}"), format!("{again:?}"));
        first
    };
    let Reply::WorkflowTaskStarted(task) = twice(&mut sim, 1, start.clone()) else { panic!("not started") };
    check_error(sim.propose(ProposalId(2), start), expect!["NotFound: Workflow task not found."]);
    let request = RespondWorkflowTaskCompletedRequest {
        force_create_new_workflow_task: true,
        return_new_workflow_task: true,
        ..Default::default()
    };
    let complete = ShardCommand::CompleteWorkflowTask { token: task.token.clone(), request: Arc::new(request) };
    let Reply::WorkflowTaskCompleted { new_task: Some(task), .. } = twice(&mut sim, 3, complete.clone()) else {
        panic!("the next task comes at once")
    };
    // F13: its worker sends it again because it did not get the answer.
    let entries = sim.log.len();
    match sim.propose(ProposalId(4), complete.clone()) {
        Ok(Reply::WorkflowTaskCompleted { new_task: Some(again), .. }) => assert_eq!(again.token, task.token),
        other => panic!("{other:?}"),
    }
    assert_eq!(sim.log.len(), entries, "nothing is done twice");
    let bad = vec![crate::testing::command(cancel_timer("unknown"))];
    let request = RespondWorkflowTaskCompletedRequest { commands: bad, ..Default::default() };
    let bad = ShardCommand::CompleteWorkflowTask { token: task.token.clone(), request: Arc::new(request) };
    assert!(matches!(twice(&mut sim, 5, bad), Reply::Failed(_)));
    check_error(sim.propose(ProposalId(6), complete), expect!["NotFound: Workflow task not found."]);
}

#[test]
fn bad_commands_fail_the_task_with_the_apis_cause() {
    #[track_caller]
    fn check(commands: Vec<Verb>, expected: expect_test::Expect) {
        let mut sim = Sim::started();
        let task = sim.poll();
        let before = sim.state().next_event_id;
        let error = super::error(sim.complete(&task, commands));
        let failed = sim.rows.history(&sim.current_run())[before as usize - 1].clone();
        let failed = crate::testing::render(&[failed]);
        expected.assert_eq(&format!("{}\n{failed}", error.message));
        assert_eq!(sim.state().timers.len(), 0, "nothing of the completion stays");
        assert_eq!(sim.poll().attempt, 2);
    }
    check(
        vec![timer("a", 5), timer("a", 5)],
        expect![[r#"
        StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: a
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 StartTimerDuplicateId "StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: a"
    "#]],
    );
    check(
        vec![timer("", 5)],
        expect![[r#"
        BadStartTimerAttributes: TimerId is not set on StartTimerCommand.
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadStartTimerAttributes "BadStartTimerAttributes: TimerId is not set on StartTimerCommand."
    "#]],
    );
    check(
        vec![timer("a", -1)],
        expect![[r#"
        BadStartTimerAttributes: An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. TimerId=a
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadStartTimerAttributes "BadStartTimerAttributes: An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. TimerId=a"
    "#]],
    );
    check(
        vec![cancel_timer("")],
        expect![[r#"
        BadCancelTimerAttributes: TimerId is not set on CancelTimerCommand.
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadCancelTimerAttributes "BadCancelTimerAttributes: TimerId is not set on CancelTimerCommand."
    "#]],
    );
    check(
        vec![timer("a", 5), cancel_timer("b")],
        expect![[r#"
        BadCancelTimerAttributes: invalid history builder state for action: add-timer-canceled-event, TimerID: b
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadCancelTimerAttributes "BadCancelTimerAttributes: invalid history builder state for action: add-timer-canceled-event, TimerID: b"
    "#]],
    );
    check(
        vec![Verb::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes::default())],
        expect![[r#"
        BadRecordMarkerAttributes: MarkerName is not set on RecordMarkerCommand.
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadRecordMarkerAttributes "BadRecordMarkerAttributes: MarkerName is not set on RecordMarkerCommand."
    "#]],
    );
    check(
        vec![Verb::FailWorkflowExecutionCommandAttributes(Default::default())],
        expect![[r#"
        BadFailWorkflowExecutionAttributes: Failure is not set on FailWorkflowExecutionCommand.
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadFailWorkflowExecutionAttributes "BadFailWorkflowExecutionAttributes: Failure is not set on FailWorkflowExecutionCommand."
    "#]],
    );
    check(
        vec![Verb::UpsertWorkflowSearchAttributesCommandAttributes(Default::default())],
        expect![[r#"
        BadSearchAttributes: SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadSearchAttributes "BadSearchAttributes: SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand."
    "#]],
    );
    check(
        vec![Verb::ModifyWorkflowPropertiesCommandAttributes(Default::default())],
        expect![[r#"
        BadModifyWorkflowPropertiesAttributes: UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadModifyWorkflowPropertiesAttributes "BadModifyWorkflowPropertiesAttributes: UpsertedMemo is not set on ModifyWorkflowPropertiesCommand."
    "#]],
    );
    check(
        vec![Verb::StartChildWorkflowExecutionCommandAttributes(Default::default())],
        expect![[r#"
            BadStartChildExecutionAttributes: Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType= Namespace=default
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadStartChildExecutionAttributes "BadStartChildExecutionAttributes: Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType= Namespace=default"
        "#]],
    );
}

#[test]
fn a_closing_command_comes_last() {
    check(
        |sim| {
            let task = sim.poll();
            check_error(
                sim.complete(&task, vec![complete_workflow(), timer("a", 1)]),
                expect![
                    "InvalidArgument: invalid command sequence: [CompleteWorkflowExecution, StartTimer], command CompleteWorkflowExecution must be the last command."
                ],
            );
            sim.complete(&task, vec![complete_workflow()]).unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 WORKFLOW_EXECUTION_COMPLETED task=4
        "#]],
    );
}
