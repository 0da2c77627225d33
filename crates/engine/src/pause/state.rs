//! What is kept of a run's pause.

use crate::{codec::field, time::Timestamp};
use minicbor::{Decode, Encode};
use std::sync::Arc;
use tenure_api::workflow::v1::WorkflowExecutionPauseInfo;

/// When, by whom and why a run was paused.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Paused {
    #[n(0)]
    pub at: Timestamp,
    #[cbor(n(1), with = "field")]
    pub identity: Arc<str>,
    #[cbor(n(2), with = "field")]
    pub reason: Arc<str>,
    /// The id of the request, by which it is known again.
    #[cbor(n(3), with = "field")]
    pub request_id: Arc<str>,
}

impl Paused {
    /// The form in which descriptions show it.
    pub(crate) fn to_proto(&self) -> WorkflowExecutionPauseInfo {
        WorkflowExecutionPauseInfo {
            identity: self.identity.to_string(),
            paused_time: Some(self.at.to_proto()),
            reason: self.reason.to_string(),
        }
    }

    /// The values of `TemporalPauseInfo` for it.
    pub(crate) fn values(&self, workflow_id: &str) -> impl Iterator<Item = String> {
        let reason = (!self.reason.is_empty()).then(|| format!("Reason:{}", self.reason));
        [Some(format!("Workflow:{workflow_id}")), reason].into_iter().flatten()
    }
}
