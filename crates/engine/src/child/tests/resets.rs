//! Resets of a run that has to do with others.

use super::{cancel, child, complete, signal, start_other, step};
use crate::{
    command::{Reply, RunRequest, ShardCommand},
    key::RunKey,
    testing::{Sim, render},
};
use expect_test::expect;
use tenure_api::{command::v1::command::Attributes as Verb, workflowservice::v1 as api};

/// Completes the parent's first task with these commands. The next task is there at once, so that a reset can go back
/// to before the answers.
fn asked(commands: Vec<Verb>) -> Sim {
    let mut sim = Sim::started();
    start_other(&mut sim, "other");
    let task = sim.poll_of("w");
    let commands = commands.into_iter().map(crate::testing::command).collect();
    let request = api::RespondWorkflowTaskCompletedRequest {
        commands,
        force_create_new_workflow_task: true,
        ..Default::default()
    };
    sim.complete_with(&task, request).unwrap();
    sim
}

/// Resets `base`, or the current run; the task that is the point is about to start with event `finish`.
fn reset(sim: &mut Sim, base: Option<&RunKey>, finish: i64) {
    let request = api::ResetWorkflowExecutionRequest {
        workflow_task_finish_event_id: finish,
        request_id: sim.log.len().to_string(),
        ..Default::default()
    };
    match sim.run(ShardCommand::ResetWorkflow(RunRequest::new(base.map(|base| base.run_id), request))) {
        Ok(Reply::WorkflowReset { .. }) => {}
        other => panic!("not reset: {other:?}"),
    }
}

/// Delivers what one run has sent.
fn deliver_from(sim: &mut Sim, sender: &RunKey) {
    for (from, stamp, message) in sim.outbox() {
        if from == *sender {
            let receipt = sim.deliver(&from, &message);
            sim.delivered(&from, stamp, receipt);
        }
    }
}

