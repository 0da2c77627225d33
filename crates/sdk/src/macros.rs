//! What the macros expand to. Not for use by hand.

use crate::{ApplicationError, Failure};
use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
};

/// A `Result` of any error.
pub trait Fallible {
    type Value;
    type Error;
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> Fallible for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Result<T, E> {
        self
    }
}

/// An error that user code returned. Which of the traits below makes a failure of it, the compiler finds by the number of
/// references that they are implemented behind: `(&&&caught).failure()`.
pub struct Caught<E>(Cell<Option<E>>);

impl<E> Caught<E> {
    pub fn new(error: E) -> Self {
        Caught(Cell::new(Some(error)))
    }

    fn take(&self) -> E {
        self.0.take().expect("an error becomes a failure once")
    }
}

pub trait ByTrait {
    fn failure(&self) -> Failure;
}

impl<E: ApplicationError + 'static> ByTrait for &&Caught<E> {
    fn failure(&self) -> Failure {
        Failure::of(self.take())
    }
}

pub trait ByConversion {
    fn failure(&self) -> Failure;
}

impl<E: Into<Failure>> ByConversion for &Caught<E> {
    fn failure(&self) -> Failure {
        self.take().into()
    }
}

/// What an error of a workflow, an activity or a handler is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a workflow, an activity or a handler",
    note = "it can be a `Failure`, any `std::error::Error`, `Box<dyn std::error::Error + Send + Sync>`, or, with the feature `anyhow`, an `anyhow::Error`"
)]
pub trait IntoFailure {
    fn into_failure(self) -> Failure;
}

impl IntoFailure for Box<dyn std::error::Error + Send + Sync> {
    fn into_failure(self) -> Failure {
        Failure::of_dyn(&*self)
    }
}

impl IntoFailure for Box<dyn std::error::Error> {
    fn into_failure(self) -> Failure {
        Failure::of_dyn(&*self)
    }
}

#[cfg(feature = "anyhow")]
impl IntoFailure for anyhow::Error {
    fn into_failure(self) -> Failure {
        Failure::of_dyn(self.as_ref())
    }
}

pub trait ByNothing<E> {
    fn failure(&self) -> Failure
    where
        E: IntoFailure;
}

impl<E> ByNothing<E> for Caught<E> {
    fn failure(&self) -> Failure
    where
        E: IntoFailure,
    {
        self.take().into_failure()
    }
}

/// A state that needs no arguments to be made.
#[diagnostic::on_unimplemented(
    message = "nothing says how the state `{Self}` is made",
    note = "derive `Default` for it, or make it from the arguments: `#[workflow(init = {Self}::new)]`"
)]
pub trait DefaultState {
    fn make() -> Self;
}

#[diagnostic::do_not_recommend]
impl<S: Default> DefaultState for S {
    fn make() -> Self {
        S::default()
    }
}

/// Runs what may block on a thread of its own.
pub async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(run)).await {
        Ok(value) => Ok(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(error.into()),
    }
}

/// A future or what it gave.
pub struct MaybeDone<F: Future> {
    future: Option<Pin<Box<F>>>,
    value: Option<F::Output>,
}

impl<F: Future> MaybeDone<F> {
    pub fn new(future: F) -> Self {
        MaybeDone { future: Some(Box::pin(future)), value: None }
    }

    /// Whether it is done.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(future) = &mut self.future else { return true };
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => {
                self.future = None;
                self.value = Some(value);
                true
            }
            Poll::Pending => false,
        }
    }

    /// # Panics
    /// When it is not done.
    pub fn take(self) -> F::Output {
        self.value.expect("polled until done")
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> MaybeDone<F> {
    /// The error, if it ended with one.
    pub fn take_error(&mut self) -> Option<E> {
        match self.value.take()? {
            Ok(value) => {
                self.value = Some(Ok(value));
                None
            }
            Err(error) => Some(error),
        }
    }
}
