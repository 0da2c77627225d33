//! The state that a workflow's function and handlers share, and the guards through which they see it.

use crate::runtime::Location;
use std::cell::{Cell, Ref, RefCell, RefMut};

#[derive(Default)]
pub(crate) struct StateCell<S> {
    value: RefCell<S>,
    /// The place in the code where the last guard was taken.
    taken_at: Cell<Option<Location>>,
}

/// The state, to be read. Let it go before the next `.await`; clippy's `await_holding_refcell_ref` finds where it is not.
pub type StateRef<'a, S> = Ref<'a, S>;

/// The state, to be changed. Let it go before the next `.await`; clippy's `await_holding_refcell_ref` finds where it is
/// not.
pub type StateMut<'a, S> = RefMut<'a, S>;

impl<S> StateCell<S> {
    pub(crate) fn read(&self, at: Location) -> StateRef<'_, S> {
        let guard = self.value.try_borrow().unwrap_or_else(|_| self.held());
        self.taken_at.set(Some(at));
        guard
    }

    pub(crate) fn write(&self, at: Location) -> StateMut<'_, S> {
        let guard = self.value.try_borrow_mut().unwrap_or_else(|_| self.held());
        self.taken_at.set(Some(at));
        guard
    }

    fn held<T>(&self) -> T {
        let at = self.taken_at.get().map_or_else(String::new, |at| format!(" at {at}"));
        panic!(
            "the state is still held by the guard that was taken{at}: let it go before the next `.await`, or use \
             `cx.read(|state| ..)` and `cx.write(|state| ..)`"
        )
    }
}
