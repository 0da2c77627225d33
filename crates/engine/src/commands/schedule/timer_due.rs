//! The next time of a schedule has come, or there was more to do than one entry does.

use super::{
    super::call::{Stop, VerbResult},
    advance::advance,
    change::ScheduleCall,
};
use crate::command::Reply;

pub(super) fn run(call: ScheduleCall<'_, '_>) -> VerbResult {
    let now = call.cx.now;
    match call.open()? {
        Some(change) if change.state.timer.is_some_and(|due| due <= now) => advance(change),
        // Fired before, or moved meanwhile.
        _ => Err(Stop::Answered(Reply::Done)),
    }
}
