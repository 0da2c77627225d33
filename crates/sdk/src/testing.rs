//! For tests of workflows and activities.
//!
//! [`ActivityEnv`] runs an activity alone. A server in the process, with time that skips, is in the crate
//! `tenure-sdk-testing`.

pub use crate::activity::ActivityEnv;

use crate::{ActivityContext, Failure};
use std::pin::Pin;

/// What a test environment sees of a worker.
#[doc(hidden)]
pub trait Observer: Send + Sync + 'static {
    /// An attempt begins when this is done; or it ends, with this failure.
    fn activity_begins(&self, cx: ActivityContext) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
    fn workflow_task_answered(&self, workflow_id: &str, run_id: &str);
    fn workflow_task_failed(&self, workflow_id: &str, run_id: &str, message: &str);
}
