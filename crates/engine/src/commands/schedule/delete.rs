//! A schedule is no more. What it has started goes on.

use super::{
    super::call::{Stop, VerbResult},
    change::ScheduleCall,
};
use crate::command::Reply;

pub(super) fn run(call: ScheduleCall<'_, '_>) -> VerbResult {
    call.open_named()?.finish_removed()
}

/// It goes because its namespace was deleted.
pub(super) fn reclaim(call: ScheduleCall<'_, '_>) -> VerbResult {
    match call.open()? {
        Some(change) => change.finish_removed(),
        None => Err(Stop::Answered(Reply::Done)),
    }
}
