//! StartActivityExecution, DescribeActivityExecution and PollActivityExecution: activities without a workflow. Their leader is
//! that of the shard of the activity's id.

use super::{links, prelude::*};
use crate::call::Target;
use tenure_api::{
    common::v1::{Link, link},
    enums::v1::NamespaceState,
};
use tenure_engine::{
    Lane,
    standalone::{
        self,
        start::{NewActivity, StartOptions, check, check_length},
    },
};
use tenure_shard::{ActivityRequest, FoundActivity, KnownActivity, ShardId, Shards, TokenUse, Until};

/// An activity that is to be started, and what the options of its start come to.
#[derive(Clone, Debug)]
pub(crate) struct NewTarget {
    lane: Lane,
    options: StartOptions,
}

/// A run of an activity: the latest one where `run_id` is `None`.
#[derive(Clone, Debug)]
pub(crate) struct ExecutionTarget {
    pub(super) lane: Lane,
    pub(super) run_id: Option<Uuid>,
}

/// A run of an activity, and what its caller knows of it who waits for more.
#[derive(Clone, Debug)]
pub(crate) struct DescribeTarget {
    execution: ExecutionTarget,
    known: Option<KnownActivity>,
}

impl Target for NewTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.lane.slot())
    }
}

impl Target for ExecutionTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.lane.slot())
    }
}

impl Target for DescribeTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        self.execution.shard(shards)
    }
}

impl Rpc for api::StartActivityExecutionRequest {
    type Response = api::StartActivityExecutionResponse;
    type Target = NewTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn allowed_states(&self) -> &'static [NamespaceState] {
        &[NamespaceState::Registered]
    }

    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        self.search_attributes.iter().collect()
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<NewTarget, ApiError> {
        let mut options = check(self, admission.limits)?;
        // A description shows them as they came.
        let mut typed = self.search_attributes.clone();
        admission.search_attributes(&self.namespace, typed.as_mut())?;
        options.search_attributes = typed;
        if !self.completion_callbacks.is_empty() {
            return Err(ApiError::invalid_argument("completion callbacks are not enabled for this namespace"));
        }
        links::check(&self.links)?;
        if self.request_id.is_empty() {
            self.request_id = Uuid::new_v4().to_string();
        }
        Ok(NewTarget { lane: Lane::of_activity(admission.namespace, &self.activity_id), options })
    }

    async fn run(self: Arc<Self>, target: NewTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (namespace, activity_id) = (self.namespace.clone(), self.activity_id.clone());
        let new = NewActivity { request: self, options: target.options };
        match call.execute(target.lane, ShardCommand::StartActivity(Box::new(new))).await? {
            Reply::ActivityStarted { run_id, started } => {
                let run_id = run_id.to_string();
                let started_run = link::Activity { namespace, activity_id, run_id: run_id.clone() };
                let link = Link { variant: Some(link::Variant::Activity(started_run)) };
                Ok(Self::Response { run_id, started, link: Some(link) })
            }
            reply => Err(unexpected(&reply)),
        }
    }
}

impl Rpc for api::DescribeActivityExecutionRequest {
    type Response = api::DescribeActivityExecutionResponse;
    type Target = DescribeTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn kind(&self) -> Kind {
        if self.long_poll_token.is_empty() { Kind::Call } else { Kind::Wait }
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<DescribeTarget, ApiError> {
        let execution = target(admission, &self.activity_id, &self.run_id)?;
        if self.long_poll_token.is_empty() {
            return Ok(DescribeTarget { execution, known: None });
        }
        if execution.run_id.is_none() {
            return Err(ApiError::invalid_argument("run id is required when long poll token is provided"));
        }
        let known = admission.token_key.open(TokenUse::ActivityPoll, &self.long_poll_token);
        let known = known.and_then(KnownActivity::decode);
        let known = Some(known.ok_or_else(|| ApiError::invalid_argument("invalid long poll token"))?);
        Ok(DescribeTarget { execution, known })
    }

    async fn run(self: Arc<Self>, target: DescribeTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let DescribeTarget { execution, known } = target;
        // Who asks for a run that is not there hears of that first.
        let now = request(call, execution.clone(), Until::Now);
        let Some(mut found) = call.leader.activity(now).await? else { return Ok(Self::Response::default()) };
        if let Some(known) = known {
            if !known.is_of(&found.run) {
                return Err(ApiError::invalid_argument("long poll token does not match execution").into());
            }
            let more = request(call, execution, Until::After(known.transitions));
            match call.leader.activity(more).await? {
                Some(later) => found = later,
                None => return Ok(Self::Response::default()),
            }
        }
        let FoundActivity { run, state } = found;
        let (lane, run_id) = (&run.lane, run.instance);
        let read = call.leader.read(|rows| {
            let fixed = standalone::read_fixed(rows, lane, run_id)?;
            let outcome = if self.include_outcome { standalone::read_outcome(rows, lane, run_id)? } else { None };
            Ok((fixed, outcome))
        });
        let (Some(fixed), outcome) = read.await? else { return Err(standalone::not_found(lane).into()) };
        let mut request = fixed.request.decode();
        let input = request.input.take().filter(|_| self.include_input);
        let known = KnownActivity::of(&run, &state);
        let (details, failure) = (self.include_heartbeat_details, self.include_last_failure);
        Ok(Self::Response {
            run_id: run_id.to_string(),
            info: Some(standalone::described(run_id, &state, request, details, failure)),
            input,
            // What it had ended with when it was looked at.
            outcome: outcome.filter(|_| !state.is_running()),
            long_poll_token: call.key.seal(TokenUse::ActivityPoll, &known.encode()),
            ..Default::default()
        })
    }
}

impl Rpc for api::PollActivityExecutionRequest {
    type Response = api::PollActivityExecutionResponse;
    type Target = ExecutionTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn kind(&self) -> Kind {
        Kind::Wait
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ExecutionTarget, ApiError> {
        target(admission, &self.activity_id, &self.run_id)
    }

    async fn run(self: Arc<Self>, target: ExecutionTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let ended = request(call, target, Until::Ended);
        let Some(FoundActivity { run, .. }) = call.leader.activity(ended).await? else {
            return Ok(Self::Response::default());
        };
        let outcome = call.leader.read(|rows| standalone::read_outcome(rows, &run.lane, run.instance)).await?;
        Ok(Self::Response { run_id: run.instance.to_string(), outcome })
    }
}

fn request(call: &Call, target: ExecutionTarget, until: Until) -> ActivityRequest {
    let ExecutionTarget { lane, run_id } = target;
    ActivityRequest { lane, run_id, until, deadline: call.deadline, arrived: call.arrived }
}

/// A run of an activity without a workflow, as a request names it.
pub(super) fn target(admission: &Admission<'_>, activity_id: &str, run: &str) -> Result<ExecutionTarget, ApiError> {
    let run_id = check_target(admission, activity_id, run)?;
    Ok(ExecutionTarget { lane: Lane::of_activity(admission.namespace, activity_id), run_id })
}

/// Checks the ids of a request, and reads that of the run.
pub(super) fn check_target(admission: &Admission<'_>, activity_id: &str, run: &str) -> Result<Option<Uuid>, ApiError> {
    if activity_id.is_empty() {
        return Err(ApiError::invalid_argument("activity ID is required"));
    }
    check_length(activity_id, "activity ID", admission.limits)?;
    tenure_engine::key::parse_run_id(run)
        .map_err(|_| ApiError::invalid_argument("invalid run id: must be a valid UUID"))
}
