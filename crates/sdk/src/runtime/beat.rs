//! A sign of life of the thread that runs workflow code: it changes whenever the code comes to a wait.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

thread_local! {
    static PULSE: RefCell<Option<Arc<AtomicU64>>> = const { RefCell::new(None) };
}

/// Lets this thread's [beats](beat) be counted here.
pub(crate) fn count_beats(pulse: &Arc<AtomicU64>) {
    PULSE.set(Some(pulse.clone()));
}

/// The code goes on: it does not block.
pub(crate) fn beat() {
    PULSE.with_borrow(|pulse| {
        if let Some(pulse) = pulse {
            pulse.fetch_add(1, Ordering::Relaxed);
        }
    });
}
