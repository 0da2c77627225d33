//! A run is deleted: one that is running is terminated first.

use super::{
    call::{Call, VerbResult},
    finish::finish_remembered,
};
use crate::{chain::terminate, id::SERVER_IDENTITY, proposals::ProposalResult, removal};
use uuid::Uuid;

const REASON: &str = "Delete workflow execution";

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>) -> VerbResult {
    let mut txn = call.open(run_id)?;
    if txn.state.is_running() {
        terminate(&mut txn, REASON, None, SERVER_IDENTITY, Vec::new());
    }
    removal::delete(&mut txn);
    Ok(finish_remembered(txn, ProposalResult::Done))
}
