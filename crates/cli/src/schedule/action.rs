//! What a schedule starts, as options.

use crate::{
    Usage,
    api::{Input, json_payload, key_value},
};
use std::{collections::BTreeMap, time::Duration};
use tenure_api::{
    common::v1::{Payload, WorkflowType},
    schedule::v1::{ScheduleAction, schedule_action::Action},
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
    workflow::v1::NewWorkflowExecutionInfo,
};

const HEADING: &str = "Workflow";

/// What it starts, besides type and task queue.
#[derive(clap::Args, Default)]
pub(super) struct Workflow {
    /// The workflows' id, to which each gets the time that it is started for; by default the schedule's id.
    #[arg(help_heading = HEADING, long, short, value_name = "WORKFLOW_ID", allow_hyphen_values = true)]
    workflow_id: Option<String>,
    #[command(flatten)]
    input: Input,
    /// How long a workflow may take, all runs together, for example 30d.
    #[arg(help_heading = HEADING, long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    execution_timeout: Option<Duration>,
    /// How long one run may take.
    #[arg(help_heading = HEADING, long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    run_timeout: Option<Duration>,
    /// How long a workflow task may take; by default 10s.
    #[arg(help_heading = HEADING, long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    task_timeout: Option<Duration>,
    /// A field of the workflows' memo, in JSON; may be given several times.
    #[arg(help_heading = HEADING, long, value_name = "KEY=JSON", value_parser = key_value)]
    workflow_memo: Vec<(String, String)>,
    /// A search attribute of the workflows, in JSON; may be given several times.
    #[arg(help_heading = HEADING, long, value_name = "KEY=JSON", value_parser = key_value)]
    workflow_search_attribute: Vec<(String, String)>,
}

impl Workflow {
    /// Puts what is said into an action.
    pub(super) fn apply(&self, start: &mut NewWorkflowExecutionInfo) -> anyhow::Result<()> {
        if let Some(id) = &self.workflow_id {
            start.workflow_id.clone_from(id);
        }
        if let Some(input) = self.input.payloads()? {
            start.input = Some(input);
        }
        let timeouts = [
            (self.execution_timeout, &mut start.workflow_execution_timeout),
            (self.run_timeout, &mut start.workflow_run_timeout),
            (self.task_timeout, &mut start.workflow_task_timeout),
        ];
        for (said, timeout) in timeouts {
            if let Some(said) = said {
                *timeout = Some(duration_to_proto(said));
            }
        }
        let memo = fields("--workflow-memo", &self.workflow_memo)?;
        if !memo.is_empty() {
            start.memo.get_or_insert_default().fields.extend(memo);
        }
        let attributes = fields("--workflow-search-attribute", &self.workflow_search_attribute)?;
        if !attributes.is_empty() {
            start.search_attributes.get_or_insert_default().indexed_fields.extend(attributes);
        }
        Ok(())
    }
}

/// The action's workflow.
pub(super) fn start_of(action: &mut Option<ScheduleAction>) -> &mut NewWorkflowExecutionInfo {
    let action = action.get_or_insert_default();
    let new = || Action::StartWorkflow(NewWorkflowExecutionInfo::default());
    let Action::StartWorkflow(start) = action.action.get_or_insert_with(new);
    start
}

pub(super) fn of_type(name: &str) -> Option<WorkflowType> {
    Some(WorkflowType { name: name.to_owned() })
}

pub(super) fn on_queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.to_owned(), ..Default::default() })
}

/// Fields with values in JSON.
pub(super) fn fields(option: &str, given: &[(String, String)]) -> anyhow::Result<BTreeMap<String, Payload>> {
    let field = |(key, json): &(String, String)| match json_payload(json) {
        Ok(payload) => Ok((key.clone(), payload)),
        Err(why) => Err(Usage(format!("{option} {key}={json} {why}")).into()),
    };
    given.iter().map(field).collect()
}
