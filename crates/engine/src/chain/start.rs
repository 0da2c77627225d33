//! Requests to start a workflow, and their options.
//!
//! Each option has one function that checks it and returns the value that the engine goes on with. Whoever admits a
//! start calls them in the order in which the reference server finds faults: the frontend for requests, [`Start::new`]
//! for what a parent's message asks. Nothing behind them checks or parses again.

use super::{
    cron::{self, Schedule},
    timeouts::Timeouts,
};
use crate::retry::RetryPolicy;
use std::{sync::Arc, time::Duration};
use tenure_api::{
    common::v1 as common,
    enums::v1::{WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse},
    error::ApiError,
    time::{NegativeDuration, optional_duration},
    workflowservice::v1::StartWorkflowExecutionRequest,
};

/// A start whose request was checked for form.
#[derive(Clone, Debug)]
pub struct Start<R = StartWorkflowExecutionRequest> {
    /// The request; its request id is set.
    pub request: Arc<R>,
    /// The options of the request, checked.
    pub options: StartOptions,
}

/// The options of a start; each field is what its check returned.
#[derive(Clone, Debug)]
pub struct StartOptions {
    pub timeouts: Timeouts,
    pub delay: Duration,
    pub retry: Option<RetryPolicy>,
    pub cron: Option<Schedule>,
    pub policies: IdPolicies,
}

/// What the start does about other runs of the workflow id.
#[derive(Clone, Copy, Debug)]
pub struct IdPolicies {
    reuse: Reuse,
    conflict: Conflict,
}

impl Start {
    /// Checks the options of a request whose names were checked before.
    pub fn new(request: impl Into<Arc<StartWorkflowExecutionRequest>>) -> Result<Start, ApiError> {
        let request = request.into();
        let options = StartOptions {
            retry: check_retry(request.retry_policy.as_ref())?,
            delay: check_delay(request.workflow_start_delay.as_ref(), &request.cron_schedule)?,
            cron: check_cron(&request.cron_schedule)?,
            timeouts: check_timeouts(
                request.workflow_execution_timeout.as_ref(),
                request.workflow_run_timeout.as_ref(),
                request.workflow_task_timeout.as_ref(),
            )?,
            policies: IdPolicies::new(request.workflow_id_reuse_policy(), request.workflow_id_conflict_policy())?,
        };
        Ok(Start { request, options })
    }
}

impl IdPolicies {
    /// Checks that the policies do not contradict each other.
    // Old SDKs still send the reuse policy that is deprecated.
    #[allow(deprecated)]
    pub fn new(reuse: Reuse, conflict: Conflict) -> Result<IdPolicies, ApiError> {
        let with = match (reuse, conflict) {
            (Reuse::TerminateIfRunning, Conflict::Fail | Conflict::UseExisting | Conflict::TerminateExisting) => {
                "a WorkflowIDConflictPolicy".to_owned()
            }
            (Reuse::RejectDuplicate, Conflict::TerminateExisting) => {
                format!("WorkflowIdConflictPolicy {}", conflict.as_str_name())
            }
            (
                Reuse::Unspecified
                | Reuse::AllowDuplicate
                | Reuse::AllowDuplicateFailedOnly
                | Reuse::RejectDuplicate
                | Reuse::TerminateIfRunning,
                Conflict::Unspecified | Conflict::Fail | Conflict::UseExisting | Conflict::TerminateExisting,
            ) => return Ok(IdPolicies { reuse, conflict }),
        };
        let reuse = reuse.as_str_name();
        let message = format!("Invalid WorkflowIDReusePolicy: {reuse} cannot be used together with {with}");
        Err(ApiError::invalid_argument(message))
    }

    /// The policy about closed runs.
    pub(crate) fn reuse(self) -> Reuse {
        self.reuse
    }

    /// The policy about a running one.
    pub(crate) fn conflict(self) -> Conflict {
        match self.reuse {
            Reuse::TerminateIfRunning => Conflict::TerminateExisting,
            Reuse::Unspecified | Reuse::AllowDuplicate | Reuse::AllowDuplicateFailedOnly | Reuse::RejectDuplicate => {
                self.conflict
            }
        }
    }
}

pub fn check_retry(policy: Option<&common::RetryPolicy>) -> Result<Option<RetryPolicy>, ApiError> {
    policy.map(RetryPolicy::new).transpose().map_err(ApiError::invalid_argument)
}

/// Checks the wait before the first task, which a run with a cron schedule may not have.
pub fn check_delay(delay: Option<&prost_types::Duration>, cron_schedule: &str) -> Result<Duration, ApiError> {
    if !cron_schedule.is_empty() && delay.is_some() {
        return Err(ApiError::invalid_argument("CronSchedule and WorkflowStartDelay may not be used together."));
    }
    let delay = optional_duration(delay).map_err(|cause| bad_duration("WorkflowStartDelay", cause))?;
    Ok(delay.unwrap_or_default())
}

pub fn check_cron(schedule: &str) -> Result<Option<Schedule>, ApiError> {
    cron::check(schedule).map_err(|error| ApiError::invalid_argument(error.to_string()))
}

pub fn check_timeouts(
    execution: Option<&prost_types::Duration>,
    run: Option<&prost_types::Duration>,
    task: Option<&prost_types::Duration>,
) -> Result<Timeouts, ApiError> {
    Timeouts::check(execution, run, task).map_err(|(name, cause)| bad_duration(name, cause))
}

fn bad_duration(name: &str, cause: NegativeDuration) -> ApiError {
    ApiError::invalid_argument(format!("An invalid {name}Seconds is set on request. cause: {cause}"))
}
