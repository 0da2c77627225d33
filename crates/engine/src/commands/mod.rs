//! One file per verb of [`ShardCommand`]: finds the run, checks what depends on its state, and lets the sub-machines
//! do the rest.

mod acknowledge;
mod answer;
pub(crate) mod batch;
mod call;
mod cancel_activity;
mod complete_activity;
mod complete_workflow_task;
mod delete_workflow;
mod fail_activity;
mod fail_workflow_task;
mod finish;
mod heartbeat_activity;
mod list_run;
mod pause_activity;
mod pause_workflow;
mod receive;
mod reclaim_run;
mod reclaimed;
pub(crate) mod request_cancel_workflow;
mod reset_activity;
mod reset_history;
mod reset_sticky_task_queue;
mod reset_workflow;
mod return_task;
pub(crate) mod schedule;
pub(crate) mod signal_with_start;
pub(crate) mod signal_workflow;
pub(crate) mod standalone;
mod start_activity_task;
pub(crate) mod start_workflow;
mod start_workflow_task;
mod sticky_unavailable;
pub(crate) mod terminate_workflow;
mod timer_due;
mod unpause_activity;
mod unpause_workflow;
mod update_activity_options;
mod update_queue_config;
mod update_with_start;
mod update_workflow;
pub(crate) mod update_workflow_options;

pub(crate) use call::{Call, Stop, unchanged};
pub use reclaimed::answer_of_reclaimed;

use crate::command::ShardCommand;
use call::VerbResult;
use tenure_api::error::ApiError;

/// Runs a command by its verb, one line each.
pub(crate) fn dispatch(call: Call<'_, '_>, command: &ShardCommand) -> VerbResult {
    use ShardCommand::*;
    match command {
        StartWorkflow(start) => start_workflow::run(call, start),
        SignalWithStart(start) => signal_with_start::run(call, start),
        SignalWorkflow(of) => signal_workflow::run(call, of.run_id, &of.request),
        RequestCancelWorkflow(of) => request_cancel_workflow::run(call, of.run_id, &of.request),
        TerminateWorkflow(of) => terminate_workflow::run(call, of.run_id, &of.request),
        DeleteWorkflow { run_id } => delete_workflow::run(call, *run_id),
        PauseWorkflow(of) => pause_workflow::run(call, of.run_id, &of.request),
        UnpauseWorkflow(of) => unpause_workflow::run(call, of.run_id, &of.request),
        ResetWorkflow(of) => reset_workflow::run(call, of.run_id, &of.request),
        UpdateWorkflow(of) => update_workflow::run(call, of.run_id, &of.request),
        UpdateWithStart { start, update } => update_with_start::run(call, start, update),
        StartWorkflowTask(start) => start_workflow_task::run(call, start),
        CompleteWorkflowTask { token, request } => complete_workflow_task::run(call, token, request),
        FailWorkflowTask { token, request } => fail_workflow_task::run(call, token, request),
        ResetStickyTaskQueue { run_id } => reset_sticky_task_queue::run(call, *run_id),
        StickyUnavailable { run_id, stamp } => sticky_unavailable::run(call, *run_id, *stamp),
        StartActivityTask(start) => start_activity_task::run(call, start),
        CompleteActivity { activity, request } => complete_activity::run(call, activity, request),
        FailActivity { activity, request } => fail_activity::run(call, activity, request),
        CancelActivity { activity, request } => cancel_activity::run(call, activity, request),
        HeartbeatActivity { activity, request } => heartbeat_activity::run(call, activity, request),
        PauseActivity(of) => pause_activity::run(call, of.run_id, &of.request),
        UnpauseActivity(of) => unpause_activity::run(call, of.run_id, &of.request),
        ResetActivity(of) => reset_activity::run(call, of.run_id, &of.request),
        UpdateWorkflowOptions(of) => update_workflow_options::run(call, of.run_id, &of.request),
        UpdateActivityOptions(of) => update_activity_options::run(call, of.run_id, &of.request),
        UpdateQueueConfig { queue, request } => update_queue_config::run(call, queue, request),
        ReturnTask { token } => return_task::run(call, token),
        Receive { from, message } => receive::run(call, from, message),
        Acknowledge { instance, stamp, receipt } => acknowledge::run(call, *instance, *stamp, *receipt),
        StartBatch(_)
        | StopBatch(_)
        | AdvanceBatch(_)
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
        | DeleteActivity { .. } => {
            let workflow_id = &call.workflow.workflow_id;
            Err(ApiError::internal(format!("a command that is not for workflow '{workflow_id}'")).into())
        }
        ListRun { run_id } => list_run::run(call, *run_id),
        ReclaimRun { run_id } => reclaim_run::run(call, *run_id),
        TimerDue { instance } => timer_due::run(call, *instance),
    }
}
