//! The state that a run keeps about its chain.

use crate::codec::field;
use minicbor::{Decode, Encode};
use std::sync::Arc;
use tenure_api::history::v1::WorkflowExecutionStartedEventAttributes;

/// The state of a run that comes from its chain.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Chain {
    /// The cron schedule; empty if there is none.
    #[cbor(n(0), with = "field")]
    pub cron_schedule: Arc<str>,
    /// Whether descriptions show a missing run timeout as one of zero, as the reference server does after
    /// continue-as-new.
    #[n(1)]
    pub shows_zero_run_timeout: bool,
}

impl Chain {
    pub(super) fn of(started: &WorkflowExecutionStartedEventAttributes) -> Self {
        let is_zero = |timeout: &prost_types::Duration| *timeout == prost_types::Duration::default();
        Chain {
            cron_schedule: started.cron_schedule.as_str().into(),
            shows_zero_run_timeout: started.workflow_run_timeout.as_ref().is_some_and(is_zero),
        }
    }
}
