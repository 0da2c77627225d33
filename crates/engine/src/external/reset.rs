//! External workflows and resets: what the kept history asks of others without an answer in it, the new run asks again.

use super::{cancel, signal};
use crate::txn::Txn;
use std::collections::BTreeSet;
use tenure_api::history::v1::{HistoryEvent, history_event::Attributes};

/// Asks in the name of the new run. What was asked in the name of the old one may have been heard; the answer went
/// there.
pub(crate) fn ask_again(txn: &mut Txn<'_, '_>, kept: &[HistoryEvent]) {
    use Attributes::*;
    let answered: BTreeSet<i64> = kept.iter().filter_map(answers).collect();
    for event in kept.iter().filter(|event| !answered.contains(&event.event_id)) {
        match event.attributes.clone() {
            Some(SignalExternalWorkflowExecutionInitiatedEventAttributes(a)) => signal::request(txn, event.event_id, a),
            Some(RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a)) => {
                cancel::request(txn, event.event_id, a);
            }
            _ => {}
        }
    }
}

/// The event that this one ends the waiting of.
fn answers(event: &HistoryEvent) -> Option<i64> {
    use Attributes::*;
    match event.attributes.as_ref()? {
        ExternalWorkflowExecutionSignaledEventAttributes(a) => Some(a.initiated_event_id),
        SignalExternalWorkflowExecutionFailedEventAttributes(a) => Some(a.initiated_event_id),
        ExternalWorkflowExecutionCancelRequestedEventAttributes(a) => Some(a.initiated_event_id),
        RequestCancelExternalWorkflowExecutionFailedEventAttributes(a) => Some(a.initiated_event_id),
        _ => None,
    }
}
