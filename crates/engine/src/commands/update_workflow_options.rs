//! The options of a running workflow are changed.

use super::{
    call::{Call, Stop, VerbResult},
    finish::finish_remembered,
};
use crate::{checks::check_priority, command::Reply, options, proposals::ProposalResult, proto::Encoded, txn::Txn};
use prost_types::FieldMask;
use tenure_api::{
    common::v1::Priority,
    error::ApiError,
    history::v1::{HistoryEvent, WorkflowExecutionOptionsUpdatedEventAttributes, history_event::Attributes},
    workflow::v1::WorkflowExecutionOptions,
    workflowservice::v1::UpdateWorkflowExecutionOptionsRequest,
};
use uuid::Uuid;

pub(super) fn run(
    call: Call<'_, '_>,
    run_id: Option<Uuid>,
    request: &UpdateWorkflowExecutionOptionsRequest,
) -> VerbResult {
    let mut txn = call.open_running(run_id)?;
    let wanted = request.workflow_execution_options.clone().unwrap_or_default();
    let changed = update(&mut txn, wanted, request.update_mask.as_ref(), &request.identity)?;
    let priority = txn.state.info.priority.as_ref().map(Encoded::decode);
    let options = WorkflowExecutionOptions { priority, ..Default::default() };
    if changed {
        Ok(finish_remembered(txn, ProposalResult::WorkflowOptions(Encoded::of(&options))))
    } else {
        Err(Stop::Answered(Reply::WorkflowOptions(Box::new(options))))
    }
}

/// Changes the masked options of a run. Returns whether anything changed.
pub(crate) fn update(
    txn: &mut Txn<'_, '_>,
    wanted: WorkflowExecutionOptions,
    mask: Option<&FieldMask>,
    identity: &str,
) -> Result<bool, ApiError> {
    let before = txn.state.info.priority.as_ref().map(Encoded::decode);
    let priority = merged(before.clone(), wanted.priority, mask.map_or(&[][..], |mask| &mask.paths))?;
    if priority == before {
        return Ok(false);
    }
    options::with_tasks_withdrawn(txn, |txn| {
        txn.state.info.priority = priority.as_ref().map(Encoded::of);
    });
    txn.add(HistoryEvent {
        worker_may_ignore: true,
        attributes: Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(
            WorkflowExecutionOptionsUpdatedEventAttributes {
                unset_versioning_override: true,
                identity: identity.into(),
                priority,
                ..Default::default()
            },
        )),
        ..Default::default()
    });
    Ok(true)
}

/// `into` with the masked fields of `priority`.
fn merged(
    mut into: Option<Priority>,
    priority: Option<Priority>,
    paths: &[String],
) -> Result<Option<Priority>, ApiError> {
    let given = priority.clone().unwrap_or_default();
    for path in paths {
        match path.as_str() {
            "priority" => into.clone_from(&priority),
            "priority.priority_key" => into.get_or_insert_default().priority_key = given.priority_key,
            "priority.fairness_key" => into.get_or_insert_default().fairness_key.clone_from(&given.fairness_key),
            "priority.fairness_weight" => into.get_or_insert_default().fairness_weight = given.fairness_weight,
            "versioning_override" => {}
            path => {
                let message = "temporal.api.workflow.v1.WorkflowExecutionOptions";
                // With the no-break space that the reference server has there.
                return Err(ApiError::invalid_argument(format!(
                    "error parsing UpdateMask: proto:\u{a0}invalid path \"{path}\" for message \"{message}\""
                )));
            }
        }
    }
    check_priority(into.as_ref()).map_err(ApiError::invalid_argument)?;
    Ok(into)
}
