//! The surroundings of a verb: runs are found and opened here, with the errors for those that are not there.

use super::answer::answer;
use crate::{
    command::{ActivityRef, Reply},
    id::ProposalId,
    key::{TaskKind, WorkflowKey},
    row::{CurrentRun, RowKey, WriteSet},
    rows::{ReadError, StateReader},
    state::ExecutionState,
    token::TaskToken,
    transition::types::{Context, Refused, Transition},
    txn::Txn,
};
use std::sync::Arc;
use tenure_api::error::ApiError;
use uuid::Uuid;

/// The reason why a command stops before it changed anything.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Refused),
    /// The command was applied before, or there is nothing to do: this is the reply.
    Answered(Reply),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Stop::Refused(error.into())
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Stop::Refused(error.into())
    }
}

pub(crate) type VerbResult = Result<Transition, Stop>;

/// The surroundings of a command.
pub(crate) struct Call<'a, 'c> {
    pub(crate) rows: &'a dyn StateReader,
    pub(crate) cx: &'a mut Context<'c>,
    pub(crate) workflow: &'a WorkflowKey,
    pub(crate) proposal: ProposalId,
}

impl<'a, 'c> Call<'a, 'c> {
    /// The latest run of the workflow id.
    pub(crate) fn current_run(&self) -> Result<Option<Uuid>, ReadError> {
        let key = RowKey::Current(self.workflow.clone());
        let Some(value) = self.rows.get(&key)? else { return Ok(None) };
        match crate::codec::decode::<CurrentRun>(&value) {
            Ok(current) => Ok(Some(current.run_id)),
            Err(error) => Err(ReadError::corrupt(key, error)),
        }
    }

    pub(crate) fn state(&self, run_id: Uuid) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        let state = self.rows.execution(&self.workflow.run(run_id))?;
        Ok(state.filter(|state| !state.is_deleted()))
    }

    /// Opens a working copy of the run, or of the current one. A proposal that the run remembers is answered as the
    /// first time.
    pub(crate) fn open(self, run_id: Option<Uuid>) -> Result<Txn<'a, 'c>, Stop> {
        let current = run_id.is_none();
        let run_id = match run_id {
            Some(run_id) => run_id,
            None => self.current_run()?.ok_or_else(|| no_workflow(self.workflow))?,
        };
        let run = self.workflow.run(run_id);
        let state = self.rows.execution(&run)?;
        if let Some(state) = &state
            && let Some(result) = state.proposals.result(self.proposal)
        {
            return Err(Stop::Answered(answer(result, &run, state, self.proposal)));
        }
        let Some(state) = state.filter(|state| !state.is_deleted()) else {
            return Err(if current { no_workflow(self.workflow) } else { no_run(self.workflow, run_id) }.into());
        };
        Ok(Txn::open(self.rows, self.cx, run, self.proposal, state))
    }

    /// The same as [`Call::open`], for verbs that a closed run refuses.
    pub(crate) fn open_running(self, run_id: Option<Uuid>) -> Result<Txn<'a, 'c>, Stop> {
        let txn = self.open(run_id)?;
        if !txn.state.is_running() {
            return Err(already_completed().into());
        }
        Ok(txn)
    }

    /// Opens the running run of the activity that a worker reports on.
    pub(crate) fn open_activity(self, activity: &ActivityRef) -> Result<Txn<'a, 'c>, Stop> {
        match activity {
            ActivityRef::Token(token) if token.kind != TaskKind::Activity || token.run.workflow != *self.workflow => {
                Err(ApiError::invalid_argument("Invalid TaskToken.").into())
            }
            ActivityRef::Token(token) => self.open_running(Some(token.run.run_id)),
            ActivityRef::ById { run_id, .. } => self.open_running(*run_id),
        }
    }

    /// Opens the run whose started workflow task the token names.
    pub(crate) fn open_workflow_task(self, token: &TaskToken) -> Result<Txn<'a, 'c>, Stop> {
        let txn = self.open_run_of(token)?;
        if !txn.state.workflow_task.is_started_as(token.stamp) {
            return Err(no_workflow_task().into());
        }
        Ok(txn)
    }

    /// Opens the run of a workflow task, whatever became of the task.
    pub(super) fn open_run_of(self, token: &TaskToken) -> Result<Txn<'a, 'c>, Stop> {
        if token.kind != TaskKind::Workflow || token.run.workflow != *self.workflow {
            return Err(ApiError::invalid_argument("Invalid TaskToken.").into());
        }
        self.open(Some(token.run.run_id))
    }
}

pub(crate) fn no_workflow(workflow: &WorkflowKey) -> ApiError {
    ApiError::not_found(format!("workflow not found for ID: {}", workflow.workflow_id))
}

pub(super) fn no_run(workflow: &WorkflowKey, run_id: Uuid) -> ApiError {
    ApiError::not_found(format!(
        "workflow execution not found for workflow ID \"{}\" and run ID \"{run_id}\"",
        workflow.workflow_id
    ))
}

pub(crate) fn already_completed() -> ApiError {
    ApiError::not_found("workflow execution already completed")
}

pub(super) fn no_workflow_task() -> ApiError {
    ApiError::not_found("Workflow task not found.")
}

/// A transition that changes nothing, so that nothing has to be replicated.
pub(crate) fn unchanged(reply: Reply) -> Transition {
    Transition { reply, writes: WriteSet::default(), states: Vec::new(), effects: Vec::new(), copy: None }
}

/// The run id of a request that may name the first run of a chain. Such a request is for the chain, and reaches the
/// current run whichever run it names beside it: `None`.
pub(crate) fn run_id_in_chain(run_id: Option<Uuid>, first_run_id: &str) -> Option<Uuid> {
    run_id.filter(|_| first_run_id.is_empty())
}

/// Checks that the run belongs to the chain that the request insists on, if it names one.
pub(crate) fn check_chain(state: &ExecutionState, first_run_id: &str) -> Result<(), ApiError> {
    if first_run_id.is_empty() || state.info.first_run_id.to_string() == first_run_id {
        return Ok(());
    }
    Err(ApiError::not_found("workflow execution not found"))
}
