//! The state that a workflow's function and handlers share, and the guards through which they see it.

use crate::runtime::Location;
use std::{
    cell::{Cell, Ref, RefCell, RefMut},
    ops::{Deref, DerefMut},
};

#[derive(Default)]
pub(crate) struct StateCell<S> {
    value: RefCell<S>,
    /// Where the last guard was taken.
    taken_at: Cell<Option<Location>>,
}

/// The state, to be read. Let it go before the next `.await`.
pub struct StateRef<'a, S>(Ref<'a, S>);

/// The state, to be changed. Let it go before the next `.await`.
pub struct StateMut<'a, S>(RefMut<'a, S>);

impl<S> StateCell<S> {
    pub(crate) fn read(&self, at: Location) -> StateRef<'_, S> {
        let guard = self.value.try_borrow().unwrap_or_else(|_| self.held());
        self.taken_at.set(Some(at));
        StateRef(guard)
    }

    pub(crate) fn write(&self, at: Location) -> StateMut<'_, S> {
        let guard = self.value.try_borrow_mut().unwrap_or_else(|_| self.held());
        self.taken_at.set(Some(at));
        StateMut(guard)
    }

    fn held<T>(&self) -> T {
        let at = self.taken_at.get().map_or_else(String::new, |at| format!(" at {at}"));
        panic!("the state is still held by the guard that was taken{at}: let it go before the next `.await`")
    }
}

impl<S> Deref for StateRef<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S> Deref for StateMut<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S> DerefMut for StateMut<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.0
    }
}
