//! DescribeNamespace and ListNamespaces.

use super::prelude::*;
use crate::{Frontend, validate::malformed_page_token};
use tenure_api::namespace::v1 as ns;
use tenure_engine::{FeatureLevel, Limits, NamespaceId, system::namespace};
use tenure_shard::{Namespace, TokenUse};
use tokio::time::Instant;

/// Namespaces of one page where the request does not say.
const PAGE: usize = 100;

impl LocalRpc for api::DescribeNamespaceRequest {
    type Response = api::DescribeNamespaceResponse;

    fn described(&self) -> Option<&api::DescribeNamespaceRequest> {
        Some(self)
    }

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let found = find(frontend, &self, deadline).await?;
        Ok(of_this_node(found.description.clone(), &frontend.options().limits, frontend.shards().level()))
    }
}

/// The namespace that is to be described, whatever its state.
async fn find(
    frontend: &Frontend,
    request: &api::DescribeNamespaceRequest,
    deadline: Instant,
) -> Result<Arc<Namespace>, ApiError> {
    let all = namespaces(frontend, deadline).await?;
    let found = if !request.id.is_empty() {
        let id = Uuid::try_parse(&request.id).map_err(|_| ApiError::invalid_argument("Invalid namespace id."))?;
        all.into_iter().find(|namespace| namespace.id == NamespaceId(id))
    } else if !request.namespace.is_empty() {
        all.into_iter().find(|namespace| namespace.name == request.namespace)
    } else {
        return Err(ApiError::invalid_argument("Namespace not set on request."));
    };
    let asked = if request.id.is_empty() { &request.namespace } else { &request.id };
    found.ok_or_else(|| namespace::not_found(asked))
}

impl Frontend {
    /// What is left of a namespace that was deleted, in words; `None` for any other one.
    pub(crate) async fn left_of(
        &self,
        request: &api::DescribeNamespaceRequest,
        deadline: Instant,
    ) -> Result<Option<String>, ApiError> {
        let namespace = find(self, request, deadline).await?;
        if !namespace.is_deleted() {
            return Ok(None);
        }
        let left = self.shards().left_of(namespace.id, deadline).await?;
        let shards = if left.shards == 1 { "1 shard".to_owned() } else { format!("{} shards", left.shards) };
        let runs = if left.runs == 1 { "1 workflow run".to_owned() } else { format!("{} workflow runs", left.runs) };
        Ok(Some(match left.shards {
            0 => "nothing, but for its name".to_owned(),
            _ => format!("{runs}; {shards} not done"),
        }))
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
        let shown =
            |namespace: &Arc<Namespace>| !namespace.is_deleted() && after.is_none_or(|after| namespace.id.0 > after);
        let mut rest = all.into_iter().filter(shown).peekable();
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let next_page_token = match (rest.peek(), page.last()) {
            (Some(_), Some(last)) => key.seal(TokenUse::NamespacePage, last.id.0.as_bytes()),
            _ => Default::default(),
        };
        let (limits, level) = (&frontend.options().limits, frontend.shards().level());
        let shown = |namespace: &Namespace| of_this_node(namespace.description.clone(), limits, level);
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
    level: FeatureLevel,
) -> api::DescribeNamespaceResponse {
    if let Some(info) = &mut namespace.namespace_info {
        info.supports_schedules = true;
        info.capabilities = Some(ns::namespace_info::Capabilities {
            eager_workflow_start: true,
            sync_update: true,
            async_update: true,
            reported_problems_search_attribute: true,
            workflow_pause: true,
            // A worker asks once; one that is told that nobody listens stays silent.
            worker_heartbeats: level >= FeatureLevel::WORKERS,
            worker_poll_complete_on_shutdown: true,
            standalone_activities: true,
            standalone_activity_start_delay: true,
            standalone_activity_batch_operations: true,
            standalone_activity_operator_commands: true,
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