/// The events behind the failure that a reset leaves.
fn since_reset(sim: &Sim) -> String {
    let history = sim.history();
    let mut lines = history.lines().skip_while(|line| !line.contains("ResetWorkflow")).skip(1);
    lines.by_ref().map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_was_not_answered_at_the_point_is_asked_again() {
    let mut sim = asked(vec![signal("other", false), cancel("other", false), child("k")]);
    sim.deliver_all();
    reset(&mut sim, None, 9);
    let relations = &sim.state().relations;
    assert_eq!((relations.signals, relations.cancels, relations.children.len()), (1, 1, 1));
    sim.deliver_all();
    expect![[r#"
        11 CHILD_WORKFLOW_EXECUTION_STARTED initiated=7
        12 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        13 EXTERNAL_WORKFLOW_EXECUTION_SIGNALED initiated=5
        14 EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED initiated=6
    "#]]
    .assert_eq(&since_reset(&sim));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_EXECUTION_SIGNALED s
        4 WORKFLOW_EXECUTION_CANCEL_REQUESTED by w
        5 WORKFLOW_EXECUTION_SIGNALED s
    "#]]
    .assert_eq(&sim.history_of("other"));
    let relations = &sim.state().relations;
    assert_eq!((relations.signals, relations.cancels), (0, 0));
}

#[test]
fn what_was_answered_at_the_point_is_not_asked_again() {
    let mut sim = asked(vec![signal("other", false), cancel("other", false), child("k")]);
    sim.deliver_all();
    step(&mut sim, "w", vec![]);
    let finish = sim.state().last_event_id();
    reset(&mut sim, None, finish);
    assert_eq!(sim.outbox(), []);
    let relations = &sim.state().relations;
    assert_eq!((relations.signals, relations.cancels, relations.children.len()), (0, 0, 1));
}

#[test]
fn a_child_is_started_once_whichever_run_asks_first() {
    for base_first in [true, false] {
        let mut sim = asked(vec![child("k")]);
        let base = sim.current_run();
        sim.poll_of("w");
        reset(&mut sim, None, 7);
        let new = sim.current_run();
        let (first, second) = if base_first { (&base, &new) } else { (&new, &base) };
        deliver_from(&mut sim, first);
        let started = sim.current_run_of("k");
        deliver_from(&mut sim, second);
        assert_eq!(sim.current_run_of("k"), started);
        step(&mut sim, "k", vec![complete("r")]);
        sim.deliver_all();
        expect![[r#"
            9 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            10 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
            11 CHILD_WORKFLOW_EXECUTION_COMPLETED initiated=5 started=10 r
        "#]]
        .assert_eq(&since_reset(&sim));
    }
}

#[test]
fn the_end_of_a_child_may_come_before_the_answer_to_its_start() {
    let mut sim = asked(vec![child("k")]);
    let base = sim.current_run();
    sim.poll_of("w");
    reset(&mut sim, None, 7);
    let again = sim.current_run();
    reset(&mut sim, None, 7);
    deliver_from(&mut sim, &base);
    step(&mut sim, "k", vec![complete("r")]);
    let child = sim.current_run_of("k").unwrap();
    deliver_from(&mut sim, &child);
    let heard = expect![[r#"
        9 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        10 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
        11 CHILD_WORKFLOW_EXECUTION_COMPLETED initiated=5 started=10 r
    "#]];
    heard.assert_eq(&since_reset(&sim));
    deliver_from(&mut sim, &again);
    sim.deliver_all();
    heard.assert_eq(&since_reset(&sim));
    assert_eq!(sim.current_run_of("k"), Some(child));
}

#[test]
fn a_child_of_another_event_with_the_same_id_is_not_taken_for_this_one() {
    let mut sim = asked(vec![child("k")]);
    sim.deliver_all();
    reset(&mut sim, None, 4);
    // The new run's event 8 starts another child than the old one's event 5, which goes on.
    step(&mut sim, "w", vec![child("l")]);
    step(&mut sim, "k", vec![complete("r")]);
    sim.deliver_all();
    assert!(!sim.history().contains("COMPLETED initiated"), "{}", sim.history());
}

#[test]
fn what_the_old_run_received_of_its_children_is_reapplied() {
    start_failure_and_ends_are_events_of_the_parent(|sim| {
        step(sim, "k", vec![complete("r")]);
        sim.deliver_all();
    });
    // It waits for the end of a task.
    start_failure_and_ends_are_events_of_the_parent(|sim| {
        sim.poll_of("w");
        step(sim, "k", vec![complete("r")]);
        sim.deliver_all();
    });
}

fn start_failure_and_ends_are_events_of_the_parent(end: impl FnOnce(&mut Sim)) {
    let mut sim = asked(vec![child("k"), child("other"), child("l")]);
    sim.deliver_all();
    end(&mut sim);
    reset(&mut sim, None, 9);
    sim.deliver_all();
    expect![[r#"
        11 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
        12 START_CHILD_WORKFLOW_EXECUTION_FAILED other initiated=6 WorkflowAlreadyExists
        13 CHILD_WORKFLOW_EXECUTION_STARTED initiated=7
        14 CHILD_WORKFLOW_EXECUTION_COMPLETED initiated=5 started=11 r
        15 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&since_reset(&sim));
    assert_eq!(sim.state().relations.children.ids().collect::<Vec<_>>(), [7]);
}

/// The reference server does the same.
#[test]
fn a_child_that_came_with_the_reset_outlives_its_parent() {
    let mut sim = asked(vec![child("k")]);
    sim.deliver_all();
    reset(&mut sim, None, 7);
    step(&mut sim, "w", vec![complete("r")]);
    sim.deliver_all();
    assert!(!sim.history_of("k").contains("TERMINATED"));
}

#[test]
fn children_of_a_run_that_is_not_the_base_end_with_it() {
    let mut sim = Sim::started();
    let base = sim.current_run();
    step(&mut sim, "w", vec![complete("r")]);
    sim.start(crate::testing::start_request());
    let other = sim.current_run();
    step(&mut sim, "w", vec![child("k")]);
    sim.deliver_all();
    reset(&mut sim, Some(&base), 4);
    sim.deliver_all();
    assert!(render(&sim.rows.history(&other)).contains("TERMINATED"));
    assert!(sim.history_of("k").ends_with("TERMINATED \"by parent close policy\"\n"), "{}", sim.history_of("k"));
}
