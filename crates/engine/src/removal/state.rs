//! The state of the removal of a run.

use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// The removal of a closed run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Removal {
    /// The time when rows are removed next; `None` while the run is running.
    #[n(0)]
    pub(crate) due: Option<Timestamp>,
    /// Whether the run is hidden from everybody.
    #[n(1)]
    pub(crate) deleted: bool,
}
