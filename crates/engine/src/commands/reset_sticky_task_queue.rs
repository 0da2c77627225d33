//! A worker dropped the run from its cache: the next task goes to the normal queue.

use super::{
    call::{Call, Stop, VerbResult},
    finish::finish,
};
use crate::{command::Reply, workflow_task};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>) -> VerbResult {
    let mut txn = call.open_running(run_id)?;
    if txn.state.sticky.is_none() {
        return Err(Stop::Answered(Reply::Done));
    }
    let waits_there = txn.state.workflow_task.pending.as_ref().is_some_and(|task| task.sticky)
        && !txn.state.workflow_task.is_started();
    if waits_there {
        workflow_task::leave_sticky_queue(&mut txn);
    } else {
        workflow_task::clear_sticky(&mut txn);
    }
    Ok(finish(txn, Reply::Done))
}
