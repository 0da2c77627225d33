//! ListActivityExecutions and CountActivityExecutions: activities without a workflow. Any node answers them: it asks all shards.

use super::{
    lists::{entries, groups_of, not_grouped_by},
    prelude::*,
};
use crate::Frontend;
use tenure_api::workflowservice::v1::count_activity_executions_response::AggregationGroup;
use tenure_engine::{SubjectKind, standalone};
use tenure_shard::{ListQuery, Namespace, list_query};
use tokio::time::Instant;

/// The one attribute by whose values a count tells activities apart.
const STATUS: &str = "ExecutionStatus";

/// The query, if it groups by nothing but what it may.
fn check(namespace: &Namespace, query: String) -> Result<ListQuery, ApiError> {
    let query = list_query(namespace, SubjectKind::ACTIVITY, query)?;
    let filter = query.filter()?;
    match filter.group_by() {
        Some(by) if by.alias != STATUS => Err(not_grouped_by(by)),
        _ => Ok(query),
    }
}

impl LocalRpc for api::ListActivityExecutionsRequest {
    type Response = api::ListActivityExecutionsResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let query = check(&*frontend.namespace(&self.namespace, deadline).await?, self.query)?;
        let (size, token) = (self.page_size, &self.next_page_token);
        let (executions, next_page_token) = entries(frontend, query, size, token, deadline, standalone::entry).await?;
        Ok(Self::Response { executions, next_page_token })
    }
}

impl LocalRpc for api::CountActivityExecutionsRequest {
    type Response = api::CountActivityExecutionsResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let query = check(&*frontend.namespace(&self.namespace, deadline).await?, self.query)?;
        let counted = frontend.shards().count(query, deadline).await?;
        let count = counted.count as i64;
        let group = |(value, count)| AggregationGroup { group_values: vec![value], count };
        Ok(Self::Response { count, groups: groups_of(counted).map(group).collect() })
    }
}
