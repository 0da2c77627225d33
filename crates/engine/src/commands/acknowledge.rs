//! A message of the outbox was answered: its row goes, and where a workflow command waits for the answer, history
//! records it.

use super::{
    call::{Call, Stop, VerbResult, unchanged},
    finish::finish,
};
use crate::{
    child, codec,
    command::Reply,
    external,
    id::Stamp,
    outbox::{Body, OutboxMessage, Receipt},
    rows::{Op, ReadError, RowKey},
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Uuid, stamp: Stamp, receipt: Receipt) -> VerbResult {
    let key = RowKey::Outbox { from: call.workflow.run(run_id).into(), stamp };
    let Some(row) = call.rows.get(&key)? else { return Err(Stop::Answered(Reply::Done)) };
    let message: OutboxMessage = codec::decode(&row).map_err(|error| ReadError::corrupt(key.clone(), error))?;
    let delete = Op::Delete(key);
    if !message.body.is_commanded() || !call.state(run_id)?.is_some_and(|state| state.is_running()) {
        let mut transition = unchanged(Reply::Done);
        transition.writes.ops.push(delete);
        return Ok(transition);
    }
    let mut txn = call.open(Some(run_id))?;
    txn.write(delete);
    match message.body {
        Body::StartChild { lineage, .. } => child::answered(&mut txn, lineage.initiated_event_id, receipt)?,
        Body::Signal { initiated_event_id, .. } => external::signal_answered(&mut txn, initiated_event_id, receipt)?,
        Body::RequestCancel { initiated_event_id, .. } => {
            external::cancel_answered(&mut txn, initiated_event_id, receipt)?;
        }
        Body::ParentClosed { .. }
        | Body::ChildClosed { .. }
        | Body::StartScheduled { .. }
        | Body::EndScheduled { .. }
        | Body::ScheduledClosed { .. } => {}
    }
    Ok(finish(txn, Reply::Done))
}
