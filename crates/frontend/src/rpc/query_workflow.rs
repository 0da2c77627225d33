//! QueryWorkflow, and RespondQueryTaskCompleted, by which a worker answers.

use super::prelude::*;
use tenure_shard::QueryToken;

impl Rpc for api::QueryWorkflowRequest {
    type Response = api::QueryWorkflowResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let target = admission.execution(self.execution.as_ref())?;
        let query = self.query.as_ref();
        let query = query.ok_or_else(|| ApiError::invalid_argument("WorkflowQuery is not set on request."))?;
        required(&query.query_type, "QueryType")?;
        admission.blob(query.query_args.as_ref())?;
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.leader.query(&target.workflow, target.run_id, &self, call.deadline).await
    }
}

impl Rpc for api::RespondQueryTaskCompletedRequest {
    type Response = api::RespondQueryTaskCompletedResponse;
    type Target = QueryToken;

    fn scope(&self) -> Scope<'_> {
        Scope::Task { namespace: &self.namespace, token: &self.task_token }
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<QueryToken, ApiError> {
        admission.query_token(&self.task_token)
    }

    async fn run(self: Arc<Self>, target: QueryToken, call: &Call) -> Result<Self::Response, CommandError> {
        call.leader.complete_query(&target, &self)?;
        Ok(Self::Response::default())
    }
}
