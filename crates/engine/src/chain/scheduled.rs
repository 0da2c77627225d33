//! A chain of runs that a schedule has started.

use crate::{
    outbox::{Body, OutboxMessage},
    proto::Encoded,
    subject::{Address, Lane},
    txn::Txn,
};
use tenure_api::history::v1::HistoryEvent;

/// Notifies the schedule, if there is one, that the run has closed with this event. The run is the last of its chain, or is
/// `replaced` by another.
pub(super) fn report_close(txn: &mut Txn<'_, '_>, event: &HistoryEvent, replaced: bool) {
    let info = &txn.state.info;
    let Some(schedule_id) = &info.chain.scheduled_by else { return };
    let to = Address::Lane(Lane::of_schedule(txn.run.workflow.namespace, schedule_id));
    let body = Body::ScheduledClosed { first_run_id: info.first_run_id, event: Encoded::of(event), replaced };
    txn.send(OutboxMessage { to, body });
}
