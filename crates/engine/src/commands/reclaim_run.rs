//! A run of a namespace that was deleted is removed, without regard to what is kept of others: one that is running is ended
//! first, so that its tasks, its timers and those who wait for it are done with as they are at every end.

use super::{
    call::{Call, VerbResult, unchanged},
    finish::finish,
};
use crate::{chain::terminate, command::Reply, id::SERVER_IDENTITY, removal, txn::Txn};
use uuid::Uuid;

const REASON: &str = "Delete namespace";

pub(super) fn run(call: Call<'_, '_>, run_id: Uuid) -> VerbResult {
    let run = call.workflow.run(run_id);
    let Some(state) = call.rows.execution(&run)? else { return Ok(unchanged(Reply::Done)) };
    let mut txn = Txn::open(call.rows, call.cx, run, call.proposal, state);
    if !txn.state.is_running() {
        return Ok(removal::remove_piece(txn)?);
    }
    terminate(&mut txn, REASON, None, SERVER_IDENTITY, Vec::new());
    removal::delete(&mut txn);
    Ok(finish(txn, Reply::Done))
}
