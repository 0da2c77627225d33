//! The completion of a workflow task: its commands become events, buffered events follow, and the next task is
//! scheduled where there is something new.

use super::apply::apply;
use crate::{
    activity,
    bad_command::BadCommand,
    command::Poll,
    id::{Process, Stamp},
    proposals::ProposalResult,
    proto::Encoded,
    state::Sticky,
    txn::Txn,
    update::{self, Inbox},
    workflow_task::{self, CompletedTask, PendingTask, StartedTask},
};
use tenure_api::{
    common::v1::{WorkerVersionCapabilities, WorkerVersionStamp},
    deployment::v1::WorkerDeploymentVersion,
    enums::v1::WorkerVersioningMode,
    history::v1::WorkflowTaskCompletedEventAttributes,
    time::optional_duration,
    workflowservice::v1::RespondWorkflowTaskCompletedRequest,
};

/// Completes the started task, and starts the next one where the worker asked for it and there is one. After an error
/// the transaction is spoilt and has to be started over.
pub(super) fn complete(
    txn: &mut Txn<'_, '_>,
    request: &RespondWorkflowTaskCompletedRequest,
) -> Result<ProposalResult, BadCommand> {
    let Some((before, started)) = txn.state.workflow_task.started() else { unreachable!("the caller saw it started") };
    let (original_scheduled_at, stamp) = (before.original_scheduled_at, started.stamp);
    let force_new = request.force_create_new_workflow_task;
    let heartbeats = force_new && request.commands.is_empty();
    let poll = poll(request, txn.cx.origin);
    let next = NextTask { wanted: request.return_new_workflow_task, poll };
    txn.state.sticky = sticky(request);
    if leaves_no_trace(txn, before, started, request) {
        return without_trace(txn, stamp, request, &next);
    }
    let completed_event_id = workflow_task::end_completed(txn, completed_attributes(request));
    let unseen_events = txn.state.buffered.len();
    let inbox = Inbox::new(request.messages.clone(), completed_event_id);
    let identity = request.identity.clone();
    let mut task = CompletedTask { completed_event_id, identity, unseen_events, eager: Vec::new(), inbox };
    for command in &request.commands {
        // What follows the end of the run has no meaning any more.
        if !txn.state.is_running() {
            break;
        }
        if command.command_type().closes_run() {
            update::read_rejections(txn, &mut task.inbox)?;
        }
        apply(txn, &mut task, command.clone())?;
    }
    update::read_rest(txn, &mut task.inbox)?;
    let completed = |activities| ProposalResult::WorkflowTaskCompleted { stamp, reset_history_event_id: 0, activities };
    if !txn.state.is_running() {
        return Ok(completed(Vec::new()));
    }
    activity::start_eagerly(txn, &task.eager, &next.poll);
    // A worker that forces the next task to keep its place goes on with the updates that it has.
    if !force_new {
        update::reject_unprocessed(txn);
    }
    if force_new || !txn.state.buffered.is_empty() {
        workflow_task::schedule(txn, heartbeats.then_some(original_scheduled_at));
        next.start(txn);
    } else {
        next.for_updates(txn);
    }
    Ok(completed(task.eager))
}

/// Whether the completion is that of a speculative task which is forgotten: it brought nothing but rejections, and its
/// worker can forget it too, because all that it was shown is this task, or because it says that it can forget more.
fn leaves_no_trace(
    txn: &Txn<'_, '_>,
    task: &PendingTask,
    started: &StartedTask,
    request: &RespondWorkflowTaskCompletedRequest,
) -> bool {
    /// The events that the worker was shown: the last task's completed event, and this one's scheduled and started
    /// events.
    const SHOWN: i64 = 3;
    let workflow_task = &txn.state.workflow_task;
    let forgets_more = request.capabilities.is_some_and(|c| c.discard_speculative_workflow_task_with_events);
    task.transient
        && workflow_task.is_speculative()
        && request.commands.is_empty()
        && !request.force_create_new_workflow_task
        && request.messages.iter().all(update::leaves_no_trace)
        && (forgets_more || started.event_id == workflow_task.last_completed_started_event_id + SHOWN)
}

