//! RespondWorkflowTaskCompleted and RespondWorkflowTaskFailed.

use super::prelude::*;
use tenure_api::{command::v1::command::Attributes as Verb, encoded::RespondWorkflowTaskCompletedResponse};

impl Rpc for api::RespondWorkflowTaskCompletedRequest {
    type Response = EncodedResponse;
    type Target = TaskToken;

    fn scope(&self) -> Scope<'_> {
        Scope::Task { namespace: &self.namespace, token: &self.task_token }
    }

    fn also_names(&self) -> Vec<&str> {
        self.commands.iter().filter_map(|command| namespace_of(command.attributes.as_ref()?)).collect()
    }

    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        self.commands.iter().filter_map(|command| search_attributes_of(command.attributes.as_ref()?)).collect()
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<TaskToken, ApiError> {
        if self.intermediate_page || self.page_number > 0 {
            return Err(ApiError::unimplemented("RespondWorkflowTaskCompletedRequest.intermediate_page"));
        }
        admission.length(&self.identity, "Identity")?;
        admission.task_token(&self.task_token, TaskKind::Workflow)
    }

    async fn run(self: Arc<Self>, token: TaskToken, call: &Call) -> Result<Self::Response, CommandError> {
        let workflow = token.run.workflow.clone();
        let command = ShardCommand::CompleteWorkflowTask { token, request: self };
        match call.execute(workflow, command).await? {
            Reply::WorkflowTaskCompleted { new_task, activities, reset_history_event_id } => {
                let mut tasks = Vec::new();
                let workflow_task = new_task.and_then(|started| {
                    let response = call.leader.workflow_task_response(&started, call.origin, call.key)?;
                    tasks.push(started.token);
                    Some(response)
                });
                let activity_tasks = activities.into_iter().filter_map(|token| {
                    let response = call.leader.activity_task_response(&token, call.origin, call.key)?;
                    tasks.push(token);
                    Some(response)
                });
                let activity_tasks = activity_tasks.collect();
                let response =
                    RespondWorkflowTaskCompletedResponse { workflow_task, activity_tasks, reset_history_event_id };
                Ok(EncodedResponse { body: response.encode_to_vec().into(), tasks })
            }
            reply => Err(unexpected(&reply)),
        }
    }

    const REDELIVERS_TASKS: bool = true;

    fn withdraw(response: Bytes, token: &[u8]) -> Result<Bytes, DecodeError> {
        let mut response = RespondWorkflowTaskCompletedResponse::decode(response)?;
        response.workflow_task.take_if(|task| task.task_token == token);
        response.activity_tasks.retain(|task| task.task_token != token);
        Ok(response.encode_to_vec().into())
    }
}

/// The namespace that a command reaches into from its workflow. (Deprecated, and in use.)
#[allow(deprecated)]
fn namespace_of(command: &Verb) -> Option<&str> {
    match command {
        Verb::StartChildWorkflowExecutionCommandAttributes(a) => Some(&a.namespace),
        Verb::SignalExternalWorkflowExecutionCommandAttributes(a) => Some(&a.namespace),
        Verb::RequestCancelExternalWorkflowExecutionCommandAttributes(a) => Some(&a.namespace),
        _ => None,
    }
}

fn search_attributes_of(command: &Verb) -> Option<&SearchAttributes> {
    match command {
        Verb::StartChildWorkflowExecutionCommandAttributes(a) => a.search_attributes.as_ref(),
        Verb::UpsertWorkflowSearchAttributesCommandAttributes(a) => a.search_attributes.as_ref(),
        Verb::ContinueAsNewWorkflowExecutionCommandAttributes(a) => a.search_attributes.as_ref(),
        _ => None,
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

    async fn run(self: Arc<Self>, token: TaskToken, call: &Call) -> Result<Self::Response, CommandError> {
        let workflow = token.run.workflow.clone();
        call.done(workflow, ShardCommand::FailWorkflowTask { token, request: self }).await?;
        Ok(Self::Response::default())
    }
}
