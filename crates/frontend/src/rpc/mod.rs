//! The RPCs, one file each (twins by token and by id, and close relatives, share one), and the services that they
//! make up. Adding an RPC: a file that implements `Rpc` (or `LocalRpc`) for its request, and a line in `served` below.

mod activity_executions;
mod activity_lists;
mod batches;
mod callbacks;
mod change_namespace;
mod delete_namespace;
mod delete_workflow_execution;
mod describe_cluster;
mod describe_task_queue;
mod describe_workflow_execution;
mod execute_multi_operation;
mod explain_workflow;
mod get_system_info;
mod get_workflow_execution_history;
mod links;
mod lists;
mod operate_activities;
mod operate_activity_executions;
mod pause_workflow_execution;
mod poll_activity_task_queue;
mod poll_nexus_task_queue;
mod poll_workflow_execution_update;
mod poll_workflow_task_queue;
mod preview_schedule;
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
mod schedule_lists;
mod schedules;
mod search_attributes;
mod shutdown_worker;
mod signal_with_start_workflow_execution;
mod signal_workflow_execution;
mod start_workflow_execution;
mod terminate_workflow_execution;
mod update_task_queue_config;
mod update_workflow_execution;
mod update_workflow_execution_options;
mod wait_for_changes;
mod workers;

#[cfg(test)]
mod tests;

use crate::{
    call::{Call, LocalRpc, Rpc, Target},
    erased::Handler,
};
use prost::Message;
use prost_types::FileDescriptorSet;
use std::{collections::HashMap, sync::LazyLock};
use tenure_api::{
    decoded::Measured,
    error::{ApiError, Code},
    operatorservice::v1 as operator,
    tenure::v1 as tenure,
    workflowservice::v1 as api,
};
use tenure_engine::{Envelope, Lane, Reply, ShardCommand, command::ActivityRef};
use tenure_limits::DECODED;
use tenure_shard::{CommandError, ShardId, Shards};

/// What the files of this folder have in common.
mod prelude {
    pub(super) use super::{ActivityTarget, unexpected};
    pub(super) use crate::{
        call::{Call, Kind, LocalRpc, PageTarget, PollingWorker, Rpc, RunTarget, Scope, StartTarget},
        erased::EncodedResponse,
        validate::{Admission, is_sticky, required},
    };
    pub(super) use bytes::Bytes;
    pub(super) use prost::{DecodeError, Message};
    pub(super) use std::sync::Arc;
    pub(super) use tenure_api::{common::v1::SearchAttributes, error::ApiError, workflowservice::v1 as api};
    pub(super) use tenure_engine::{
        QueueKey, Reply, ShardCommand, TaskKind, WorkflowKey,
        command::{ActivityRef, RunRequest},
        token::TaskToken,
    };
    pub(super) use tenure_shard::CommandError;
    pub(super) use uuid::Uuid;
}

/// An activity by its id.
#[derive(Clone)]
pub(crate) struct ActivityTarget((Lane, ActivityRef));

impl Target for ActivityTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.0.0.slot())
    }
}

impl Call {
    /// Runs a command. An error that the command was applied with is an error all the same.
    async fn execute(&self, lane: impl Into<Lane>, command: ShardCommand) -> Result<Reply, CommandError> {
        match self
            .leader
            .execute(Envelope { lane: lane.into(), proposal: self.proposal, origin: self.origin, command })
            .await?
        {
            Reply::Failed(error) => Err(error.into()),
            reply => Ok(reply),
        }
    }

    /// Runs a command that has nothing to answer.
    async fn done(&self, lane: impl Into<Lane>, command: ShardCommand) -> Result<(), CommandError> {
        match self.execute(lane, command).await? {
            Reply::Done => Ok(()),
            reply => Err(unexpected(&reply)),
        }
    }
}

/// A reply of another command: a fault of ours.
fn unexpected(reply: &Reply) -> CommandError {
    ApiError::internal(format!("a reply that does not fit its command: {reply:?}")).into()
}

