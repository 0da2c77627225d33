//! GetWorkflowExecutionHistory and GetWorkflowExecutionHistoryReverse.

use super::prelude::*;
use crate::client::Client;
use tenure_api::{
    encoded::{GetWorkflowExecutionHistoryResponse, GetWorkflowExecutionHistoryReverseResponse},
    enums::v1::{EventType, HistoryEventFilterType, TimeoutType},
    failure::v1::{Failure, TimeoutFailureInfo, failure::FailureInfo},
    history::v1::{History, HistoryEvent, WorkflowExecutionContinuedAsNewEventAttributes, history_event::Attributes},
};
use tenure_shard::{HistoryRequest, TokenUse};

impl Rpc for api::GetWorkflowExecutionHistoryRequest {
    type Response = GetWorkflowExecutionHistoryResponse;
    type Target = PageTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn kind(&self) -> Kind {
        if self.wait_new_event { Kind::Wait } else { Kind::Call }
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<PageTarget, ApiError> {
        let run = admission.execution(self.execution.as_ref())?;
        Ok(PageTarget { run, page: admission.history_page(&self.next_page_token)? })
    }

    async fn run(self: Arc<Self>, target: PageTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let close_event_only = self.history_event_filter_type() == HistoryEventFilterType::CloseEvent;
        let request = HistoryRequest {
            wait_new_event: self.wait_new_event,
            close_event_only,
            ..page(target, self.maximum_page_size, call)
        };
        let page = call.leader.history(request).await?;
        Ok(Self::Response {
            history: Some(page.history),
            next_page_token: call.key.seal(TokenUse::HistoryPage, &page.next_page_token),
            ..Default::default()
        })
    }

    fn suit(&self, response: Bytes, client: &Client) -> Result<Bytes, DecodeError> {
        if client.follows_next_run || self.history_event_filter_type() != HistoryEventFilterType::CloseEvent {
            return Ok(response);
        }
        let mut decoded = Self::Response::decode(response.clone())?;
        let mut history = History::decode(decoded.history.take().unwrap_or_default())?;
        let last = history.events.last_mut();
        let Some((last, continued)) = last.and_then(|last| as_continued(last).map(|continued| (last, continued)))
        else {
            return Ok(response);
        };
        *last = continued;
        decoded.history = Some(history.encode_to_vec().into());
        Ok(decoded.encode_to_vec().into())
    }
}

/// The close event of a run that another one follows, for a client that looks for the next run only where a run
/// continued as new: it would take the end of one attempt for the workflow's result. `None`: no run follows.
#[allow(deprecated)]
fn as_continued(closed: &HistoryEvent) -> Option<HistoryEvent> {
    let (new_execution_run_id, failure, last_completion_result) = match closed.attributes.as_ref()? {
        Attributes::WorkflowExecutionCompletedEventAttributes(a) => (&a.new_execution_run_id, None, a.result.clone()),
        Attributes::WorkflowExecutionFailedEventAttributes(a) => (&a.new_execution_run_id, a.failure.clone(), None),
        Attributes::WorkflowExecutionTimedOutEventAttributes(a) => (&a.new_execution_run_id, Some(timed_out()), None),
        _ => return None,
    };
    if new_execution_run_id.is_empty() {
        return None;
    }
    let attributes = WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: new_execution_run_id.clone(),
        failure,
        last_completion_result,
        ..Default::default()
    };
    Some(HistoryEvent {
        event_id: closed.event_id,
        event_time: closed.event_time,
        event_type: EventType::WorkflowExecutionContinuedAsNew.into(),
        version: closed.version,
        task_id: closed.task_id,
        attributes: Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(attributes)),
        ..Default::default()
    })
}

fn timed_out() -> Failure {
    let timeout_type = TimeoutType::StartToClose.into();
    Failure {
        message: "workflow timeout".into(),
        source: "Server".into(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo { timeout_type, ..Default::default() })),
        ..Default::default()
    }
}

impl Rpc for api::GetWorkflowExecutionHistoryReverseRequest {
    type Response = GetWorkflowExecutionHistoryReverseResponse;
    type Target = PageTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<PageTarget, ApiError> {
        let run = admission.execution(self.execution.as_ref())?;
        Ok(PageTarget { run, page: admission.history_page(&self.next_page_token)? })
    }

    async fn run(self: Arc<Self>, target: PageTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let request = page(target, self.maximum_page_size, call);
        let page = call.leader.history_reverse(request).await?;
        Ok(Self::Response {
            history: Some(page.history),
            next_page_token: call.key.seal(TokenUse::HistoryPage, &page.next_page_token),
        })
    }
}

fn page(target: PageTarget, size: i32, call: &Call) -> HistoryRequest {
    HistoryRequest {
        workflow: target.run.workflow,
        run_id: target.run.run_id,
        page_size: usize::try_from(size).unwrap_or_default(),
        wait_new_event: false,
        close_event_only: false,
        page: target.page,
        deadline: call.deadline,
        arrived: call.arrived,
    }
}
