//! The RPCs, one file each (twins by token and by id, and close relatives, share one), and the services that they
//! make up. Adding an RPC: a file that implements `Rpc` for its request, and its line below moved from `missing` to
//! `led`.

mod callbacks;
mod change_namespace;
mod delete_workflow_execution;
mod describe_task_queue;
mod describe_workflow_execution;
mod execute_multi_operation;
mod get_system_info;
mod get_workflow_execution_history;
mod links;
mod operate_activities;
mod poll_activity_task_queue;
mod poll_workflow_execution_update;
mod poll_workflow_task_queue;
mod query_workflow;
mod read_namespaces;
mod record_activity_task_heartbeat;
mod request_cancel_workflow_execution;
mod reset_sticky_task_queue;
mod reset_workflow_execution;
mod respond_activity_task_canceled;
mod respond_activity_task_completed;
mod respond_activity_task_failed;
mod respond_workflow_task;
mod search_attributes;
mod shutdown_worker;
mod signal_with_start_workflow_execution;
mod signal_workflow_execution;
mod start_workflow_execution;
mod terminate_workflow_execution;
mod update_workflow_execution;
mod update_workflow_execution_options;

#[cfg(test)]
mod tests;

use crate::{
    Frontend,
    call::{Call, Target, method},
    observe::Observed,
};
use tenure_api::{
    error::ApiError,
    operatorservice::v1::{operator_service_server::OperatorService, *},
    workflowservice::v1::{workflow_service_server::WorkflowService, *},
};
use tenure_engine::{Envelope, Reply, ShardCommand, WorkflowKey, command::ActivityRef};
use tenure_peer::proto::{ForwardRequest, forward_reply::Outcome};
use tenure_shard::{CommandError, NodeId, ShardId, Shards};
use tonic::{Request, Response, Status};

/// What the files of this folder have in common.
mod prelude {
    pub(super) use super::{ActivityTarget, unexpected};
    pub(super) use crate::{
        call::{Call, Kind, LocalRpc, Rpc, RunTarget, Scope},
        validate::{Admission, is_sticky, not_negative, required},
    };
    pub(super) use bytes::Bytes;
    pub(super) use prost::Message;
    pub(super) use tenure_api::{common::v1::SearchAttributes, error::ApiError, workflowservice::v1 as api};
    pub(super) use tenure_engine::{
        QueueKey, Reply, ShardCommand, TaskKind, WorkflowKey, command::ActivityRef, token::TaskToken,
    };
    pub(super) use tenure_shard::CommandError;
    pub(super) use uuid::Uuid;
}

/// An activity by its id.
#[derive(Clone)]
pub(crate) struct ActivityTarget((WorkflowKey, ActivityRef));

impl Target for ActivityTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.0.0.slot())
    }
}

impl Call {
    /// Runs a command. An error that the command was applied with is an error all the same.
    async fn execute(&self, workflow: WorkflowKey, command: ShardCommand) -> Result<Reply, CommandError> {
        match self.leader.execute(Envelope { workflow, proposal: self.proposal, command }).await? {
            Reply::Failed(error) => Err(error.into()),
            reply => Ok(reply),
        }
    }

    /// Runs a command that has nothing to answer.
    async fn done(&self, workflow: WorkflowKey, command: ShardCommand) -> Result<(), CommandError> {
        match self.execute(workflow, command).await? {
            Reply::Done => Ok(()),
            reply => Err(unexpected(&reply)),
        }
    }
}

/// A reply of another command: a fault of ours.
fn unexpected(reply: &Reply) -> CommandError {
    ApiError::internal(format!("a reply that does not fit its command: {reply:?}")).into()
}

/// Implements a service: `led` RPCs are run by a shard's leader, `local` ones by any node, and the `missing` ones
/// answer UNIMPLEMENTED by name.
macro_rules! service {
    (
        $Service:ident;
        led { $($led:ident($Led:ident) -> $LedAnswer:ident;)* }
        local { $($local:ident($Local:ident) -> $LocalAnswer:ident;)* }
        missing { $($missing:ident($Missing:ident) -> $Answer:ident;)* }
    ) => {
        #[tonic::async_trait]
        impl $Service for Frontend {
            $(async fn $led(&self, request: Request<$Led>) -> Result<Response<$LedAnswer>, Status> {
                self.serve(request).await
            })*
            $(async fn $local(&self, request: Request<$Local>) -> Result<Response<$LocalAnswer>, Status> {
                self.serve_local(request).await
            })*
            $(async fn $missing(&self, _: Request<$Missing>) -> Result<Response<$Answer>, Status> {
                let method = method::<$Missing>();
                let outcome = Err(ApiError::unimplemented(method));
                Observed::begin(method, false).answered(&outcome);
                Ok(outcome?)
            })*
        }
    };
}

