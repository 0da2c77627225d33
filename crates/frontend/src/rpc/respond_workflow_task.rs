//! RespondWorkflowTaskCompleted and RespondWorkflowTaskFailed.

use super::prelude::*;

impl Rpc for api::RespondWorkflowTaskCompletedRequest {
    type Response = api::RespondWorkflowTaskCompletedResponse;
    type Target = TaskToken;

    fn scope(&self) -> Scope<'_> {
        Scope::Task { namespace: &self.namespace, token: &self.task_token }
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<TaskToken, ApiError> {
        if self.intermediate_page || self.page_number > 0 {
            return Err(ApiError::unimplemented("RespondWorkflowTaskCompletedRequest.intermediate_page"));
        }
        admission.task_token(&self.task_token, TaskKind::Workflow)
    }

    async fn run(self, token: TaskToken, call: &Call) -> Result<Self::Response, CommandError> {
        let workflow = token.run.workflow.clone();
        let command = ShardCommand::CompleteWorkflowTask { token, request: Box::new(self) };
        match call.execute(workflow, command).await? {
            Reply::WorkflowTaskCompleted { new_task, reset_history_event_id } => {
                let next = new_task.map(|task| call.leader.workflow_task_response(&task, call.origin)).transpose()?;
                Ok(Self::Response { workflow_task: next, reset_history_event_id, ..Default::default() })
            }
            reply => Err(unexpected(&reply)),
        }
    }

    fn task_token(response: &Self::Response) -> Option<&[u8]> {
        response.workflow_task.as_ref().map(|task| &*task.task_token)
    }

    fn withdraw(response: &mut Self::Response) {
        response.workflow_task = None;
    }
}

impl Rpc for api::RespondWorkflowTaskFailedRequest {
    type Response = api::RespondWorkflowTaskFailedResponse;
    type Target = TaskToken;

    fn scope(&self) -> Scope<'_> {
        Scope::Task { namespace: &self.namespace, token: &self.task_token }
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<TaskToken, ApiError> {
        admission.length(&self.identity, "Identity")?;
        admission.task_token(&self.task_token, TaskKind::Workflow)
    }

    async fn run(self, token: TaskToken, call: &Call) -> Result<Self::Response, CommandError> {
        let workflow = token.run.workflow.clone();
        call.done(workflow, ShardCommand::FailWorkflowTask { token, request: Box::new(self) }).await?;
        Ok(Self::Response::default())
    }
}
