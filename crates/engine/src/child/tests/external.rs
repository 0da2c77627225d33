//! Signals and cancellations of others.

use super::{cancel, complete, signal, start_other, step, tail};
use crate::testing::Sim;
use expect_test::expect;

#[test]
fn signals_and_cancellations_find_their_workflow_or_fail() {
    let mut sim = Sim::started();
    start_other(&mut sim, "other");
    start_other(&mut sim, "closed");
    step(&mut sim, "closed", vec![complete("r")]);
    let both = |id, child_only| [signal(id, child_only), cancel(id, child_only)];
    let commands =
        [both("other", false), both("other", true), both("closed", false), both("none", false), both("w", false)];
    step(&mut sim, "w", commands.into_iter().flatten().collect());
    sim.deliver_all();
    expect![[r#"
        5 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED s to other
        6 REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED of other
        7 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED s to other
        8 REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED of other
        9 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED s to closed
        10 REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED of closed
        11 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED s to none
        12 REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED of none
        13 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED s to w
        14 REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED of w
        15 EXTERNAL_WORKFLOW_EXECUTION_SIGNALED initiated=5
        16 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        17 EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED initiated=6
        18 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED initiated=7 ExternalWorkflowExecutionNotFound
        19 REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED initiated=8 ExternalWorkflowExecutionNotFound
        20 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED initiated=9 ExternalWorkflowExecutionNotFound
        21 EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED initiated=10
        22 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED initiated=11 ExternalWorkflowExecutionNotFound
        23 REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED initiated=12 ExternalWorkflowExecutionNotFound
        24 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED initiated=13 ExternalWorkflowExecutionNotFound
        25 REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED initiated=14 ExternalWorkflowExecutionNotFound
    "#]]
    .assert_eq(&tail(&sim));
    let relations = &sim.state().relations;
    assert_eq!((relations.signals, relations.cancels), (0, 0));
}

#[test]
fn a_receiver_takes_signals_up_to_its_limit() {
    let mut sim = Sim::started();
    sim.limits.signals = 1;
    start_other(&mut sim, "other");
    step(&mut sim, "w", vec![signal("other", false), signal("other", false)]);
    sim.deliver_all();
    expect![[r#"
        5 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED s to other
        6 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED s to other
        7 EXTERNAL_WORKFLOW_EXECUTION_SIGNALED initiated=5
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        9 SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED initiated=6 SignalCountLimitExceeded
    "#]]
    .assert_eq(&tail(&sim));
}
