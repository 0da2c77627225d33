//! The errors of an update-with-start, with a status for each of its two operations.

use prost::Name;
use tenure_api::{
    error::{ApiError, Code},
    errordetails::v1::{MultiOperationExecutionFailure, multi_operation_execution_failure::OperationStatus},
    failure::v1::MultiOperationExecutionAborted,
};

/// The error of a start that was refused, so that the update was not tried.
pub fn start_failed(error: &ApiError) -> ApiError {
    failed(error, vec![status(error), aborted()])
}

/// The error of an update that was refused, so that nothing was started.
pub fn update_refused(error: &ApiError) -> ApiError {
    failed(error, vec![aborted(), status(error)])
}

/// The error of an update that failed although the workflow was started, or was there.
pub fn update_failed(error: &ApiError) -> ApiError {
    failed(error, vec![OperationStatus::default(), status(error)])
}

fn failed(error: &ApiError, statuses: Vec<OperationStatus>) -> ApiError {
    ApiError::new(error.code, "Update-with-Start could not be executed.")
        .with_detail(&MultiOperationExecutionFailure { statuses })
}

fn status(error: &ApiError) -> OperationStatus {
    let detail = error.detail.iter().map(|(name, value)| any(name, value.to_vec()));
    OperationStatus { code: error.code as i32, message: error.message.clone(), details: detail.collect() }
}

fn aborted() -> OperationStatus {
    let details = vec![any(&MultiOperationExecutionAborted::full_name(), Vec::new())];
    OperationStatus { code: Code::Aborted as i32, message: "Operation was aborted.".into(), details }
}

fn any(name: &str, value: Vec<u8>) -> prost_types::Any {
    prost_types::Any { type_url: format!("type.googleapis.com/{name}"), value }
}
