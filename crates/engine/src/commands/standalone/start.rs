//! An activity without a workflow begins, or another run of it that was there before.

use super::{
    super::call::{Stop, VerbResult, unchanged},
    change::ActivityCall,
};
use crate::{
    activity::PendingActivity,
    command::Reply,
    feature_level::FeatureLevel,
    proto::Encoded,
    standalone::{
        self, Ended, Fixed, StandaloneState,
        state::{NewActivity, Requests, begin},
    },
};
use std::collections::VecDeque;
use tenure_api::{
    enums::v1::{ActivityIdConflictPolicy as Conflict, ActivityIdReusePolicy as Reuse},
    error::{ApiError, Code},
    errordetails::v1::ActivityExecutionAlreadyStartedFailure,
};
use uuid::Uuid;

pub(super) fn run(call: ActivityCall<'_, '_>, new: &NewActivity) -> VerbResult {
    if call.cx.level < FeatureLevel::ACTIVITIES {
        let (level, needed) = (call.cx.level, FeatureLevel::ACTIVITIES);
        let message = format!("the cluster has feature level {level}, and activities without a workflow need {needed}");
        return Err(ApiError::new(Code::FailedPrecondition, message).into());
    }
    let NewActivity { request, options } = new;
    if let Some((run_id, latest)) = standalone::find(call.rows, call.lane, None)? {
        if *latest.start_request == *request.request_id {
            let started = latest.started_by == call.proposal;
            return Ok(unchanged(Reply::ActivityStarted { run_id, started }));
        }
        if !admits(&latest, options.reuse, options.conflict) {
            return Err(already_started(run_id, &latest));
        }
        if latest.is_running() {
            return Ok(unchanged(Reply::ActivityStarted { run_id, started: false }));
        }
    }
    let now = call.cx.now;
    let state = StandaloneState {
        activity: begin(request, options, now),
        created_at: now,
        start_delay: options.delay,
        end: None,
        start_request: request.request_id.as_str().into(),
        started_by: call.proposal,
        last_started_at: None,
        transitions: 0,
        heartbeats: 0,
        cancel: None,
        requests: Requests::default(),
        timer: None,
        recent: VecDeque::new(),
    };
    let fixed = Fixed {
        request: Encoded::of(&**request),
        search_attributes: options.search_attributes.as_ref().map(Encoded::of),
    };
    let mut change = call.create(state, fixed);
    if options.delay.is_zero() {
        change.make_ready(PendingActivity::wake);
    }
    let run_id = change.run_id;
    change.finish(Reply::ActivityStarted { run_id, started: true })
}

/// Whether a start may follow, or find, the latest run.
fn admits(latest: &StandaloneState, reuse: Reuse, conflict: Conflict) -> bool {
    match (latest.end.map(|end| end.how), reuse) {
        (None, _) => conflict == Conflict::UseExisting,
        (Some(_), Reuse::Unspecified | Reuse::AllowDuplicate) => true,
        (Some(how), Reuse::AllowDuplicateFailedOnly) => how != Ended::Completed,
        (Some(_), Reuse::RejectDuplicate) => false,
    }
}

fn already_started(run_id: Uuid, latest: &StandaloneState) -> Stop {
    let refused = ApiError::new(Code::AlreadyExists, "activity execution already started");
    let detail = ActivityExecutionAlreadyStartedFailure {
        start_request_id: latest.start_request.to_string(),
        run_id: run_id.to_string(),
    };
    refused.with_detail(&detail).into()
}
