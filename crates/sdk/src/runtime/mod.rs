//! What a workflow's code runs on: tasks that are polled when they were woken, commands that they make, operations
//! that history resolves. It knows no server and no clock; [`crate::execution`] feeds it.

mod beat;
mod commands;
mod operations;
mod panics;
mod scopes;
mod tasks;

pub(crate) use beat::{beat, count_beats};
pub(crate) use commands::{Command, Commands, Known, LOCAL_ACTIVITY, Location, Notes, PATCH, SIDE_EFFECT, details};
pub(crate) use operations::{
    CancelMode, OpFuture, OpId, OperationKind, OperationResult, Operations, Resolution, local_marker,
};
pub(crate) use panics::{catch, hush, message_of};
pub(crate) use scopes::{ROOT, ScopeId, Scopes};
pub(crate) use tasks::{TaskId, Tasks, WOKEN_FROM_OUTSIDE};

use crate::{
    info::{HistoryInfo, WorkflowInfo},
    interceptor::{InboundCall, InboundKind, Interceptors, OutboundCall, OutboundKind, call_of},
};
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
    task::Waker,
    time::SystemTime,
};
use tenure_api::{
    command::v1::command::Attributes,
    common::v1::{Payload, Payloads},
    protocol::v1::Message,
};
use tenure_client::{DataConverter, Failure, Headers};

pub(crate) type Rt = Rc<Runtime>;

/// A local activity that the worker is to run beside the workflow task.
#[derive(Clone, Debug)]
pub(crate) struct LocalRequest {
    pub(crate) op: OpId,
    pub(crate) call: LocalCall,
}

#[derive(Clone, Debug)]
pub(crate) struct LocalCall {
    pub(crate) seq: u64,
    pub(crate) activity_type: String,
    pub(crate) input: Option<Payloads>,
    pub(crate) start_to_close: Option<std::time::Duration>,
    pub(crate) schedule_to_close: Option<std::time::Duration>,
    pub(crate) retry: Option<tenure_api::common::v1::RetryPolicy>,
    pub(crate) headers: Headers,
    pub(crate) summary: Option<String>,
}

/// How a workflow function ended.
pub(crate) enum Completion {
    Done(Payload),
    Failed(Failure),
}

/// Why a workflow task cannot be completed; the workflow itself lives on.
#[derive(Clone, Debug)]
pub(crate) enum Broken {
    Nondeterminism(String),
    Panic(String),
    Data(String),
    TooLarge(String),
}

pub(crate) struct Runtime {
    pub(crate) converter: DataConverter,
    pub(crate) info: OnceCell<WorkflowInfo>,
    pub(crate) interceptors: OnceCell<Interceptors>,
    pub(crate) history: RefCell<HistoryInfo>,
    pub(crate) now: Cell<SystemTime>,
    pub(crate) replaying: Cell<bool>,
    pub(crate) random: Cell<u64>,
    pub(crate) tasks: Tasks,
    pub(crate) commands: RefCell<Commands>,
    pub(crate) operations: RefCell<Operations>,
    pub(crate) scopes: RefCell<Scopes>,
    pub(crate) known: RefCell<Known>,
    /// Signals that no handler takes, by name.
    pub(crate) channels: RefCell<BTreeMap<String, VecDeque<Option<Payloads>>>>,
    /// Those of them that the code has asked for.
    pub(crate) opened: RefCell<BTreeSet<&'static str>>,
    pub(crate) messages: RefCell<Vec<Message>>,
    pub(crate) local: RefCell<Vec<LocalRequest>>,
    /// Asked for in replay: run if no marker tells how they ended.
    pub(crate) deferred_local: RefCell<Vec<LocalRequest>>,
    pub(crate) completion: RefCell<Option<Completion>>,
    /// The function has returned by itself: handlers that are ready may still finish, in the same task.
    pub(crate) returned: Cell<bool>,
    pub(crate) continue_as_new: RefCell<Option<Attributes>>,
    pub(crate) broken: RefCell<Option<Broken>>,
    pub(crate) details: RefCell<String>,
    /// Asynchronous handlers that are at work, by name.
    pub(crate) handlers: RefCell<BTreeMap<Rc<str>, usize>>,
    deadline: Cell<Option<Deadline>>,
    conditions: RefCell<Vec<Waker>>,
    /// Grows whenever something happened that a condition may depend on.
    progress: Cell<u64>,
    /// Being dropped: futures that end now ask for nothing.
    ended: Cell<bool>,
}

