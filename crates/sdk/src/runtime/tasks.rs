//! The tasks of a workflow: its function, asynchronous handlers and what it spawned. One is polled when it was woken,
//! in the order of waking.

use super::{ScopeId, Scopes, catch};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    thread::{self, ThreadId},
};

pub(crate) type TaskId = u64;
type Future = Pin<Box<dyn std::future::Future<Output = ()>>>;

#[derive(Default)]
pub(crate) struct Tasks {
    next_id: Cell<TaskId>,
    tasks: RefCell<BTreeMap<TaskId, Task>>,
    woken: Arc<Woken>,
}

struct Woken {
    queue: Mutex<VecDeque<TaskId>>,
    /// Where the workflow runs, and so everything that may wake it.
    thread: ThreadId,
    /// The workflow's id and run id.
    owner: OnceLock<(String, String)>,
    /// Another thread has woken it.
    from_outside: AtomicBool,
}

impl Default for Woken {
    fn default() -> Self {
        Woken {
            queue: Mutex::default(),
            thread: thread::current().id(),
            owner: OnceLock::new(),
            from_outside: AtomicBool::new(false),
        }
    }
}

struct Task {
    /// Away while it is polled.
    future: Option<Future>,
    waker: Arc<TaskWaker>,
    scope: ScopeId,
}

struct TaskWaker {
    task: TaskId,
    is_woken: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if thread::current().id() != self.woken.thread {
            // No history tells when that was, so the code could not do the same again.
            if !self.woken.from_outside.swap(true, Ordering::AcqRel) {
                let (workflow_id, run_id) = self.woken.owner.get().cloned().unwrap_or_default();
                tracing::error!(
                    workflow_id,
                    run_id,
                    "the workflow waits for something that {WOKEN_FROM_OUTSIDE}: it waits for ever"
                );
            }
        } else if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.woken.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.task);
        }
    }
}

/// What is wrong with a wake from another thread.
pub(crate) const WOKEN_FROM_OUTSIDE: &str = "another thread did (a channel, a task of another runtime, `spawn_blocking`); \
     put it in an activity, and let signals tell the workflow what happens outside";

impl Tasks {
    /// Says whose they are, for the log.
    pub(crate) fn belong_to(&self, workflow_id: &str, run_id: &str) {
        let _ = self.woken.owner.set((workflow_id.to_owned(), run_id.to_owned()));
    }

    /// Whether another thread has woken one of them.
    pub(crate) fn woken_from_outside(&self) -> bool {
        self.woken.from_outside.load(Ordering::Acquire)
    }

    pub(crate) fn spawn(&self, scope: ScopeId, future: Future) -> TaskId {
        let task = self.next_id.get();
        self.next_id.set(task + 1);
        let waker = Arc::new(TaskWaker { task, is_woken: AtomicBool::new(false), woken: self.woken.clone() });
        waker.wake_by_ref();
        self.tasks.borrow_mut().insert(task, Task { future: Some(future), waker, scope });
        task
    }

    /// Drops a task, in its scope, as if it had come to its end. One that is being polled comes to rest first.
    pub(crate) fn abort(&self, id: TaskId, scopes: &RefCell<Scopes>) {
        let task = self.tasks.borrow_mut().remove(&id);
        if let Some(task) = task {
            let outer = scopes.borrow_mut().enter(task.scope);
            drop(task.future);
            scopes.borrow_mut().enter(outer);
        }
    }

    /// The task that was woken first.
    pub(crate) fn next(&self) -> Option<TaskId> {
        self.woken.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Polls a task; what it panicked with, if it did.
    pub(crate) fn poll(&self, id: TaskId, scopes: &RefCell<Scopes>) -> Result<(), String> {
        let (mut future, waker, scope) = {
            let mut tasks = self.tasks.borrow_mut();
            let Some(task) = tasks.get_mut(&id) else { return Ok(()) };
            task.waker.is_woken.store(false, Ordering::Release);
            let Some(future) = task.future.take() else { return Ok(()) };
            (future, Waker::from(task.waker.clone()), task.scope)
        };
        let outer = scopes.borrow_mut().enter(scope);
        let polled = catch(|| {
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            // What it holds is dropped while its scope is the current one.
            if polled.is_ready() { None } else { Some(future) }
        });
        let ended = match polled {
            Ok(Some(pending)) => {
                // One that has aborted itself is dropped, in its scope, too.
                if let Some(task) = self.tasks.borrow_mut().get_mut(&id) {
                    task.future = Some(pending);
                }
                Ok(())
            }
            Ok(None) => {
                self.tasks.borrow_mut().remove(&id);
                Ok(())
            }
            Err(panic) => Err(panic),
        };
        scopes.borrow_mut().enter(outer);
        ended
    }

    pub(crate) fn clear(&self) {
        // Dropped outside of the borrow: a destructor may look at the tasks.
        let tasks = self.tasks.take();
        drop(tasks);
    }
}
