//! One schedule: create, describe, update, pause, trigger, backfill, delete.

use super::{
    ChangedSchedule, NewSchedule, ScheduleBuilder, ScheduleDescription, ScheduleOverlapPolicy, description::times,
};
use crate::{
    client::Client,
    connection::pauses,
    data::IntoArgs,
    definition::{IntoWorkflow, WorkflowDefinition},
    error::ClientError,
    rpc,
};
use std::{
    future::IntoFuture,
    pin::Pin,
    time::{Duration, Instant, SystemTime},
};
use tenure_api::{
    schedule::v1::{BackfillRequest, SchedulePatch, TriggerImmediatelyRequest},
    workflowservice::v1 as api,
};

/// The longest pause before an update that another one got ahead of is tried again, before jitter.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A schedule, which is there or is to be created. One that is not there [`is_not_found`](ClientError::is_not_found).
///
/// ```no_run
/// use std::time::Duration;
/// use tenure_client::{Client, ClientError, ScheduleOverlapPolicy};
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let nightly = client.schedule("nightly");
/// nightly.trigger().await?;
/// nightly.trigger().overlap(ScheduleOverlapPolicy::AllowAll).await?;
/// nightly.pause("the shop is closed").await?;
/// nightly.update(|it| it.clear_times().every(Duration::from_secs(3600)).limited_actions(24)).await?;
/// nightly.unpause("it is open again").await?;
/// println!("next at {:?}", nightly.describe().await?.future_times.first());
/// nightly.delete().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ScheduleHandle {
    client: Client,
    id: String,
}

