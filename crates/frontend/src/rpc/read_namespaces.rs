//! DescribeNamespace and ListNamespaces.

use super::prelude::*;
use crate::{Frontend, validate::malformed_page_token};
use tenure_api::namespace::v1 as ns;
use tenure_engine::{Limits, NamespaceId, system::namespace};
use tenure_shard::{Namespace, TokenUse};
use tokio::time::Instant;

/// Namespaces of one page where the request does not say.
const PAGE: usize = 100;

impl LocalRpc for api::DescribeNamespaceRequest {
    type Response = api::DescribeNamespaceResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let all = namespaces(frontend, deadline).await?;
        let found = if !self.id.is_empty() {
            let id = Uuid::try_parse(&self.id).map_err(|_| ApiError::invalid_argument("Invalid namespace id."))?;
            all.into_iter().find(|namespace| namespace.id == NamespaceId(id))
        } else if !self.namespace.is_empty() {
            all.into_iter().find(|namespace| namespace.name == self.namespace)
        } else {
            return Err(ApiError::invalid_argument("Namespace not set on request."));
        };
        let asked = if self.id.is_empty() { &self.namespace } else { &self.id };
        let found = found.ok_or_else(|| namespace::not_found(asked))?;
        Ok(of_this_node(found.description.clone(), &frontend.options().limits))
    }
}

impl LocalRpc for api::ListNamespacesRequest {
    type Response = api::ListNamespacesResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let all = namespaces(frontend, deadline).await?;
        let key = frontend.token_key(deadline).await?;
        let after = match &*self.next_page_token {
            [] => None,
            token => {
                let last = key.open(TokenUse::NamespacePage, token).and_then(|last| Uuid::from_slice(last).ok());
                Some(last.ok_or_else(malformed_page_token)?)
            }
        };
        let size = usize::try_from(self.page_size).ok().filter(|size| *size > 0).unwrap_or(PAGE);
        let mut rest = all.into_iter().filter(|namespace| after.is_none_or(|after| namespace.id.0 > after)).peekable();
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let next_page_token = match (rest.peek(), page.last()) {
            (Some(_), Some(last)) => key.seal(TokenUse::NamespacePage, last.id.0.as_bytes()),
            _ => Default::default(),
        };
        let limits = &frontend.options().limits;
        let shown = |namespace: &Namespace| of_this_node(namespace.description.clone(), limits);
        let namespaces = page.iter().map(|namespace| shown(namespace)).collect();
        Ok(Self::Response { namespaces, next_page_token })
    }
}

async fn namespaces(frontend: &Frontend, deadline: Instant) -> Result<Vec<Arc<Namespace>>, ApiError> {
    let all = frontend.shards().namespaces(deadline).await;
    all.map_err(|cause| ApiError::unavailable(format!("namespaces: {cause}")))
}

/// Adds what depends on the node that answers: capabilities and limits.
pub(super) fn of_this_node(
    mut namespace: api::DescribeNamespaceResponse,
    limits: &Limits,
) -> api::DescribeNamespaceResponse {
    if let Some(info) = &mut namespace.namespace_info {
        info.capabilities = Some(ns::namespace_info::Capabilities {
            eager_workflow_start: true,
            sync_update: true,
            async_update: true,
            reported_problems_search_attribute: true,
            worker_poll_complete_on_shutdown: true,
            ..Default::default()
        });
        info.limits = Some(ns::namespace_info::Limits {
            blob_size_limit_error: limits.blob_size as i64,
            memo_size_limit_error: limits.memo_size as i64,
            ..Default::default()
        });
    }
    namespace
}
