//! What a schedule is: what it starts, when, and how it goes about it. To create one, and to change one.

use super::{
    ScheduleDescription, ScheduleHandle, ScheduleOverlapPolicy,
    times::{Calendar, Interval},
};
use crate::{
    args::RetryPolicy,
    client::Client,
    data::{DataError, Encode, IntoArgs},
    definition::{IntoWorkflow, WorkflowDefinition},
    error::ClientError,
    headers::ClientCallKind,
    rpc,
    search::{SearchKey, SearchValue},
};
use std::{
    future::IntoFuture,
    pin::Pin,
    time::{Duration, SystemTime},
};
use tenure_api::{
    common::v1::{Memo, Payload, SearchAttributes, WorkflowType},
    schedule::v1::{
        BackfillRequest, Schedule, ScheduleAction, SchedulePatch, SchedulePolicies, ScheduleSpec, ScheduleState,
        TriggerImmediatelyRequest, schedule_action::Action,
    },
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
    workflow::v1::NewWorkflowExecutionInfo,
    workflowservice::v1 as api,
};

/// A schedule that is about to be created: awaiting it creates it and gives its handle. Or one that is to change, within
/// [`ScheduleHandle::update`].
///
/// All times count that any of its calendars, cron strings and intervals have.
///
/// ```no_run
/// use std::time::{Duration, SystemTime};
/// use tenure_client::{Calendar, Client, ClientError, ScheduleOverlapPolicy, Weekday, WorkflowRef};
/// const REPORT: WorkflowRef<(String,), u64> = WorkflowRef::new("Report");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let nightly = client.schedule("nightly").starts(REPORT, "all shops").task_queue("reports");
/// let nightly = nightly.cron("30 2 * * *").time_zone("Europe/Berlin").await?;
///
/// let weekends = Calendar::all_day().days_of_week([Weekday::Saturday, Weekday::Sunday]);
/// client
///     .schedule("often")
///     .starts(REPORT, "my shop")
///     .task_queue("reports")
///     .workflow_id("report-of-my-shop")
///     .every(Duration::from_secs(15 * 60))
///     .except(weekends)
///     .ending(SystemTime::now() + Duration::from_secs(90 * 24 * 3600))
///     .overlap(ScheduleOverlapPolicy::BufferOne)
///     .catchup_window(Duration::from_secs(3600))
///     .pause_on_failure(true)
///     .trigger_immediately()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "does nothing unless it is awaited, or given back to an update"]
pub struct ScheduleBuilder<O> {
    client: Client,
    id: String,
    schedule: Schedule,
    memo: Memo,
    search_attributes: SearchAttributes,
    error: Option<DataError>,
    of: O,
}

/// A schedule that does not exist yet: [`ScheduleBuilder`].
#[derive(Clone, Debug)]
pub struct NewSchedule {
    patch: SchedulePatch,
    request_id: String,
}

/// A schedule as it is now, which [`ScheduleHandle::update`] lets change: [`ScheduleBuilder`].
#[derive(Clone, Debug)]
pub struct ChangedSchedule {
    now: Box<ScheduleDescription>,
}

impl ScheduleBuilder<NewSchedule> {
    pub(super) fn new<W: WorkflowDefinition, G>(
        client: Client,
        id: String,
        workflow: impl IntoWorkflow<G, Workflow = W>,
        args: impl IntoArgs<W::Args>,
    ) -> Self {
        let of = NewSchedule { patch: SchedulePatch::default(), request_id: uuid::Uuid::new_v4().to_string() };
        let (memo, search_attributes) = (Memo::default(), SearchAttributes::default());
        let workflow_id = id.clone();
        let schedule = Schedule::default();
        let builder = ScheduleBuilder { client, id, schedule, memo, search_attributes, error: None, of };
        builder.starts(workflow, args).workflow_id(workflow_id)
    }

    /// Acts once as soon as it is created, too.
    pub fn trigger_immediately(mut self) -> Self {
        self.of.patch.trigger_immediately = Some(TriggerImmediatelyRequest::default());
        self
    }

    /// Makes up for the times from `from` up to `to`, these two included, as soon as it is created; may be given several
    /// times. What starts goes by the schedule's overlap policy.
    pub fn backfill(mut self, from: SystemTime, to: SystemTime) -> Self {
        let [start_time, end_time] = [from, to].map(|time| Some(time.into()));
        self.of.patch.backfill_request.push(BackfillRequest { start_time, end_time, ..Default::default() });
        self
    }

    /// Retries with the same request id create one schedule.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.of.request_id = id.into();
        self
    }
}

