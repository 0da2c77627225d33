//! CreateSchedule, DescribeSchedule, UpdateSchedule, PatchSchedule, DeleteSchedule and ListScheduleMatchingTimes. A
//! schedule's leader is that of its id's shard.

use super::{prelude::*, start_workflow_execution::limited};
use crate::call::Target;
use tenure_api::{
    enums::v1::{NamespaceState, TaskQueueKind},
    errordetails::v1::QueryFailedFailure,
    schedule::v1::{self as api_schedule, Schedule, ScheduleSpec, ScheduleState, schedule_action::Action},
    workflow::v1::NewWorkflowExecutionInfo,
};
use tenure_engine::{
    Lane, Timestamp,
    chain::start,
    proto::Encoded,
    schedule::{
        self, Definition,
        state::{NewSchedule, SchedulePatch, ScheduleUpdate, Switch},
    },
    search_attributes::with_values,
};
use tenure_schedule::Spec;
use tenure_shard::{ShardId, Shards};

/// What is appended to the id of a workflow, as long as any time is.
const TIME_IN_ID: &str = "-2009-11-10T23:00:00Z";

/// Bytes that the notes of a patch have at most. (The number is the reference server's.)
const NOTES: usize = 1000;

/// A schedule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScheduleTarget(pub(super) Lane);

impl Target for ScheduleTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.0.slot())
    }
}

impl Rpc for api::CreateScheduleRequest {
    type Response = api::CreateScheduleResponse;
    type Target = ScheduleTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn allowed_states(&self) -> &'static [NamespaceState] {
        &[NamespaceState::Registered]
    }

    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        self.search_attributes.iter().chain(of_action(self.schedule.as_ref())).collect()
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ScheduleTarget, ApiError> {
        let target = new_target(admission, &self.schedule_id)?;
        admission.name(&self.request_id, "RequestId")?;
        check_schedule(admission, &self.namespace, self.schedule.get_or_insert_default())?;
        check_patch(self.initial_patch.as_ref())?;
        admission.memo(self.memo.as_ref())?;
        admission.search_attributes(&self.namespace, self.search_attributes.as_mut())?;
        Ok(target)
    }

    async fn run(
        self: Arc<Self>,
        ScheduleTarget(lane): ScheduleTarget,
        call: &Call,
    ) -> Result<Self::Response, CommandError> {
        let (schedule, switch) = split(self.schedule.clone().unwrap_or_default());
        let definition = Definition {
            schedule,
            memo: self.memo.as_ref().map(Encoded::of),
            search_attributes: with_values(self.search_attributes.clone()).as_ref().map(Encoded::of),
            namespace: self.namespace.as_str().into(),
        };
        let request_id = self.request_id.as_str().into();
        let request = NewSchedule { definition, switch, patch: self.initial_patch.clone(), request_id };
        call.done(lane.clone(), ShardCommand::CreateSchedule(Box::new(request))).await?;
        let token = read(call, &lane).await?.0.conflict_token;
        Ok(Self::Response { conflict_token: encode_token(token) })
    }
}

impl Rpc for api::DescribeScheduleRequest {
    type Response = api::DescribeScheduleResponse;
    type Target = ScheduleTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ScheduleTarget, ApiError> {
        target(admission, &self.schedule_id)
    }

    async fn run(
        self: Arc<Self>,
        ScheduleTarget(lane): ScheduleTarget,
        call: &Call,
    ) -> Result<Self::Response, CommandError> {
        let (state, definition) = read(call, &lane).await?;
        let (schedule, info) = schedule::described(&lane, &state, &definition);
        Ok(Self::Response {
            schedule: Some(schedule),
            info: Some(info),
            memo: definition.memo.as_ref().map(Encoded::decode),
            search_attributes: with_values(definition.search_attributes.as_ref().map(Encoded::decode)),
            conflict_token: encode_token(state.conflict_token),
        })
    }
}

