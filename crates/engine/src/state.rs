//! A run's mutable state.

use serde::{Deserialize, Serialize};

/// Everything that the engine knows of a run besides its history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecutionState {}
