//! Which run a request means.

use crate::seam::{error::CommandError, replica::Rows};
use std::sync::Arc;
use tenure_api::error::{ApiError, Code};
use tenure_engine::{
    RowKey, RunKey, WorkflowKey, codec,
    rows::{CurrentRun, ReadError},
    state::ExecutionState,
};
use uuid::Uuid;

/// The run that is meant, and its state. To be called after a barrier.
pub(crate) fn find_run(
    rows: &dyn Rows,
    workflow: &WorkflowKey,
    run_id: Option<Uuid>,
) -> Result<(RunKey, Arc<ExecutionState>), CommandError> {
    let current = run_id.is_none();
    let run_id = match run_id {
        Some(run_id) => run_id,
        None => current_run(rows, workflow)?.ok_or_else(|| no_workflow(workflow))?,
    };
    let run = workflow.run(run_id);
    match rows.execution(&run)? {
        Some(state) if !state.is_deleted() => Ok((run, state)),
        _ if current => Err(no_workflow(workflow).into()),
        _ => Err(no_run(&run).into()),
    }
}

/// The current run of a workflow; `None` if there is none. To be called after a barrier.
pub(crate) fn find_current(rows: &dyn Rows, workflow: &WorkflowKey) -> Result<Option<Uuid>, CommandError> {
    match find_run(rows, workflow, None) {
        Ok((run, _)) => Ok(Some(run.run_id)),
        Err(CommandError::Api(error)) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn current_run(rows: &dyn Rows, workflow: &WorkflowKey) -> Result<Option<Uuid>, ReadError> {
    let key = RowKey::Current(workflow.clone());
    let Some(value) = rows.get(&key)? else { return Ok(None) };
    let current: CurrentRun = codec::decode(&value).map_err(|e| ReadError::corrupt(key, e))?;
    Ok(Some(current.run_id))
}

/// NOT_FOUND, as the reference server says it.
fn no_workflow(workflow: &WorkflowKey) -> ApiError {
    ApiError::not_found(format!("workflow not found for ID: {}", workflow.workflow_id))
}

/// NOT_FOUND, of a run.
pub(crate) fn no_run(run: &RunKey) -> ApiError {
    ApiError::not_found(format!(
        "workflow execution not found for workflow ID \"{}\" and run ID \"{}\"",
        run.workflow.workflow_id, run.run_id
    ))
}
