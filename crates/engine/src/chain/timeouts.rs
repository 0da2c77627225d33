//! The timeouts of a run.

use std::time::Duration;
use tenure_api::time::{NegativeDuration, optional_duration};

pub(super) const DEFAULT_TASK_TIMEOUT: Duration = Duration::from_secs(10);

const MAX_TASK_TIMEOUT: Duration = Duration::from_secs(120);

/// The timeouts of a run, with defaults and caps applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub(crate) execution: Option<Duration>,
    pub(crate) run: Option<Duration>,
    pub(crate) task: Duration,
}

impl Timeouts {
    /// Checks the requested timeouts. The error has the name of the wrong one in the API.
    pub(crate) fn check(
        execution: Option<&prost_types::Duration>,
        run: Option<&prost_types::Duration>,
        task: Option<&prost_types::Duration>,
    ) -> Result<Self, (&'static str, NegativeDuration)> {
        let field = |name, value| optional_duration(value).map_err(|error| (name, error));
        Ok(Timeouts::new(
            field("WorkflowExecutionTimeout", execution)?,
            field("WorkflowRunTimeout", run)?,
            field("WorkflowTaskTimeout", task)?,
        ))
    }

    pub(crate) fn new(execution: Option<Duration>, run: Option<Duration>, task: Option<Duration>) -> Self {
        let run = match (run, execution) {
            (Some(run), Some(execution)) => Some(run.min(execution)),
            (run, execution) => run.or(execution),
        };
        let task = task.unwrap_or(DEFAULT_TASK_TIMEOUT).min(MAX_TASK_TIMEOUT);
        Timeouts { execution, run, task: run.map_or(task, |run| run.min(task)) }
    }
}
