//! Replies to commands that were applied before, made again from what their run remembers.

use crate::{
    activity,
    command::{Reply, WorkflowTaskStarted},
    id::ProposalId,
    key::RunKey,
    proposals::ProposalResult,
    state::ExecutionState,
    workflow_task,
};
use tenure_api::enums::v1::WorkflowExecutionStatus as Status;
use uuid::Uuid;

/// The reply to `proposal`, made from the state that its run has now.
pub(super) fn answer(result: &ProposalResult, run: &RunKey, state: &ExecutionState, proposal: ProposalId) -> Reply {
    match result {
        ProposalResult::Done => Reply::Done,
        ProposalResult::Signaled => Reply::WorkflowSignaled { run_id: run.run_id },
        ProposalResult::WorkflowTaskCompleted { reset_history_event_id, activities, .. } => {
            Reply::WorkflowTaskCompleted {
                // Its worker has what came before.
                new_task: workflow_task::started_by(run, state, proposal)
                    .map(|task| Box::new(WorkflowTaskStarted { sticky: true, ..task })),
                activities: activity::started_by(run, state, proposal, activities),
                reset_history_event_id: *reset_history_event_id,
            }
        }
        ProposalResult::FoundRunning { attached } => found_running(run.run_id, state, *attached),
        ProposalResult::ActivityOptions(options) => Reply::ActivityOptions(Box::new(options.decode())),
        ProposalResult::WorkflowOptions(options) => Reply::WorkflowOptions(Box::new(options.decode())),
        ProposalResult::Failed(error) => Reply::Failed(error.clone()),
    }
}

/// The reply to a start that found a running run; `attached`: that run has an event of the request's own.
fn found_running(run_id: Uuid, state: &ExecutionState, attached: bool) -> Reply {
    let (first_run_id, status) = (state.info.first_run_id, Status::Running.into());
    Reply::WorkflowStarted { run_id, first_run_id, started: false, attached, status, task: None }
}
