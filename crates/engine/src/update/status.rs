//! The status of an update, as its callers see it.

use super::state::Accepted;
use crate::proto::Encoded;
use std::sync::Arc;
use tenure_api::{enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage, error::ApiError, update::v1::Outcome};

/// The status of an update, as its callers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateStatus {
    pub stage: Stage,
    /// The outcome, at the last stage and only there.
    pub outcome: Option<Encoded<Outcome>>,
    /// The request's own id; empty if it had none.
    pub request_id: Arc<str>,
}

/// An update as it is found in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundUpdate {
    /// The number that distinguishes this admission from others of the same update id; zero once the outcome is in
    /// history.
    pub admission: i64,
    /// The status, or the error of an update that was aborted.
    pub status: Result<UpdateStatus, ApiError>,
}

impl UpdateStatus {
    pub(super) fn admitted() -> Self {
        UpdateStatus { stage: Stage::Admitted, outcome: None, request_id: "".into() }
    }

    pub(super) fn accepted(accepted: &Accepted) -> Self {
        UpdateStatus { stage: Stage::Accepted, outcome: None, request_id: accepted.request_id.clone() }
    }

    pub(super) fn completed(outcome: &Outcome, request_id: &Arc<str>) -> Self {
        UpdateStatus { stage: Stage::Completed, outcome: Some(Encoded::of(outcome)), request_id: request_id.clone() }
    }
}
