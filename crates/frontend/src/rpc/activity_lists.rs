//! ListActivityExecutions and CountActivityExecutions: activities without a workflow. Any node answers them: it asks all shards.

use super::{lists::groups_of, prelude::*};
use crate::Frontend;
use tenure_api::{
    activity::v1::ActivityExecutionListInfo, workflow::v1::WorkflowExecutionInfo,
    workflowservice::v1::count_activity_executions_response::AggregationGroup,
};
use tenure_engine::{SubjectKind, standalone};
use tenure_shard::{ListQuery, Namespace, Question, list_query};
use tokio::time::Instant;

/// The one attribute by whose values a count tells activities apart.
const STATUS: &str = "ExecutionStatus";

/// Activities on a page, at most and unless the request says otherwise.
const PAGE_SIZE: usize = 1000;

/// The query, if it groups by nothing but what it may.
fn check(namespace: &Namespace, query: String) -> Result<ListQuery, ApiError> {
    let query = list_query(namespace, SubjectKind::ACTIVITY, query)?;
    let filter = query.filter()?;
    match filter.group_by() {
        Some(by) if by.alias != STATUS => Err(ApiError::invalid_argument(format!(
            "invalid query: operation is not supported: 'GROUP BY' clause is not supported for search attribute {}",
            by.alias
        ))),
        _ => Ok(query),
    }
}

impl LocalRpc for api::ListActivityExecutionsRequest {
    type Response = api::ListActivityExecutionsResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let query = check(&*frontend.namespace(&self.namespace, deadline).await?, self.query)?;
        let size = usize::try_from(self.page_size).ok().filter(|size| (1..=PAGE_SIZE).contains(size));
        let (question, size) = (Question::List(query), size.unwrap_or(PAGE_SIZE));
        let page = frontend.shards().list(question, &self.next_page_token, size, deadline).await?;
        let entry = |item: tenure_shard::Item| WorkflowExecutionInfo::decode(item.value).map(standalone::entry);
        let executions: Result<Vec<ActivityExecutionListInfo>, _> = page.items.into_iter().map(entry).collect();
        let executions = executions.map_err(|error| ApiError::internal(format!("a list's item: {error}")))?;
        Ok(Self::Response { executions, next_page_token: page.next_page_token })
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
