//! RespondActivityTaskCompleted, by token and by id.

use super::prelude::*;

impl Rpc for api::RespondActivityTaskCompletedRequest {
    type Response = api::RespondActivityTaskCompletedResponse;
    type Target = TaskToken;

    fn scope(&self) -> Scope<'_> {
        Scope::Task { namespace: &self.namespace, token: &self.task_token }
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<TaskToken, ApiError> {
        admission.length(&self.identity, "Identity")?;
        admission.task_token(&self.task_token, TaskKind::Activity)
    }

    async fn run(self: Arc<Self>, token: TaskToken, call: &Call) -> Result<Self::Response, CommandError> {
        let lane = token.lane();
        let command = ShardCommand::CompleteActivity { activity: ActivityRef::Token(token), request: self };
        call.done(lane, command).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::RespondActivityTaskCompletedByIdRequest {
    type Response = api::RespondActivityTaskCompletedByIdResponse;
    type Target = ActivityTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ActivityTarget, ApiError> {
        admission.length(&self.identity, "Identity")?;
        admission.activity(&self.workflow_id, &self.run_id, &self.activity_id).map(ActivityTarget)
    }

    async fn run(self: Arc<Self>, target: ActivityTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (lane, activity) = target.0;
        let request = api::RespondActivityTaskCompletedRequest {
            namespace: self.namespace.clone(),
            result: self.result.clone(),
            identity: self.identity.clone(),
            ..Default::default()
        };
        call.done(lane, ShardCommand::CompleteActivity { activity, request: Arc::new(request) }).await?;
        Ok(Self::Response::default())
    }
}
