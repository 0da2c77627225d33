//! How far an update has come, as its callers see it.

use super::state::Accepted;
use crate::proto::Encoded;
use std::sync::Arc;
use tenure_api::{enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage, error::ApiError, update::v1::Outcome};

/// An update as its callers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateStatus {
    pub stage: Stage,
    /// At the last stage, and only there.
    pub outcome: Option<Encoded<Outcome>>,
    /// The request's own id; empty if it had none.
    pub request_id: Arc<str>,
}

/// An update of a run, as a look at its state finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Tells this admission from others of the same update id; zero once the outcome is in history.
    pub admission: i64,
    /// An error: the update was aborted.
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
