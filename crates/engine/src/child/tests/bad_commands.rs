//! Commands that are refused, and in which words.

use super::{cancel, child, child_with, signal};
use crate::{command::Reply, testing::Sim};
use expect_test::expect;
use tenure_api::{
    command::v1::{
        RequestCancelExternalWorkflowExecutionCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
        command::Attributes as Verb,
    },
    common::v1::{Payload, Payloads, WorkflowType},
};

/// The error that the parent's worker gets for these commands.
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
