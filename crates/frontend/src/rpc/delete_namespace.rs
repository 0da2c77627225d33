//! DeleteNamespace. What is there of the namespace goes in the background.

use super::prelude::*;
use crate::call::System;
use tenure_api::{error::Code, operatorservice::v1 as operator};
use tenure_engine::system::{SystemCommand, SystemReply};

/// The namespace of the reference server's own workflows; nothing needs it here, and it is not to be deleted either.
const SYSTEM_NAMESPACE: &str = "temporal-system";

/// Its id, which is the same everywhere.
const SYSTEM_NAMESPACE_ID: &str = "32049b68-7872-4094-8e63-d0dd59896a83";

impl Rpc for operator::DeleteNamespaceRequest {
    type Response = operator::DeleteNamespaceResponse;
    type Target = System;

    fn scope(&self) -> Scope<'_> {
        Scope::Cluster
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<System, ApiError> {
        match (self.namespace.is_empty(), self.namespace_id.is_empty()) {
            (true, true) => return Err(ApiError::invalid_argument("Namespace not set on request.")),
            (false, false) => {
                let message = "Only one of namespace name or Id should be set on request.";
                return Err(ApiError::invalid_argument(message));
            }
            (true, false) | (false, true) => {}
        }
        if self.namespace == SYSTEM_NAMESPACE || self.namespace_id == SYSTEM_NAMESPACE_ID {
            return Err(ApiError::new(Code::FailedPrecondition, "unable to delete system namespace"));
        }
        admission.length(&self.namespace, "Namespace")?;
        Ok(System)
    }

    async fn run(self: Arc<Self>, _target: System, call: &Call) -> Result<Self::Response, CommandError> {
        match call.leader.execute_system(call.proposal, SystemCommand::DeleteNamespace(self)).await? {
            SystemReply::Namespace(namespace) => {
                let deleted_namespace = namespace.namespace_info.unwrap_or_default().name;
                Ok(Self::Response { deleted_namespace })
            }
            SystemReply::Done => Err(ApiError::internal("a deletion that answers no namespace").into()),
        }
    }
}
