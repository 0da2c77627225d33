use crate::{
    command::{Reply, ShardCommand},
    outbox::Receipt,
    testing::{Sim, start_request},
};
use expect_test::{Expect, expect};
use std::time::Duration;
use tenure_api::{
    command::v1::{
        CancelWorkflowExecutionCommandAttributes, CompleteWorkflowExecutionCommandAttributes,
        ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        RequestCancelExternalWorkflowExecutionCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
        StartChildWorkflowExecutionCommandAttributes, command::Attributes as Verb,
    },
    common::v1::{Payload, Payloads, WorkflowExecution, WorkflowType},
    enums::v1::{ParentClosePolicy, WorkflowIdReusePolicy},
    failure::v1::Failure,
    taskqueue::v1::TaskQueue,
    workflowservice::v1 as api,
};

fn child_with(id: &str, change: impl FnOnce(&mut StartChildWorkflowExecutionCommandAttributes)) -> Verb {
    let mut attributes = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: id.into(),
        workflow_type: Some(WorkflowType { name: "C".into() }),
        task_queue: Some(TaskQueue { name: "c".into(), ..Default::default() }),
        ..Default::default()
    };
    change(&mut attributes);
    Verb::StartChildWorkflowExecutionCommandAttributes(attributes)
}

fn child(id: &str) -> Verb {
    child_with(id, |_| ())
}

fn child_with_policy(id: &str, policy: ParentClosePolicy) -> Verb {
    child_with(id, |attributes| attributes.parent_close_policy = policy.into())
}

fn signal(id: &str, child_workflow_only: bool) -> Verb {
    Verb::SignalExternalWorkflowExecutionCommandAttributes(SignalExternalWorkflowExecutionCommandAttributes {
        execution: Some(WorkflowExecution { workflow_id: id.into(), ..Default::default() }),
        signal_name: "s".into(),
        child_workflow_only,
        ..Default::default()
    })
}

fn cancel(id: &str, child_workflow_only: bool) -> Verb {
    Verb::RequestCancelExternalWorkflowExecutionCommandAttributes(
        RequestCancelExternalWorkflowExecutionCommandAttributes {
            workflow_id: id.into(),
            child_workflow_only,
            ..Default::default()
        },
    )
}

fn complete(result: &str) -> Verb {
    let payload = Payload { data: result.to_owned().into(), ..Default::default() };
    Verb::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes {
        result: Some(Payloads { payloads: vec![payload] }),
    })
}

fn fail() -> Verb {
    let failure = Some(Failure { message: "no".into(), ..Default::default() });
    Verb::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes { failure })
}

fn cancelled() -> Verb {
    Verb::CancelWorkflowExecutionCommandAttributes(CancelWorkflowExecutionCommandAttributes::default())
}

/// The parent `w` after a task with these commands, their messages not delivered yet.
fn commanded(commands: Vec<Verb>) -> Sim {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, commands).unwrap();
    sim
}

/// Completes the workflow's task with these commands.
fn step(sim: &mut Sim, workflow_id: &str, commands: Vec<Verb>) {
    let task = sim.poll_of(workflow_id);
    sim.complete(&task, commands).unwrap();
}

fn start_other(sim: &mut Sim, id: &str) {
    let request = api::StartWorkflowExecutionRequest { workflow_id: id.into(), ..start_request() };
    let workflow = crate::WorkflowKey { workflow_id: id.into(), ..crate::testing::workflow() };
    sim.run_for(workflow, ShardCommand::StartWorkflow(Box::new(request))).unwrap();
}

/// The events behind the parent's first task.
fn tail(sim: &Sim) -> String {
    sim.history().lines().skip(4).map(|line| format!("{line}\n")).collect()
}

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

/// How the child `k`, started with this policy, ends when its parent does.
fn check_policy(policy: ParentClosePolicy, close: impl FnOnce(&mut Sim), expected: &Expect) {
    let mut sim = commanded(vec![child_with_policy("k", policy)]);
    close(&mut sim);
    sim.deliver_all();
    expected.assert_eq(&sim.history_of("k"));
}