fn without_trace(
    txn: &mut Txn<'_, '_>,
    stamp: Stamp,
    request: &RespondWorkflowTaskCompletedRequest,
    next: &NextTask,
) -> Result<ProposalResult, BadCommand> {
    txn.state.workflow_task.pending = None;
    update::read_rest(txn, &mut Inbox::new(request.messages.clone(), txn.state.last_event_id()))?;
    update::reject_unprocessed(txn);
    next.for_updates(txn);
    let reset_history_event_id = txn.state.workflow_task.last_completed_started_event_id;
    Ok(ProposalResult::WorkflowTaskCompleted { stamp, reset_history_event_id, activities: Vec::new() })
}

/// The plan for the next task.
struct NextTask {
    /// Whether the worker takes it with the reply.
    wanted: bool,
    poll: Poll,
}

impl NextTask {
    /// Schedules the next task if updates wait for one. It is speculative if it is started at once.
    fn for_updates(&self, txn: &mut Txn<'_, '_>) {
        if txn.state.is_paused() || !txn.state.updates.any_unsent() {
            return;
        }
        if self.wanted {
            workflow_task::schedule_speculative(txn);
        } else {
            workflow_task::schedule(txn, None);
        }
        self.start(txn);
    }

    /// Starts the next task, if the worker wants it and there is one: a paused run has none.
    fn start(&self, txn: &mut Txn<'_, '_>) {
        if self.wanted && txn.state.workflow_task.pending.is_some() {
            workflow_task::start_for_same_worker(txn, &self.poll);
        }
    }
}

/// The poll for the next task, on behalf of the worker that completes this one.
fn poll(request: &RespondWorkflowTaskCompletedRequest, process: Process) -> Poll {
    let capabilities = |stamp: &WorkerVersionStamp| {
        let (build_id, use_versioning) = (stamp.build_id.clone(), stamp.use_versioning);
        Encoded::of(&WorkerVersionCapabilities { build_id, use_versioning, ..Default::default() })
    };
    Poll {
        identity: request.identity.clone(),
        process,
        worker_version: request.worker_version_stamp.as_ref().map(capabilities),
        ..Poll::default()
    }
}

fn completed_attributes(request: &RespondWorkflowTaskCompletedRequest) -> WorkflowTaskCompletedEventAttributes {
    let deployment_version = deployment_version(request);
    let deployment_name = match (&request.deployment_options, &deployment_version) {
        (Some(options), _) => options.deployment_name.clone(),
        (None, Some(version)) => version.deployment_name.clone(),
        (None, None) => String::new(),
    };
    WorkflowTaskCompletedEventAttributes {
        identity: request.identity.clone(),
        binary_checksum: request.binary_checksum.clone(),
        worker_version: request.worker_version_stamp.clone(),
        sdk_metadata: request.sdk_metadata.clone(),
        metering_metadata: request.metering_metadata,
        versioning_behavior: request.versioning_behavior,
        worker_deployment_name: deployment_name,
        deployment_version,
        ..Default::default()
    }
}

/// The deployment version of a versioned worker; older SDKs name it by its series.
fn deployment_version(request: &RespondWorkflowTaskCompletedRequest) -> Option<WorkerDeploymentVersion> {
    let versioned = request.deployment_options.as_ref();
    let versioned = versioned.filter(|o| o.worker_versioning_mode() == WorkerVersioningMode::Versioned);
    let (deployment_name, build_id) = match (versioned, &request.deployment) {
        (Some(options), _) => (&options.deployment_name, &options.build_id),
        (None, Some(series)) => (&series.series_name, &series.build_id),
        (None, None) => return None,
    };
    Some(WorkerDeploymentVersion { deployment_name: deployment_name.clone(), build_id: build_id.clone() })
}

/// The sticky queue that the completion asks for; `None` if the worker does not cache the run.
fn sticky(request: &RespondWorkflowTaskCompletedRequest) -> Option<Sticky> {
    let attributes = request.sticky_attributes.as_ref()?;
    let queue = attributes.worker_task_queue.as_ref().filter(|queue| !queue.name.is_empty())?;
    let schedule_to_start = optional_duration(attributes.schedule_to_start_timeout.as_ref()).ok().flatten();
    Some(Sticky { queue: queue.name.as_str().into(), schedule_to_start })
}
