//! What the macros expand to. Not for use by hand.

use crate::Failure;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// A `Result` of any error that becomes a [`Failure`].
pub trait Fallible {
    type Value;
    fn settle(self) -> Result<Self::Value, Failure>;
}

impl<T, E: Into<Failure>> Fallible for Result<T, E> {
    type Value = T;

    fn settle(self) -> Result<T, Failure> {
        self.map_err(Into::into)
    }
}

/// Runs what may block on a thread of its own.
pub async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(run).await {
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
