//! Registers the namespaces that a cluster begins with, through the API like any client, only without its port.

use crate::{config::Cluster, ready::Stage};
use std::{sync::Arc, time::Duration};
use tenure_api::workflowservice::v1::{RegisterNamespaceRequest, workflow_service_client::WorkflowServiceClient};
use tonic::{Code, Request, Status, service::Routes};

const AGAIN: Duration = Duration::from_millis(100);

/// Tries until the namespaces are there, then tells `stage`; every node may, a name is taken only once.
pub(crate) async fn register(cluster: Cluster, api: Routes, stage: Arc<Stage>) {
    for namespace in cluster.namespaces {
        let request = RegisterNamespaceRequest {
            namespace,
            workflow_execution_retention_period: prost_types::Duration::try_from(cluster.namespace_retention).ok(),
            ..Default::default()
        };
        until_registered(request, api.clone()).await;
    }
    stage.set_namespace();
}

async fn until_registered(request: RegisterNamespaceRequest, api: Routes) {
    while let Err(status) = attempt(api.clone(), request.clone()).await {
        match status.code() {
            Code::AlreadyExists => return,
            Code::InvalidArgument => {
                tracing::error!(namespace = request.namespace, cause = status.message(), "not registered");
                return;
            }
            _ => tracing::debug!(%status, "registering the first namespaces"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn attempt(api: Routes, request: RegisterNamespaceRequest) -> Result<(), Status> {
    let mut request = Request::new(request);
    request.set_timeout(Duration::from_secs(10));
    WorkflowServiceClient::new(api).register_namespace(request).await.map(drop)
}