impl ScheduleHandle {
    pub(super) fn new(client: Client, id: String) -> Self {
        ScheduleHandle { client, id }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Begins to create it: it starts this workflow, with these arguments, at times that are said next. When there is one
    /// with this id already, that [`is_already_exists`](ClientError::is_already_exists).
    pub fn starts<W: WorkflowDefinition, G>(
        &self,
        workflow: impl IntoWorkflow<G, Workflow = W>,
        args: impl IntoArgs<W::Args>,
    ) -> ScheduleBuilder<NewSchedule> {
        ScheduleBuilder::new(self.client.clone(), self.id.clone(), workflow, args)
    }

    /// What the server knows of it.
    pub async fn describe(&self) -> Result<ScheduleDescription, ClientError> {
        let answer = self.described().await?;
        Ok(ScheduleDescription::new(self.id.clone(), &answer, self.client.converter()))
    }

    async fn described(&self) -> Result<api::DescribeScheduleResponse, ClientError> {
        let (namespace, schedule_id) = (self.client.namespace().to_owned(), self.id.clone());
        let request = api::DescribeScheduleRequest { namespace, schedule_id };
        rpc!(self.client.connection(), describe_schedule, request, self.client.short()).await
    }

    /// Changes it. `change` is given the schedule as it is now, and gives it back as it is to be. When somebody else changes
    /// it meanwhile, that is not undone: `change` is given what there is then, again and again until
    /// [`deadline`](crate::ClientBuilder::deadline), after which the error [`is_conflict`](ClientError::is_conflict).
    ///
    /// ```no_run
    /// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
    /// client
    ///     .schedule("often")
    ///     .update(|it| {
    ///         let half = it.now().times.intervals[0].every / 2;
    ///         it.clear_times().every(half)
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub async fn update(
        &self,
        mut change: impl FnMut(ScheduleBuilder<ChangedSchedule>) -> ScheduleBuilder<ChangedSchedule>,
    ) -> Result<(), ClientError> {
        let (client, began) = (&self.client, Instant::now());
        let mut pauses = pauses(LONGEST_PAUSE);
        loop {
            let mut answer = self.described().await?;
            let now = ScheduleDescription::new(self.id.clone(), &answer, client.converter());
            let schedule = answer.schedule.take().unwrap_or_default();
            let changed = change(ScheduleBuilder::of_description(client.clone(), schedule, now));
            let request = changed.into_request(answer.conflict_token)?;
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            match rpc!(client.connection(), update_schedule, request, client.short()).await {
                Err(error) if error.is_conflict() && began.elapsed() + pause < client.short().total => {
                    tokio::time::sleep(pause).await;
                }
                updated => return updated.map(drop),
            }
        }
    }

    /// Lets it act once when this is awaited, also while it is paused.
    pub fn trigger(&self) -> PatchSchedule<Trigger> {
        PatchSchedule { schedule: self.clone(), operation: Trigger(TriggerImmediatelyRequest::default()) }
    }

    /// Makes up for the times from `from` up to `to`, these two included, when this is awaited; also while it is paused.
    ///
    /// ```no_run
    /// use std::time::{Duration, SystemTime};
    /// use tenure_client::ScheduleOverlapPolicy;
    /// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
    /// let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
    /// let backfill = client.schedule("nightly").backfill(yesterday, SystemTime::now());
    /// backfill.overlap(ScheduleOverlapPolicy::BufferAll).await?;
    /// # Ok(()) }
    /// ```
    pub fn backfill(&self, from: SystemTime, to: SystemTime) -> PatchSchedule<Backfill> {
        let [start_time, end_time] = [from, to].map(|time| Some(time.into()));
        let operation = Backfill(BackfillRequest { start_time, end_time, ..Default::default() });
        PatchSchedule { schedule: self.clone(), operation }
    }

    /// Lets it not act, for this reason, which replaces its note. Triggers and backfills still do.
    pub async fn pause(&self, note: impl Into<String>) -> Result<(), ClientError> {
        let pause = self.noted(note.into(), "paused");
        self.patch(SchedulePatch { pause, ..Default::default() }).await
    }

    /// Lets it act again, for this reason, which replaces its note.
    pub async fn unpause(&self, note: impl Into<String>) -> Result<(), ClientError> {
        let unpause = self.noted(note.into(), "unpaused");
        self.patch(SchedulePatch { unpause, ..Default::default() }).await
    }

    /// The API takes an empty note for none, and does nothing.
    fn noted(&self, note: String, what: &str) -> String {
        if note.is_empty() { format!("{what} by {}", self.client.identity()) } else { note }
    }

    async fn patch(&self, patch: SchedulePatch) -> Result<(), ClientError> {
        let request = api::PatchScheduleRequest {
            namespace: self.client.namespace().to_owned(),
            schedule_id: self.id.clone(),
            patch: Some(patch),
            identity: self.client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        rpc!(self.client.connection(), patch_schedule, request, self.client.short()).await?;
        Ok(())
    }

    /// Removes it. What it has started goes on.
    pub async fn delete(&self) -> Result<(), ClientError> {
        let request = api::DeleteScheduleRequest {
            namespace: self.client.namespace().to_owned(),
            schedule_id: self.id.clone(),
            identity: self.client.identity().to_owned(),
        };
        rpc!(self.client.connection(), delete_schedule, request, self.client.short()).await?;
        Ok(())
    }

    /// The times that its specification has between two times, past or future, whether it acts on them or not.
    pub async fn matching_times(&self, from: SystemTime, to: SystemTime) -> Result<Vec<SystemTime>, ClientError> {
        let request = api::ListScheduleMatchingTimesRequest {
            namespace: self.client.namespace().to_owned(),
            schedule_id: self.id.clone(),
            start_time: Some(from.into()),
            end_time: Some(to.into()),
        };
        let answer = rpc!(self.client.connection(), list_schedule_matching_times, request, self.client.short()).await?;
        Ok(times(&answer.start_time))
    }
}

/// A trigger or a backfill: awaiting it asks for it. What it starts is started when this returns, or waits its turn.
#[derive(Clone, Debug)]
#[must_use = "does nothing unless it is awaited"]
pub struct PatchSchedule<O> {
    schedule: ScheduleHandle,
    operation: O,
}

/// An action at once.
#[derive(Clone, Debug)]
pub struct Trigger(TriggerImmediatelyRequest);

/// Times to be made up for.
#[derive(Clone, Debug)]
pub struct Backfill(BackfillRequest);

impl PatchSchedule<Trigger> {
    /// Another overlap policy than that of the schedule.
    pub fn overlap(mut self, policy: ScheduleOverlapPolicy) -> Self {
        self.operation.0.overlap_policy = policy.into();
        self
    }
}

impl PatchSchedule<Backfill> {
    /// Another overlap policy than that of the schedule.
    pub fn overlap(mut self, policy: ScheduleOverlapPolicy) -> Self {
        self.operation.0.overlap_policy = policy.into();
        self
    }
}

impl IntoFuture for PatchSchedule<Trigger> {
    type Output = Result<(), ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let patch = SchedulePatch { trigger_immediately: Some(self.operation.0), ..Default::default() };
        Box::pin(async move { self.schedule.patch(patch).await })
    }
}

impl IntoFuture for PatchSchedule<Backfill> {
    type Output = Result<(), ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let patch = SchedulePatch { backfill_request: vec![self.operation.0], ..Default::default() };
        Box::pin(async move { self.schedule.patch(patch).await })
    }
}
