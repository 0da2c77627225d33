//! Cancellation scopes: a tree whose root is cancelled with the workflow. A shielded scope hangs on nothing.

use super::OpId;
use std::{collections::BTreeSet, task::Waker};

pub(crate) type ScopeId = usize;
pub(crate) const ROOT: ScopeId = 0;

#[derive(Default)]
struct Scope {
    children: Vec<ScopeId>,
    operations: BTreeSet<OpId>,
    cancelled: bool,
    wakers: Vec<Waker>,
}

pub(crate) struct Scopes {
    scopes: Vec<Scope>,
    current: ScopeId,
}

impl Scopes {
    pub(crate) fn new() -> Self {
        Scopes { scopes: vec![Scope::default()], current: ROOT }
    }

    pub(crate) fn current(&self) -> ScopeId {
        self.current
    }

    pub(crate) fn is_current_cancelled(&self) -> bool {
        self.is_cancelled(self.current)
    }

    /// Makes `scope` the current one; gives the one that was.
    pub(crate) fn enter(&mut self, scope: ScopeId) -> ScopeId {
        std::mem::replace(&mut self.current, scope)
    }

    /// A scope inside of the current one, or one that nothing cancels from outside.
    pub(crate) fn add(&mut self, shielded: bool) -> ScopeId {
        let id = self.scopes.len();
        let cancelled = !shielded && self.is_cancelled(self.current);
        self.scopes.push(Scope { cancelled, ..Scope::default() });
        if !shielded {
            self.scopes[self.current].children.push(id);
        }
        id
    }

    pub(crate) fn is_cancelled(&self, scope: ScopeId) -> bool {
        self.scopes[scope].cancelled
    }

    pub(crate) fn enter_operation(&mut self, scope: ScopeId, op: OpId) {
        self.scopes[scope].operations.insert(op);
    }

    pub(crate) fn leave_operation(&mut self, scope: ScopeId, op: OpId) {
        self.scopes[scope].operations.remove(&op);
    }

    /// Wakes when the scope is cancelled.
    pub(crate) fn wait(&mut self, scope: ScopeId, waker: &Waker) {
        let wakers = &mut self.scopes[scope].wakers;
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    /// Marks a scope and those in it; gives the operations to cancel, in the order in which they were made.
    pub(crate) fn cancel(&mut self, scope: ScopeId) -> (BTreeSet<OpId>, Vec<Waker>) {
        let mut operations = BTreeSet::new();
        let mut wakers = Vec::new();
        let mut todo = vec![scope];
        while let Some(scope) = todo.pop() {
            let scope = &mut self.scopes[scope];
            scope.cancelled = true;
            operations.extend(&scope.operations);
            wakers.append(&mut scope.wakers);
            todo.extend(&scope.children);
        }
        (operations, wakers)
    }
}
