//! Starting an activity without a workflow.

use super::{ActivityHandle, ActivityIdConflictPolicy, ActivityIdReusePolicy};
use crate::{
    args::RetryPolicy, client::Client, data::DataError, definition::ActivityDefinition, error::ClientError,
    headers::ClientCallKind, rpc, search::SearchKey,
};
use std::{future::IntoFuture, marker::PhantomData, pin::Pin, time::Duration};
use tenure_api::{
    common::v1::{ActivityType, SearchAttributes},
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
    workflowservice::v1 as api,
};

/// An activity without a workflow that is about to be started: awaiting it starts it and gives its handle. It needs a task
/// queue, and [`Self::start_to_close`] or [`Self::schedule_to_close`].
///
/// ```no_run
/// use std::time::Duration;
/// use tenure_client::{ActivityRef, Client, ClientError};
/// const RESIZE: ActivityRef<(String,), String> = ActivityRef::new("resize");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let start = client.start_activity(RESIZE, "7.png").id("picture-7").task_queue("images");
/// let small = start.start_to_close(Duration::from_secs(30)).await?.result().await?;
/// # Ok(()) }
/// ```
#[must_use = "starts nothing unless it is awaited"]
pub struct StartActivity<D> {
    client: Client,
    request: api::StartActivityExecutionRequest,
    error: Option<DataError>,
    activity: PhantomData<fn(D)>,
}

impl<D: ActivityDefinition> StartActivity<D> {
    pub(super) fn new(client: Client, activity: &D, args: D::Args) -> Self {
        let (input, error) = match client.converter().encode_args(&args) {
            Ok(input) => (input, None),
            Err(error) => (None, Some(error)),
        };
        let request = api::StartActivityExecutionRequest {
            namespace: client.namespace().to_owned(),
            activity_id: uuid::Uuid::new_v4().to_string(),
            activity_type: Some(ActivityType { name: activity.name().to_owned() }),
            input,
            identity: client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        StartActivity { client, request, error, activity: PhantomData }
    }

    /// The activity id. Default: a random uuid.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.request.activity_id = id.into();
        self
    }

    /// The task queue that its workers poll. There is no default.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.request.task_queue = Some(TaskQueue { name: name.into(), ..Default::default() });
        self
    }

    /// What to do when an activity with this id has ended. Default: start another run.
    pub fn reuse(mut self, policy: ActivityIdReusePolicy) -> Self {
        self.request.id_reuse_policy = policy.into();
        self
    }

    /// What to do when an activity with this id runs. Default: refuse.
    pub fn conflict(mut self, policy: ActivityIdConflictPolicy) -> Self {
        self.request.id_conflict_policy = policy.into();
        self
    }

    /// Limit for one attempt.
    pub fn start_to_close(mut self, timeout: Duration) -> Self {
        self.request.start_to_close_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for all attempts together.
    pub fn schedule_to_close(mut self, timeout: Duration) -> Self {
        self.request.schedule_to_close_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for the wait for a worker.
    pub fn schedule_to_start(mut self, timeout: Duration) -> Self {
        self.request.schedule_to_start_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit between two heartbeats.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.request.heartbeat_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// How it is retried. Default: without end.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.request.retry_policy = Some(policy.into_proto());
        self
    }

    /// Waits so long before the first attempt.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.request.start_delay = Some(duration_to_proto(delay));
        self
    }

    /// Sets a search attribute, which list filters find.
    pub fn search_attribute<V>(mut self, key: impl SearchKey<V>, value: V) -> Self {
        let (key, value) = key.with(value);
        let attributes = self.request.search_attributes.get_or_insert_with(SearchAttributes::default);
        match value.into_payload() {
            Ok(payload) => {
                attributes.indexed_fields.insert(key, payload);
            }
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// What the UI shows beside it.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        let summary: String = summary.into();
        match self.client.converter().encode(&summary) {
            Ok(payload) => self.request.user_metadata.get_or_insert_default().summary = Some(payload),
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Retries with the same request id start once.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request.request_id = id.into();
        self
    }
}

impl<D: ActivityDefinition> IntoFuture for StartActivity<D> {
    type Output = Result<ActivityHandle<D>, ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let StartActivity { client, mut request, error, .. } = self;
        Box::pin(async move {
            error.map_or(Ok(()), Err)?;
            let activity_id = request.activity_id.clone();
            let name = request.activity_type.as_ref().map_or("", |it| &it.name);
            request.header = client.headers(ClientCallKind::StartActivity, name, &activity_id)?;
            let started = rpc!(client.connection(), start_activity_execution, request, client.short()).await?;
            Ok(ActivityHandle::new(client, activity_id, started.run_id))
        })
    }
}
