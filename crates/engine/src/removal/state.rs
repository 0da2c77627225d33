//! What is kept of the removal of a run.

use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// The end of a closed run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Removal {
    /// When rows go next; `None` while the run is running.
    #[n(0)]
    pub(crate) due: Option<Timestamp>,
    /// Nobody sees the run any more.
    #[n(1)]
    pub(crate) deleted: bool,
}
