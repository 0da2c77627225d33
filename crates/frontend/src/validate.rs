//! Checks of form that need no state, in the reference server's codes and words.

use crate::call::RunTarget;
use prost::Message;
use std::sync::Arc;
use tenure_api::{
    common::v1::{Memo, SearchAttributes, WorkflowExecution},
    enums::v1::TaskQueueKind,
    error::ApiError,
    taskqueue::v1::TaskQueue,
};
use tenure_engine::{
    Lane, Limits, NamespaceId, QueueKey, TaskKind, WorkflowKey, checks::check_queue_name, command::ActivityRef,
    key::parse_run_id, search_attributes::Registry, token::TaskToken,
};
pub(crate) use tenure_shard::malformed_page_token;
use tenure_shard::{PageToken, QueryToken, TokenKey, TokenUse};

/// The refusal of a text that is no run id, in requests about activities.
const BAD_RUN_ID: &str = "RunId is not valid UUID.";

/// What a request's form is checked against.
pub(crate) struct Admission<'a> {
    pub(crate) namespace: NamespaceId,
    /// The namespace's.
    pub(crate) search_attributes: Registry,
    pub(crate) limits: &'a Limits,
    /// Opens the tokens that clients hand back.
    pub(crate) token_key: TokenKey,
}

impl Admission<'_> {
    pub(crate) fn workflow(&self, workflow_id: &str) -> WorkflowKey {
        WorkflowKey { namespace: self.namespace, workflow_id: Arc::from(workflow_id) }
    }

    pub(crate) fn execution(&self, execution: Option<&WorkflowExecution>) -> Result<RunTarget, ApiError> {
        let execution = execution.ok_or_else(|| ApiError::invalid_argument("Execution is not set on request."))?;
        self.run_or(&execution.workflow_id, &execution.run_id, "Invalid RunId.")
    }

    /// What a workflow is given has to be there and to fit; each value is told its type.
    pub(crate) fn search_attributes(
        &self,
        namespace: &str,
        given: Option<&mut SearchAttributes>,
    ) -> Result<(), ApiError> {
        let checked = given.map_or(Ok(()), |given| self.search_attributes.check(namespace, given));
        checked.map_err(|problem| ApiError::invalid_argument(problem.to_string()))
    }

    /// A name that has to be there and must not be too long.
    pub(crate) fn name(&self, value: &str, what: &str) -> Result<(), ApiError> {
        required(value, what)?;
        self.length(value, what)
    }

    pub(crate) fn length(&self, value: &str, what: &str) -> Result<(), ApiError> {
        if value.len() > self.limits.id_length {
            return Err(ApiError::invalid_argument(format!("{what} length exceeds limit.")));
        }
        Ok(())
    }

    /// A field that carries payloads.
    pub(crate) fn blob(&self, value: Option<&impl Message>) -> Result<(), ApiError> {
        if value.is_some_and(|value| value.encoded_len() > self.limits.blob_size) {
            return Err(ApiError::invalid_argument("Blob data size exceeds limit."));
        }
        Ok(())
    }

    pub(crate) fn memo(&self, memo: Option<&Memo>) -> Result<(), ApiError> {
        if memo.is_some_and(|memo| memo.encoded_len() > self.limits.memo_size) {
            return Err(ApiError::invalid_argument("Memo size exceeds limit."));
        }
        Ok(())
    }

    pub(crate) fn task_queue(&self, queue: Option<&TaskQueue>, kind: TaskKind) -> Result<QueueKey, ApiError> {
        let name = &queue.ok_or_else(|| ApiError::invalid_argument("taskQueue is not set"))?.name;
        self.queue_name(name, kind)
    }

    /// A queue that a request names by its name alone.
    pub(crate) fn queue_name(&self, name: &str, kind: TaskKind) -> Result<QueueKey, ApiError> {
        check_queue_name(name, self.limits.id_length).map_err(|error| ApiError::invalid_argument(error.to_string()))?;
        Ok(self.queue(name, kind))
    }

    pub(crate) fn queue(&self, name: &str, kind: TaskKind) -> QueueKey {
        QueueKey { namespace: self.namespace, kind, name: Arc::from(name) }
    }

    pub(crate) fn task_token(&self, bytes: &[u8], kind: TaskKind) -> Result<TaskToken, ApiError> {
        present(bytes)?;
        let content = self.token_key.open(TokenUse::Task, bytes).ok_or_else(malformed_token)?;
        let token = TaskToken::decode(content).ok_or_else(malformed_token)?;
        if token.namespace() != self.namespace {
            return Err(foreign_token());
        }
        match (token.kind, kind) {
            (TaskKind::Workflow, TaskKind::Workflow) | (TaskKind::Activity, TaskKind::Activity) => Ok(token),
            (_, TaskKind::Workflow) => Err(ApiError::not_found("Workflow task not found.")),
            (_, TaskKind::Activity) => Err(ApiError::not_found(
                "invalid activityID or activity already timed out or invoking workflow is completed",
            )),
        }
    }

    pub(crate) fn query_token(&self, bytes: &[u8]) -> Result<QueryToken, ApiError> {
        present(bytes)?;
        let content = self.token_key.open(TokenUse::Task, bytes).ok_or_else(malformed_token)?;
        let Some(token) = QueryToken::decode(content) else {
            return Err(match TaskToken::decode(content) {
                Some(token) if token.namespace() != self.namespace => foreign_token(),
                Some(_) => ApiError::not_found("query task not found, or already expired"),
                None => malformed_token(),
            });
        };
        if token.namespace != self.namespace {
            return Err(foreign_token());
        }
        Ok(token)
    }

    /// The place where a page of history begins; `None` for the first one.
    pub(crate) fn history_page(&self, bytes: &[u8]) -> Result<Option<PageToken>, ApiError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let content = self.token_key.open(TokenUse::HistoryPage, bytes);
        content.and_then(PageToken::decode).map(Some).ok_or_else(malformed_page_token)
    }

    /// An activity by its id: of a workflow, or one without.
    pub(crate) fn activity(
        &self,
        workflow_id: &str,
        run: &str,
        activity_id: &str,
    ) -> Result<(Lane, ActivityRef), ApiError> {
        required(activity_id, "ActivityId")?;
        let (lane, run_id) = if workflow_id.is_empty() {
            let run_id = parse_run_id(run).map_err(|_| ApiError::invalid_argument(BAD_RUN_ID))?;
            (Lane::of_activity(self.namespace, activity_id), run_id)
        } else {
            let RunTarget { workflow, run_id } = self.run(workflow_id, run)?;
            (workflow.into(), run_id)
        };
        Ok((lane, ActivityRef::ById { run_id, activity_id: activity_id.to_owned() }))
    }

    /// A run as requests about its activities name it.
    pub(crate) fn run(&self, workflow_id: &str, run: &str) -> Result<RunTarget, ApiError> {
        self.run_or(workflow_id, run, BAD_RUN_ID)
    }

    /// A run; the message is for a run id that is none.
    fn run_or(&self, workflow_id: &str, run: &str, message: &str) -> Result<RunTarget, ApiError> {
        required(workflow_id, "WorkflowId")?;
        let run_id = parse_run_id(run).map_err(|_| ApiError::invalid_argument(message))?;
        Ok(RunTarget { workflow: self.workflow(workflow_id), run_id })
    }
}

pub(crate) fn is_sticky(queue: Option<&TaskQueue>) -> bool {
    queue.is_some_and(|queue| queue.kind() == TaskQueueKind::Sticky)
}

pub(crate) fn required(value: &str, what: &str) -> Result<(), ApiError> {
    if value.is_empty() {
        return Err(ApiError::invalid_argument(format!("{what} is not set on request.")));
    }
    Ok(())
}

fn present(token: &[u8]) -> Result<(), ApiError> {
    if token.is_empty() {
        return Err(ApiError::invalid_argument("Task token not set on request."));
    }
    Ok(())
}

fn malformed_token() -> ApiError {
    ApiError::invalid_argument("Error deserializing task token.")
}

fn foreign_token() -> ApiError {
    ApiError::invalid_argument("Operation requested with a token from a different namespace.")
}
