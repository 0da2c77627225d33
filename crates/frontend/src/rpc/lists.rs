//! ListWorkflowExecutions, ScanWorkflowExecutions, ListOpenWorkflowExecutions, ListClosedWorkflowExecutions,
//! ListArchivedWorkflowExecutions and CountWorkflowExecutions. Any node answers them: it asks all shards.

use super::prelude::*;
use crate::{Frontend, call::Search};
use std::{cmp::Reverse, collections::BTreeMap, fmt::Write};
use tenure_api::{
    common::v1::Payload,
    enums::v1::WorkflowExecutionStatus as Status,
    filter::v1::StartTimeFilter,
    workflow::v1::WorkflowExecutionInfo,
    workflowservice::v1::{
        count_workflow_executions_response::AggregationGroup, list_closed_workflow_executions_request as closed,
        list_open_workflow_executions_request as open,
    },
};
use tenure_engine::SubjectKind;
use tenure_filter::{Attribute, status_name};
use tenure_shard::{Counted, GroupValue, ListPage, ListQuery, Question, SamePlan, list_query};
use tokio::time::Instant;

/// Things on a page, at most and unless the request says otherwise. (The number is the reference server's.)
const PAGE_SIZE: usize = 1000;

/// Runs that a page of an archive may have. (The number is the reference server's.)
const ARCHIVED_PAGE_SIZE: i32 = 10_000;

/// The response of all lists of runs, whose items are the bytes that shards have.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EncodedRuns {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    executions: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "2")]
    next_page_token: Bytes,
}

impl LocalRpc for api::ListWorkflowExecutionsRequest {
    type Response = EncodedRuns;

    fn search(&self) -> Option<Search> {
        Some(Search { namespace: self.namespace.clone(), query: self.query.clone(), explain: Question::ExplainList })
    }

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<EncodedRuns, ApiError> {
        let Self { namespace, page_size, next_page_token, query } = self;
        list(frontend, &namespace, query, page_size, &next_page_token, deadline).await
    }
}

impl LocalRpc for api::ScanWorkflowExecutionsRequest {
    type Response = EncodedRuns;

    fn search(&self) -> Option<Search> {
        Some(Search { namespace: self.namespace.clone(), query: self.query.clone(), explain: Question::ExplainList })
    }

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<EncodedRuns, ApiError> {
        let Self { namespace, page_size, next_page_token, query } = self;
        list(frontend, &namespace, query, page_size, &next_page_token, deadline).await
    }
}

impl LocalRpc for api::ListOpenWorkflowExecutionsRequest {
    type Response = EncodedRuns;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<EncodedRuns, ApiError> {
        let mut query = "ExecutionStatus = 'Running'".to_owned();
        put_times(&mut query, "StartTime", self.start_time_filter.as_ref())?;
        match &self.filters {
            Some(open::Filters::ExecutionFilter(of)) => put_equal(&mut query, "WorkflowId", &of.workflow_id),
            Some(open::Filters::TypeFilter(of)) => put_equal(&mut query, "WorkflowType", &of.name),
            None => {}
        }
        list(frontend, &self.namespace, query, self.maximum_page_size, &self.next_page_token, deadline).await
    }
}

impl LocalRpc for api::ListClosedWorkflowExecutionsRequest {
    type Response = EncodedRuns;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<EncodedRuns, ApiError> {
        let mut query = "CloseTime IS NOT NULL".to_owned();
        put_times(&mut query, "CloseTime", self.start_time_filter.as_ref())?;
        match &self.filters {
            Some(closed::Filters::ExecutionFilter(of)) => put_equal(&mut query, "WorkflowId", &of.workflow_id),
            Some(closed::Filters::TypeFilter(of)) => put_equal(&mut query, "WorkflowType", &of.name),
            Some(closed::Filters::StatusFilter(of)) => {
                if [Status::Unspecified as i32, Status::Running as i32].contains(&of.status) {
                    let message = "StatusFilter must be specified and must be not Running.";
                    return Err(ApiError::invalid_argument(message));
                }
                let unknown = || {
                    let number = of.status;
                    let message =
                        format!("invalid query: invalid expression: invalid ExecutionStatus value '{number}'");
                    ApiError::invalid_argument(message)
                };
                put_equal(&mut query, "ExecutionStatus", status_name(of.status.into()).ok_or_else(unknown)?);
            }
            None => {}
        }
        list(frontend, &self.namespace, query, self.maximum_page_size, &self.next_page_token, deadline).await
    }
}

impl LocalRpc for api::ListArchivedWorkflowExecutionsRequest {
    type Response = api::ListArchivedWorkflowExecutionsResponse;

    /// There is no archive.
    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        frontend.namespace(&self.namespace, deadline).await?;
        if self.page_size > ARCHIVED_PAGE_SIZE {
            return Err(ApiError::invalid_argument(format!("PageSize is larger than allowed {ARCHIVED_PAGE_SIZE}.")));
        }
        Err(ApiError::invalid_argument("Cluster is not configured for visibility archival."))
    }
}

fn put_equal(query: &mut String, attribute: &str, text: &str) {
    let quoted = text.replace('\\', "\\\\").replace('\'', "''");
    let _ = write!(query, " AND {attribute} = '{quoted}'");
}

