//! External workflows and resets: what the kept history asks of others without an answer in it, the new run asks again.

use super::{cancel, signal};
use crate::txn::Txn;
use std::collections::BTreeMap;
use tenure_api::history::v1::{
    HistoryEvent, RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    SignalExternalWorkflowExecutionInitiatedEventAttributes, history_event::Attributes,
};

/// What the kept history asks for, as far as no event of it answers, by the event that asks.
#[derive(Default)]
pub(crate) struct Asked(BTreeMap<i64, Request>);

enum Request {
    Signal(SignalExternalWorkflowExecutionInitiatedEventAttributes),
    Cancel(RequestCancelExternalWorkflowExecutionInitiatedEventAttributes),
}

impl Asked {
    /// Takes an event of the kept history.
    pub(crate) fn kept(&mut self, event: &HistoryEvent) {
        let Some(attributes) = &event.attributes else { return };
        if let Some(answered) = attributes.begun_by() {
            self.0.remove(&answered);
        }
        if let Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(a) = attributes {
            self.0.insert(event.event_id, Request::Signal(a.clone()));
        }
        if let Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a) = attributes {
            self.0.insert(event.event_id, Request::Cancel(a.clone()));
        }
    }

    /// Asks in the name of the new run. What was asked in the name of the old one may have been heard; the answer went
    /// there.
    pub(crate) fn ask_again(self, txn: &mut Txn<'_, '_>) {
        for (event_id, request) in self.0 {
            match request {
                Request::Signal(initiated) => signal::request(txn, event_id, initiated),
                Request::Cancel(initiated) => cancel::request(txn, event_id, initiated),
            }
        }
    }
}