impl IntoFuture for ScheduleBuilder<NewSchedule> {
    type Output = Result<ScheduleHandle, ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let ScheduleBuilder { client, id, mut schedule, memo, search_attributes, error, of } = self;
        Box::pin(async move {
            error.map_or(Ok(()), Err)?;
            if let Some(Action::StartWorkflow(start)) = schedule.action.as_mut().and_then(|it| it.action.as_mut()) {
                let name = start.workflow_type.as_ref().map_or("", |it| &it.name);
                start.header = client.headers(ClientCallKind::Schedule, name, &id)?;
            }
            let request = api::CreateScheduleRequest {
                namespace: client.namespace().to_owned(),
                schedule_id: id.clone(),
                schedule: Some(schedule),
                initial_patch: (of.patch != SchedulePatch::default()).then_some(of.patch),
                identity: client.identity().to_owned(),
                request_id: of.request_id,
                memo: (!memo.fields.is_empty()).then_some(memo),
                search_attributes: (!search_attributes.indexed_fields.is_empty()).then_some(search_attributes),
            };
            rpc!(client.connection(), create_schedule, request, client.short()).await?;
            Ok(ScheduleHandle::new(client, id))
        })
    }
}

impl ScheduleBuilder<ChangedSchedule> {
    pub(super) fn of_description(client: Client, schedule: Schedule, now: ScheduleDescription) -> Self {
        let (memo, search_attributes) = (now.whole_memo(), now.whole_search_attributes());
        let (id, of) = (now.id.clone(), ChangedSchedule { now: Box::new(now) });
        ScheduleBuilder { client, id, schedule, memo, search_attributes, error: None, of }
    }

    /// The schedule before the change.
    pub fn now(&self) -> &ScheduleDescription {
        &self.of.now
    }

    /// Forgets when it fires: calendars, intervals, exclusions, time zone, start, end and jitter.
    pub fn clear_times(mut self) -> Self {
        self.schedule.spec = None;
        self
    }

    /// Removes a field from the memo.
    pub fn remove_memo(mut self, key: &str) -> Self {
        self.memo.fields.remove(key);
        self
    }

    /// Lets it act again.
    pub fn unpaused(mut self, note: impl Into<String>) -> Self {
        let state = self.state();
        (state.paused, state.notes) = (false, note.into());
        self
    }

    /// The request that makes the change; memo and search attributes stay where they do not change.
    pub(super) fn into_request(self, conflict_token: bytes::Bytes) -> Result<api::UpdateScheduleRequest, DataError> {
        self.error.map_or(Ok(()), Err)?;
        let now = &self.of.now;
        Ok(api::UpdateScheduleRequest {
            namespace: self.client.namespace().to_owned(),
            schedule_id: self.id,
            schedule: Some(self.schedule),
            conflict_token,
            identity: self.client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            memo: Some(self.memo).filter(|memo| *memo != now.whole_memo()),
            search_attributes: Some(self.search_attributes).filter(|all| *all != now.whole_search_attributes()),
        })
    }
}

/// What it starts.
impl<O> ScheduleBuilder<O> {
    /// The workflow that it starts, with its arguments.
    pub fn starts<W: WorkflowDefinition, G>(
        mut self,
        workflow: impl IntoWorkflow<G, Workflow = W>,
        args: impl IntoArgs<W::Args>,
    ) -> Self {
        match self.client.converter().encode_args(&args.into_args()) {
            Ok(input) => self.action().input = input,
            Err(error) => self.error = Some(error),
        }
        let name = workflow.into_workflow().name().to_owned();
        self.action().workflow_type = Some(WorkflowType { name });
        self
    }

    /// The id of the workflows, to which each gets the time for which it was started: `ID-2026-11-30T02:30:00Z`. Default:
    /// the schedule's.
    pub fn workflow_id(mut self, id: impl Into<String>) -> Self {
        self.action().workflow_id = id.into();
        self
    }

    /// The task queue that their workers poll. There is no default.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.action().task_queue = Some(TaskQueue { name: name.into(), ..Default::default() });
        self
    }

    /// Limit for each execution as a whole, over retries and continue-as-new.
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.action().workflow_execution_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for one run.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.action().workflow_run_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for one workflow task. Default: 10 s.
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.action().workflow_task_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Retries of each workflow as a whole. Default: none.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.action().retry_policy = Some(policy.into_proto());
        self
    }

    /// Adds a field to the memo of the workflows. The schedule's own is [`Self::memo`].
    pub fn workflow_memo<T: Encode>(mut self, key: impl Into<String>, value: T) -> Self {
        if let Some(payload) = self.encoded(&value) {
            self.action().memo.get_or_insert_default().fields.insert(key.into(), payload);
        }
        self
    }

    /// Sets a search attribute of the workflows. The schedule's own are [`Self::search_attribute`].
    pub fn workflow_search_attribute<V>(mut self, key: impl SearchKey<V>, value: V) -> Self {
        let (key, value) = key.with(value);
        if let Some(payload) = self.valued(value) {
            self.action().search_attributes.get_or_insert_default().indexed_fields.insert(key, payload);
        }
        self
    }

    fn action(&mut self) -> &mut NewWorkflowExecutionInfo {
        let start = || Action::StartWorkflow(NewWorkflowExecutionInfo::default());
        let ScheduleAction { action } = self.schedule.action.get_or_insert_default();
        let Action::StartWorkflow(start) = action.get_or_insert_with(start);
        start
    }
}

/// When it starts it.
impl<O> ScheduleBuilder<O> {
    /// At multiples of so much time, in whole seconds, counted from 1970-01-01T00:00:00Z on.
    pub fn every(self, interval: Duration) -> Self {
        self.every_with_offset(interval, Duration::ZERO)
    }

