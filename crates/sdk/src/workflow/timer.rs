//! Waiting for time and for conditions.

use super::WorkflowContext;
use crate::{
    Failure,
    runtime::{Location, OpFuture, OperationKind, Rt, ScopeId},
};
use std::{
    marker::PhantomData,
    panic::Location as PanicLocation,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tenure_api::{
    command::v1::{StartTimerCommandAttributes, command::Attributes},
    time::duration_to_proto,
};

/// A timer that runs. Dropping it cancels it.
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// # use tenure_sdk::prelude::*;
/// # #[workflow]
/// # async fn nap(cx: WorkflowContext) -> Result<()> {
/// cx.sleep(std::time::Duration::from_secs(3)); // without `.await`, nothing happens
/// # Ok(()) }
/// ```
#[must_use = "a timer that nobody awaits is cancelled"]
pub struct Timer(OpFuture);

impl Timer {
    pub(crate) fn start(rt: &Rt, time: Duration, at: Location) -> Self {
        let id = rt.operations.borrow_mut().next_timer().to_string();
        // The server takes no shorter ones.
        let start_to_fire_timeout = Some(duration_to_proto(time.max(Duration::from_millis(1))));
        let start = StartTimerCommandAttributes { timer_id: id.clone(), start_to_fire_timeout };
        let start = Some(Attributes::StartTimerCommandAttributes(start));
        Timer(OpFuture::new(rt.clone(), rt.start(OperationKind::Timer { id }, start, None, at)).at(at))
    }
}

impl Future for Timer {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|resolution| resolution.map(|_| ()))
    }
}

/// Waits until a condition holds.
#[must_use = "waits only when it is awaited"]
pub struct WaitUntil<S, F> {
    cx: WorkflowContext<S>,
    scope: ScopeId,
    condition: F,
}

impl<S: 'static, F: FnMut(&S) -> bool> WaitUntil<S, F> {
    pub(crate) fn new(cx: WorkflowContext<S>, condition: F) -> Self {
        let scope = cx.rt().scopes.borrow().current();
        WaitUntil { cx, scope, condition }
    }

    /// Waits so long at most; gives whether the condition held.
    #[track_caller]
    pub fn timeout(self, time: Duration) -> WaitUntilTimeout<S, F> {
        WaitUntilTimeout { waiting: self, time, timer: None, at: PanicLocation::caller(), state: PhantomData }
    }
}

impl<S, F> Unpin for WaitUntil<S, F> {}
impl<S, F> Unpin for WaitUntilTimeout<S, F> {}

impl<S: 'static, F: FnMut(&S) -> bool> Future for WaitUntil<S, F> {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let rt = this.cx.rt();
        let holds = (this.condition)(&this.cx.state_rc().read(PanicLocation::caller()));
        if holds || rt.scopes.borrow().is_cancelled(this.scope) {
            rt.progressed();
            return Poll::Ready(if holds { Ok(()) } else { Err(Failure::cancelled("cancelled")) });
        }
        rt.look_again(cx.waker());
        Poll::Pending
    }
}

/// Waits until a condition holds or time is up.
#[must_use = "waits only when it is awaited"]
pub struct WaitUntilTimeout<S, F> {
    waiting: WaitUntil<S, F>,
    time: Duration,
    timer: Option<Timer>,
    at: Location,
    state: PhantomData<S>,
}

impl<S: 'static, F: FnMut(&S) -> bool> Future for WaitUntilTimeout<S, F> {
    type Output = Result<bool, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(waited) = Pin::new(&mut this.waiting).poll(cx) {
            this.timer = None;
            return Poll::Ready(waited.map(|()| true));
        }
        let (rt, time, at) = (this.waiting.cx.rt(), this.time, this.at);
        let timer = this.timer.get_or_insert_with(|| Timer::start(rt, time, at));
        Pin::new(timer).poll(cx).map(|fired| fired.map(|()| false))
    }
}
