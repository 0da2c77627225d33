//! The end of a task whose worker answered: its commands become events, what waited follows, and where there is
//! something new the next task is scheduled.

use super::{BadCommand, CompletedTask, commands, end_completed, schedule, start};
use crate::{activity, command::Poll, proto::optional_duration, state::Sticky, txn::Txn};
use tenure_api::{
    enums::v1::{VersioningBehavior, WorkflowTaskFailedCause as Cause},
    history::v1::WorkflowTaskCompletedEventAttributes,
    workflowservice::v1::RespondWorkflowTaskCompletedRequest,
};

/// Completes the started task, and starts the next one where the worker asked for it and there is one. After an error
/// the transaction is spoilt and has to be started over.
pub(crate) fn complete(txn: &mut Txn<'_, '_>, request: RespondWorkflowTaskCompletedRequest) -> Result<(), BadCommand> {
    let Some((before, _)) = txn.state.workflow_task.started() else { unreachable!("the caller saw it started") };
    let original_scheduled_at = before.original_scheduled_at;
    if !request.messages.is_empty() {
        let message = "messages are not implemented by this server";
        return Err(BadCommand::new(Cause::BadUpdateWorkflowExecutionMessage, message));
    }
    let heartbeats = request.force_create_new_workflow_task && request.commands.is_empty();
    let completed_event_id = end_completed(txn, completed_attributes(&request));
    txn.state.sticky = sticky(&request);

    let unseen = txn.state.buffered.len();
    let mut task = CompletedTask { completed_event_id, identity: request.identity, unseen, eager: Vec::new() };
    for command in request.commands {
        // What follows the end of the run has no meaning any more.
        if !txn.state.is_running() {
            break;
        }
        commands::apply(txn, &mut task, command)?;
    }
    if txn.state.is_running() {
        let poll = Poll { identity: task.identity.clone(), ..Poll::default() };
        activity::start_eagerly(txn, &task.eager, &poll);
    }
    let news = request.force_create_new_workflow_task || !txn.state.buffered.is_empty();
    if !txn.state.is_running() || !news {
        return Ok(());
    }
    schedule(txn, heartbeats.then_some(original_scheduled_at));
    if request.return_new_workflow_task {
        start(txn, &Poll { identity: task.identity, ..Poll::default() });
    }
    Ok(())
}

fn completed_attributes(request: &RespondWorkflowTaskCompletedRequest) -> WorkflowTaskCompletedEventAttributes {
    let versioned = request.versioning_behavior() != VersioningBehavior::Unspecified;
    let deployment = request.deployment_options.as_ref().filter(|_| versioned);
    WorkflowTaskCompletedEventAttributes {
        identity: request.identity.clone(),
        binary_checksum: request.binary_checksum.clone(),
        worker_version: request.worker_version_stamp.clone(),
        sdk_metadata: request.sdk_metadata.clone(),
        metering_metadata: request.metering_metadata,
        deployment: request.deployment.clone(),
        versioning_behavior: request.versioning_behavior,
        worker_deployment_name: deployment.map(|d| d.deployment_name.clone()).unwrap_or_default(),
        deployment_version: deployment.map(|d| tenure_api::deployment::v1::WorkerDeploymentVersion {
            deployment_name: d.deployment_name.clone(),
            build_id: d.build_id.clone(),
        }),
        ..Default::default()
    }
}

/// The worker says with each completion whether it keeps the run.
fn sticky(request: &RespondWorkflowTaskCompletedRequest) -> Option<Sticky> {
    let attributes = request.sticky_attributes.as_ref()?;
    let queue = attributes.worker_task_queue.as_ref().filter(|queue| !queue.name.is_empty())?;
    let schedule_to_start = optional_duration(attributes.schedule_to_start_timeout.as_ref()).ok().flatten();
    Some(Sticky { queue: queue.name.as_str().into(), schedule_to_start })
}