impl Rpc for api::UpdateScheduleRequest {
    type Response = api::UpdateScheduleResponse;
    type Target = ScheduleTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        self.search_attributes.iter().chain(of_action(self.schedule.as_ref())).collect()
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ScheduleTarget, ApiError> {
        let target = target(admission, &self.schedule_id)?;
        admission.length(&self.request_id, "RequestId")?;
        if self.schedule.as_ref().and_then(|schedule| schedule.action.as_ref()).is_none() {
            return Err(invalid("Only StartWorkflow action is supported for schedules"));
        }
        check_schedule(admission, &self.namespace, self.schedule.get_or_insert_default())?;
        admission.search_attributes(&self.namespace, self.search_attributes.as_mut())?;
        admission.blob(self.memo.as_ref())?;
        decode_token(&self.conflict_token)?;
        if self.request_id.is_empty() {
            self.request_id = Uuid::new_v4().to_string();
        }
        Ok(target)
    }

    async fn run(
        self: Arc<Self>,
        ScheduleTarget(lane): ScheduleTarget,
        call: &Call,
    ) -> Result<Self::Response, CommandError> {
        let (schedule, switch) = split(self.schedule.clone().unwrap_or_default());
        let request = ScheduleUpdate {
            schedule,
            switch,
            search_attributes: self
                .search_attributes
                .clone()
                .map(|given| Encoded::of(&with_values(Some(given)).unwrap_or_default())),
            memo: self.memo.as_ref().map(Encoded::of),
            conflict_token: decode_token(&self.conflict_token)?,
            request_id: self.request_id.as_str().into(),
        };
        call.done(lane, ShardCommand::UpdateSchedule(Box::new(request))).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::PatchScheduleRequest {
    type Response = api::PatchScheduleResponse;
    type Target = ScheduleTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ScheduleTarget, ApiError> {
        let target = target(admission, &self.schedule_id)?;
        admission.length(&self.request_id, "RequestId")?;
        if self.patch.is_none() {
            return Err(invalid("Patch is not set on request."));
        }
        check_patch(self.patch.as_ref())?;
        if self.request_id.is_empty() {
            self.request_id = Uuid::new_v4().to_string();
        }
        Ok(target)
    }

    async fn run(
        self: Arc<Self>,
        ScheduleTarget(lane): ScheduleTarget,
        call: &Call,
    ) -> Result<Self::Response, CommandError> {
        let patch = self.patch.clone().unwrap_or_default();
        let request = SchedulePatch { patch, request_id: self.request_id.as_str().into() };
        call.done(lane, ShardCommand::PatchSchedule(Box::new(request))).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::DeleteScheduleRequest {
    type Response = api::DeleteScheduleResponse;
    type Target = ScheduleTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ScheduleTarget, ApiError> {
        target(admission, &self.schedule_id)
    }

    async fn run(
        self: Arc<Self>,
        ScheduleTarget(lane): ScheduleTarget,
        call: &Call,
    ) -> Result<Self::Response, CommandError> {
        call.done(lane, ShardCommand::DeleteSchedule).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::ListScheduleMatchingTimesRequest {
    type Response = api::ListScheduleMatchingTimesResponse;
    type Target = ScheduleTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ScheduleTarget, ApiError> {
        target(admission, &self.schedule_id)
    }

    async fn run(
        self: Arc<Self>,
        ScheduleTarget(lane): ScheduleTarget,
        call: &Call,
    ) -> Result<Self::Response, CommandError> {
        let (_, definition) = read(call, &lane).await?;
        let (Some(from), Some(to)) = (&self.start_time, &self.end_time) else {
            let refused = invalid("missing or invalid query");
            return Err(refused.with_detail(&QueryFailedFailure::default()).into());
        };
        let times =
            schedule::matching_times(&lane, &definition, from, to).map_err(|error| invalid(error.to_string()))?;
        Ok(Self::Response { start_time: times.into_iter().map(Timestamp::to_proto).collect() })
    }
}

async fn read(call: &Call, lane: &Lane) -> Result<(schedule::ScheduleState, Definition), CommandError> {
    let read = call.leader.read(|rows| Ok((schedule::read(rows, lane)?, schedule::read_definition(rows, lane)?)));
    match read.await? {
        (Some(state), Some(definition)) => Ok((state, definition)),
        _ => Err(schedule::not_found().into()),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::invalid_argument(message.into())
}

fn target(admission: &Admission<'_>, schedule_id: &str) -> Result<ScheduleTarget, ApiError> {
    if schedule_id.is_empty() {
        return Err(invalid("Can't load workflow execution.  WorkflowId not set."));
    }
    Ok(ScheduleTarget(Lane::of_schedule(admission.namespace, schedule_id)))
}

/// A schedule that is to be made. The reference server keeps it under an id of its own, which must not be too long.
pub(super) fn new_target(admission: &Admission<'_>, schedule_id: &str) -> Result<ScheduleTarget, ApiError> {
    let target = target(admission, schedule_id)?;
    limited(admission, &format!("temporal-sys-scheduler:{schedule_id}"), "WorkflowId")?;
    Ok(target)
}

/// The search attributes that a schedule gives to what it starts.
fn of_action(schedule: Option<&Schedule>) -> Option<&SearchAttributes> {
    match schedule?.action.as_ref()?.action.as_ref()? {
        Action::StartWorkflow(action) => action.search_attributes.as_ref(),
    }
}

/// Checks a schedule, and brings its specification into the form that descriptions show.
fn check_schedule(admission: &Admission<'_>, namespace: &str, schedule: &mut Schedule) -> Result<(), ApiError> {
    if let Some(Action::StartWorkflow(action)) = schedule.action.as_mut().and_then(|action| action.action.as_mut()) {
        check_action(admission, namespace, action)?;
    }
    // Its notes are a part of it.
    admission.blob(Some(&*schedule))?;
    schedule::complete(schedule.policies.get_or_insert_default());
    schedule.spec = Some(compile(schedule.spec.as_ref())?.canonical().clone());
    Ok(())
}

/// What a specification stands for; no specification is an empty one.
pub(super) fn compile(spec: Option<&ScheduleSpec>) -> Result<Spec, ApiError> {
    let spec = spec.map_or_else(|| Spec::compile(&ScheduleSpec::default()), Spec::compile);
    spec.map_err(|error| invalid(error.to_string()))
}

fn check_action(
    admission: &Admission<'_>,
    namespace: &str,
    action: &mut NewWorkflowExecutionInfo,
) -> Result<(), ApiError> {
    limited(admission, &format!("{}{TIME_IN_ID}", action.workflow_id), "WorkflowId")?;
    admission.name(action.workflow_type.as_ref().map_or("", |kind| &kind.name), "WorkflowType")?;
    admission.task_queue(action.task_queue.as_ref(), TaskKind::Workflow)?;
    if let Some(queue) = &mut action.task_queue
        && queue.kind() == TaskQueueKind::Unspecified
    {
        queue.kind = TaskQueueKind::Normal.into();
    }
    start::check_timeouts(
        action.workflow_execution_timeout.as_ref(),
        action.workflow_run_timeout.as_ref(),
        action.workflow_task_timeout.as_ref(),
    )?;
    if !action.cron_schedule.is_empty() {
        return Err(invalid("Scheduled workflow must not contain CronSchedule"));
    }
    if action.workflow_id_reuse_policy != 0 && action.workflow_id_reuse_policy != 1 {
        return Err(invalid("Scheduled workflow must not contain WorkflowIDReusePolicy"));
    }
    admission.search_attributes(namespace, action.search_attributes.as_mut())?;
    admission.blob(action.input.as_ref())?;
    admission.blob(action.memo.as_ref())
}

fn check_patch(patch: Option<&api_schedule::SchedulePatch>) -> Result<(), ApiError> {
    let Some(patch) = patch else { return Ok(()) };
    if patch.pause.len() > NOTES || patch.unpause.len() > NOTES {
        return Err(invalid("Schedule notes exceeds limit."));
    }
    if patch.backfill_request.iter().any(|range| range.start_time.is_none() && range.end_time.is_some()) {
        return Err(invalid("StartTime is not set on backfill request."));
    }
    Ok(())
}

/// The schedule without its state, and the state.
fn split(mut schedule: Schedule) -> (Encoded<Schedule>, Switch) {
    let ScheduleState { notes, paused, limited_actions, remaining_actions } = schedule.state.take().unwrap_or_default();
    let switch = Switch { paused, notes, limited: limited_actions, remaining: remaining_actions };
    (Encoded::of(&schedule), switch)
}

fn encode_token(token: i64) -> Bytes {
    Bytes::copy_from_slice(&token.to_be_bytes())
}

/// The token that an update was made from; `None` if the request has none.
fn decode_token(token: &[u8]) -> Result<Option<i64>, ApiError> {
    let token = match token.len() {
        ..8 => return Ok(None),
        8 => token.try_into().expect("it has eight bytes"),
        _ => return Err(invalid("Invalid conflict token.")),
    };
    Ok(Some(i64::from_be_bytes(token)).filter(|token| *token != 0))
}
