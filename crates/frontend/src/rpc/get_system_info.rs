//! GetSystemInfo and GetClusterInfo. The server version is the one that clients go by; this build's own is the release's.

use super::prelude::*;
use crate::{Frontend, client::REFERENCE_VERSION};
use api::get_system_info_response::Capabilities;
use tokio::time::Instant;

impl LocalRpc for api::GetSystemInfoRequest {
    type Response = api::GetSystemInfoResponse;

    async fn answer(self, _frontend: &Frontend, _deadline: Instant) -> Result<Self::Response, ApiError> {
        Ok(Self::Response { server_version: REFERENCE_VERSION.to_owned(), capabilities: Some(capabilities()) })
    }
}

/// SDKs act on these: each says that a thing works, so each flag is spelled out.
fn capabilities() -> Capabilities {
    Capabilities {
        // Headers of signals are recorded, headers of queries reach the worker.
        signal_and_query_header: true,
        // INTERNAL is a fault of ours and not to be tried again; what may be tried again is UNAVAILABLE.
        internal_error_differentiation: true,
        // Details that come with a failed activity are there at its next attempt.
        activity_failure_include_heartbeat: true,
        // Failures are kept as they are, encrypted attributes too.
        encoded_failure_attributes: true,
        // Flags that a worker sets when it completes a task are in the completed event.
        sdk_metadata: true,
        // The command ModifyWorkflowProperties.
        upsert_memo: true,
        supports_schedules: true,
        build_id_based_versioning: false,
        eager_workflow_start: true,
        count_group_by_execution_status: true,
        nexus: false,
        server_scaled_deployments: false,
        server_scaled_provider_cloud_run: false,
    }
}

impl LocalRpc for api::GetClusterInfoRequest {
    type Response = api::GetClusterInfoResponse;

    async fn answer(self, frontend: &Frontend, _deadline: Instant) -> Result<Self::Response, ApiError> {
        let options = frontend.options();
        let version = tenure_api::version::v1::VersionInfo {
            current: Some(tenure_api::version::v1::ReleaseInfo {
                version: options.version.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        Ok(Self::Response {
            server_version: REFERENCE_VERSION.to_owned(),
            cluster_id: options.cluster_id.clone(),
            version_info: Some(version),
            cluster_name: tenure_engine::system::namespace::ACTIVE_CLUSTER.into(),
            history_shard_count: frontend.shards().data_shards().len() as i32,
            persistence_store: "tenure".into(),
            ..Default::default()
        })
    }
}
