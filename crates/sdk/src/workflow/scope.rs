//! Cancellation scopes.

use super::Timer;
use crate::{
    Failure,
    runtime::{Location, Rt, ScopeId},
};
use std::{
    future::poll_fn,
    panic::Location as PanicLocation,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};
use tenure_client::TimeoutType;

/// What runs in it can be cancelled on its own.
///
/// ```
/// use std::time::Duration;
/// use tenure_sdk::prelude::*;
/// # #[activity] async fn search(query: String) -> Vec<String> { Vec::new() }
/// #[workflow]
/// async fn search_for_a_while(cx: WorkflowContext, query: String) -> Result<Vec<String>> {
///     let scope = cx.scope();
///     let searching = scope.run(cx.activity(search, query));
///     select! {
///         found = searching => found,
///         _ = cx.sleep(Duration::from_secs(5)) => {
///             scope.cancel();
///             Ok(Vec::new())
///         },
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Scope {
    rt: Rt,
    id: ScopeId,
}

impl Scope {
    pub(crate) fn new(rt: &Rt, shielded: bool) -> Self {
        let id = rt.scopes.borrow_mut().add(shielded);
        Scope { rt: rt.clone(), id }
    }

    /// Runs a future in this scope.
    pub async fn run<T>(&self, future: impl IntoFuture<Output = T>) -> T {
        // A call becomes a future, and starts, inside of the scope.
        let mut future = pin!(async move { future.await });
        poll_fn(|cx| {
            let outer = self.rt.scopes.borrow_mut().enter(self.id);
            let polled = future.as_mut().poll(cx);
            self.rt.scopes.borrow_mut().enter(outer);
            polled
        })
        .await
    }

    /// Cancels what runs in it, and whatever will.
    #[track_caller]
    pub fn cancel(&self) {
        self.rt.cancel_scope(self.id, PanicLocation::caller());
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.rt.scopes.borrow().is_cancelled(self.id)
    }
}

pub(super) async fn timed<T>(
    rt: Rt,
    time: Duration,
    future: impl IntoFuture<Output = T>,
    at: Location,
) -> Result<T, Failure> {
    let scope = Scope::new(&rt, false);
    let mut timer = Some(Timer::start(&rt, time, at));
    let late = || Failure::timeout(TimeoutType::ScheduleToClose, format!("not done within {time:?}"));
    let mut future = pin!(scope.run(future));
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            let in_time = timer.is_some();
            timer = None;
            return Poll::Ready(if in_time { Ok(value) } else { Err(late()) });
        }
        if let Some(Poll::Ready(fired)) = timer.as_mut().map(|timer| Pin::new(timer).poll(cx)) {
            timer = None;
            let again = || match future.as_mut().poll(cx) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            };
            if fired.is_ok() && rt.time_is_up(scope.id, at, again).is_some() {
                return Poll::Ready(Err(late()));
            }
        }
        Poll::Pending
    })
    .await
}

pub(super) async fn cancelled(rt: &Rt) {
    poll_fn(|cx| {
        let mut scopes = rt.scopes.borrow_mut();
        let scope = scopes.current();
        if scopes.is_cancelled(scope) {
            return Poll::Ready(());
        }
        scopes.wait(scope, cx.waker());
        Poll::Pending
    })
    .await;
}
