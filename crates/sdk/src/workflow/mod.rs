//! What workflow code is written against.

mod activity;
mod child;
mod combine;
mod context;
mod external;
mod handlers;
#[cfg(feature = "rand")]
mod random;
mod saga;
mod scope;
mod semaphore;
mod signals;
mod state;
mod timer;

pub use activity::{ActivityCall, ActivityFuture, LocalActivityCall};
pub use child::{ChildCall, ChildFuture, ChildHandle, ParentClosePolicy};
pub use combine::{JoinAll, join_all, select_all, try_join_all};
pub use context::{ContinueAsNew, JoinHandle, WorkflowContext};
pub use external::{ExternalHandle, Sent};
pub use handlers::Handlers;
#[cfg(feature = "rand")]
pub use random::WorkflowRng;
pub use saga::Saga;
pub use scope::Scope;
pub use semaphore::{
    WorkflowMutex, WorkflowMutexGuard, WorkflowSemaphore, WorkflowSemaphoreAcquire, WorkflowSemaphorePermit,
};
pub use signals::SignalChannel;
pub(crate) use state::StateCell;
pub use state::{StateMut, StateRef};
pub use timer::{Timer, WaitUntil, WaitUntilTimeout};

use crate::Failure;
use tenure_client::WorkflowDefinition;

/// A workflow that a worker can run. `#[workflow]` implements it for a function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a workflow whose code is not here",
    note = "a `WorkflowRef` can be started from here; the worker that runs it needs the function with `#[workflow]`"
)]
pub trait Workflow: WorkflowDefinition<State: WorkflowState> {
    /// The state with which a run begins: its default, or what `#[workflow(init = State::new)]` makes of the arguments.
    fn init(args: &Self::Args) -> Self::State;

    /// What ends a run as failed, instead of having its workflow task tried again until there is better code:
    /// `#[workflow(fails_on(panic, nondeterminism))]`. Default: nothing.
    const FAILS_ON: &'static [TaskProblem] = &[];

    /// The function.
    fn run(
        cx: WorkflowContext<Self::State>,
        args: Self::Args,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + 'static;
}

/// What is wrong with a workflow's code, as opposed to what the workflow fails of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskProblem {
    /// It panics.
    Panic,
    /// It does not do what it did before. The run that fails of it cannot be replayed, and so answers no queries.
    Nondeterminism,
}

/// What a workflow's handlers share with its function; `#[handlers]` implements it for a type.
///
/// A state without handlers needs no more than `impl WorkflowState for State {}`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of a workflow",
    note = "derive `Default` for it and put `#[handlers]` on its `impl`"
)]
pub trait WorkflowState: Sized + 'static {
    /// Registers the handlers.
    fn handlers(_: &mut Handlers<Self>) {}
}

impl WorkflowState for () {}

/// What waiting for an activity or a child means once it is cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cancellation {
    /// Ask it to stop, and go on at once.
    #[default]
    TryCancel,
    /// Ask it to stop, and wait until it has.
    WaitCompleted,
    /// Leave it alone, and go on at once.
    Abandon,
}

impl From<Cancellation> for crate::runtime::CancelMode {
    fn from(cancellation: Cancellation) -> Self {
        match cancellation {
            Cancellation::TryCancel => Self::Try,
            Cancellation::WaitCompleted => Self::Wait,
            Cancellation::Abandon => Self::Abandon,
        }
    }
}
