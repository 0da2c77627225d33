//! A schedule is replaced by what a client says now. What became of its actions so far stays.

use super::{
    super::call::{Stop, VerbResult},
    advance::{advance, catch_up},
    change::ScheduleCall,
};
use crate::{command::Reply, schedule::state::ScheduleUpdate};
use tenure_api::error::{ApiError, Code};

pub(super) fn run(call: ScheduleCall<'_, '_>, request: &ScheduleUpdate) -> VerbResult {
    let mut change = call.open_named()?;
    if change.is_repeated(&request.request_id) {
        return Err(Stop::Answered(Reply::Done));
    }
    if request.conflict_token.is_some_and(|token| token != change.state.conflict_token) {
        return Err(ApiError::new(Code::FailedPrecondition, "mismatched conflict token").into());
    }
    catch_up(&mut change)?;
    change.define(|definition| {
        definition.schedule = request.schedule.clone();
        if let Some(attributes) = &request.search_attributes {
            definition.search_attributes = Some(attributes.clone());
        }
        if let Some(memo) = &request.memo {
            definition.memo = Some(memo.clone());
        }
    });
    let state = &mut change.state;
    (state.paused, state.notes) = (request.switch.paused, request.switch.notes.clone());
    (state.limited, state.remaining) = (request.switch.limited, request.switch.remaining);
    state.updated_at = Some(change.call.cx.now);
    state.conflict_token += 1;
    advance(change)
}
