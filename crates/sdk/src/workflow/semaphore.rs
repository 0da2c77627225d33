//! So many at a time: a semaphore and a mutex, whose waiters are served in the order in which they came.

use super::WorkflowContext;
use crate::{
    Failure,
    runtime::{Rt, ScopeId},
};
use std::{
    cell::{Cell, RefCell, RefMut},
    collections::VecDeque,
    ops::{Deref, DerefMut},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Lets so many tasks and handlers of a workflow into a section at the same time. Clones are the same semaphore, so it may
/// be part of the workflow's state.
///
/// ```
/// # use tenure_sdk::{WorkflowSemaphore, prelude::*};
/// # #[activity] async fn scan(page: u32) -> Result<String> { Ok(String::new()) }
/// #[workflow]
/// async fn book(cx: WorkflowContext, pages: u32) -> Result<Vec<String>> {
///     let scanners = WorkflowSemaphore::new(3);
///     try_join_all((0..pages).map(|page| {
///         let (cx, scanners) = (cx.clone(), scanners.clone());
///         async move {
///             let _scanner = scanners.acquire(&cx).await?;
///             cx.activity(scan, page).await
///         }
///     }))
///     .await
/// }
/// ```
#[derive(Clone)]
pub struct WorkflowSemaphore {
    queue: Rc<Queue>,
}

struct Queue {
    free: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Ticket>>>,
}

/// A place in the queue.
#[derive(Default)]
struct Ticket {
    is_served: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl WorkflowSemaphore {
    /// With so many permits.
    pub fn new(permits: usize) -> Self {
        WorkflowSemaphore { queue: Rc::new(Queue { free: Cell::new(permits), waiting: RefCell::default() }) }
    }

    /// Waits for a permit, which is given back when it is dropped. A cancellation ends the wait.
    pub fn acquire<S: 'static>(&self, cx: &WorkflowContext<S>) -> WorkflowSemaphoreAcquire {
        WorkflowSemaphoreAcquire { rt: cx.rt().clone(), queue: self.queue.clone(), ticket: None, scope: None }
    }

    /// A permit, if one is free and nobody waits.
    pub fn try_acquire<S: 'static>(&self, cx: &WorkflowContext<S>) -> Option<WorkflowSemaphorePermit> {
        self.queue.take().then(|| WorkflowSemaphorePermit { rt: cx.rt().clone(), queue: self.queue.clone() })
    }

    /// How many permits are free.
    pub fn available(&self) -> usize {
        self.queue.free.get()
    }
}

impl Queue {
    fn take(&self) -> bool {
        let free = self.free.get();
        if free == 0 {
            return false;
        }
        self.free.set(free - 1);
        true
    }

    /// Who came first is next.
    fn give_back(&self) {
        let next = self.waiting.borrow_mut().pop_front();
        match next {
            Some(next) => {
                next.is_served.set(true);
                if let Some(waker) = next.waker.take() {
                    waker.wake();
                }
            }
            None => self.free.set(self.free.get() + 1),
        }
    }

    fn leave(&self, ticket: &Rc<Ticket>) {
        if ticket.is_served.get() {
            return self.give_back();
        }
        self.waiting.borrow_mut().retain(|waiting| !Rc::ptr_eq(waiting, ticket));
    }
}

/// A permit of a semaphore. Dropping it gives it back.
#[must_use = "the permit is given back when this is dropped"]
pub struct WorkflowSemaphorePermit {
    rt: Rt,
    queue: Rc<Queue>,
}

impl Drop for WorkflowSemaphorePermit {
    fn drop(&mut self) {
        self.queue.give_back();
        self.rt.progressed();
    }
}

/// Waits for a permit.
#[must_use = "waits only when it is awaited"]
pub struct WorkflowSemaphoreAcquire {
    rt: Rt,
    queue: Rc<Queue>,
    ticket: Option<Rc<Ticket>>,
    /// The one in which it was first awaited.
    scope: Option<ScopeId>,
}

impl Future for WorkflowSemaphoreAcquire {
    type Output = Result<WorkflowSemaphorePermit, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let scope = *this.scope.get_or_insert_with(|| this.rt.scopes.borrow().current());
        if this.rt.scopes.borrow().is_cancelled(scope) {
            if let Some(ticket) = this.ticket.take() {
                this.queue.leave(&ticket);
            }
            this.rt.progressed();
            return Poll::Ready(Err(Failure::cancelled("cancelled")));
        }
        let is_served = match &this.ticket {
            Some(ticket) => ticket.is_served.get(),
            None => this.queue.take(),
        };
        if is_served {
            this.ticket = None;
            this.rt.progressed();
            return Poll::Ready(Ok(WorkflowSemaphorePermit { rt: this.rt.clone(), queue: this.queue.clone() }));
        }
        let ticket = this.ticket.get_or_insert_with(|| {
            let ticket = Rc::new(Ticket::default());
            this.queue.waiting.borrow_mut().push_back(ticket.clone());
            ticket
        });
        *ticket.waker.borrow_mut() = Some(cx.waker().clone());
        this.rt.outlasts_deadline(scope);
        this.rt.scopes.borrow_mut().wait(scope, cx.waker());
        Poll::Pending
    }
}

impl Drop for WorkflowSemaphoreAcquire {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.queue.leave(&ticket);
        }
    }
}

/// A value that one task or handler of a workflow uses at a time, over its `.await`s. Clones are the same mutex, so it may
/// be part of the workflow's state.
///
/// ```
/// # use tenure_sdk::{WorkflowMutex, prelude::*};
/// # #[activity] async fn book(seat: u32) -> Result<()> { Ok(()) }
/// #[derive(Default)]
/// struct Plane {
///     next_seat: WorkflowMutex<u32>,
/// }
///
/// #[handlers]
/// impl Plane {
///     #[update]
///     async fn reserve(cx: WorkflowContext<Self>) -> Result<u32> {
///         let seats = cx.read(|plane| plane.next_seat.clone());
///         let mut next = seats.lock(&cx).await?;
///         *next += 1;
///         // No other reservation comes in between.
///         cx.activity(book, *next).await?;
///         Ok(*next)
///     }
/// }
/// ```
pub struct WorkflowMutex<T> {
    gate: WorkflowSemaphore,
    value: Rc<RefCell<T>>,
}

impl<T> WorkflowMutex<T> {
    /// Of a value.
    pub fn new(value: T) -> Self {
        WorkflowMutex { gate: WorkflowSemaphore::new(1), value: Rc::new(RefCell::new(value)) }
    }

    /// Waits until nobody else uses the value. A cancellation ends the wait.
    pub async fn lock<S: 'static>(&self, cx: &WorkflowContext<S>) -> Result<WorkflowMutexGuard<'_, T>, Failure> {
        let permit = self.gate.acquire(cx).await?;
        Ok(WorkflowMutexGuard { value: self.value.borrow_mut(), _permit: permit })
    }
}

impl<T> Clone for WorkflowMutex<T> {
    fn clone(&self) -> Self {
        WorkflowMutex { gate: self.gate.clone(), value: self.value.clone() }
    }
}

impl<T: Default> Default for WorkflowMutex<T> {
    fn default() -> Self {
        WorkflowMutex::new(T::default())
    }
}

/// The value of a mutex, for the one who has locked it. Dropping it lets the next one in.
#[must_use = "the mutex is unlocked when this is dropped"]
pub struct WorkflowMutexGuard<'a, T> {
    // The value is let go before the next one gets in.
    value: RefMut<'a, T>,
    _permit: WorkflowSemaphorePermit,
}

impl<T> Deref for WorkflowMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for WorkflowMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
