//! Registers the namespace that a cluster begins with, through the API like any client.

use crate::{config::Cluster, ready::Stage};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tenure_api::workflowservice::v1::{RegisterNamespaceRequest, workflow_service_client::WorkflowServiceClient};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status, transport::Endpoint};

const AGAIN: Duration = Duration::from_millis(100);

/// Tries until the namespace is there, then tells `stage`; every node may, the name is taken only once.
pub(crate) fn register(cluster: &Cluster, api: SocketAddr, stage: Arc<Stage>, watching: CancellationToken) {
    if cluster.namespace.is_empty() {
        return stage.set_namespace();
    }
    let request = RegisterNamespaceRequest {
        namespace: cluster.namespace.clone(),
        workflow_execution_retention_period: prost_types::Duration::try_from(cluster.namespace_retention).ok(),
        ..Default::default()
    };
    tokio::spawn(watching.run_until_cancelled_owned(async move {
        while let Err(status) = attempt(api, request.clone()).await {
            match status.code() {
                Code::AlreadyExists => break,
                Code::InvalidArgument => {
                    tracing::error!(namespace = request.namespace, cause = status.message(), "not registered");
                    break;
                }
                _ => tracing::debug!(%status, "registering the first namespace"),
            }
            tokio::time::sleep(AGAIN).await;
        }
        stage.set_namespace();
    }));
}

async fn attempt(api: SocketAddr, request: RegisterNamespaceRequest) -> Result<(), Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", reachable(api)));
    let endpoint = endpoint.map_err(|error| Status::internal(error.to_string()))?;
    let channel = endpoint.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = Request::new(request);
    request.set_timeout(Duration::from_secs(10));
    WorkflowServiceClient::new(channel).register_namespace(request).await.map(drop)
}

/// A wildcard is no address to connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
