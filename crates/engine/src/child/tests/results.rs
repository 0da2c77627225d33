//! The events that a parent gets about its children.

use super::{
    cancel, cancelled, child, child_with, commanded, complete, continue_as_new, fail, signal, start_other, step, tail,
};
use crate::{
    outbox::Receipt,
    testing::{Sim, start_request},
};
use expect_test::{Expect, expect};
use std::time::Duration;
use tenure_api::{
    command::v1::command::Attributes as Verb, enums::v1::WorkflowIdReusePolicy, workflowservice::v1 as api,
};

#[test]
fn a_childs_result_is_the_parents_event() {
    let ends: [(Verb, Expect); 3] = [
        (
            complete("r"),
            expect![[r#"
                5 START_CHILD_WORKFLOW_EXECUTION_INITIATED k task=4
                6 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
                7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
                8 CHILD_WORKFLOW_EXECUTION_COMPLETED initiated=5 started=6 r
            "#]],
        ),
        (
            fail(),
            expect![[r#"
                5 START_CHILD_WORKFLOW_EXECUTION_INITIATED k task=4
                6 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
                7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
                8 CHILD_WORKFLOW_EXECUTION_FAILED initiated=5 started=6 RetryPolicyNotSet (other "no")
            "#]],
        ),
        (
            cancelled(),
            expect![[r#"
                5 START_CHILD_WORKFLOW_EXECUTION_INITIATED k task=4
                6 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
                7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
                8 CHILD_WORKFLOW_EXECUTION_CANCELED initiated=5 started=6
            "#]],
        ),
    ];
    for (end, history) in ends {
        let mut sim = commanded(vec![child("k")]);
        sim.deliver_all();
        assert_eq!(sim.state().relations.children.len(), 1);
        step(&mut sim, "k", vec![end]);
        sim.deliver_all();
        history.assert_eq(&tail(&sim));
        assert!(sim.state().relations.children.is_empty());
    }
}

#[test]
fn every_message_may_come_twice_and_takes_effect_once() {
    let mut sim = commanded(vec![child("k"), signal("k", true)]);
    let twice = |sim: &mut Sim| {
        while let Some((from, stamp, message)) = sim.outbox().into_iter().next() {
            let first = sim.deliver(&from, &message);
            let rows = sim.rows.clone();
            assert_eq!(sim.deliver(&from, &message), first);
            assert_eq!(sim.rows, rows, "the second time changes nothing");
            sim.delivered(&from, stamp, first);
            let rows = sim.rows.clone();
            sim.delivered(&from, stamp, first);
            assert_eq!(sim.rows, rows, "a receipt that was taken changes nothing");
            sim.deliver(&from, &message);
        }
    };
    twice(&mut sim);
    step(&mut sim, "w", vec![cancel("k", false)]);
    twice(&mut sim);
    step(&mut sim, "k", vec![complete("r")]);
    twice(&mut sim);
    expect![[r#"
        5 START_CHILD_WORKFLOW_EXECUTION_INITIATED k task=4
        6 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED s to k
        7 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        9 EXTERNAL_WORKFLOW_EXECUTION_SIGNALED initiated=6
        10 WORKFLOW_TASK_STARTED scheduled=8
        11 WORKFLOW_TASK_COMPLETED scheduled=8 started=10
        12 REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED of k
        13 EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED initiated=12
        14 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        15 CHILD_WORKFLOW_EXECUTION_COMPLETED initiated=5 started=7 r
    "#]]
    .assert_eq(&tail(&sim));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on c attempt=1 10s
        3 WORKFLOW_EXECUTION_SIGNALED s
        4 WORKFLOW_EXECUTION_CANCEL_REQUESTED by w
        5 WORKFLOW_TASK_STARTED scheduled=2
        6 WORKFLOW_TASK_COMPLETED scheduled=2 started=5
        7 WORKFLOW_EXECUTION_COMPLETED task=6
    "#]]
    .assert_eq(&sim.history_of("k"));
}

#[test]
fn a_child_that_closes_before_its_start_was_answered_has_started() {
    let mut sim = commanded(vec![child("k")]);
    let (from, stamp, message) = sim.outbox().remove(0);
    let receipt = sim.deliver(&from, &message);
    step(&mut sim, "k", vec![complete("r")]);
    let (child, reported, result) = sim.outbox().into_iter().find(|(run, ..)| *run != from).unwrap();
    assert_eq!(sim.deliver(&child, &result), Receipt::Done);
    sim.delivered(&child, reported, Receipt::Done);
    sim.delivered(&from, stamp, receipt);
    expect![[r#"
        5 START_CHILD_WORKFLOW_EXECUTION_INITIATED k task=4
        6 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
        7 CHILD_WORKFLOW_EXECUTION_COMPLETED initiated=5 started=6 r
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&tail(&sim));
    assert!(sim.outbox().is_empty());
}

#[test]
fn what_comes_while_a_task_runs_follows_it_in_the_apis_order() {
    let mut sim = commanded(vec![child("k"), child("l")]);
    sim.signal("wake");
    let task = sim.poll_of("w");
    sim.deliver_all();
    step(&mut sim, "k", vec![complete("r")]);
    sim.deliver_all();
    sim.signal("s");
    sim.complete(&task, vec![]).unwrap();
    expect![[r#"
        5 START_CHILD_WORKFLOW_EXECUTION_INITIATED k task=4
        6 START_CHILD_WORKFLOW_EXECUTION_INITIATED l task=4
        7 WORKFLOW_EXECUTION_SIGNALED wake
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        9 WORKFLOW_TASK_STARTED scheduled=8
        10 WORKFLOW_TASK_COMPLETED scheduled=8 started=9
        11 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
        12 CHILD_WORKFLOW_EXECUTION_STARTED initiated=6
        13 WORKFLOW_EXECUTION_SIGNALED s
        14 CHILD_WORKFLOW_EXECUTION_COMPLETED initiated=5 started=11 r
        15 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&tail(&sim));
    step(&mut sim, "l", vec![complete("r")]);
    sim.deliver_all();
    assert!(
        sim.history().ends_with("CHILD_WORKFLOW_EXECUTION_COMPLETED initiated=6 started=12 r\n"),
        "{}",
        sim.history()
    );
}

#[test]
fn the_id_of_a_child_may_be_taken() {
    use WorkflowIdReusePolicy as Reuse;
    let taken = expect![[r#"
        5 START_CHILD_WORKFLOW_EXECUTION_INITIATED k task=4
        6 START_CHILD_WORKFLOW_EXECUTION_FAILED k initiated=5 WorkflowAlreadyExists
        7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]];
    let free = expect![[r#"
        5 START_CHILD_WORKFLOW_EXECUTION_INITIATED k task=4
        6 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
        7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]];
    let cases = [
        (Reuse::AllowDuplicate, false, &taken),
        (Reuse::AllowDuplicateFailedOnly, false, &taken),
        (Reuse::RejectDuplicate, false, &taken),
        (Reuse::TerminateIfRunning, false, &free),
        (Reuse::AllowDuplicate, true, &free),
        (Reuse::AllowDuplicateFailedOnly, true, &taken),
        (Reuse::RejectDuplicate, true, &taken),
    ];
    for (reuse, closed, expected) in cases {
        let mut sim = Sim::started();
        start_other(&mut sim, "k");
        if closed {
            step(&mut sim, "k", vec![complete("r")]);
        }
        step(&mut sim, "w", vec![child_with("k", |a| a.workflow_id_reuse_policy = reuse.into())]);
        sim.deliver_all();
        expected.assert_eq(&tail(&sim));
    }
}

#[test]
fn a_chain_of_runs_reports_its_last_one() {
    let retry = tenure_api::common::v1::RetryPolicy { maximum_attempts: 2, ..Default::default() };
    let mut sim = commanded(vec![child_with("k", |a| a.retry_policy = Some(retry))]);
    sim.deliver_all();
    for end in [fail(), continue_as_new(), fail()] {
        sim.advance(Duration::from_secs(5));
        step(&mut sim, "k", vec![end]);
        sim.deliver_all();
    }
    expect![[r#"
        5 START_CHILD_WORKFLOW_EXECUTION_INITIATED k task=4
        6 CHILD_WORKFLOW_EXECUTION_STARTED initiated=5
        7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        8 CHILD_WORKFLOW_EXECUTION_FAILED initiated=5 started=6 RetryPolicyNotSet (other "no")
    "#]]
    .assert_eq(&tail(&sim));
}

#[test]
fn a_child_inherits_what_it_has_not_of_its_own() {
    let mut sim = Sim::default();
    let priority = |key: i32, fairness: &str| {
        Some(tenure_api::common::v1::Priority {
            priority_key: key,
            fairness_key: fairness.into(),
            ..Default::default()
        })
    };
    sim.start(api::StartWorkflowExecutionRequest { priority: priority(4, "f"), ..start_request() });
    let task = sim.poll();
    let own = child_with("k", |a| {
        a.priority = priority(1, "");
        a.task_queue = None;
    });
    sim.complete(&task, vec![own]).unwrap();
    sim.deliver_all();
    let run = sim.current_run_of("k").unwrap();
    let started = sim.rows.history(&run).remove(0).attributes.unwrap();
    let tenure_api::history::v1::history_event::Attributes::WorkflowExecutionStartedEventAttributes(started) = started
    else {
        panic!("{started:?}")
    };
    assert_eq!(started.priority, priority(1, "f"));
    assert_eq!(started.task_queue.unwrap().name, "q");
    let parent = sim.current_run();
    assert_eq!(started.parent_workflow_execution.unwrap().run_id, parent.run_id.to_string());
    assert_eq!(started.parent_initiated_event_id, 5);
    step(&mut sim, "k", vec![child("g")]);
    sim.deliver_all();
    let state = crate::StateReader::execution(&sim.rows, &sim.current_run_of("g").unwrap()).unwrap().unwrap();
    let lineage = state.info.lineage.as_ref().unwrap();
    assert_eq!((&*lineage.parent.workflow.workflow_id, &*lineage.root.workflow_id), ("k", "w"));
    assert_eq!(lineage.root.run_id, parent.run_id);
}

#[test]
fn many_children_spill_out_of_the_core_row() {
    let mut sim = commanded((0..40).map(|n| child(&format!("k{n}"))).collect());
    sim.deliver_all();
    assert_eq!(crate::child::describe::pending_infos(&sim.state()).len(), 40);
    for n in 0..40 {
        step(&mut sim, &format!("k{n}"), vec![complete("r")]);
    }
    sim.deliver_all();
    assert!(sim.state().relations.children.is_empty());
    let left = sim.rows.rows().filter(|(key, _)| matches!(key, crate::RowKey::Pending { .. })).count();
    assert_eq!(left, 0);
}
