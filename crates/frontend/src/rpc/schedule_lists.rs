//! ListSchedules and CountSchedules. Any node answers them: it asks all shards.

use super::{
    lists::{entries, groups_of, not_grouped_by},
    prelude::*,
};
use crate::Frontend;
use tenure_api::workflowservice::v1::count_schedules_response::AggregationGroup;
use tenure_engine::{SubjectKind, schedule};
use tenure_filter::Attribute;
use tenure_shard::{ListQuery, Namespace, list_query};
use tokio::time::Instant;

/// What a query may name besides a namespace's own attributes.
const ID: &str = "ScheduleId";
const PAUSED: &str = "TemporalSchedulePaused";

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
        return Err(not_grouped_by(by));
    }
    Ok(query)
}

impl LocalRpc for api::ListSchedulesRequest {
    type Response = api::ListSchedulesResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let query = check(&*frontend.namespace(&self.namespace, deadline).await?, self.query)?;
        let (size, token) = (self.maximum_page_size, &self.next_page_token);
        let (schedules, next_page_token) = entries(frontend, query, size, token, deadline, schedule::entry).await?;
        Ok(Self::Response { schedules, next_page_token })
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
