//! RegisterNamespace, UpdateNamespace and DeprecateNamespace.

use super::prelude::*;
use super::read_namespaces::of_this_node;
use crate::call::System;
use tenure_engine::system::{SystemCommand, SystemReply};

impl Rpc for api::RegisterNamespaceRequest {
    type Response = api::RegisterNamespaceResponse;
    type Target = System;

    fn scope(&self) -> Scope<'_> {
        Scope::Cluster
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<System, ApiError> {
        check_name(&self.namespace, admission)
    }

    async fn run(self: Arc<Self>, _target: System, call: &Call) -> Result<Self::Response, CommandError> {
        call.leader.execute_system(call.proposal, SystemCommand::RegisterNamespace(self)).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::UpdateNamespaceRequest {
    type Response = api::UpdateNamespaceResponse;
    type Target = System;

    fn scope(&self) -> Scope<'_> {
        Scope::Cluster
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<System, ApiError> {
        check_name(&self.namespace, admission)
    }

    async fn run(self: Arc<Self>, _target: System, call: &Call) -> Result<Self::Response, CommandError> {
        match call.leader.execute_system(call.proposal, SystemCommand::UpdateNamespace(self)).await? {
            SystemReply::Namespace(namespace) => {
                let namespace = of_this_node(*namespace, call.leader.limits(), call.leader.level());
                Ok(Self::Response {
                    namespace_info: namespace.namespace_info,
                    config: namespace.config,
                    replication_config: namespace.replication_config,
                    failover_version: namespace.failover_version,
                    is_global_namespace: namespace.is_global_namespace,
                })
            }
            SystemReply::Done => Err(ApiError::internal("an update that answers no namespace").into()),
        }
    }
}

impl Rpc for api::DeprecateNamespaceRequest {
    type Response = api::DeprecateNamespaceResponse;
    type Target = System;

    fn scope(&self) -> Scope<'_> {
        Scope::Cluster
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<System, ApiError> {
        check_name(&self.namespace, admission)
    }

    async fn run(self: Arc<Self>, _target: System, call: &Call) -> Result<Self::Response, CommandError> {
        call.leader.execute_system(call.proposal, SystemCommand::DeprecateNamespace(self)).await?;
        Ok(Self::Response::default())
    }
}

fn check_name(name: &str, admission: &Admission<'_>) -> Result<System, ApiError> {
    if name.is_empty() {
        return Err(ApiError::invalid_argument("Namespace not set on request."));
    }
    admission.length(name, "Namespace")?;
    Ok(System)
}
