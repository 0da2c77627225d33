//! What commands come to in a namespace that was deleted. Nothing begins in it any more; what is there ends.

use crate::{
    command::{Reply, ShardCommand},
    outbox::{Body, Receipt},
};
use tenure_api::error::ApiError;

/// The answer to a command in a namespace that the shard reclaims; `None` for those that run as ever.
pub fn answer_of_reclaimed(command: &ShardCommand) -> Option<Result<Reply, ApiError>> {
    use ShardCommand::*;
    match command {
        // They come from the shard itself, and only end things. (A run that follows one by its timer is found, too.)
        Acknowledge { .. } | AdvanceBatch(_) | ListRun { .. } | ReclaimRun { .. } | TimerDue { .. } => None,
        // The sender gets an answer, so that it does not send for ever.
        Receive { message, .. } => Some(Ok(Reply::Received(receipt(&message.body)))),
        StartWorkflow(_)
        | SignalWithStart(_)
        | SignalWorkflow(_)
        | RequestCancelWorkflow(_)
        | TerminateWorkflow(_)
        | DeleteWorkflow { .. }
        | PauseWorkflow(_)
        | UnpauseWorkflow(_)
        | ResetWorkflow(_)
        | UpdateWorkflow(_)
        | UpdateWithStart { .. }
        | StartWorkflowTask(_)
        | CompleteWorkflowTask { .. }
        | FailWorkflowTask { .. }
        | ResetStickyTaskQueue { .. }
        | StickyUnavailable { .. }
        | StartActivityTask(_)
        | CompleteActivity { .. }
        | FailActivity { .. }
        | CancelActivity { .. }
        | HeartbeatActivity { .. }
        | PauseActivity(_)
        | UnpauseActivity(_)
        | ResetActivity(_)
        | UpdateWorkflowOptions(_)
        | UpdateActivityOptions(_)
        | UpdateQueueConfig { .. }
        | StartBatch(_)
        | StopBatch(_)
        | CreateSchedule(_)
        | UpdateSchedule(_)
        | PatchSchedule(_)
        | DeleteSchedule
        | StartActivity(_)
        | RequestCancelActivity(_)
        | TerminateActivity(_)
        | PauseStandalone(_)
        | UnpauseStandalone(_)
        | ResetStandalone(_)
        | UpdateStandaloneOptions(_)
        | DeleteActivity { .. }
        | ReturnTask { .. } => Some(Err(ApiError::not_found("The namespace was deleted."))),
    }
}

fn receipt(body: &Body) -> Receipt {
    match body {
        Body::StartChild { .. } | Body::StartScheduled { .. } => Receipt::Refused,
        Body::Signal { .. } | Body::RequestCancel { .. } => Receipt::NotFound,
        Body::ParentClosed { .. }
        | Body::ChildClosed { .. }
        | Body::EndScheduled { .. }
        | Body::ScheduledClosed { .. } => Receipt::Done,
    }
}
