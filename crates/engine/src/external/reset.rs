//! External workflows and resets: what the kept history asks of others without an answer in it, the new run asks again.

use super::{cancel, signal};
use crate::txn::Txn;
use std::collections::BTreeMap;
use tenure_api::history::v1::{HistoryEvent, history_event::Attributes};

/// What the kept history asks for, as far as no event of it answers.
#[derive(Default)]
pub(crate) struct Asked(BTreeMap<i64, Attributes>);

impl Asked {
    /// Takes an event of the kept history.
    pub(crate) fn kept(&mut self, event: &HistoryEvent) {
        use Attributes::*;
        if let Some(answered) = answers(event) {
            self.0.remove(&answered);
        }
        if let Some(
            asks @ (SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
            | RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_)),
        ) = &event.attributes
        {
            self.0.insert(event.event_id, asks.clone());
        }
    }

    /// Asks in the name of the new run. What was asked in the name of the old one may have been heard; the answer went
    /// there.
    pub(crate) fn ask_again(self, txn: &mut Txn<'_, '_>) {
        use Attributes::*;
        for (event_id, asks) in self.0 {
            match asks {
                SignalExternalWorkflowExecutionInitiatedEventAttributes(a) => signal::request(txn, event_id, a),
                RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a) => cancel::request(txn, event_id, a),
                _ => {}
            }
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
