//! What workflow code panicked with, and where.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static HUSHED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Whether the process's panic hook is left out on this thread, for code that panics in the same way again and again.
pub(crate) fn hush(hushed: bool) {
    HUSHED.set(hushed);
}

/// Runs it; the place and the message of the panic, if it panicked. The process's panic hook is called as ever,
/// unless it was [hushed](hush).
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    // Only a hook is told the place.
    HOOK.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if WATCHED.get() {
                PLACE.set(info.location().map(ToString::to_string));
            }
            if !HUSHED.get() {
                hook(info);
            }
        }));
    });
    let outer = WATCHED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    WATCHED.set(outer);
    result.map_err(|panic| {
        let mut message = message_of(&*panic);
        if message.contains("reactor running")
            || message.contains("Tokio 1.x runtime")
            || message.contains("Tokio context")
        {
            message.push_str(
                " (workflow code runs in no Tokio runtime: use `cx.sleep` and `cx.spawn`, and activities for I/O)",
            );
        }
        match PLACE.take() {
            Some(place) => format!("panicked at {place}: {message}"),
            None => message,
        }
    })
}

pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}
