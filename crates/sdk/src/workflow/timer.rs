//! Waiting for time and for conditions.

use super::WorkflowContext;
use crate::{
    Failure,
    runtime::{Location, Notes, OpFuture, OperationKind, Rt, ScopeId},
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
pub struct Timer {
    rt: Rt,
    state: TimerState,
    summary: Option<String>,
    polled: bool,
    at: Location,
}

enum TimerState {
    Running(OpFuture),
    /// Made where everything is cancelled: whether it runs is for the place to say where it is awaited.
    Made {
        id: String,
        time: Duration,
    },
}

impl Timer {
    pub(crate) fn start(rt: &Rt, time: Duration, at: Location) -> Self {
        let id = rt.operations.borrow_mut().next_timer().to_string();
        let cancelled = rt.scopes.borrow().is_current_cancelled();
        let state =
            if cancelled { TimerState::Made { id, time } } else { TimerState::Running(begin(rt, id, time, None, at)) };
        Timer { rt: rt.clone(), state, summary: None, polled: false, at }
    }

    /// What the UI shows beside it.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        if let TimerState::Running(op) = &self.state {
            self.rt.commands.borrow_mut().note(op.id(), Notes::of(self.summary.clone()));
        }
        self
    }
}

fn begin(rt: &Rt, id: String, time: Duration, summary: Option<String>, at: Location) -> OpFuture {
    // The server takes no shorter ones.
    let start_to_fire_timeout = Some(duration_to_proto(time.max(Duration::from_millis(1))));
    let start = StartTimerCommandAttributes { timer_id: id.clone(), start_to_fire_timeout };
    let start = Some(Attributes::StartTimerCommandAttributes(start));
    OpFuture::new(rt.clone(), rt.start(OperationKind::Timer { id }, start, Notes::of(summary), at)).at(at)
}

impl Future for Timer {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // It belongs to the scope in which it is first awaited, not to the one in which it was an argument.
        let first = !std::mem::replace(&mut this.polled, true);
        if let TimerState::Made { id, time } = &mut this.state {
            this.state = TimerState::Running(begin(&this.rt, std::mem::take(id), *time, this.summary.take(), this.at));
        } else if let (true, TimerState::Running(op)) = (first, &this.state) {
            op.enter_current_scope();
        }
        match &mut this.state {
            TimerState::Running(op) => Pin::new(op).poll(cx).map(|resolution| resolution.map(|_| ())),
            TimerState::Made { .. } => unreachable!("it was started above"),
        }
    }
}

/// Waits until a condition holds.
#[must_use = "waits only when it is awaited"]
pub struct WaitUntil<S, F> {
    cx: WorkflowContext<S>,
    /// The one in which it was first awaited.
    scope: Option<ScopeId>,
    condition: F,
}

impl<S: 'static, F: FnMut(&S) -> bool> WaitUntil<S, F> {
    pub(crate) fn new(cx: WorkflowContext<S>, condition: F) -> Self {
        WaitUntil { cx, scope: None, condition }
    }

    /// Waits so long at most; gives whether the condition held.
    #[track_caller]
    pub fn timeout(self, time: Duration) -> WaitUntilTimeout<S, F> {
        WaitUntilTimeout {
            waiting: self,
            time,
            summary: None,
            timer: None,
            at: PanicLocation::caller(),
            state: PhantomData,
        }
    }
}

impl<S, F> Unpin for WaitUntil<S, F> {}
impl<S, F> Unpin for WaitUntilTimeout<S, F> {}

impl<S: 'static, F: FnMut(&S) -> bool> Future for WaitUntil<S, F> {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let rt = this.cx.rt();
        let holds = (this.condition)(&this.cx.state_access().read(PanicLocation::caller()));
        let scope = *this.scope.get_or_insert_with(|| rt.scopes.borrow().current());
        if holds || rt.scopes.borrow().is_cancelled(scope) {
            rt.progressed();
            return Poll::Ready(if holds { Ok(()) } else { Err(Failure::cancelled("cancelled")) });
        }
        rt.outlasts_deadline(scope);
        rt.look_again(cx.waker());
        Poll::Pending
    }
}

/// Waits until a condition holds or time is up.
#[must_use = "waits only when it is awaited"]
pub struct WaitUntilTimeout<S, F> {
    waiting: WaitUntil<S, F>,
    time: Duration,
    summary: Option<String>,
    timer: Option<Timer>,
    at: Location,
    state: PhantomData<S>,
}

impl<S, F> WaitUntilTimeout<S, F> {
    /// What the UI shows beside the timer.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }
}

impl<S: 'static, F: FnMut(&S) -> bool> Future for WaitUntilTimeout<S, F> {
    type Output = Result<bool, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(waited) = Pin::new(&mut this.waiting).poll(cx) {
            this.timer = None;
            return Poll::Ready(waited.map(|()| true));
        }
        let (rt, time, at, summary) = (this.waiting.cx.rt(), this.time, this.at, &mut this.summary);
        let timer = this.timer.get_or_insert_with(|| {
            let timer = Timer::start(rt, time, at);
            match summary.take() {
                Some(summary) => timer.summary(summary),
                None => timer,
            }
        });
        Pin::new(timer).poll(cx).map(|fired| fired.map(|()| false))
    }
}
