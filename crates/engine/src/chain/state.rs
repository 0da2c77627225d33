//! The state that a run keeps about its chain.

use crate::codec::{field, is_default};
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
    /// The id of the schedule that has started the chain, and hears of its end.
    #[cbor(n(2), with = "field", skip_if = "is_default")]
    pub scheduled_by: Option<Arc<str>>,
}

impl Chain {
    pub(super) fn of(started: &WorkflowExecutionStartedEventAttributes, scheduled_by: Option<Arc<str>>) -> Self {
        let is_zero = |timeout: &prost_types::Duration| *timeout == prost_types::Duration::default();
        Chain {
            cron_schedule: started.cron_schedule.as_str().into(),
            shows_zero_run_timeout: started.workflow_run_timeout.as_ref().is_some_and(is_zero),
            scheduled_by,
        }
    }
}
