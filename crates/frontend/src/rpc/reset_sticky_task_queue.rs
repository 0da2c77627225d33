//! ResetStickyTaskQueue.

use super::prelude::*;

impl Rpc for api::ResetStickyTaskQueueRequest {
    type Response = api::ResetStickyTaskQueueResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        admission.execution(self.execution.as_ref())
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.workflow, ShardCommand::ResetStickyTaskQueue { run_id: target.run_id }).await?;
        Ok(Self::Response::default())
    }
}
