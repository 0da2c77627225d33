//! RespondActivityTaskFailed, by token and by id.

use super::prelude::*;
use tenure_engine::failures::{check_of_activity, oversized};

impl Rpc for api::RespondActivityTaskFailedRequest {
    type Response = api::RespondActivityTaskFailedResponse;
    type Target = TaskToken;

    fn scope(&self) -> Scope<'_> {
        Scope::Task { namespace: &self.namespace, token: &self.task_token }
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<TaskToken, ApiError> {
        admission.length(&self.identity, "Identity")?;
        let token = admission.task_token(&self.task_token, TaskKind::Activity)?;
        check_of_activity(self.failure.as_ref())?;
        Ok(token)
    }

    async fn run(self: Arc<Self>, token: TaskToken, call: &Call) -> Result<Self::Response, CommandError> {
        let lane = token.lane();
        let failures = oversized(&self, call.leader.limits());
        let command = ShardCommand::FailActivity { activity: ActivityRef::Token(token), request: self };
        call.done(lane, command).await?;
        Ok(Self::Response { failures })
    }
}

impl Rpc for api::RespondActivityTaskFailedByIdRequest {
    type Response = api::RespondActivityTaskFailedByIdResponse;
    type Target = ActivityTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ActivityTarget, ApiError> {
        admission.length(&self.identity, "Identity")?;
        let target = admission.activity(&self.workflow_id, &self.run_id, &self.activity_id)?;
        check_of_activity(self.failure.as_ref())?;
        Ok(ActivityTarget(target))
    }

    async fn run(self: Arc<Self>, target: ActivityTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (lane, activity) = target.0;
        let request = api::RespondActivityTaskFailedRequest {
            namespace: self.namespace.clone(),
            failure: self.failure.clone(),
            identity: self.identity.clone(),
            last_heartbeat_details: self.last_heartbeat_details.clone(),
            cause: self.cause,
            ..Default::default()
        };
        let failures = oversized(&request, call.leader.limits());
        call.done(lane, ShardCommand::FailActivity { activity, request: Arc::new(request) }).await?;
        Ok(Self::Response { failures })
    }
}