/// A method of the API.
pub(crate) struct Method {
    service: String,
    name: String,
    request: Option<Measured>,
    /// What is not there yet has none, and answers UNIMPLEMENTED by name.
    pub(crate) handler: Option<Handler>,
}

impl Method {
    /// The method of this name, which no two services share.
    pub(crate) fn find(name: &str) -> Option<&'static Method> {
        METHODS.get(name)
    }

    /// The method whose requests have this path: `/service/method`.
    pub(crate) fn at(path: &str) -> Option<&'static Method> {
        let (service, name) = path.strip_prefix('/')?.split_once('/')?;
        Method::find(name).filter(|method| method.service == service)
    }

    pub(crate) fn name(&'static self) -> &'static str {
        &self.name
    }

    /// Bytes that a request takes once it is decoded, about; RESOURCE_EXHAUSTED beyond what one may take.
    pub(crate) fn decoded_size(&self, message: &[u8]) -> Result<usize, ApiError> {
        let size = self.request.map_or(0, |request| request.size(message, DECODED));
        if size <= DECODED {
            return Ok(size);
        }
        let refused = format!("a request of {} bytes that would take more than {DECODED} once decoded", message.len());
        Err(ApiError::new(Code::ResourceExhausted, refused))
    }

    /// All that is there, in one order.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn served() -> &'static [(String, Handler)] {
        static SERVED: LazyLock<Vec<(String, Handler)>> = LazyLock::new(served);
        &SERVED
    }
}

/// All methods of the API, by name.
static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    let mut served: HashMap<String, Handler> = served().into_iter().collect();
    let api = FileDescriptorSet::decode(tenure_api::DESCRIPTORS).unwrap_or_default();
    let mut methods = HashMap::new();
    for file in api.file.iter().filter(|file| PACKAGES.contains(&file.package())) {
        for service in &file.service {
            for method in &service.method {
                let request = method.input_type().trim_start_matches('.');
                let (handler, request) = (served.remove(request), Measured::find(request));
                let service = format!("{}.{}", file.package(), service.name());
                let name = method.name().to_owned();
                methods.insert(name.clone(), Method { service, name, request, handler });
            }
        }
    }
    methods
});

const PACKAGES: [&str; 3] = ["temporal.api.workflowservice.v1", "temporal.api.operatorservice.v1", "tenure.api.v1"];

