//! A run is no more, whatever it was at.

use super::{
    super::call::{Stop, VerbResult},
    change::ActivityCall,
};
use crate::{command::Reply, standalone};
use uuid::Uuid;

pub(super) fn run(call: ActivityCall<'_, '_>, run_id: Option<Uuid>) -> VerbResult {
    call.open(run_id)?.finish_removed()
}

/// It goes because its namespace was deleted.
pub(super) fn reclaim(call: ActivityCall<'_, '_>, run_id: Uuid) -> VerbResult {
    match standalone::read(call.rows, call.lane, run_id)? {
        Some(_) => call.open(Some(run_id))?.finish_removed(),
        None => Err(Stop::Answered(Reply::Done)),
    }
}
