//! ListSchedules and CountSchedules. Any node answers them: it asks all shards.

use super::{lists::groups_of, prelude::*};
use crate::Frontend;
use tenure_api::{
    schedule::v1::ScheduleListEntry, workflow::v1::WorkflowExecutionInfo,
    workflowservice::v1::count_schedules_response::AggregationGroup,
};
use tenure_engine::{SubjectKind, schedule};
use tenure_filter::Attribute;
use tenure_shard::{ListQuery, Namespace, Question, list_query};
use tokio::time::Instant;

/// What a query may name besides a namespace's own attributes.
const ID: &str = "ScheduleId";
const PAUSED: &str = "TemporalSchedulePaused";

/// Schedules on a page, at most and unless the request says otherwise.
const PAGE_SIZE: usize = 1000;

/// The query, if it names nothing but what schedules are told apart by.
fn check(namespace: &Namespace, query: String) -> Result<ListQuery, ApiError> {
    let query = list_query(namespace, SubjectKind::SCHEDULE, query)?;
    let filter = query.filter()?;
    let own = |attribute: &Attribute| query.attributes.iter().any(|own| own.name == attribute.alias);
    let of_schedules = |attribute: &Attribute| attribute.alias == ID || attribute.field == PAUSED || own(attribute);
    if let Some(other) = filter.attributes().into_iter().find(|attribute| !of_schedules(attribute)) {
        let message = format!("invalid query filter for schedules: cannot filter on \"{}\"", other.alias);
        return Err(ApiError::invalid_argument(message));
    }
    if let Some(by) = filter.group_by() {
        let message = format!(
            "invalid query: operation is not supported: 'GROUP BY' clause is not supported for search attribute {}",
            by.alias
        );
        return Err(ApiError::invalid_argument(message));
    }
    Ok(query)
}

impl LocalRpc for api::ListSchedulesRequest {
    type Response = api::ListSchedulesResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let query = check(&*frontend.namespace(&self.namespace, deadline).await?, self.query)?;
        let size = usize::try_from(self.maximum_page_size).ok().filter(|size| (1..=PAGE_SIZE).contains(size));
        let (question, size) = (Question::List(query), size.unwrap_or(PAGE_SIZE));
        let page = frontend.shards().list(question, &self.next_page_token, size, deadline).await?;
        let entry = |item: tenure_shard::Item| WorkflowExecutionInfo::decode(item.value).map(schedule::entry);
        let schedules: Result<Vec<ScheduleListEntry>, _> = page.items.into_iter().map(entry).collect();
        let schedules = schedules.map_err(|error| ApiError::internal(format!("a list's item: {error}")))?;
        Ok(Self::Response { schedules, next_page_token: page.next_page_token })
    }
}

impl LocalRpc for api::CountSchedulesRequest {
    type Response = api::CountSchedulesResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let query = check(&*frontend.namespace(&self.namespace, deadline).await?, self.query)?;
        let counted = frontend.shards().count(query, deadline).await?;
        let count = counted.count as i64;
        let group = |(value, count)| AggregationGroup { group_values: vec![value], count };
        Ok(Self::Response { count, groups: groups_of(counted).map(group).collect() })
    }
}
