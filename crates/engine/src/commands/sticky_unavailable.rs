//! The home of a sticky queue has no poller for a task in it.

use super::{
    call::{Call, Stop, VerbResult},
    finish::finish,
};
use crate::{
    command::Reply,
    id::Stamp,
    workflow_task::{self, TaskPhase},
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Uuid, stamp: Stamp) -> VerbResult {
    let mut txn = call.open(Some(run_id))?;
    match &txn.state.workflow_task.pending {
        Some(task) if task.sticky && matches!(task.phase, TaskPhase::Ready { stamp: s, .. } if s == stamp) => {
            workflow_task::leave_sticky_queue(&mut txn);
            Ok(finish(txn, Reply::Done))
        }
        // Started, timed out or moved meanwhile.
        _ => Err(Stop::Answered(Reply::Done)),
    }
}