#[test]
fn a_parent_that_closes_tells_its_children() {
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
fn a_receiver_has_its_fill_of_signals() {
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

/// What the parent's worker is told of these commands.
fn refusal(commands: Vec<Verb>) -> String {
    let mut sim = Sim::started();
    sim.limits.id_length = 30;
    sim.limits.pending_children = 2;
    sim.limits.pending_signals = 2;
    sim.limits.pending_cancels = 2;
    sim.limits.blob_size = 100;
    sim.limits.memo_size = 100;
    let task = sim.poll();
    match sim.complete(&task, commands) {
        Ok(Reply::Failed(error)) => error.message,
        other => format!("{other:?}"),
    }
}

#[test]
fn bad_commands_are_refused_in_the_references_words() {
    let long = "x".repeat(31);
    let minus = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let large = Some(Payloads { payloads: vec![Payload { data: vec![0; 200].into(), ..Default::default() }] });
    let signal_with = |change: fn(&mut SignalExternalWorkflowExecutionCommandAttributes)| {
        let Verb::SignalExternalWorkflowExecutionCommandAttributes(mut attributes) = signal("x", false) else {
            unreachable!()
        };
        change(&mut attributes);
        Verb::SignalExternalWorkflowExecutionCommandAttributes(attributes)
    };
    let cancel_with = |change: fn(&mut RequestCancelExternalWorkflowExecutionCommandAttributes)| {
        let Verb::RequestCancelExternalWorkflowExecutionCommandAttributes(mut attributes) = cancel("x", false) else {
            unreachable!()
        };
        change(&mut attributes);
        Verb::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes)
    };
    let cases = [
        vec![child("")],
        vec![child_with("x", |a| a.workflow_type = None)],
        vec![child(&long)],
        vec![child_with("x", |a| a.workflow_type = Some(WorkflowType { name: long.clone() }))],
        vec![child_with("x", |a| a.namespace = "other".into())],
        vec![child_with("x", |a| a.workflow_run_timeout = minus)],
        vec![child_with("x", |a| a.workflow_execution_timeout = minus)],
        vec![child_with("x", |a| a.workflow_task_timeout = minus)],
        vec![child_with("x", |a| a.task_queue.as_mut().unwrap().name = "/_sys/a".into())],
        vec![child_with("x", |a| {
            a.retry_policy = Some(tenure_api::common::v1::RetryPolicy { maximum_attempts: -1, ..Default::default() });
        })],
        vec![child_with("x", |a| {
            a.priority = Some(tenure_api::common::v1::Priority { priority_key: -1, ..Default::default() });
        })],
        vec![child_with("x", |a| a.cron_schedule = "bogus".into())],
        vec![child_with("x", |a| a.input = large)],
        vec![child("a"), child("b"), child("c")],
        vec![signal_with(|a| a.execution = None)],
        vec![signal("", false)],
        vec![signal(&long, false)],
        vec![signal_with(|a| a.execution.as_mut().unwrap().run_id = "abc".into())],
        vec![signal_with(|a| a.signal_name.clear())],
        vec![signal_with(|a| a.namespace = "other".into())],
        vec![signal("a", false), signal("b", false), signal("c", false)],
        vec![cancel("", false)],
        vec![cancel(&long, false)],
        vec![cancel_with(|a| a.run_id = "abc".into())],
        vec![cancel_with(|a| a.namespace = "other".into())],
        vec![child("x"), cancel("x", false)],
        vec![cancel("a", false), cancel("b", false), cancel("c", false)],
    ];
    let refusals: String = cases.into_iter().map(|commands| refusal(commands) + "\n").collect();
    expect![[r#"
        BadStartChildExecutionAttributes: Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType=C Namespace=default
        BadStartChildExecutionAttributes: Required field WorkflowType is not set on StartChildWorkflowExecutionCommand. WorkflowId=x Namespace=default
        BadStartChildExecutionAttributes: WorkflowId on StartChildWorkflowExecutionCommand exceeds length limit. WorkflowId=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx Length=31 Limit=30 WorkflowType=C Namespace=default
        BadStartChildExecutionAttributes: WorkflowType on StartChildWorkflowExecutionCommand exceeds length limit. WorkflowId=x WorkflowType=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx Length=31 Limit=30 Namespace=default
        BadStartChildExecutionAttributes: cross namespace commands are not allowed
        BadStartChildExecutionAttributes: Invalid WorkflowRunTimeout on StartChildWorkflowExecutionCommand: negative duration. WorkflowId=x WorkflowType=C Namespace=default
        BadStartChildExecutionAttributes: Invalid WorkflowExecutionTimeout on StartChildWorkflowExecutionCommand: negative duration. WorkflowId=x WorkflowType=C Namespace=default
        BadStartChildExecutionAttributes: Invalid WorkflowTaskTimeout on StartChildWorkflowExecutionCommand: negative duration. WorkflowId=x WorkflowType=C Namespace=default
        BadStartChildExecutionAttributes: invalid TaskQueue on StartChildWorkflowExecutionCommand: task queue name cannot start with reserved prefix /_sys/. WorkflowId=x WorkflowType=C Namespace=default TaskQueue=name:"/_sys/a"  kind:TASK_QUEUE_KIND_NORMAL
        BadStartChildExecutionAttributes: invalid WorkflowRetryPolicy on StartChildWorkflowExecutionCommand: MaximumAttempts cannot be negative on retry policy.. WorkflowId=x WorkflowType=C Namespace=default
        BadStartChildExecutionAttributes: priority key can't be negative
        BadStartChildExecutionAttributes: invalid CronSchedule on StartChildWorkflowExecutionCommand: invalid CronSchedule.. WorkflowId=x WorkflowType=C Namespace=default
        BadStartChildExecutionAttributes: StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.
        PendingChildWorkflowsLimitExceeded: the number of pending child workflow executions, 2, has reached the per-workflow limit of 2
        BadSignalWorkflowExecutionAttributes: Execution is not set on SignalExternalWorkflowExecutionCommand.
        BadSignalWorkflowExecutionAttributes: WorkflowId is not set on SignalExternalWorkflowExecutionCommand. Namespace= RunId= SignalName=s
        BadSignalWorkflowExecutionAttributes: WorkflowId on SignalExternalWorkflowExecutionCommand exceeds length limit. WorkflowId=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx Length=31 Limit=30 Namespace= RunId= SignalName=s
        BadSignalWorkflowExecutionAttributes: Invalid RunId set on SignalExternalWorkflowExecutionCommand. WorkflowId=x Namespace= RunId=abc SignalName=s
        BadSignalWorkflowExecutionAttributes: SignalName is not set on SignalExternalWorkflowExecutionCommand. WorkflowId=x Namespace= RunId=
        BadSignalWorkflowExecutionAttributes: cross namespace commands are not allowed
        PendingSignalsLimitExceeded: the number of pending signals to external workflows, 2, has reached the per-workflow limit of 2
        BadRequestCancelExternalWorkflowExecutionAttributes: WorkflowId is not set on RequestCancelExternalWorkflowExecutionCommand. Namespace= RunId=
        BadRequestCancelExternalWorkflowExecutionAttributes: WorkflowId on RequestCancelExternalWorkflowExecutionCommand exceeds length limit. WorkflowId=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx Length=31 Limit=30 RunId= Namespace=
        BadRequestCancelExternalWorkflowExecutionAttributes: Invalid RunId set on RequestCancelExternalWorkflowExecutionCommand. WorkflowId=x RunId=abc Namespace=
        BadRequestCancelExternalWorkflowExecutionAttributes: cross namespace commands are not allowed
        BadRequestCancelExternalWorkflowExecutionAttributes: Start and RequestCancel for child workflow is not allowed in same workflow task. WorkflowId=x RunId= Namespace=
        PendingRequestCancelLimitExceeded: the number of pending requests to cancel external workflows, 2, has reached the per-workflow limit of 2
    "#]].assert_eq(&refusals);
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

fn continue_as_new() -> Verb {
    Verb::ContinueAsNewWorkflowExecutionCommandAttributes(ContinueAsNewWorkflowExecutionCommandAttributes::default())
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

#[test]
fn many_children_spill_out_of_the_core_row() {
    let mut sim = commanded((0..40).map(|n| child(&format!("k{n}"))).collect());
    sim.deliver_all();
    assert_eq!(super::pending_infos(&sim.state()).len(), 40);
    for n in 0..40 {
        step(&mut sim, &format!("k{n}"), vec![complete("r")]);
    }
    sim.deliver_all();
    assert!(sim.state().relations.children.is_empty());
    let left = sim.rows.rows().filter(|(key, _)| matches!(key, crate::RowKey::Pending { .. })).count();
    assert_eq!(left, 0);
}
