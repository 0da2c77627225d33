//! RecordActivityTaskHeartbeat, by token and by id.

use super::prelude::*;
use tenure_engine::{Lane, activity::HeartbeatAnswer};

impl Rpc for api::RecordActivityTaskHeartbeatRequest {
    type Response = api::RecordActivityTaskHeartbeatResponse;
    type Target = TaskToken;

    fn scope(&self) -> Scope<'_> {
        Scope::Task { namespace: &self.namespace, token: &self.task_token }
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<TaskToken, ApiError> {
        admission.task_token(&self.task_token, TaskKind::Activity)
    }

    async fn run(self: Arc<Self>, token: TaskToken, call: &Call) -> Result<Self::Response, CommandError> {
        let lane = token.lane();
        let HeartbeatAnswer { cancel_requested, paused, reset } =
            heartbeat(call, lane, ActivityRef::Token(token), self).await?;
        Ok(Self::Response { cancel_requested, activity_paused: paused, activity_reset: reset })
    }
}

impl Rpc for api::RecordActivityTaskHeartbeatByIdRequest {
    type Response = api::RecordActivityTaskHeartbeatByIdResponse;
    type Target = ActivityTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ActivityTarget, ApiError> {
        admission.activity(&self.workflow_id, &self.run_id, &self.activity_id).map(ActivityTarget)
    }

    async fn run(self: Arc<Self>, target: ActivityTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (lane, activity) = target.0;
        let request = api::RecordActivityTaskHeartbeatRequest {
            namespace: self.namespace.clone(),
            details: self.details.clone(),
            identity: self.identity.clone(),
            ..Default::default()
        };
        let HeartbeatAnswer { cancel_requested, paused, reset } =
            heartbeat(call, lane, activity, Arc::new(request)).await?;
        Ok(Self::Response { cancel_requested, activity_paused: paused, activity_reset: reset })
    }
}

async fn heartbeat(
    call: &Call,
    lane: Lane,
    activity: ActivityRef,
    request: Arc<api::RecordActivityTaskHeartbeatRequest>,
) -> Result<HeartbeatAnswer, CommandError> {
    match call.execute(lane, ShardCommand::HeartbeatActivity { activity, request }).await? {
        Reply::ActivityHeartbeat(answer) => Ok(answer),
        reply => Err(unexpected(&reply)),
    }
}
