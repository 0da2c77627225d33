//! AddSearchAttributes, RemoveSearchAttributes, ListSearchAttributes and GetSearchAttributes.

use super::prelude::*;
use crate::{Frontend, call::System};
use std::collections::BTreeMap;
use tenure_api::{enums::v1::IndexedValueType, operatorservice::v1 as operator};
use tenure_engine::{
    search_attributes::{columns, system},
    system::SystemCommand,
};
use tokio::time::Instant;

impl Rpc for operator::AddSearchAttributesRequest {
    type Response = operator::AddSearchAttributesResponse;
    type Target = System;

    fn scope(&self) -> Scope<'_> {
        Scope::Cluster
    }

    fn admit(&mut self, _admission: &Admission<'_>) -> Result<System, ApiError> {
        check(&self.namespace, self.search_attributes.is_empty())
    }

    async fn run(self: Arc<Self>, _target: System, call: &Call) -> Result<Self::Response, CommandError> {
        call.leader.execute_system(call.proposal, SystemCommand::AddSearchAttributes(self)).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for operator::RemoveSearchAttributesRequest {
    type Response = operator::RemoveSearchAttributesResponse;
    type Target = System;

    fn scope(&self) -> Scope<'_> {
        Scope::Cluster
    }

    fn admit(&mut self, _admission: &Admission<'_>) -> Result<System, ApiError> {
        check(&self.namespace, self.search_attributes.is_empty())
    }

    async fn run(self: Arc<Self>, _target: System, call: &Call) -> Result<Self::Response, CommandError> {
        call.leader.execute_system(call.proposal, SystemCommand::RemoveSearchAttributes(self)).await?;
        Ok(Self::Response::default())
    }
}

fn check(namespace: &str, nothing: bool) -> Result<System, ApiError> {
    if nothing {
        return Err(ApiError::invalid_argument("SearchAttributes are not set on request."));
    }
    if namespace.is_empty() {
        return Err(ApiError::invalid_argument("Namespace is not set on request."));
    }
    Ok(System)
}

impl LocalRpc for operator::ListSearchAttributesRequest {
    type Response = operator::ListSearchAttributesResponse;

    /// Shows all that was acknowledged before.
    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        if self.namespace.is_empty() {
            return Err(ApiError::invalid_argument("Namespace is not set on request."));
        }
        frontend.refresh_namespaces(deadline).await?;
        let namespace = frontend.namespace(&self.namespace, deadline).await?;
        let custom = namespace.search_attributes.custom().clone();
        Ok(Self::Response {
            custom_attributes: types(custom),
            system_attributes: types(system()),
            ..Default::default()
        })
    }
}

impl LocalRpc for api::GetSearchAttributesRequest {
    type Response = api::GetSearchAttributesResponse;

    async fn answer(self, _frontend: &Frontend, _deadline: Instant) -> Result<Self::Response, ApiError> {
        let system = system().map(|(name, kind)| (name.to_owned(), kind));
        Ok(Self::Response { keys: types(system.chain(columns())) })
    }
}

fn types<N: Into<String>>(typed: impl IntoIterator<Item = (N, IndexedValueType)>) -> BTreeMap<String, i32> {
    typed.into_iter().map(|(name, kind)| (name.into(), kind.into())).collect()
}
