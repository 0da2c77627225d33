//! Children whose parent closes.

use super::{cancel, child, child_with_policy, commanded, complete, continue_as_new, signal, start_other, step};
use crate::testing::Sim;
use expect_test::{Expect, expect};
use tenure_api::enums::v1::ParentClosePolicy;

/// Checks the end of the child `k`, started with this policy, when its parent closes.
fn check_policy(policy: ParentClosePolicy, close: impl FnOnce(&mut Sim), expected: &Expect) {
    let mut sim = commanded(vec![child_with_policy("k", policy)]);
    close(&mut sim);
    sim.deliver_all();
    expected.assert_eq(&sim.history_of("k"));
}

#[test]
fn a_parent_that_closes_notifies_its_children() {
    let terminated = expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on c attempt=1 10s
        3 WORKFLOW_EXECUTION_TERMINATED "by parent close policy"
    "#]];
    let asked = expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on c attempt=1 10s
        3 WORKFLOW_EXECUTION_CANCEL_REQUESTED by w
    "#]];
    let alone = expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on c attempt=1 10s
    "#]];
    let policies = [
        (ParentClosePolicy::Unspecified, &terminated),
        (ParentClosePolicy::Terminate, &terminated),
        (ParentClosePolicy::RequestCancel, &asked),
        (ParentClosePolicy::Abandon, &alone),
    ];
    for (policy, expected) in policies {
        // Started, and still on its way: the message that starts the child goes first.
        for delivered in [true, false] {
            check_policy(
                policy,
                |sim| {
                    if delivered {
                        sim.deliver_all();
                    }
                    sim.terminate().unwrap();
                },
                expected,
            );
        }
    }
}

#[test]
fn a_child_of_the_closing_task_is_never_started() {
    for policy in [ParentClosePolicy::Terminate, ParentClosePolicy::Abandon, ParentClosePolicy::RequestCancel] {
        let mut sim = Sim::started();
        start_other(&mut sim, "other");
        let task = sim.poll_of("w");
        let policy = child_with_policy("k", policy);
        sim.complete(&task, vec![policy, signal("other", false), cancel("other", false), complete("r")]).unwrap();
        assert!(sim.outbox().is_empty());
        assert_eq!(sim.current_run_of("k"), None);
    }
}

#[test]
fn a_terminated_childs_successor_by_the_same_id_is_not_the_parents() {
    let mut sim = commanded(vec![child("k")]);
    let (from, stamp, message) = sim.outbox().remove(0);
    let receipt = sim.deliver(&from, &message);
    step(&mut sim, "k", vec![complete("r")]);
    start_other(&mut sim, "k");
    sim.delivered(&from, stamp, receipt);
    sim.terminate().unwrap();
    sim.deliver_all();
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history_of("k"));
}

#[test]
fn a_parent_that_continues_as_new_has_closed() {
    let mut sim = commanded(vec![child("k"), child_with_policy("l", ParentClosePolicy::Abandon)]);
    sim.deliver_all();
    step(&mut sim, "w", vec![continue_as_new()]);
    sim.deliver_all();
    assert!(sim.history_of("k").contains("TERMINATED"), "{}", sim.history_of("k"));
    step(&mut sim, "l", vec![complete("r")]);
    sim.deliver_all();
    assert_eq!(sim.history().lines().count(), 1, "{}", sim.history());
    assert!(sim.state().relations.children.is_empty());
}
