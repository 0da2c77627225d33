//! Workflow commands that change a run's description: markers, search attributes, memo.

use crate::{
    bad_command::BadCommand,
    checks::{check_blob, check_search_attributes},
    properties::{upsert_memo, upsert_search_attributes},
    search_attributes,
    txn::Txn,
    workflow_task::CompletedTask,
};
use prost::Message;
use tenure_api::{
    command::v1::{
        ModifyWorkflowPropertiesCommandAttributes, RecordMarkerCommandAttributes,
        UpsertWorkflowSearchAttributesCommandAttributes,
    },
    common::v1::SearchAttributes,
    enums::v1::WorkflowTaskFailedCause as Cause,
    history::v1::{
        HistoryEvent, MarkerRecordedEventAttributes, UpsertWorkflowSearchAttributesEventAttributes,
        WorkflowPropertiesModifiedEventAttributes, history_event::Attributes,
    },
    sdk::v1::UserMetadata,
};

pub(super) fn record_marker(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: RecordMarkerCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    const CAUSE: Cause = Cause::BadRecordMarkerAttributes;
    let limits = txn.limits();
    if command.marker_name.is_empty() {
        return Err(BadCommand::new(CAUSE, "MarkerName is not set on RecordMarkerCommand."));
    }
    if command.marker_name.len() > limits.id_length {
        return Err(BadCommand::new(
            CAUSE,
            format!(
                "MarkerName on RecordMarkerCommand exceeds length limit. MarkerName={} Length={} Limit={}",
                command.marker_name,
                command.marker_name.len(),
                limits.id_length
            ),
        ));
    }
    let size = command.details.iter().map(|(key, value)| key.len() + value.encoded_len()).sum::<usize>();
    if size > limits.blob_size {
        return Err(BadCommand::new(CAUSE, "RecordMarkerCommandAttributes.Details exceeds size limit.").terminating());
    }
    txn.add(HistoryEvent {
        user_metadata,
        attributes: Some(Attributes::MarkerRecordedEventAttributes(MarkerRecordedEventAttributes {
            marker_name: command.marker_name,
            details: command.details,
            workflow_task_completed_event_id: task.completed_event_id,
            header: command.header,
            failure: command.failure,
        })),
        ..Default::default()
    });
    Ok(())
}

pub(super) fn change_search_attributes(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: UpsertWorkflowSearchAttributesCommandAttributes,
) -> Result<(), BadCommand> {
    const CAUSE: Cause = Cause::BadSearchAttributes;
    let missing =
        |what: &str| BadCommand::new(CAUSE, format!("{what} is not set on UpsertWorkflowSearchAttributesCommand."));
    let mut upserted = command.search_attributes.ok_or_else(|| missing("SearchAttributes"))?;
    if upserted.indexed_fields.is_empty() {
        return Err(missing("IndexedFields"));
    }
    check_search_attributes(txn.cx.search_attributes, &txn.state.info.namespace, CAUSE, &mut upserted, |problem| {
        problem
    })?;
    let merged = upsert_search_attributes(&mut txn.state.info, &upserted);
    search_attributes::check_sizes(&merged)
        .map_err(|problem| BadCommand::new(CAUSE, problem.to_string()).terminating())?;
    txn.add_event(Attributes::UpsertWorkflowSearchAttributesEventAttributes(
        UpsertWorkflowSearchAttributesEventAttributes {
            workflow_task_completed_event_id: task.completed_event_id,
            search_attributes: Some(SearchAttributes { indexed_fields: upserted.indexed_fields }),
        },
    ));
    Ok(())
}

pub(super) fn modify_properties(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: ModifyWorkflowPropertiesCommandAttributes,
) -> Result<(), BadCommand> {
    const CAUSE: Cause = Cause::BadModifyWorkflowPropertiesAttributes;
    let missing = |what: &str| BadCommand::new(CAUSE, format!("{what} is not set on ModifyWorkflowPropertiesCommand."));
    let upserted = command.upserted_memo.ok_or_else(|| missing("UpsertedMemo"))?;
    if upserted.fields.is_empty() {
        return Err(missing("UpsertedMemo.Fields"));
    }
    check_blob(txn.limits(), CAUSE, "ModifyWorkflowPropertiesCommandAttributes", Some(&upserted))?;
    if upsert_memo(&mut txn.state.info, &upserted) > txn.limits().memo_size {
        let message = "ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit.";
        return Err(BadCommand::new(CAUSE, message).terminating());
    }
    txn.add_event(Attributes::WorkflowPropertiesModifiedEventAttributes(WorkflowPropertiesModifiedEventAttributes {
        workflow_task_completed_event_id: task.completed_event_id,
        upserted_memo: Some(upserted),
    }));
    Ok(())
}
