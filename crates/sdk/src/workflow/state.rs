//! The state that a workflow's function and handlers share, and the guards through which they see it.

use crate::runtime::Location;
use std::{
    cell::{Cell, Ref, RefCell, RefMut},
    rc::Rc,
};

/// The state, to be read. Let it go before the next `.await`; clippy's `await_holding_refcell_ref` finds where it is not.
pub type StateRef<'a, S> = Ref<'a, S>;

/// The state, to be changed. Let it go before the next `.await`; clippy's `await_holding_refcell_ref` finds where it is
/// not.
pub type StateMut<'a, S> = RefMut<'a, S>;

/// A state, or a part of one.
pub(crate) trait StateAccess<S> {
    fn read(&self, at: Location) -> StateRef<'_, S>;
    fn write(&self, at: Location) -> StateMut<'_, S>;
}

/// The state of one run; empty until the run's arguments are there.
pub(crate) struct StateCell<S> {
    value: RefCell<Option<S>>,
    /// The place in the code where the last guard was taken.
    taken_at: Cell<Option<Location>>,
}

impl<S> Default for StateCell<S> {
    fn default() -> Self {
        StateCell { value: RefCell::new(None), taken_at: Cell::new(None) }
    }
}

const NOT_MADE: &str = "the state is made when the workflow begins";

impl<S> StateCell<S> {
    pub(crate) fn make(&self, state: S) {
        *self.value.borrow_mut() = Some(state);
    }

    fn held<T>(&self) -> T {
        let at = self.taken_at.get().map_or_else(String::new, |at| format!(" at {at}"));
        panic!(
            "the state is still held by the guard that was taken{at}: let it go before the next `.await`, or use \
             `cx.read(|state| ..)` and `cx.write(|state| ..)`"
        )
    }
}

impl<S> StateAccess<S> for StateCell<S> {
    fn read(&self, at: Location) -> StateRef<'_, S> {
        let guard = self.value.try_borrow().unwrap_or_else(|_| self.held());
        self.taken_at.set(Some(at));
        Ref::map(guard, |state| state.as_ref().expect(NOT_MADE))
    }

    fn write(&self, at: Location) -> StateMut<'_, S> {
        let guard = self.value.try_borrow_mut().unwrap_or_else(|_| self.held());
        self.taken_at.set(Some(at));
        RefMut::map(guard, |state| state.as_mut().expect(NOT_MADE))
    }
}

/// A part of a state.
pub(crate) struct StatePart<S, P> {
    pub(crate) whole: Rc<dyn StateAccess<S>>,
    pub(crate) part: fn(&S) -> &P,
    pub(crate) part_mut: fn(&mut S) -> &mut P,
}

impl<S, P> StateAccess<P> for StatePart<S, P> {
    fn read(&self, at: Location) -> StateRef<'_, P> {
        Ref::map(self.whole.read(at), self.part)
    }

    fn write(&self, at: Location) -> StateMut<'_, P> {
        RefMut::map(self.whole.write(at), self.part_mut)
    }
}
