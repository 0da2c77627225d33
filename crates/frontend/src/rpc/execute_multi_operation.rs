//! ExecuteMultiOperation: the one combination that there is, update-with-start.

use super::{prelude::*, start_workflow_execution, update_workflow_execution as update};
use api::{
    StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest,
    execute_multi_operation_request::{Operation, operation::Operation as Kinds},
};
use tenure_api::{
    encoded::{
        ExecuteMultiOperationResponse, StartWorkflowExecutionResponse,
        execute_multi_operation_response::{Response, response::Response as Answer},
    },
    enums::v1::WorkflowExecutionStatus as Status,
};
use tenure_engine::{
    Envelope,
    chain::Start,
    system::namespace,
    update::{start_failed, update_refused},
};
use tenure_shard::UpdateWithStart;

impl Rpc for api::ExecuteMultiOperationRequest {
    type Response = ExecuteMultiOperationResponse;
    type Target = StartTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn kind(&self) -> Kind {
        Kind::Wait
    }

    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        let starts = self.operations.iter().filter_map(|operation| match &operation.operation {
            Some(Kinds::StartWorkflow(start)) => start.search_attributes.as_ref(),
            _ => None,
        });
        starts.collect()
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<StartTarget, ApiError> {
        let name = self.namespace.clone();
        let (start, update) = update_with_start(&mut self.operations)?;
        let target = admit_start(start, &name, admission).map_err(|error| start_failed(&error))?;
        let workflow_id = start.workflow_id.clone();
        admit_update(update, &name, &workflow_id, admission).map_err(|error| update_refused(&error))?;
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: StartTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let mut operations = self.operations.clone();
        let (start, update) = update_with_start(&mut operations)?;
        let (namespace, workflow_id) = (self.namespace.clone(), start.workflow_id.clone());
        let (update_id, wanted) = (update::update_id(update.request.as_ref()), update::wanted(update.wait_policy));
        let command = ShardCommand::UpdateWithStart {
            start: Box::new(Start { request: Arc::new(std::mem::take(start)), options: target.options }),
            update: Arc::new(std::mem::take(update)),
        };
        let envelope = Envelope { lane: target.workflow.into(), proposal: call.proposal, origin: call.origin, command };
        let done = call.leader.update_with_start(envelope, update_id, wanted).await?;
        let UpdateWithStart { run_id, started, status, update } = done;
        // A run that was there before may be one of a chain.
        let first_execution_run_id = if started { run_id.to_string() } else { String::new() };
        let answer = StartWorkflowExecutionResponse { started, status, first_execution_run_id, ..Default::default() };
        let mut start = start_workflow_execution::response(namespace.clone(), workflow_id, run_id, answer);
        let mut update = update::response(namespace, update);
        if status != Status::Running as i32 {
            // The answer of a run that is over points nowhere.
            (start.link, update.link) = (None, None);
        }
        let answers = [Answer::StartWorkflow(start), Answer::UpdateWorkflow(update)];
        Ok(Self::Response { responses: answers.map(|answer| Response { response: Some(answer) }).into() })
    }
}

fn update_with_start(
    operations: &mut [Operation],
) -> Result<(&mut StartWorkflowExecutionRequest, &mut UpdateWorkflowExecutionRequest), ApiError> {
    match operations {
        [
            Operation { operation: Some(Kinds::StartWorkflow(start)) },
            Operation { operation: Some(Kinds::UpdateWorkflow(update)) },
        ] => Ok((start, update)),
        _ => Err(ApiError::invalid_argument("Operations have to be exactly [Start, Update].")),
    }
}

fn admit_start(
    start: &mut StartWorkflowExecutionRequest,
    name: &str,
    admission: &Admission<'_>,
) -> Result<StartTarget, ApiError> {
    same_namespace(&start.namespace, name)?;
    let target = start.admit(admission)?;
    let refused = [
        (!start.cron_schedule.is_empty(), "CronSchedule is not allowed."),
        (start.request_eager_execution, "RequestEagerExecution is not supported."),
        (start.workflow_start_delay.is_some(), "WorkflowStartDelay is not supported."),
    ];
    if let Some((_, message)) = refused.into_iter().find(|(set, _)| *set) {
        return Err(ApiError::invalid_argument(message));
    }
    Ok(target)
}

fn admit_update(
    update: &mut UpdateWorkflowExecutionRequest,
    name: &str,
    workflow_id: &str,
    admission: &Admission<'_>,
) -> Result<(), ApiError> {
    same_namespace(&update.namespace, name)?;
    let execution = update.workflow_execution.clone().unwrap_or_default();
    let refused = [
        (execution.workflow_id != workflow_id, "WorkflowId is not consistent with previous operation(s)."),
        (!execution.run_id.is_empty(), "RunId is not allowed."),
        (!update.first_execution_run_id.is_empty(), "FirstExecutionRunId is not allowed."),
    ];
    if let Some((_, message)) = refused.into_iter().find(|(set, _)| *set) {
        return Err(ApiError::invalid_argument(message));
    }
    update::admit_update(update, admission)
}

fn same_namespace(of_operation: &str, of_request: &str) -> Result<(), ApiError> {
    match of_operation {
        "" => Err(namespace::not_found("")),
        name if name != of_request => {
            Err(ApiError::invalid_argument("Operation namespace did not match request's namespace."))
        }
        _ => Ok(()),
    }
}
