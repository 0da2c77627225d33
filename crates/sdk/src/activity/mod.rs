//! What activity code is written against.

mod context;
mod env;
mod registry;

pub(crate) use context::Control;
pub use context::{ActivityContext, ActivityInfo};
pub use env::ActivityEnv;
pub use registry::ActivityRegistry;

use crate::Failure;
use std::sync::Arc;
use tenure_client::ActivityDefinition;

/// An activity that a worker can run. `#[activity]` implements it for a function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an activity whose code is not here",
    note = "for methods, give the worker what they are methods of: `.activities(Payments {{ .. }})`",
    note = "an `ActivityRef` can be called from here; the worker that runs it needs the function with `#[activity]`"
)]
pub trait Activity: ActivityDefinition + Send + Sync {
    /// One attempt.
    fn run(&self, cx: ActivityContext, args: Self::Args) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// Activities that share what they depend on. `#[activities]` implements it for an `impl` block.
pub trait Activities: Send + Sync + 'static {
    /// Adds each to the registry.
    fn register(owner: Arc<Self>, registry: &mut ActivityRegistry);
}
