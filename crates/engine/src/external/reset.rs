//! External workflows and resets: requests of the kept history that it does not answer are sent again by the new run.

use super::{cancel, signal};
use crate::txn::Txn;
use std::collections::BTreeMap;
use tenure_api::history::v1::{
    HistoryEvent, RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    SignalExternalWorkflowExecutionInitiatedEventAttributes, history_event::Attributes,
};

/// The requests of the kept history that no event of it answers, by their initiated events.
#[derive(Default)]
pub(crate) struct UnansweredRequests(BTreeMap<i64, Request>);

enum Request {
    Signal(SignalExternalWorkflowExecutionInitiatedEventAttributes),
    Cancel(RequestCancelExternalWorkflowExecutionInitiatedEventAttributes),
}

impl UnansweredRequests {
    /// Adds an event of the kept history.
    pub(crate) fn add_kept(&mut self, event: &HistoryEvent) {
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

    /// Sends the requests on behalf of the new run. The old run's requests may have arrived; the answers went to the
    /// old run.
    pub(crate) fn send_again(self, txn: &mut Txn<'_, '_>) {
        for (event_id, request) in self.0 {
            match request {
                Request::Signal(initiated) => signal::request(txn, event_id, initiated),
                Request::Cancel(initiated) => cancel::request(txn, event_id, initiated),
            }
        }
    }
}
