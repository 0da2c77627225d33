//! What is kept of a run's place in its chain.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tenure_api::history::v1::WorkflowExecutionStartedEventAttributes;

/// What a chain of runs adds to what is known of each of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Empty: none.
    pub cron_schedule: Arc<str>,
    /// What is no run timeout is told as one of zero: so continue-as-new has it.
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
