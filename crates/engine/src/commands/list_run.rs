//! A run that lists do not know yet is made known to them; nothing else of it changes.

use super::call::{Call, VerbResult, unchanged};
use crate::{command::Reply, txn::Txn};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Uuid) -> VerbResult {
    let run = call.workflow.run(run_id);
    match call.rows.execution(&run)? {
        Some(state) if !state.listed => {
            Ok(Txn::open(call.rows, call.cx, run, call.proposal, state).finish_listed(Reply::Done))
        }
        _ => Ok(unchanged(Reply::Done)),
    }
}