/// Implements services with [`service!`], and the way in for requests that another node received.
macro_rules! services {
    ($(
        $Service:ident;
        led { $($led:ident($Led:ident) -> $LedAnswer:ident;)* }
        local { $($local:tt)* }
        missing { $($missing:tt)* }
    )*) => {
        $(service! {
            $Service;
            led { $($led($Led) -> $LedAnswer;)* }
            local { $($local)* }
            missing { $($missing)* }
        })*

        /// Runs a request that another node received, by its method's name.
        pub(crate) async fn dispatch(
            frontend: &Frontend,
            from: NodeId,
            request: ForwardRequest,
        ) -> Result<Outcome, Status> {
            match request.method.as_str() {
                $($(name if name == method::<$Led>() => frontend.serve_forwarded::<$Led>(from, request).await,)*)*
                other => Err(Status::unimplemented(format!("{other} is not forwarded"))),
            }
        }
    };
}

services! {
    WorkflowService;
    led {
        start_workflow_execution(StartWorkflowExecutionRequest) -> StartWorkflowExecutionResponse;
        signal_with_start_workflow_execution(SignalWithStartWorkflowExecutionRequest) -> SignalWithStartWorkflowExecutionResponse;
        signal_workflow_execution(SignalWorkflowExecutionRequest) -> SignalWorkflowExecutionResponse;
        request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest) -> RequestCancelWorkflowExecutionResponse;
        terminate_workflow_execution(TerminateWorkflowExecutionRequest) -> TerminateWorkflowExecutionResponse;
        query_workflow(QueryWorkflowRequest) -> QueryWorkflowResponse;
        update_workflow_execution(UpdateWorkflowExecutionRequest) -> UpdateWorkflowExecutionResponse;
        poll_workflow_execution_update(PollWorkflowExecutionUpdateRequest) -> PollWorkflowExecutionUpdateResponse;
        execute_multi_operation(ExecuteMultiOperationRequest) -> ExecuteMultiOperationResponse;
        poll_workflow_task_queue(PollWorkflowTaskQueueRequest) -> PollWorkflowTaskQueueResponse;
        respond_workflow_task_completed(RespondWorkflowTaskCompletedRequest) -> RespondWorkflowTaskCompletedResponse;
        respond_workflow_task_failed(RespondWorkflowTaskFailedRequest) -> RespondWorkflowTaskFailedResponse;
        respond_query_task_completed(RespondQueryTaskCompletedRequest) -> RespondQueryTaskCompletedResponse;
        poll_activity_task_queue(PollActivityTaskQueueRequest) -> PollActivityTaskQueueResponse;
        respond_activity_task_completed(RespondActivityTaskCompletedRequest) -> RespondActivityTaskCompletedResponse;
        respond_activity_task_completed_by_id(RespondActivityTaskCompletedByIdRequest) -> RespondActivityTaskCompletedByIdResponse;
        respond_activity_task_failed(RespondActivityTaskFailedRequest) -> RespondActivityTaskFailedResponse;
        respond_activity_task_failed_by_id(RespondActivityTaskFailedByIdRequest) -> RespondActivityTaskFailedByIdResponse;
        respond_activity_task_canceled(RespondActivityTaskCanceledRequest) -> RespondActivityTaskCanceledResponse;
        respond_activity_task_canceled_by_id(RespondActivityTaskCanceledByIdRequest) -> RespondActivityTaskCanceledByIdResponse;
        record_activity_task_heartbeat(RecordActivityTaskHeartbeatRequest) -> RecordActivityTaskHeartbeatResponse;
        record_activity_task_heartbeat_by_id(RecordActivityTaskHeartbeatByIdRequest) -> RecordActivityTaskHeartbeatByIdResponse;
        reset_sticky_task_queue(ResetStickyTaskQueueRequest) -> ResetStickyTaskQueueResponse;
        get_workflow_execution_history(GetWorkflowExecutionHistoryRequest) -> GetWorkflowExecutionHistoryResponse;
        get_workflow_execution_history_reverse(GetWorkflowExecutionHistoryReverseRequest) -> GetWorkflowExecutionHistoryReverseResponse;
        describe_workflow_execution(DescribeWorkflowExecutionRequest) -> DescribeWorkflowExecutionResponse;
        reset_workflow_execution(ResetWorkflowExecutionRequest) -> ResetWorkflowExecutionResponse;
        delete_workflow_execution(DeleteWorkflowExecutionRequest) -> DeleteWorkflowExecutionResponse;
        update_workflow_execution_options(UpdateWorkflowExecutionOptionsRequest) -> UpdateWorkflowExecutionOptionsResponse;
        pause_activity(PauseActivityRequest) -> PauseActivityResponse;
        unpause_activity(UnpauseActivityRequest) -> UnpauseActivityResponse;
        reset_activity(ResetActivityRequest) -> ResetActivityResponse;
        update_activity_options(UpdateActivityOptionsRequest) -> UpdateActivityOptionsResponse;
        register_namespace(RegisterNamespaceRequest) -> RegisterNamespaceResponse;
        update_namespace(UpdateNamespaceRequest) -> UpdateNamespaceResponse;
        deprecate_namespace(DeprecateNamespaceRequest) -> DeprecateNamespaceResponse;
        describe_task_queue(DescribeTaskQueueRequest) -> DescribeTaskQueueResponse;
        list_task_queue_partitions(ListTaskQueuePartitionsRequest) -> ListTaskQueuePartitionsResponse;
        shutdown_worker(ShutdownWorkerRequest) -> ShutdownWorkerResponse;
    }
    local {
        describe_namespace(DescribeNamespaceRequest) -> DescribeNamespaceResponse;
        list_namespaces(ListNamespacesRequest) -> ListNamespacesResponse;
        get_system_info(GetSystemInfoRequest) -> GetSystemInfoResponse;
        get_cluster_info(GetClusterInfoRequest) -> GetClusterInfoResponse;
        get_search_attributes(GetSearchAttributesRequest) -> GetSearchAttributesResponse;
        record_worker_heartbeat(RecordWorkerHeartbeatRequest) -> RecordWorkerHeartbeatResponse;
    }
    missing {
        list_open_workflow_executions(ListOpenWorkflowExecutionsRequest) -> ListOpenWorkflowExecutionsResponse;
        list_closed_workflow_executions(ListClosedWorkflowExecutionsRequest) -> ListClosedWorkflowExecutionsResponse;
        list_workflow_executions(ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse;
        list_archived_workflow_executions(ListArchivedWorkflowExecutionsRequest) -> ListArchivedWorkflowExecutionsResponse;
        scan_workflow_executions(ScanWorkflowExecutionsRequest) -> ScanWorkflowExecutionsResponse;
        count_workflow_executions(CountWorkflowExecutionsRequest) -> CountWorkflowExecutionsResponse;
        create_schedule(CreateScheduleRequest) -> CreateScheduleResponse;
        describe_schedule(DescribeScheduleRequest) -> DescribeScheduleResponse;
        update_schedule(UpdateScheduleRequest) -> UpdateScheduleResponse;
        patch_schedule(PatchScheduleRequest) -> PatchScheduleResponse;
        list_schedule_matching_times(ListScheduleMatchingTimesRequest) -> ListScheduleMatchingTimesResponse;
        delete_schedule(DeleteScheduleRequest) -> DeleteScheduleResponse;
        list_schedules(ListSchedulesRequest) -> ListSchedulesResponse;
        count_schedules(CountSchedulesRequest) -> CountSchedulesResponse;
        update_worker_build_id_compatibility(UpdateWorkerBuildIdCompatibilityRequest) -> UpdateWorkerBuildIdCompatibilityResponse;
        get_worker_build_id_compatibility(GetWorkerBuildIdCompatibilityRequest) -> GetWorkerBuildIdCompatibilityResponse;
        update_worker_versioning_rules(UpdateWorkerVersioningRulesRequest) -> UpdateWorkerVersioningRulesResponse;
        get_worker_versioning_rules(GetWorkerVersioningRulesRequest) -> GetWorkerVersioningRulesResponse;
        get_worker_task_reachability(GetWorkerTaskReachabilityRequest) -> GetWorkerTaskReachabilityResponse;
        describe_deployment(DescribeDeploymentRequest) -> DescribeDeploymentResponse;
        describe_worker_deployment_version(DescribeWorkerDeploymentVersionRequest) -> DescribeWorkerDeploymentVersionResponse;
        list_deployments(ListDeploymentsRequest) -> ListDeploymentsResponse;
        get_deployment_reachability(GetDeploymentReachabilityRequest) -> GetDeploymentReachabilityResponse;
        get_current_deployment(GetCurrentDeploymentRequest) -> GetCurrentDeploymentResponse;
        set_current_deployment(SetCurrentDeploymentRequest) -> SetCurrentDeploymentResponse;
        set_worker_deployment_current_version(SetWorkerDeploymentCurrentVersionRequest) -> SetWorkerDeploymentCurrentVersionResponse;
        describe_worker_deployment(DescribeWorkerDeploymentRequest) -> DescribeWorkerDeploymentResponse;
        delete_worker_deployment(DeleteWorkerDeploymentRequest) -> DeleteWorkerDeploymentResponse;
        delete_worker_deployment_version(DeleteWorkerDeploymentVersionRequest) -> DeleteWorkerDeploymentVersionResponse;
        set_worker_deployment_ramping_version(SetWorkerDeploymentRampingVersionRequest) -> SetWorkerDeploymentRampingVersionResponse;
        list_worker_deployments(ListWorkerDeploymentsRequest) -> ListWorkerDeploymentsResponse;
        create_worker_deployment(CreateWorkerDeploymentRequest) -> CreateWorkerDeploymentResponse;
        create_worker_deployment_version(CreateWorkerDeploymentVersionRequest) -> CreateWorkerDeploymentVersionResponse;
        update_worker_deployment_version_compute_config(UpdateWorkerDeploymentVersionComputeConfigRequest) -> UpdateWorkerDeploymentVersionComputeConfigResponse;
        validate_worker_deployment_version_compute_config(ValidateWorkerDeploymentVersionComputeConfigRequest) -> ValidateWorkerDeploymentVersionComputeConfigResponse;
        update_worker_deployment_version_metadata(UpdateWorkerDeploymentVersionMetadataRequest) -> UpdateWorkerDeploymentVersionMetadataResponse;
        set_worker_deployment_manager(SetWorkerDeploymentManagerRequest) -> SetWorkerDeploymentManagerResponse;
        start_batch_operation(StartBatchOperationRequest) -> StartBatchOperationResponse;
        stop_batch_operation(StopBatchOperationRequest) -> StopBatchOperationResponse;
        describe_batch_operation(DescribeBatchOperationRequest) -> DescribeBatchOperationResponse;
        list_batch_operations(ListBatchOperationsRequest) -> ListBatchOperationsResponse;
        poll_nexus_task_queue(PollNexusTaskQueueRequest) -> PollNexusTaskQueueResponse;
        respond_nexus_task_completed(RespondNexusTaskCompletedRequest) -> RespondNexusTaskCompletedResponse;
        respond_nexus_task_failed(RespondNexusTaskFailedRequest) -> RespondNexusTaskFailedResponse;
        create_workflow_rule(CreateWorkflowRuleRequest) -> CreateWorkflowRuleResponse;
        describe_workflow_rule(DescribeWorkflowRuleRequest) -> DescribeWorkflowRuleResponse;
        delete_workflow_rule(DeleteWorkflowRuleRequest) -> DeleteWorkflowRuleResponse;
        list_workflow_rules(ListWorkflowRulesRequest) -> ListWorkflowRulesResponse;
        trigger_workflow_rule(TriggerWorkflowRuleRequest) -> TriggerWorkflowRuleResponse;
        list_workers(ListWorkersRequest) -> ListWorkersResponse;
        count_workers(CountWorkersRequest) -> CountWorkersResponse;
        update_task_queue_config(UpdateTaskQueueConfigRequest) -> UpdateTaskQueueConfigResponse;
        fetch_worker_config(FetchWorkerConfigRequest) -> FetchWorkerConfigResponse;
        update_worker_config(UpdateWorkerConfigRequest) -> UpdateWorkerConfigResponse;
        describe_worker(DescribeWorkerRequest) -> DescribeWorkerResponse;
        pause_workflow_execution(PauseWorkflowExecutionRequest) -> PauseWorkflowExecutionResponse;
        unpause_workflow_execution(UnpauseWorkflowExecutionRequest) -> UnpauseWorkflowExecutionResponse;
        start_activity_execution(StartActivityExecutionRequest) -> StartActivityExecutionResponse;
        start_nexus_operation_execution(StartNexusOperationExecutionRequest) -> StartNexusOperationExecutionResponse;
        describe_activity_execution(DescribeActivityExecutionRequest) -> DescribeActivityExecutionResponse;
        describe_nexus_operation_execution(DescribeNexusOperationExecutionRequest) -> DescribeNexusOperationExecutionResponse;
        poll_activity_execution(PollActivityExecutionRequest) -> PollActivityExecutionResponse;
        poll_nexus_operation_execution(PollNexusOperationExecutionRequest) -> PollNexusOperationExecutionResponse;
        list_activity_executions(ListActivityExecutionsRequest) -> ListActivityExecutionsResponse;
        list_nexus_operation_executions(ListNexusOperationExecutionsRequest) -> ListNexusOperationExecutionsResponse;
        count_activity_executions(CountActivityExecutionsRequest) -> CountActivityExecutionsResponse;
        count_nexus_operation_executions(CountNexusOperationExecutionsRequest) -> CountNexusOperationExecutionsResponse;
        request_cancel_activity_execution(RequestCancelActivityExecutionRequest) -> RequestCancelActivityExecutionResponse;
        request_cancel_nexus_operation_execution(RequestCancelNexusOperationExecutionRequest) -> RequestCancelNexusOperationExecutionResponse;
        terminate_activity_execution(TerminateActivityExecutionRequest) -> TerminateActivityExecutionResponse;
        delete_activity_execution(DeleteActivityExecutionRequest) -> DeleteActivityExecutionResponse;
        pause_activity_execution(PauseActivityExecutionRequest) -> PauseActivityExecutionResponse;
        reset_activity_execution(ResetActivityExecutionRequest) -> ResetActivityExecutionResponse;
        unpause_activity_execution(UnpauseActivityExecutionRequest) -> UnpauseActivityExecutionResponse;
        update_activity_execution_options(UpdateActivityExecutionOptionsRequest) -> UpdateActivityExecutionOptionsResponse;
        terminate_nexus_operation_execution(TerminateNexusOperationExecutionRequest) -> TerminateNexusOperationExecutionResponse;
        delete_nexus_operation_execution(DeleteNexusOperationExecutionRequest) -> DeleteNexusOperationExecutionResponse;
        poll_workflow_execution_time_skipping(PollWorkflowExecutionTimeSkippingRequest) -> PollWorkflowExecutionTimeSkippingResponse;
    }

    OperatorService;
    led {
        add_search_attributes(AddSearchAttributesRequest) -> AddSearchAttributesResponse;
        remove_search_attributes(RemoveSearchAttributesRequest) -> RemoveSearchAttributesResponse;
    }
    local {
        list_search_attributes(ListSearchAttributesRequest) -> ListSearchAttributesResponse;
    }
    missing {
        delete_namespace(DeleteNamespaceRequest) -> DeleteNamespaceResponse;
        add_or_update_remote_cluster(AddOrUpdateRemoteClusterRequest) -> AddOrUpdateRemoteClusterResponse;
        remove_remote_cluster(RemoveRemoteClusterRequest) -> RemoveRemoteClusterResponse;
        list_clusters(ListClustersRequest) -> ListClustersResponse;
        get_nexus_endpoint(GetNexusEndpointRequest) -> GetNexusEndpointResponse;
        create_nexus_endpoint(CreateNexusEndpointRequest) -> CreateNexusEndpointResponse;
        update_nexus_endpoint(UpdateNexusEndpointRequest) -> UpdateNexusEndpointResponse;
        delete_nexus_endpoint(DeleteNexusEndpointRequest) -> DeleteNexusEndpointResponse;
        list_nexus_endpoints(ListNexusEndpointsRequest) -> ListNexusEndpointsResponse;
    }
}
