//! Signals as a stream.

use crate::{Failure, runtime::Rt};
use std::{future::poll_fn, marker::PhantomData, task::Poll};
use tenure_client::Args;

/// Signals of one name that no handler takes, in their order. Those that nobody has received when the workflow continues
/// as new are there for the next run; when it closes, the log says how many there were.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// const JOBS: Signal<(), (String,)> = Signal::new("job");
///
/// #[workflow]
/// async fn in_order(cx: WorkflowContext) -> Result<()> {
///     let jobs = cx.signals(JOBS);
///     loop {
///         let (job,) = jobs.receive().await?;
///         println!("{job}");
///         if cx.history().continue_as_new_suggested {
///             // Jobs that were not received are there for the next run.
///             return cx.continue_as_new(in_order, ()).finish();
///         }
///     }
/// }
/// ```
pub struct SignalChannel<A> {
    rt: Rt,
    name: &'static str,
    args: PhantomData<fn() -> A>,
}

impl<A: Args> SignalChannel<A> {
    pub(crate) fn new(rt: Rt, name: &'static str) -> Self {
        rt.opened.borrow_mut().insert(name);
        SignalChannel { rt, name, args: PhantomData }
    }

    /// The next one, if it is there. One that cannot be read is left out.
    pub fn try_receive(&self) -> Option<A> {
        loop {
            let input = self.rt.channels.borrow_mut().get_mut(self.name)?.pop_front()?;
            self.rt.progressed();
            match self.rt.converter.decode_args(input.as_ref()) {
                Ok(args) => return Some(args),
                // The task fails, and the signal comes again.
                Err(error) if error.is_of_codec() => return None,
                Err(error) => tracing::warn!(signal = self.name, %error, "a signal that cannot be read is left out"),
            }
        }
    }

    /// Waits for the next one.
    pub async fn receive(&self) -> Result<A, Failure> {
        poll_fn(|cx| {
            if let Some(args) = self.try_receive() {
                return Poll::Ready(Ok(args));
            }
            let scopes = self.rt.scopes.borrow();
            if scopes.is_cancelled(scopes.current()) {
                self.rt.progressed();
                return Poll::Ready(Err(Failure::cancelled("cancelled")));
            }
            self.rt.outlasts_deadline(scopes.current());
            self.rt.look_again(cx.waker());
            Poll::Pending
        })
        .await
    }
}