/// A deadline that has passed, while what missed it is asked whether it still has something to finish.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    /// What had to be done within it.
    scope: ScopeId,
    /// Operations from this one on were begun after it.
    first_op: OpId,
    /// It has: it cleans up, or waits for the end of what it has cancelled.
    outlasted: bool,
}

/// Polls in one workflow task after which the code is taken to be in a loop.
const MAX_POLLS: u64 = 5_000_000;

impl Runtime {
    pub(crate) fn new(converter: DataConverter) -> Rt {
        Rc::new(Runtime {
            // What the codec cannot do fails the task, not the workflow.
            converter: converter.watched(),
            info: OnceCell::new(),
            interceptors: OnceCell::new(),
            history: RefCell::default(),
            now: Cell::new(SystemTime::UNIX_EPOCH),
            replaying: Cell::new(false),
            random: Cell::new(0),
            tasks: Tasks::default(),
            commands: RefCell::default(),
            operations: RefCell::default(),
            scopes: RefCell::new(Scopes::new()),
            known: RefCell::default(),
            channels: RefCell::default(),
            opened: RefCell::default(),
            messages: RefCell::default(),
            local: RefCell::default(),
            deferred_local: RefCell::default(),
            completion: RefCell::default(),
            returned: Cell::new(false),
            continue_as_new: RefCell::default(),
            broken: RefCell::default(),
            details: RefCell::default(),
            handlers: RefCell::default(),
            deadline: Cell::new(None),
            conditions: RefCell::default(),
            progress: Cell::new(0),
            ended: Cell::new(false),
        })
    }

    pub(crate) fn info(&self) -> &WorkflowInfo {
        self.info.get().expect("code runs after the started event")
    }

    /// Lets the interceptors see what reaches the workflow.
    pub(crate) fn inbound(&self, kind: InboundKind, name: &str, headers: &Headers) -> Result<(), Failure> {
        let mut interceptors = self.interceptors.get().into_iter().flat_map(|all| all.iter());
        let Some(workflow) = self.info.get() else { return Ok(()) };
        let is_replaying = self.replaying.get();
        let call = InboundCall { kind, name, headers, workflow, is_replaying };
        interceptors.try_for_each(|interceptor| interceptor.workflow_inbound(&call))
    }

    /// Lets the interceptors write what travels along with a call.
    pub(crate) fn outbound(&self, kind: OutboundKind, name: &str, headers: &mut Headers) {
        let (workflow, is_replaying) = (self.info(), self.replaying.get());
        for interceptor in self.interceptors.get().into_iter().flat_map(|all| all.iter()) {
            interceptor.workflow_outbound(&mut OutboundCall { kind, name, headers, workflow, is_replaying });
        }
    }

    /// The same, of a command that is a call.
    pub(crate) fn outbound_command(&self, attributes: &mut Attributes) {
        if self.interceptors.get().is_none_or(|all| all.is_empty()) {
            return;
        }
        if let Some((kind, name, header)) = call_of(attributes) {
            let mut headers = Headers::from_proto(header.take());
            self.outbound(kind, &name, &mut headers);
            *header = headers.into_proto();
        }
    }

