//! What is kept of the removal of a run.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The end of a closed run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When rows go next; `None` while the run is running.
    pub(crate) due: Option<Timestamp>,
    /// Nobody sees the run any more.
    pub(crate) deleted: bool,
}
