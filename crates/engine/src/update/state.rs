//! The state of a run's updates.
//!
//! | | task starts | task fails | accepted | rejected | response | run closes |
//! |---|---|---|---|---|---|---|
//! | `Admitted` | `Sent` | - | `Accepted` | gone | - | `Aborted` |
//! | `Sent` | `Sent` | `Admitted` | `Accepted` | gone | gone | `Aborted` |
//! | `Reapplied` | - | - | `Accepted` | gone | - | `Aborted` |
//! | `Accepted` | - | - | - | - | a row of its own | `Accepted`, shown as failed |
//!
//! A rejection leaves no trace: the same id may be admitted again. One that the server fails (a bad completion, or a
//! worker that answers without it) is gone as well.

use crate::{
    codec::field,
    id::Stamp,
    key::RunKey,
    pending::{Keyed, Pending},
    proto::Encoded,
    row::RowKey,
};
use minicbor::{Decode, Encode};
use std::sync::Arc;
use tenure_api::update::v1::Request;

/// The updates of a run that are not completed, by the order of their admission, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Updates {
    #[n(0)]
    pub in_flight: Pending<PendingUpdate>,
    /// The number of admissions so far; each is named by its number.
    #[n(1)]
    pub admissions: i64,
    /// The number of updates whose outcome is in history.
    #[n(2)]
    pub completed: u64,
    /// The updates that were open when the run closed, by admission.
    #[n(3)]
    pub open_at_close: Vec<(i64, PendingUpdate)>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct PendingUpdate {
    #[cbor(n(0), with = "field")]
    pub update_id: Arc<str>,
    #[n(1)]
    pub phase: UpdatePhase,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum UpdatePhase {
    /// The update waits for a workflow task to carry it.
    #[n(0)]
    Admitted(#[n(0)] Encoded<Request>),
    /// The workflow task that was started with this stamp carried it to the worker.
    #[n(1)]
    Sent(#[n(0)] Encoded<Request>, #[n(1)] Stamp),
    /// An event of history carries it to the worker, because the run came of a reset.
    #[n(2)]
    Reapplied {
        /// The request's own id; empty if it had none.
        #[cbor(n(0), with = "field")]
        request_id: Arc<str>,
    },
    #[n(3)]
    Accepted(#[n(0)] Accepted),
    /// The run closed first.
    #[n(4)]
    Aborted {
        /// Whether another run of the chain followed, which may take the update.
        #[n(0)]
        followed: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Accepted {
    #[n(0)]
    pub event_id: i64,
    /// The request's own id; empty if it had none.
    #[cbor(n(1), with = "field")]
    pub request_id: Arc<str>,
}

/// The row of an update that has its outcome; its key is `row`.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct CompletedUpdate {
    #[n(0)]
    pub accepted: Accepted,
    #[n(1)]
    pub completed_event_id: i64,
}

impl Keyed for PendingUpdate {
    type Key = Arc<str>;

    fn keys(&self) -> impl IntoIterator<Item = Arc<str>> {
        [self.update_id.clone()]
    }

    fn heap_bytes(&self) -> usize {
        let request = match &self.phase {
            UpdatePhase::Admitted(request) | UpdatePhase::Sent(request, _) => request.size(),
            UpdatePhase::Reapplied { request_id } | UpdatePhase::Accepted(Accepted { request_id, .. }) => {
                request_id.len()
            }
            UpdatePhase::Aborted { .. } => 0,
        };
        self.update_id.len() + request
    }
}

impl Updates {
    pub fn find(&self, update_id: &str) -> Option<(i64, &PendingUpdate)> {
        match self.in_flight.find(&update_id.into()) {
            Some(admission) => self.in_flight.get(admission).map(|update| (admission, update)),
            None => self
                .open_at_close
                .iter()
                .find(|(_, update)| &*update.update_id == update_id)
                .map(|(id, update)| (*id, update)),
        }
    }

    /// Whether some update still has to be sent to a worker.
    pub fn any_unsent(&self) -> bool {
        self.in_flight.values().any(|update| matches!(update.phase, UpdatePhase::Admitted(_)))
    }

    /// The number of distinct updates so far that were not refused.
    pub fn total(&self) -> u64 {
        self.completed + self.in_flight.len() as u64
    }

    pub(super) fn set(&mut self, admission: i64, phase: UpdatePhase) {
        match self.in_flight.get_mut(admission) {
            Some(mut update) => update.phase = phase,
            None => debug_assert!(false, "the caller found update {admission} in flight"),
        }
    }

    /// The updates that the worker has and has not answered.
    pub(super) fn sent(&self) -> Vec<i64> {
        let sent = self.in_flight.iter().filter(|(_, update)| matches!(update.phase, UpdatePhase::Sent(..)));
        sent.map(|(admission, _)| admission).collect()
    }
}

/// The key of the row of an update that has its outcome.
pub(crate) fn row(run: &RunKey, update_id: &str) -> RowKey {
    let request_id = format!("update/{}/{update_id}", run.run_id).into();
    RowKey::RequestId { workflow: run.workflow.clone(), request_id }
}
