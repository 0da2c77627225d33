//! RespondActivityTaskCanceled, by token and by id.

use super::prelude::*;

impl Rpc for api::RespondActivityTaskCanceledRequest {
    type Response = api::RespondActivityTaskCanceledResponse;
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
        let command = ShardCommand::CancelActivity { activity: ActivityRef::Token(token), request: self };
        call.done(lane, command).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::RespondActivityTaskCanceledByIdRequest {
    type Response = api::RespondActivityTaskCanceledByIdResponse;
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
        let request = api::RespondActivityTaskCanceledRequest {
            namespace: self.namespace.clone(),
            details: self.details.clone(),
            identity: self.identity.clone(),
            deployment_options: self.deployment_options.clone(),
            ..Default::default()
        };
        call.done(lane, ShardCommand::CancelActivity { activity, request: Arc::new(request) }).await?;
        Ok(Self::Response::default())
    }
}
