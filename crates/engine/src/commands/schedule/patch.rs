//! A schedule is paused or goes on, acts at once, or makes up for times.

use super::{
    super::call::{Stop, VerbResult},
    advance::{advance, catch_up},
    change::{Change, ScheduleCall},
};
use crate::{
    command::Reply,
    schedule::{
        self,
        state::{Backfill, BufferedStart, SchedulePatch},
    },
    time::Timestamp,
};
use std::time::Duration;
use tenure_api::schedule::v1 as api;
use tenure_limits::SCHEDULE_BACKFILLS;

pub(super) fn run(call: ScheduleCall<'_, '_>, request: &SchedulePatch) -> VerbResult {
    let mut change = call.open_named()?;
    if change.is_repeated(&request.request_id) {
        return Err(Stop::Answered(Reply::Done));
    }
    catch_up(&mut change)?;
    apply(&mut change, &request.patch);
    advance(change)
}

pub(super) fn apply(change: &mut Change<'_, '_>, patch: &api::SchedulePatch) {
    let now = change.now();
    let state = &mut change.state;
    if let Some(trigger) = &patch.trigger_immediately {
        let at = trigger.scheduled_time.as_ref().map_or(now, Timestamp::from_proto);
        let start = BufferedStart { nominal: at, due: at, overlap_policy: trigger.overlap_policy, manual: true };
        schedule::add(state, start);
    }
    for of in &patch.backfill_request {
        if state.backfills.len() >= SCHEDULE_BACKFILLS {
            state.counts.buffer_dropped += 1;
            continue;
        }
        let [from, to] =
            [&of.start_time, &of.end_time].map(|at| at.as_ref().map_or(Timestamp(0), Timestamp::from_proto));
        // Both ends belong to the range.
        let after = Timestamp(from.0.saturating_sub(Duration::from_millis(1).as_nanos() as i64));
        state.backfills.push_back(Backfill { after, to, overlap_policy: of.overlap_policy });
    }
    let switched = [(&patch.pause, true), (&patch.unpause, false)];
    for (notes, paused) in switched.into_iter().filter(|(notes, _)| !notes.is_empty()) {
        (state.paused, state.notes) = (paused, notes.clone());
        state.conflict_token += 1;
    }
}