    /// The same, each `offset` later: every hour with an offset of 20 minutes is 00:20, 01:20, ..
    pub fn every_with_offset(mut self, every: Duration, offset: Duration) -> Self {
        self.spec().interval.push(Interval { every, offset }.into_proto());
        self
    }

    /// At the times of a cron string: `30 2 * * mon-fri`, with a sixth field for years and a seventh, in front, for
    /// seconds; `@daily`, `@every 10m`; a time zone in front (`CRON_TZ=Europe/Berlin ..`), a comment behind (`.. # why`).
    /// Both the day of the month and the day of the week must fit.
    pub fn cron(mut self, cron: impl Into<String>) -> Self {
        self.spec().cron_string.push(cron.into());
        self
    }

    /// At the times of a calendar.
    pub fn calendar(mut self, calendar: Calendar) -> Self {
        self.spec().structured_calendar.push(calendar.into_proto());
        self
    }

    /// Not at the times of a calendar; see [`Calendar::all_day`].
    pub fn except(mut self, calendar: Calendar) -> Self {
        self.spec().exclude_structured_calendar.push(calendar.into_proto());
        self
    }

    /// The time zone of calendars and cron strings, as `Europe/Berlin`. Default: UTC. A time that a day does not have, when
    /// clocks are put forward, is left out; one that it has twice fires twice.
    pub fn time_zone(mut self, name: impl Into<String>) -> Self {
        self.spec().timezone_name = name.into();
        self
    }

    /// Not before this time.
    pub fn starting(mut self, at: SystemTime) -> Self {
        self.spec().start_time = Some(at.into());
        self
    }

    /// Not after this time.
    pub fn ending(mut self, at: SystemTime) -> Self {
        self.spec().end_time = Some(at.into());
        self
    }

    /// Delays each time by up to so much, always by the same for the same time, and never up to the next one: so that not
    /// all schedules act in the same second.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.spec().jitter = Some(duration_to_proto(most));
        self
    }

    fn spec(&mut self) -> &mut ScheduleSpec {
        self.schedule.spec.get_or_insert_default()
    }
}

/// How it goes about it.
impl<O> ScheduleBuilder<O> {
    /// What comes due while something that it started runs. Default: it is skipped.
    pub fn overlap(mut self, policy: ScheduleOverlapPolicy) -> Self {
        self.policies().overlap_policy = policy.into();
        self
    }

    /// How late a time may be noticed, because no server was there, and still be acted on; 10 s or more. Default: a year.
    pub fn catchup_window(mut self, window: Duration) -> Self {
        self.policies().catchup_window = Some(duration_to_proto(window));
        self
    }

    /// Whether it is paused when a workflow fails or times out, after its retries. Default: it goes on.
    pub fn pause_on_failure(mut self, pause: bool) -> Self {
        self.policies().pause_on_failure = pause;
        self
    }

    /// Whether workflows have the id that was said, without a time. Then it cannot act while another workflow has that id.
    pub fn keep_workflow_id(mut self, keep: bool) -> Self {
        self.policies().keep_original_workflow_id = keep;
        self
    }

    /// Lets it not act, for this reason. Triggers and backfills still do.
    pub fn paused(mut self, note: impl Into<String>) -> Self {
        let state = self.state();
        (state.paused, state.notes) = (true, note.into());
        self
    }

    /// What people should know of it; a pause replaces it by its reason.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.state().notes = note.into();
        self
    }

    /// Acts so many times by its specification and no more; `None`: without end. Triggers and backfills do not count.
    pub fn limited_actions(mut self, actions: impl Into<Option<u64>>) -> Self {
        let actions = actions.into();
        let state = self.state();
        state.limited_actions = actions.is_some();
        state.remaining_actions = actions.unwrap_or_default().try_into().unwrap_or(i64::MAX);
        self
    }

    /// Adds a field to the schedule's memo, which lists show.
    pub fn memo<T: Encode>(mut self, key: impl Into<String>, value: T) -> Self {
        if let Some(payload) = self.encoded(&value) {
            self.memo.fields.insert(key.into(), payload);
        }
        self
    }

    /// Sets a search attribute of the schedule, which filters of [`Client::schedules`] find.
    pub fn search_attribute<V>(mut self, key: impl SearchKey<V>, value: V) -> Self {
        let (key, value) = key.with(value);
        if value == SearchValue::None {
            self.search_attributes.indexed_fields.remove(&key);
        } else if let Some(payload) = self.valued(value) {
            self.search_attributes.indexed_fields.insert(key, payload);
        }
        self
    }

    fn policies(&mut self) -> &mut SchedulePolicies {
        self.schedule.policies.get_or_insert_default()
    }

    fn state(&mut self) -> &mut ScheduleState {
        self.schedule.state.get_or_insert_default()
    }

    fn encoded<T: Encode>(&mut self, value: &T) -> Option<Payload> {
        self.client.converter().encode(value).map_err(|error| self.error = Some(error)).ok()
    }

    fn valued(&mut self, value: SearchValue) -> Option<Payload> {
        value.into_payload().map_err(|error| self.error = Some(error)).ok()
    }
}
