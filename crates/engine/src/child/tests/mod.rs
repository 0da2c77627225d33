//! Children, and signals and cancellations of others: the parent `w`, and the workflows that its commands reach.

mod bad_commands;
mod closing;
mod external;
mod resets;
mod results;

use crate::{
    chain::Start,
    command::ShardCommand,
    testing::{Sim, start_request},
};
use tenure_api::{
    command::v1::{
        CancelWorkflowExecutionCommandAttributes, CompleteWorkflowExecutionCommandAttributes,
        ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        RequestCancelExternalWorkflowExecutionCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
        StartChildWorkflowExecutionCommandAttributes, command::Attributes as Verb,
    },
    common::v1::{Payload, Payloads, WorkflowExecution, WorkflowType},
    enums::v1::ParentClosePolicy,
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
    sim.run_for(workflow, ShardCommand::StartWorkflow(Box::new(Start::new(request).unwrap()))).unwrap();
}

/// The events behind the parent's first task.
fn tail(sim: &Sim) -> String {
    sim.history().lines().skip(4).map(|line| format!("{line}\n")).collect()
}

fn continue_as_new() -> Verb {
    Verb::ContinueAsNewWorkflowExecutionCommandAttributes(ContinueAsNewWorkflowExecutionCommandAttributes::default())
}
