//! Combinators that always look in the same order.

use std::{
    future::{IntoFuture, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Waits for all, and gives their results in order. Only those that were woken are polled.
pub fn join_all<I>(futures: I) -> JoinAll<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator<Item: IntoFuture>,
{
    let woken = Arc::new(Woken { queue: Mutex::default(), outer: Mutex::new(Waker::noop().clone()) });
    let children = futures.into_iter().enumerate().map(|(index, future)| {
        let waker = Arc::new(Child { index, is_woken: AtomicBool::new(false), woken: woken.clone() });
        waker.wake_by_ref();
        Slot { future: Some(Box::pin(future.into_future())), value: None, waker }
    });
    let children: Vec<_> = children.collect();
    JoinAll { pending: children.len(), children, woken }
}

/// Waits for all, and gives what they succeeded with in order, or the first error; then the others are dropped, which
/// cancels what they wait for.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// # #[activity] async fn reserve(what: String) -> Result<String> { Ok(what) }
/// #[workflow]
/// async fn trip(cx: WorkflowContext, stops: Vec<String>) -> Result<Vec<String>> {
///     try_join_all(stops.into_iter().map(|stop| cx.activity(reserve, stop))).await
/// }
/// ```
pub async fn try_join_all<I, T, E>(futures: I) -> Result<Vec<T>, E>
where
    I: IntoIterator<Item: IntoFuture<Output = Result<T, E>>>,
{
    let mut all = join_all(futures);
    let failed = poll_fn(|cx| {
        let done = Pin::new(&mut all).poll_woken(cx);
        let failed = all.children.iter_mut().find_map(|slot| slot.value.take_if(|value| value.is_err()));
        match failed {
            Some(failed) => Poll::Ready(Some(failed)),
            None if done => Poll::Ready(None),
            None => Poll::Pending,
        }
    })
    .await;
    match failed {
        Some(failed) => failed.map(|_| Vec::new()),
        None => all.take_values().into_iter().collect(),
    }
}

/// Waits for the first that is done, and gives its result and its place; the others are dropped, which cancels what they
/// wait for. When several are ready, the first one wins.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// # #[activity] async fn quote(carrier: String) -> Result<u64> { Ok(7) }
/// #[workflow]
/// async fn fastest(cx: WorkflowContext, carriers: Vec<String>) -> Result<u64> {
///     let (quote, _carrier) = select_all(carriers.into_iter().map(|it| cx.activity(quote, it))).await;
///     quote
/// }
/// ```
///
/// # Panics
/// When there are none: nothing would ever be done.
pub async fn select_all<I: IntoIterator<Item: IntoFuture>>(futures: I) -> (<I::Item as IntoFuture>::Output, usize) {
    let mut all = join_all(futures);
    assert!(!all.children.is_empty(), "the first of none is never done");
    poll_fn(|cx| {
        Pin::new(&mut all).poll_woken(cx);
        let first = all.children.iter_mut().enumerate().find_map(|(at, slot)| Some((slot.value.take()?, at)));
        first.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

struct Woken {
    queue: Mutex<Vec<usize>>,
    outer: Mutex<Waker>,
}

struct Child {
    index: usize,
    is_woken: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.woken.queue.lock().unwrap_or_else(PoisonError::into_inner).push(self.index);
            self.woken.outer.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

struct Slot<F: Future> {
    future: Option<Pin<Box<F>>>,
    value: Option<F::Output>,
    waker: Arc<Child>,
}

/// What [`join_all`] gives.
#[must_use = "waits only when it is awaited"]
pub struct JoinAll<F: Future> {
    children: Vec<Slot<F>>,
    pending: usize,
    woken: Arc<Woken>,
}

impl<F: Future> Unpin for JoinAll<F> {}

impl<F: Future> JoinAll<F> {
    /// Polls what was woken; whether all are done.
    fn poll_woken(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = &mut *self;
        *this.woken.outer.lock().unwrap_or_else(PoisonError::into_inner) = cx.waker().clone();
        let woken = std::mem::take(&mut *this.woken.queue.lock().unwrap_or_else(PoisonError::into_inner));
        for index in woken {
            let slot = &mut this.children[index];
            slot.waker.is_woken.store(false, Ordering::Release);
            let Some(future) = &mut slot.future else { continue };
            let waker = Waker::from(slot.waker.clone());
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                slot.future = None;
                slot.value = Some(value);
                this.pending -= 1;
            }
        }
        this.pending == 0
    }

    fn take_values(&mut self) -> Vec<F::Output> {
        self.children.iter_mut().filter_map(|slot| slot.value.take()).collect()
    }
}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.as_mut().poll_woken(cx) { Poll::Ready(self.take_values()) } else { Poll::Pending }
    }
}

/// Waits for all futures and gives a tuple of their results, like `tokio::join!`, always in the same order.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// #[workflow]
/// async fn both(cx: WorkflowContext) -> Result<u8> {
///     let one = async { 1 };
///     let two = cx.sleep(std::time::Duration::from_secs(1));
///     let (one, two) = join!(one, two);
///     two?;
///     Ok(one)
/// }
/// ```
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => { $crate::join!(@ () $($future,)+) };
    (@ ($($name:ident)*) $future:expr, $($rest:expr,)*) => {{
        let mut future = $crate::macros::MaybeDone::new(::core::future::IntoFuture::into_future($future));
        $crate::join!(@ ($($name)* future) $($rest,)*)
    }};
    (@ ($($name:ident)+)) => {{
        ::core::future::poll_fn(|cx| {
            let mut ready = true;
            $(ready &= $name.poll(cx);)+
            if ready { ::core::task::Poll::Ready(()) } else { ::core::task::Poll::Pending }
        })
        .await;
        ($($name.take(),)+)
    }};
}

/// Waits for all futures and gives a tuple of what they succeeded with, or the first error; then the others are dropped,
/// which cancels what they wait for. Always in the same order.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// # #[activity] async fn reserve(what: String) -> Result<String> { Ok(what) }
/// #[workflow]
/// async fn trip(cx: WorkflowContext) -> Result<(String, String)> {
///     try_join!(cx.activity(reserve, "hotel"), cx.activity(reserve, "flight"))
/// }
/// ```
#[macro_export]
macro_rules! try_join {
    ($($future:expr),+ $(,)?) => { $crate::try_join!(@ () $($future,)+) };
    (@ ($($name:ident)*) $future:expr, $($rest:expr,)*) => {{
        let mut future = $crate::macros::MaybeDone::new(::core::future::IntoFuture::into_future($future));
        $crate::try_join!(@ ($($name)* future) $($rest,)*)
    }};
    (@ ($($name:ident)+)) => {{
        let failed = ::core::future::poll_fn(|cx| {
            let mut ready = true;
            $(if $name.poll(cx) {
                if let ::core::option::Option::Some(error) = $name.take_error() {
                    return ::core::task::Poll::Ready(::core::option::Option::Some(error));
                }
            } else {
                ready = false;
            })+
            if ready { ::core::task::Poll::Ready(::core::option::Option::None) } else { ::core::task::Poll::Pending }
        })
        .await;
        match failed {
            ::core::option::Option::Some(error) => ::core::result::Result::Err(error),
            ::core::option::Option::None => ::core::result::Result::Ok(($(
                match $name.take() {
                    ::core::result::Result::Ok(value) => value,
                    ::core::result::Result::Err(_) => ::core::unreachable!("errors were returned above"),
                },
            )+)),
        }
    }};
}

/// Waits for the first of several futures and runs its branch, like `tokio::select!`; when several are ready, the
/// one written first wins. The others are dropped, which cancels timers, activities and children that they wait for.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// # use std::time::Duration;
/// #[workflow]
/// async fn first(cx: WorkflowContext) -> Result<String> {
///     let text = select! {
///         _ = cx.sleep(Duration::from_secs(1)) => "short",
///         _ = cx.sleep(Duration::from_secs(9)) => "long",
///     };
///     Ok(text.to_owned())
/// }
/// ```
///
/// A pattern must match whatever comes: what a branch makes of an error, its body says.
///
/// ```compile_fail,E0005
/// # use tenure_sdk::prelude::*;
/// # use std::time::Duration;
/// # #[activity] async fn search(query: String) -> Result<String> { Ok(query) }
/// # #[workflow]
/// # async fn first(cx: WorkflowContext) -> Result<String> {
/// select! {
///     Ok(found) = cx.activity(search, "tea") => Ok(found),
///     _ = cx.sleep(Duration::from_secs(9)) => Ok(String::new()),
/// }
/// # }
/// ```
#[macro_export]
macro_rules! select {
    (@read ($($read:tt)*) $pattern:pat = $future:expr => $body:block $(, $($rest:tt)*)?) => {
        $crate::select!(@read ($($read)* $pattern, $future, $body;) $($($rest)*)?)
    };
    (@read ($($read:tt)*) $pattern:pat = $future:expr => $body:block $($rest:tt)+) => {
        $crate::select!(@read ($($read)* $pattern, $future, $body;) $($rest)+)
    };
    (@read ($($read:tt)*) $pattern:pat = $future:expr => $body:expr $(, $($rest:tt)*)?) => {
        $crate::select!(@read ($($read)* $pattern, $future, $body;) $($($rest)*)?)
    };
    (@read ($($read:tt)+)) => { $crate::select!(@ () $($read)+) };
    (@ ($($done:tt)*) $pattern:pat, $future:expr, $body:expr; $($rest:tt)*) => {{
        let mut future = ::core::option::Option::Some(::std::boxed::Box::pin(
            ::core::future::IntoFuture::into_future($future),
        ));
        let mut value = ::core::option::Option::None;
        $crate::select!(@ ($($done)* (future value $pattern, $body)) $($rest)*)
    }};
    (@ ($(($future:ident $value:ident $pattern:pat, $body:expr))+)) => {{
        ::core::future::poll_fn(|cx| {
            $(if let ::core::option::Option::Some(polled) = &mut $future {
                if let ::core::task::Poll::Ready(ready) = ::core::future::Future::poll(polled.as_mut(), cx) {
                    $value = ::core::option::Option::Some(ready);
                    return ::core::task::Poll::Ready(());
                }
            })+
            ::core::task::Poll::Pending
        })
        .await;
        // What lost is cancelled before the branch runs.
        $(drop($future);)+
        $crate::select!(@run $(($value $pattern, $body))+)
    }};
    (@run ($value:ident $pattern:pat, $body:expr) $($rest:tt)*) => {
        if let ::core::option::Option::Some(ready) = $value {
            // Refutable patterns do not compile: the others are gone by now.
            let $pattern = ready;
            $body
        } else {
            $crate::select!(@run $($rest)*)
        }
    };
    (@run) => { ::core::unreachable!("one of the futures was ready") };
    ($pattern:pat = $($rest:tt)+) => { $crate::select!(@read () $pattern = $($rest)+) };
}
