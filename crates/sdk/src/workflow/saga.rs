//! Sagas: what was begun is undone, last first, when a later step fails.

use super::{Scope, WorkflowContext};
use crate::{Failure, runtime::Location};
use std::{panic::Location as PanicLocation, pin::Pin};

type Undoing = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

struct Compensation<S> {
    at: Location,
    undo: Box<dyn FnOnce(WorkflowContext<S>) -> Undoing>,
}

/// What a [saga](WorkflowContext::saga) has begun, and how to undo it.
pub struct Saga<S = ()> {
    cx: WorkflowContext<S>,
    compensations: Vec<Compensation<S>>,
}

impl<S: 'static> Saga<S> {
    /// Notes how to undo a step. Call it before the step is tried: one that failed, or whose answer was lost, may have
    /// been taken all the same, so a compensation must do no harm when there is nothing to undo.
    #[track_caller]
    pub fn compensate_with<T, F>(&mut self, undo: impl FnOnce(WorkflowContext<S>) -> F + 'static)
    where
        F: IntoFuture<Output = Result<T, Failure>> + 'static,
    {
        let undo = Box::new(|cx| -> Undoing { Box::pin(async move { undo(cx).await.map(drop) }) });
        self.compensations.push(Compensation { at: PanicLocation::caller(), undo });
    }

    /// Undoes everything, last first, whatever fails on the way and whoever cancels; gives what the saga fails with.
    async fn undo(self, failure: Failure) -> Failure {
        let (cx, all) = (self.cx, self.compensations.len());
        let mut failed = Vec::new();
        for Compensation { at, undo } in self.compensations.into_iter().rev() {
            // What the compensation starts, it starts inside of the scope.
            let undone = Scope::new(cx.rt(), true).run(async { undo(cx.clone()).await }).await;
            if let Err(error) = undone {
                tracing::warn!(%at, %error, "a compensation failed");
                failed.push(format!("{at}: {error}"));
            }
        }
        if failed.is_empty() {
            return failure;
        }
        let message = format!("{} of {all} compensations failed: {}", failed.len(), failed.join("; "));
        Failure::application("CompensationFailed", message).non_retryable().detail(failed).caused_by(failure)
    }
}

pub(super) async fn run<S: 'static, T>(
    cx: WorkflowContext<S>,
    steps: impl AsyncFnOnce(&mut Saga<S>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut saga = Saga { cx, compensations: Vec::new() };
    let done = steps(&mut saga).await;
    let continues = saga.cx.rt().continue_as_new.borrow().is_some();
    match done {
        Err(failure) if !continues => Err(saga.undo(failure).await),
        done => done,
    }
}
