//! What a workflow knows of itself.

use std::time::{Duration, SystemTime};
use tenure_api::{
    common::v1::{Memo, Payload, SearchAttributes},
    history::v1::{HistoryEvent, WorkflowExecutionStartedEventAttributes as Started},
    time::{duration_from_proto, time_from_proto},
};
use tenure_client::{DataConverter, Failure, Headers};

/// What the started event says of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkflowInfo {
    /// The workflow id.
    pub workflow_id: String,
    /// The run id.
    pub run_id: String,
    /// The first run of the chain of retries and continue-as-new.
    pub first_run_id: String,
    /// The workflow type.
    pub workflow_type: String,
    /// The queue that its workers poll.
    pub task_queue: String,
    /// Its namespace.
    pub namespace: String,
    /// Counts retries of the workflow as a whole, from 1.
    pub attempt: u32,
    /// When this run was started.
    pub started: SystemTime,
    /// Workflow id and run id of the parent.
    pub parent: Option<(String, String)>,
    /// The run that continued as this one.
    pub continued_from: Option<String>,
    /// The schedule on which it starts again.
    pub cron_schedule: Option<String>,
    /// Limit for all runs.
    pub execution_timeout: Option<Duration>,
    /// Limit for this run.
    pub run_timeout: Option<Duration>,
    /// Why the last run failed, when this one is a retry or the next of a schedule.
    pub last_failure: Option<Failure>,
    /// What travelled along with its start.
    pub headers: Headers,
    pub(crate) task_timeout: Option<Duration>,
    pub(crate) last_result: Option<Payload>,
    pub(crate) memo: Memo,
    pub(crate) search_attributes: SearchAttributes,
}

impl WorkflowInfo {
    pub(crate) fn of(
        at: SystemTime,
        started: Started,
        (namespace, workflow_id, run_id): (&str, &str, &str),
        converter: &DataConverter,
    ) -> Self {
        let given = |text: String| (!text.is_empty()).then_some(text);
        WorkflowInfo {
            workflow_id: workflow_id.to_owned(),
            run_id: run_id.to_owned(),
            first_run_id: started.first_execution_run_id,
            workflow_type: started.workflow_type.unwrap_or_default().name,
            task_queue: started.task_queue.unwrap_or_default().name,
            namespace: namespace.to_owned(),
            attempt: started.attempt.try_into().unwrap_or(1),
            started: at,
            parent: started.parent_workflow_execution.map(|parent| (parent.workflow_id, parent.run_id)),
            continued_from: given(started.continued_execution_run_id),
            cron_schedule: given(started.cron_schedule),
            execution_timeout: duration_from_proto(started.workflow_execution_timeout),
            run_timeout: duration_from_proto(started.workflow_run_timeout),
            last_failure: started.continued_failure.map(|it| Failure::from_proto(it, converter)),
            headers: Headers::from_proto(started.header),
            task_timeout: duration_from_proto(started.workflow_task_timeout),
            last_result: started.last_completion_result.and_then(|it| it.payloads.into_iter().next()),
            memo: started.memo.unwrap_or_default(),
            search_attributes: started.search_attributes.unwrap_or_default(),
        }
    }
}

pub(crate) fn time_of(event: &HistoryEvent) -> SystemTime {
    time_from_proto(event.event_time).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// How long the history is, as of the current workflow task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryInfo {
    /// How many events.
    pub events: i64,
    /// How many bytes.
    pub bytes: i64,
    /// The server finds the history long enough to continue as new.
    pub continue_as_new_suggested: bool,
}