/// What is there, by the full name of the request.
fn served() -> Vec<(String, Handler)> {
    fn led<R: Rpc>() -> (String, Handler) {
        (R::full_name(), Handler::led::<R>())
    }
    fn local<R: LocalRpc>() -> (String, Handler) {
        (R::full_name(), Handler::local::<R>())
    }
    vec![
        led::<api::StartWorkflowExecutionRequest>(),
        led::<api::SignalWithStartWorkflowExecutionRequest>(),
        led::<api::SignalWorkflowExecutionRequest>(),
        led::<api::RequestCancelWorkflowExecutionRequest>(),
        led::<api::TerminateWorkflowExecutionRequest>(),
        led::<api::QueryWorkflowRequest>(),
        led::<api::UpdateWorkflowExecutionRequest>(),
        led::<api::PollWorkflowExecutionUpdateRequest>(),
        led::<api::ExecuteMultiOperationRequest>(),
        led::<api::PollWorkflowTaskQueueRequest>(),
        led::<api::RespondWorkflowTaskCompletedRequest>(),
        led::<api::RespondWorkflowTaskFailedRequest>(),
        led::<api::RespondQueryTaskCompletedRequest>(),
        led::<api::PollActivityTaskQueueRequest>(),
        led::<api::RespondActivityTaskCompletedRequest>(),
        led::<api::RespondActivityTaskCompletedByIdRequest>(),
        led::<api::RespondActivityTaskFailedRequest>(),
        led::<api::RespondActivityTaskFailedByIdRequest>(),
        led::<api::RespondActivityTaskCanceledRequest>(),
        led::<api::RespondActivityTaskCanceledByIdRequest>(),
        led::<api::RecordActivityTaskHeartbeatRequest>(),
        led::<api::RecordActivityTaskHeartbeatByIdRequest>(),
        led::<api::ResetStickyTaskQueueRequest>(),
        led::<api::GetWorkflowExecutionHistoryRequest>(),
        led::<api::GetWorkflowExecutionHistoryReverseRequest>(),
        led::<api::DescribeWorkflowExecutionRequest>(),
        led::<api::ResetWorkflowExecutionRequest>(),
        led::<api::DeleteWorkflowExecutionRequest>(),
        led::<api::UpdateWorkflowExecutionOptionsRequest>(),
        led::<api::PauseWorkflowExecutionRequest>(),
        led::<api::UnpauseWorkflowExecutionRequest>(),
        led::<api::PauseActivityRequest>(),
        led::<api::UnpauseActivityRequest>(),
        led::<api::ResetActivityRequest>(),
        led::<api::UpdateActivityOptionsRequest>(),
        led::<api::StartActivityExecutionRequest>(),
        led::<api::DescribeActivityExecutionRequest>(),
        led::<api::PollActivityExecutionRequest>(),
        led::<api::RequestCancelActivityExecutionRequest>(),
        led::<api::TerminateActivityExecutionRequest>(),
        led::<api::DeleteActivityExecutionRequest>(),
        led::<api::PauseActivityExecutionRequest>(),
        led::<api::UnpauseActivityExecutionRequest>(),
        led::<api::ResetActivityExecutionRequest>(),
        led::<api::UpdateActivityExecutionOptionsRequest>(),
        local::<api::ListActivityExecutionsRequest>(),
        local::<api::CountActivityExecutionsRequest>(),
        led::<api::RegisterNamespaceRequest>(),
        led::<api::UpdateNamespaceRequest>(),
        led::<api::DeprecateNamespaceRequest>(),
        led::<api::DescribeTaskQueueRequest>(),
        led::<api::ListTaskQueuePartitionsRequest>(),
        led::<api::UpdateTaskQueueConfigRequest>(),
        led::<api::ShutdownWorkerRequest>(),
        led::<api::StartBatchOperationRequest>(),
        led::<api::StopBatchOperationRequest>(),
        led::<api::DescribeBatchOperationRequest>(),
        local::<api::ListBatchOperationsRequest>(),
        led::<api::CreateScheduleRequest>(),
        led::<api::DescribeScheduleRequest>(),
        led::<api::UpdateScheduleRequest>(),
        led::<api::PatchScheduleRequest>(),
        led::<api::DeleteScheduleRequest>(),
        led::<api::ListScheduleMatchingTimesRequest>(),
        local::<api::ListSchedulesRequest>(),
        local::<api::CountSchedulesRequest>(),
        local::<api::ListWorkflowExecutionsRequest>(),
        local::<api::ScanWorkflowExecutionsRequest>(),
        local::<api::ListOpenWorkflowExecutionsRequest>(),
        local::<api::ListClosedWorkflowExecutionsRequest>(),
        local::<api::ListArchivedWorkflowExecutionsRequest>(),
        local::<api::CountWorkflowExecutionsRequest>(),
        local::<api::DescribeNamespaceRequest>(),
        local::<api::ListNamespacesRequest>(),
        local::<api::GetSystemInfoRequest>(),
        local::<api::GetClusterInfoRequest>(),
        local::<api::GetSearchAttributesRequest>(),
        local::<api::RecordWorkerHeartbeatRequest>(),
        local::<api::ListWorkersRequest>(),
        local::<api::CountWorkersRequest>(),
        local::<api::DescribeWorkerRequest>(),
        local::<api::PollNexusTaskQueueRequest>(),
        led::<operator::DeleteNamespaceRequest>(),
        led::<operator::AddSearchAttributesRequest>(),
        led::<operator::RemoveSearchAttributesRequest>(),
        local::<operator::ListSearchAttributesRequest>(),
        led::<tenure::ExplainWorkflowRequest>(),
        local::<tenure::WaitForChangesRequest>(),
        led::<tenure::PreviewScheduleRequest>(),
        local::<tenure::DescribeClusterRequest>(),
    ]
}