fn put_times(query: &mut String, attribute: &str, times: Option<&StartTimeFilter>) -> Result<(), ApiError> {
    let nanos = |time: Option<&prost_types::Timestamp>| time.map(|time| tenure_engine::Timestamp::from_proto(time).0);
    let Some(times) = times else { return Ok(()) };
    let (earliest, latest) = (nanos(times.earliest_time.as_ref()), nanos(times.latest_time.as_ref()));
    if let (Some(earliest), Some(latest)) = (earliest, latest)
        && earliest > latest
    {
        let message = "EarliestTime in StartTimeFilter should not be larger than LatestTime.";
        return Err(ApiError::invalid_argument(message));
    }
    for (comparison, time) in [(">=", earliest), ("<=", latest)] {
        if let Some(time) = time {
            let _ = write!(query, " AND {attribute} {comparison} {time}");
        }
    }
    Ok(())
}

async fn list(
    frontend: &Frontend,
    namespace: &str,
    query: String,
    page_size: i32,
    page_token: &[u8],
    deadline: Instant,
) -> Result<EncodedRuns, ApiError> {
    let query = list_query(&*frontend.namespace(namespace, deadline).await?, SubjectKind::RUN, query)?;
    let page = page(frontend, query, page_size, page_token, deadline).await?;
    let executions = page.items.into_iter().map(|item| item.value).collect();
    Ok(EncodedRuns { executions, next_page_token: page.next_page_token })
}

async fn page(
    frontend: &Frontend,
    query: ListQuery,
    size: i32,
    token: &[u8],
    deadline: Instant,
) -> Result<ListPage, ApiError> {
    let size = usize::try_from(size).ok().filter(|size| (1..=PAGE_SIZE).contains(size)).unwrap_or(PAGE_SIZE);
    frontend.shards().list(Question::List(query), token, size, deadline).await
}

/// A page of what is no run, made from the records that are like those of runs; and the token of the next one.
pub(super) async fn entries<T>(
    frontend: &Frontend,
    query: ListQuery,
    size: i32,
    token: &[u8],
    deadline: Instant,
    entry: impl Fn(WorkflowExecutionInfo) -> T,
) -> Result<(Vec<T>, Bytes), ApiError> {
    let page = page(frontend, query, size, token, deadline).await?;
    let entries = page.items.into_iter().map(|item| WorkflowExecutionInfo::decode(item.value).map(&entry)).collect();
    let entries: Result<_, DecodeError> = entries;
    let entries = entries.map_err(|error| ApiError::internal(format!("a list's item: {error}")))?;
    Ok((entries, page.next_page_token))
}

/// The refusal of a count that tells things apart by this attribute.
pub(super) fn not_grouped_by(attribute: &Attribute) -> ApiError {
    ApiError::invalid_argument(format!(
        "invalid query: operation is not supported: 'GROUP BY' clause is not supported for search attribute {}",
        attribute.alias
    ))
}

impl Frontend {
    /// Tells how shards find what a query asks for, those with the same plan together.
    pub(crate) async fn explain(&self, search: Search, deadline: Instant) -> Result<String, ApiError> {
        let Search { namespace, query, explain } = search;
        let query = list_query(&*self.namespace(&namespace, deadline).await?, SubjectKind::RUN, query)?;
        let plans = self.shards().explain(explain(query), deadline).await?;
        let told = plans.into_iter().map(|(plan, SamePlan { shards, rows })| {
            let shards = if shards == 1 { "1 shard".to_owned() } else { format!("{shards} shards") };
            format!("{shards}, about {rows} rows:\n{plan}")
        });
        Ok(told.collect::<Vec<_>>().join("\n\n"))
    }
}

impl LocalRpc for api::CountWorkflowExecutionsRequest {
    type Response = api::CountWorkflowExecutionsResponse;

    fn search(&self) -> Option<Search> {
        Some(Search { namespace: self.namespace.clone(), query: self.query.clone(), explain: Question::ExplainCount })
    }

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let query = list_query(&*frontend.namespace(&self.namespace, deadline).await?, SubjectKind::RUN, self.query)?;
        let counted = frontend.shards().count(query, deadline).await?;
        let count = counted.count as i64;
        let group = |(value, count)| AggregationGroup { group_values: vec![value], count };
        Ok(Self::Response { count, groups: groups_of(counted).map(group).collect() })
    }
}

/// The groups of a count: statuses in the order of their numbers, others with the largest first.
pub(super) fn groups_of(counted: Counted) -> impl Iterator<Item = (Payload, i64)> {
    let mut groups: Vec<_> = counted.groups.into_iter().collect();
    groups.sort_by_cached_key(|(value, count)| (status_number(value), Reverse(*count), value.clone()));
    groups.into_iter().map(|(value, count)| (payload(&value), count as i64))
}

/// The number of a status; the same for all that is none.
fn status_number(value: &GroupValue) -> i64 {
    let named = |number: &i64| matches!(value, GroupValue::Text(text) if status_name(*number) == Some(text));
    (0..).take_while(|number| status_name(*number).is_some()).find(named).unwrap_or(i64::MAX)
}

/// A value as search attributes are shown.
fn payload(value: &GroupValue) -> Payload {
    let (kind, data) = match value {
        GroupValue::Null => ("Keyword", "null".to_owned()),
        GroupValue::Bool(value) => ("Bool", value.to_string()),
        GroupValue::Text(text) => ("Keyword", serde_json::Value::from(text.as_str()).to_string()),
    };
    let metadata: BTreeMap<String, Bytes> =
        [("encoding".to_owned(), "json/plain".into()), ("type".to_owned(), kind.into())].into();
    Payload { metadata: metadata.into_iter().collect(), data: data.into(), ..Default::default() }
}
