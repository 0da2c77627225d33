//! What is kept of a run's place in its chain.

use crate::codec::field;
use minicbor::{Decode, Encode};
use std::sync::Arc;
use tenure_api::history::v1::WorkflowExecutionStartedEventAttributes;

/// What a chain of runs adds to what is known of each of them.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Chain {
    /// Empty: none.
    #[cbor(n(0), with = "field")]
    pub cron_schedule: Arc<str>,
    /// What is no run timeout is told as one of zero: so continue-as-new has it.
    #[n(1)]
    pub tells_zero_run_timeout: bool,
}

impl Chain {
    pub(super) fn of(started: &WorkflowExecutionStartedEventAttributes) -> Self {
        let is_zero = |timeout: &prost_types::Duration| *timeout == prost_types::Duration::default();
        Chain {
            cron_schedule: started.cron_schedule.as_str().into(),
            tells_zero_run_timeout: started.workflow_run_timeout.as_ref().is_some_and(is_zero),
        }
    }
}
