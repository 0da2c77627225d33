//! A schedule begins. Its first time is the first one after now.

use super::{
    super::call::{Stop, VerbResult},
    advance::advance,
    change::ScheduleCall,
    patch::apply,
};
use crate::{
    command::Reply,
    feature_level::FeatureLevel,
    schedule::{self, ScheduleState, state::NewSchedule},
};
use tenure_api::{
    error::{ApiError, Code},
    errordetails::v1::WorkflowExecutionAlreadyStartedFailure,
};

/// The conflict token of a schedule that was not changed yet.
const FIRST_TOKEN: i64 = 1;

pub(super) fn run(call: ScheduleCall<'_, '_>, request: &NewSchedule) -> VerbResult {
    if call.cx.level < FeatureLevel::SCHEDULES {
        let (level, needed) = (call.cx.level, FeatureLevel::SCHEDULES);
        let message = format!("the cluster has feature level {level}, and schedules need {needed}");
        return Err(ApiError::new(Code::FailedPrecondition, message).into());
    }
    if let Some(found) = schedule::read(call.rows, call.lane)? {
        if found.created_by == request.request_id {
            return Err(Stop::Answered(Reply::Done));
        }
        let refused =
            ApiError::new(Code::AlreadyExists, format!("schedule \"{}\" is already registered", call.lane.id));
        return Err(refused.with_detail(&WorkflowExecutionAlreadyStartedFailure::default()).into());
    }
    let now = call.cx.now;
    let state = ScheduleState {
        id: call.cx.ids.run_id(now),
        created_at: now,
        updated_at: None,
        conflict_token: FIRST_TOKEN,
        created_by: request.request_id.clone(),
        requests: [].into(),
        processed_to: now,
        timer: None,
        paused: request.switch.paused,
        notes: request.switch.notes.clone(),
        limited: request.switch.limited,
        remaining: request.switch.remaining,
        due: Vec::new(),
        backfills: [].into(),
        starting: Vec::new(),
        running: Vec::new(),
        recent: [].into(),
        counts: schedule::state::Counts::default(),
        refused: None,
        last_start: 0,
    };
    let mut change = call.create(state, request.definition.clone());
    if let Some(patch) = &request.patch {
        apply(&mut change, patch);
    }
    advance(change)
}