    /// Polls what was woken until nothing is left to do.
    pub(crate) fn run(&self) {
        let mut polls = 0;
        let mut dirty = true;
        loop {
            while let Some(task) = self.tasks.next() {
                dirty = true;
                polls += self.poll(task);
            }
            if !dirty || polls > MAX_POLLS || self.is_over() {
                break;
            }
            // Conditions look again, because what they depend on may have changed.
            let before = self.progress.get();
            for waker in self.conditions.take() {
                waker.wake();
            }
            while let Some(task) = self.tasks.next() {
                polls += self.poll(task);
            }
            dirty = self.progress.get() != before;
        }
        if polls > MAX_POLLS {
            self.break_with(Broken::Panic(format!("the workflow did not come to rest after {polls} polls")));
        }
    }

    fn poll(&self, task: tasks::TaskId) -> u64 {
        if self.is_over() {
            return 0;
        }
        beat();
        if let Err(panic) = self.tasks.poll(task, &self.scopes) {
            self.break_with(Broken::Panic(panic));
        }
        1
    }

    pub(crate) fn is_over(&self) -> bool {
        let closed = self.completion.borrow().is_some() && !self.returned.get();
        closed || self.broken.borrow().is_some() || self.ended.get()
    }

    /// The last word of the workflow's function.
    pub(crate) fn returns(&self, completion: Completion) {
        let mut first = self.completion.borrow_mut();
        if first.is_none() {
            *first = Some(completion);
            self.returned.set(true);
        }
    }

    /// Ends the workflow as failed, whatever its function is at.
    pub(crate) fn fail(&self, failure: Failure) {
        self.completion.borrow_mut().get_or_insert(Completion::Failed(failure));
    }

    pub(crate) fn progressed(&self) {
        self.progress.set(self.progress.get() + 1);
    }

    pub(crate) fn break_with(&self, broken: Broken) {
        self.broken.borrow_mut().get_or_insert(broken);
    }

