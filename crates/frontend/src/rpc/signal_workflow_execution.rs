//! SignalWorkflowExecution.

use super::prelude::*;
use tenure_api::{
    common::v1::{Link, link},
    enums::v1::EventType,
};

impl Rpc for api::SignalWorkflowExecutionRequest {
    type Response = api::SignalWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let target = admission.execution(self.workflow_execution.as_ref())?;
        admission.name(&self.signal_name, "SignalName")?;
        admission.length(&self.request_id, "RequestId")?;
        admission.blob(self.input.as_ref())?;
        if self.request_id.is_empty() {
            self.request_id = Uuid::new_v4().to_string();
        }
        Ok(target)
    }

    async fn run(self, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (namespace, request_id) = (self.namespace.clone(), self.request_id.clone());
        let workflow_id = target.workflow.workflow_id.to_string();
        match call.execute(target.workflow, ShardCommand::SignalWorkflow(Box::new(self))).await? {
            Reply::WorkflowSignaled { run_id } => {
                Ok(Self::Response { link: Some(signal_link(namespace, workflow_id, run_id, request_id)) })
            }
            reply => Err(unexpected(&reply)),
        }
    }
}

/// Points at the signal's event by its request, because that event may have no id yet.
pub(super) fn signal_link(namespace: String, workflow_id: String, run_id: Uuid, request_id: String) -> Link {
    use link::workflow_event::{Reference, RequestIdReference};
    let event_type = EventType::WorkflowExecutionSignaled.into();
    let event = link::WorkflowEvent {
        namespace,
        workflow_id,
        run_id: run_id.to_string(),
        reference: Some(Reference::RequestIdRef(RequestIdReference { request_id, event_type })),
    };
    Link { variant: Some(link::Variant::WorkflowEvent(event)) }
}
