//! GetWorkflowExecutionHistory and GetWorkflowExecutionHistoryReverse.

use super::prelude::*;
use bytes::Bytes;
use tenure_api::enums::v1::HistoryEventFilterType;
use tenure_shard::HistoryRequest;

impl Rpc for api::GetWorkflowExecutionHistoryRequest {
    type Response = api::GetWorkflowExecutionHistoryResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn kind(&self) -> Kind {
        if self.wait_new_event { Kind::Wait } else { Kind::Call }
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        admission.execution(self.execution.as_ref())
    }

    async fn run(self, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let close_event_only = self.history_event_filter_type() == HistoryEventFilterType::CloseEvent;
        let request = HistoryRequest {
            wait_new_event: self.wait_new_event,
            close_event_only,
            ..page(target, self.maximum_page_size, self.next_page_token, call)
        };
        let page = call.leader.history(request).await?;
        Ok(Self::Response { history: Some(page.history), next_page_token: page.next_page_token, ..Default::default() })
    }
}

impl Rpc for api::GetWorkflowExecutionHistoryReverseRequest {
    type Response = api::GetWorkflowExecutionHistoryReverseResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        admission.execution(self.execution.as_ref())
    }

    async fn run(self, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let request = page(target, self.maximum_page_size, self.next_page_token, call);
        let page = call.leader.history_reverse(request).await?;
        Ok(Self::Response { history: Some(page.history), next_page_token: page.next_page_token })
    }
}

fn page(target: RunTarget, size: i32, next_page_token: Bytes, call: &Call) -> HistoryRequest {
    HistoryRequest {
        workflow: target.workflow,
        run_id: target.run_id,
        page_size: usize::try_from(size).unwrap_or_default(),
        wait_new_event: false,
        close_event_only: false,
        next_page_token,
        deadline: call.deadline,
    }
}