    /// Wakes the caller before the runtime comes to rest again.
    pub(crate) fn look_again(&self, waker: &Waker) {
        let mut conditions = self.conditions.borrow_mut();
        if !conditions.iter().any(|known| known.will_wake(waker)) {
            conditions.push(waker.clone());
        }
    }

    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        let scope = self.scopes.borrow().current();
        let task = self.tasks.spawn(scope, Box::pin(future));
        self.progressed();
        task
    }

    /// Drops a task, which cancels what it waits for.
    pub(crate) fn abort(&self, task: TaskId) {
        self.tasks.abort(task, &self.scopes);
        self.progressed();
    }

    /// Runs an asynchronous handler.
    pub(crate) fn spawn_handler(self: &Rc<Self>, name: &str, handling: impl Future<Output = ()> + 'static) {
        let name: Rc<str> = name.into();
        *self.handlers.borrow_mut().entry(name.clone()).or_default() += 1;
        let rt = self.clone();
        self.spawn(async move {
            handling.await;
            if let Some(count) = rt.handlers.borrow_mut().get_mut(&name) {
                *count -= 1;
            }
            rt.progressed();
        });
    }

    /// Appends a command that nothing waits for.
    pub(crate) fn command(&self, attributes: Attributes, at: Location) {
        self.push(Command::new(None, attributes, at));
    }

    pub(crate) fn push(&self, command: Command) {
        // Behind the function's end there is room for the answers of updates, and no more.
        let is_answer = matches!(command.attributes, Attributes::ProtocolMessageCommandAttributes(_));
        if !self.is_over() && (is_answer || !self.returned.get()) {
            self.progressed();
            self.commands.borrow_mut().push(command);
        }
    }

    /// Makes a command whose outcome history will tell. In a cancelled scope it is cancelled before it is made.
    pub(crate) fn start(
        self: &Rc<Self>,
        kind: OperationKind,
        attributes: Option<Attributes>,
        notes: Notes,
        at: Location,
    ) -> OpId {
        let scope = self.scopes.borrow().current();
        let op = self.operations.borrow_mut().add(kind, scope, at);
        self.progressed();
        if self.scopes.borrow().is_cancelled(scope) {
            let failure = self.operations.borrow().cancelled(op);
            self.resolve(op, Err(failure));
            return op;
        }
        self.scopes.borrow_mut().enter_operation(scope, op);
        if let Some(mut attributes) = attributes {
            self.outbound_command(&mut attributes);
            self.push(Command { notes, ..Command::new(Some(op), attributes, at) });
        }
        op
    }

    pub(crate) fn resolve(&self, op: OpId, resolution: Resolution) {
        self.progressed();
        let resolved = self.operations.borrow_mut().resolve(op, resolution);
        if let Some((scope, waker)) = resolved {
            self.scopes.borrow_mut().leave_operation(scope, op);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Asks for an operation's end, in the way of its kind.
    pub(crate) fn cancel(&self, op: OpId, at: Location) {
        if self.is_over() || !self.operations.borrow().is_pending(op) {
            return;
        }
        let failure = self.operations.borrow().cancelled(op);
        if self.commands.borrow_mut().withdraw(op) {
            // Made in this very task: nobody ever hears of it.
            let also = self.operations.borrow().result_of_child(op);
            self.resolve(op, Err(failure.clone()));
            if let Some(result) = also {
                self.resolve(result, Err(failure));
            }
            return;
        }
        let request = self.operations.borrow_mut().request_cancel(op);
        match request.local {
            Some(call) => {
                let marker = local_marker(&call, Err(failure.root().clone()), &self.converter);
                let notes = Notes::of(call.summary);
                self.push(Command { notes, ..Command::new(None, marker, at) });
            }
            None => request.commands.into_iter().for_each(|attributes| self.command(attributes, at)),
        }
        if request.resolve {
            self.resolve(op, Err(failure));
        }
    }

    /// Cancels a scope and what is in it, outermost first.
    pub(crate) fn cancel_scope(&self, scope: ScopeId, at: Location) {
        let (operations, wakers) = self.scopes.borrow_mut().cancel(scope);
        self.progressed();
        for op in operations {
            self.cancel(op, at);
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Cancels a scope whose time is up, and looks with `poll` what becomes of what runs in it. `Some`: it is done.
    /// `None`: it cleans up. What neither ends nor waits for anything that its cancellation has brought about would wait
    /// for ever; it gives `Some(None)`.
    pub(crate) fn time_is_up<T>(
        &self,
        scope: ScopeId,
        at: Location,
        poll: impl FnOnce() -> Option<T>,
    ) -> Option<Option<T>> {
        self.cancel_scope(scope, at);
        let deadline = Deadline { scope, first_op: self.operations.borrow().next_id(), outlasted: false };
        let outer = self.deadline.replace(Some(deadline));
        let polled = poll();
        let outlasted = self.deadline.replace(outer).is_some_and(|deadline| deadline.outlasted);
        match polled {
            None if outlasted => None,
            polled => Some(polled),
        }
    }

    /// Notes that something waits in this scope, which may be one that a deadline does not reach.
    pub(crate) fn outlasts_deadline(&self, scope: ScopeId) {
        if let Some(deadline) = self.deadline.get()
            && scope > deadline.scope
            && !self.scopes.borrow().is_cancelled(scope)
        {
            self.deadline.set(Some(Deadline { outlasted: true, ..deadline }));
        }
    }

    /// The next number of the workflow's own sequence (SplitMix64).
    pub(crate) fn next_random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Begins the sequence that belongs to a run (FNV-1a of its id).
    pub(crate) fn seed(&self, run_id: &str) {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        self.random.set(run_id.bytes().fold(0xCBF2_9CE4_8422_2325, mix));
    }

    /// Drops the code. What ends thereby makes no commands.
    pub(crate) fn end(&self) {
        self.ended.set(true);
        self.tasks.clear();
    }
}
