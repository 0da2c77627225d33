//! Operations whose outcome history tells: timers, activities, child workflows, messages to other workflows.

use super::{Broken, Deadline, LocalCall, Location, Rt, ScopeId, commands};
use std::{
    collections::BTreeMap,
    panic::Location as PanicLocation,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use tenure_api::{
    command::v1::{self as api, command::Attributes},
    common::v1::{Payload, Payloads},
};
use tenure_client::{Data, DataConverter, Failure, FailureKind, RetryState};

pub(crate) type OpId = u64;

/// What an operation gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationResult {
    pub(crate) result: Option<Payloads>,
    /// The run id of a child that was started.
    pub(crate) run_id: String,
}

pub(crate) type Resolution = Result<OperationResult, Failure>;

/// What cancelling an activity or a child means for the one who waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CancelMode {
    /// Ask for it, and go on at once.
    #[default]
    Try,
    /// Ask for it, and wait for how it ends.
    Wait,
    /// Do not even ask.
    Abandon,
}

#[derive(Clone, Debug)]
pub(crate) enum OperationKind {
    Timer {
        id: String,
    },
    Activity {
        id: String,
        activity_type: String,
        mode: CancelMode,
        /// The worker that took it, if history says so.
        identity: String,
    },
    Local(LocalCall),
    /// Waits for the start; the operation with the next number waits for the end.
    ChildStart {
        workflow_id: String,
        workflow_type: String,
        mode: CancelMode,
        cancel_requested: bool,
    },
    ChildResult {
        start: OpId,
    },
    External,
}

struct Operation {
    kind: OperationKind,
    scope: ScopeId,
    /// The event that confirmed its command.
    event_id: Option<i64>,
    resolution: Option<Resolution>,
    taken: bool,
    waker: Option<Waker>,
    /// It was asked to end, and may take its time.
    ending: bool,
    /// Where the code began it.
    at: Location,
}

#[derive(Default)]
pub(crate) struct Operations {
    next_id: OpId,
    operations: BTreeMap<OpId, Operation>,
    by_event: BTreeMap<i64, OpId>,
    timers: u64,
    activities: u64,
    children: u64,
    locals: u64,
}

/// What has to happen for an operation to be cancelled.
#[derive(Default)]
pub(crate) struct CancelRequest {
    pub(crate) commands: Vec<Attributes>,
    /// Whose marker is to be made.
    pub(crate) local: Option<LocalCall>,
    pub(crate) resolve: bool,
}

macro_rules! counter {
    ($($name:ident $field:ident),+) => {
        $(pub(crate) fn $name(&mut self) -> u64 {
            self.$field += 1;
            self.$field
        })+
    };
}

impl Operations {
    counter!(next_timer timers, next_activity activities, next_child children, next_local locals);

    pub(crate) fn add(&mut self, kind: OperationKind, scope: ScopeId, at: Location) -> OpId {
        let id = self.next_id;
        self.next_id += 1;
        let operation =
            Operation { kind, scope, event_id: None, resolution: None, taken: false, waker: None, ending: false, at };
        self.operations.insert(id, operation);
        id
    }

    /// An event has confirmed the operation's command.
    pub(crate) fn confirm(&mut self, op: OpId, event_id: i64) {
        if let Some(operation) = self.operations.get_mut(&op) {
            operation.event_id = Some(event_id);
        }
        self.by_event.insert(event_id, op);
    }

    /// A worker has begun an activity.
    pub(crate) fn taken_by(&mut self, op: OpId, worker: String) {
        if let Some(OperationKind::Activity { identity, .. }) = self.operations.get_mut(&op).map(|it| &mut it.kind) {
            *identity = worker;
        }
    }

    pub(crate) fn by_event(&self, event_id: i64) -> Option<OpId> {
        self.by_event.get(&event_id).copied()
    }

    pub(crate) fn by_local(&self, seq: u64) -> Option<(OpId, LocalCall)> {
        self.operations.iter().find_map(|(op, operation)| match &operation.kind {
            OperationKind::Local(call) if call.seq == seq && operation.resolution.is_none() => {
                Some((*op, call.clone()))
            }
            _ => None,
        })
    }

    pub(crate) fn is_pending(&self, op: OpId) -> bool {
        self.operations.get(&op).is_some_and(|operation| operation.resolution.is_none() && !operation.taken)
    }

    /// The operation that waits for the end of the child that `op` starts.
    pub(crate) fn result_of_child(&self, op: OpId) -> Option<OpId> {
        match self.operations.get(&op)?.kind {
            OperationKind::ChildStart { .. } => Some(op + 1),
            _ => None,
        }
    }

    /// Keeps the first resolution; who to wake, and the scope that it leaves.
    pub(crate) fn resolve(&mut self, op: OpId, resolution: Resolution) -> Option<(ScopeId, Option<Waker>)> {
        let operation = self.operations.get_mut(&op)?;
        if operation.resolution.is_some() || operation.taken {
            return None;
        }
        operation.resolution = Some(resolution);
        Some((operation.scope, operation.waker.take()))
    }

    fn take(&mut self, op: OpId, waker: &Waker) -> Option<Resolution> {
        let operation = self.operations.get_mut(&op)?;
        let taken = operation.resolution.take();
        operation.taken = taken.is_some();
        if taken.is_none() {
            operation.waker = Some(waker.clone());
        }
        taken
    }

    /// What a message calls it.
    pub(crate) fn describe(&self, op: OpId) -> String {
        match self.operations.get(&op).map(|operation| &operation.kind) {
            Some(OperationKind::Activity { id, activity_type, .. }) => format!("activity {activity_type:?} (id {id})"),
            Some(OperationKind::Local(call)) => format!("local activity {:?}", call.activity_type),
            Some(OperationKind::ChildStart { workflow_id, workflow_type, .. }) => {
                format!("child workflow {workflow_type:?} (id {workflow_id})")
            }
            Some(OperationKind::ChildResult { start }) => self.describe(*start),
            Some(OperationKind::Timer { id }) => format!("timer {id}"),
            Some(OperationKind::External) => "message to another workflow".to_owned(),
            None => "an operation that is over".to_owned(),
        }
    }

    /// What the code waits for, and where it began it: a line each.
    pub(crate) fn pending(&self) -> impl Iterator<Item = String> {
        let is_pending = |operation: &Operation| operation.resolution.is_none() && !operation.taken;
        // The end of a child is one with its start.
        let is_half = |operation: &Operation| matches!(operation.kind, OperationKind::ChildStart { .. });
        let pending = self.operations.iter().filter(move |(_, it)| is_pending(it) && !is_half(it));
        pending.map(|(op, operation)| format!("{}, begun at {}", self.describe(*op), operation.at))
    }

    /// The number that the next operation gets.
    pub(crate) fn next_id(&self) -> OpId {
        self.next_id
    }

    /// Its scope, and whether it was asked to end.
    fn place(&self, op: OpId) -> Option<(ScopeId, bool)> {
        self.operations.get(&op).map(|operation| (operation.scope, operation.ending))
    }

    fn set_scope(&mut self, op: OpId, scope: ScopeId) {
        if let Some(operation) = self.operations.get_mut(&op) {
            operation.scope = scope;
        }
    }

    /// Nobody waits any more; what is left is what others refer to.
    fn forget(&mut self, op: OpId) {
        if matches!(self.operations.get(&op).map(|it| &it.kind), Some(OperationKind::ChildStart { .. })) {
            return;
        }
        if let Some(event) = self.operations.remove(&op).and_then(|operation| operation.event_id) {
            self.by_event.remove(&event);
        }
    }

    /// The failure that whoever waits gets when it is cancelled.
    pub(crate) fn cancelled(&self, op: OpId) -> Failure {
        let cancelled = || Failure::cancelled("cancelled");
        let Some(operation) = self.operations.get(&op) else { return cancelled() };
        match &operation.kind {
            OperationKind::Activity { id, activity_type, identity, .. } => {
                activity_cancelled(id, activity_type, identity, operation.event_id).caused_by(cancelled())
            }
            OperationKind::Local(call) => {
                activity_cancelled(&call.seq.to_string(), &call.activity_type, "", None).caused_by(cancelled())
            }
            OperationKind::ChildResult { start } => self.cancelled(*start),
            OperationKind::ChildStart { workflow_id, workflow_type, .. } => Failure::new(
                FailureKind::ChildWorkflow {
                    namespace: String::new(),
                    workflow_id: workflow_id.clone(),
                    run_id: String::new(),
                    workflow_type: workflow_type.clone(),
                    initiated_event_id: operation.event_id.unwrap_or_default(),
                    started_event_id: 0,
                    retry_state: RetryState::CancelRequested,
                },
                "child workflow cancelled",
            )
            .caused_by(cancelled()),
            OperationKind::Timer { .. } | OperationKind::External => cancelled(),
        }
    }

    pub(crate) fn request_cancel(&mut self, op: OpId) -> CancelRequest {
        let Some(operation) = self.operations.get_mut(&op) else { return CancelRequest::default() };
        operation.ending = true;
        let resolve = CancelRequest { resolve: true, ..Default::default() };
        match &mut operation.kind {
            OperationKind::Timer { id } => {
                let cancel = api::CancelTimerCommandAttributes { timer_id: id.clone() };
                CancelRequest { commands: vec![Attributes::CancelTimerCommandAttributes(cancel)], ..resolve }
            }
            OperationKind::Activity { mode: CancelMode::Abandon, .. } => resolve,
            OperationKind::Activity { mode, .. } => {
                let scheduled_event_id = operation.event_id.unwrap_or_default();
                let cancel = api::RequestCancelActivityTaskCommandAttributes { scheduled_event_id };
                let commands = vec![Attributes::RequestCancelActivityTaskCommandAttributes(cancel)];
                CancelRequest { commands, resolve: *mode == CancelMode::Try, local: None }
            }
            OperationKind::Local(call) => CancelRequest { local: Some(call.clone()), ..resolve },
            // A child whose start is still to be told is cancelled when it has started.
            OperationKind::ChildStart { cancel_requested, .. } => {
                *cancel_requested = true;
                CancelRequest::default()
            }
            OperationKind::ChildResult { start } => {
                let start = *start;
                self.cancel_child(start)
            }
            OperationKind::External => CancelRequest::default(),
        }
    }

    fn cancel_child(&mut self, start: OpId) -> CancelRequest {
        let Some(operation) = self.operations.get_mut(&start) else { return CancelRequest::default() };
        let started = operation.resolution.is_some() || operation.taken;
        let OperationKind::ChildStart { workflow_id, mode, cancel_requested, .. } = &mut operation.kind else {
            return CancelRequest::default();
        };
        let repeated = std::mem::replace(cancel_requested, true);
        let commands = match *mode {
            CancelMode::Abandon => Vec::new(),
            _ if !started || repeated => Vec::new(),
            _ => vec![cancel_child_command(workflow_id)],
        };
        CancelRequest { commands, resolve: *mode != CancelMode::Wait, local: None }
    }

    /// The command to cancel a child that has just started, if that was asked for before.
    pub(crate) fn late_cancel_of_child(&self, start: OpId) -> Option<Attributes> {
        match &self.operations.get(&start)?.kind {
            OperationKind::ChildStart { workflow_id, cancel_requested: true, mode, .. }
                if *mode != CancelMode::Abandon =>
            {
                Some(cancel_child_command(workflow_id))
            }
            _ => None,
        }
    }
}

fn activity_cancelled(id: &str, activity_type: &str, identity: &str, scheduled: Option<i64>) -> Failure {
    let kind = FailureKind::Activity {
        activity_id: id.to_owned(),
        activity_type: activity_type.to_owned(),
        scheduled_event_id: scheduled.unwrap_or_default(),
        started_event_id: 0,
        identity: identity.to_owned(),
        retry_state: RetryState::CancelRequested,
    };
    Failure::new(kind, "activity cancelled")
}

fn cancel_child_command(workflow_id: &str) -> Attributes {
    Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(
        api::RequestCancelExternalWorkflowExecutionCommandAttributes {
            workflow_id: workflow_id.to_owned(),
            child_workflow_only: true,
            ..Default::default()
        },
    )
}

/// The marker that keeps how a local activity ended.
pub(crate) fn local_marker(
    call: &LocalCall,
    result: Result<Option<Payload>, Failure>,
    converter: &DataConverter,
) -> Attributes {
    let data = serde_json::json!({ "seq": call.seq, "activity_id": call.seq.to_string(),
        "activity_type": call.activity_type, "attempt": 1 });
    let mut entries: Vec<(&'static str, Payload)> = Vec::new();
    entries.extend(DataConverter::default().encode(&data).ok().map(|data| ("data", data)));
    let failure = match result {
        Ok(result) => {
            entries.extend(result.map(|result| ("result", result)));
            None
        }
        Err(failure) => Some(failure.to_proto(converter)),
    };
    Attributes::RecordMarkerCommandAttributes(api::RecordMarkerCommandAttributes {
        marker_name: commands::LOCAL_ACTIVITY.to_owned(),
        details: commands::details(entries),
        header: None,
        failure,
    })
}

/// Waits for an operation. Dropping it while it is pending cancels the operation, unless it was detached.
pub(crate) struct OpFuture {
    rt: Rt,
    op: OpId,
    done: bool,
    detached: bool,
    at: Location,
}

impl OpFuture {
    #[track_caller]
    pub(crate) fn new(rt: Rt, op: OpId) -> Self {
        OpFuture { rt, op, done: false, detached: false, at: PanicLocation::caller() }
    }

    pub(crate) fn at(mut self, at: Location) -> Self {
        self.at = at;
        self
    }

    pub(crate) fn id(&self) -> OpId {
        self.op
    }

    pub(crate) fn detach(&mut self) {
        self.detached = true;
    }

    pub(crate) fn cancel(&self) {
        self.rt.cancel(self.op, self.at);
    }

    /// From now on it is cancelled with the current scope, not with the one in which it was made.
    pub(crate) fn enter_current_scope(&self) {
        let place = self.rt.operations.borrow().place(self.op);
        let (Some((before, _)), now) = (place, self.rt.scopes.borrow().current()) else { return };
        if before == now || !self.rt.operations.borrow().is_pending(self.op) {
            return;
        }
        self.rt.scopes.borrow_mut().leave_operation(before, self.op);
        self.rt.scopes.borrow_mut().enter_operation(now, self.op);
        self.rt.operations.borrow_mut().set_scope(self.op, now);
        if self.rt.scopes.borrow().is_cancelled(now) {
            self.cancel();
        }
    }

    /// Reads what came of it. What cannot be read fails the task, not the workflow: other code may know the type.
    pub(crate) fn read<T: Data>(&self, outcome: &OperationResult) -> Poll<T> {
        match self.rt.converter.decode_first(outcome.result.as_ref()) {
            Ok(value) => Poll::Ready(value),
            Err(error) => {
                let what = self.rt.operations.borrow().describe(self.op);
                self.rt.break_with(Broken::Data(format!("the result of {what} at {}: {error}", self.at)));
                Poll::Pending
            }
        }
    }
}

impl Future for OpFuture {
    type Output = Resolution;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Resolution> {
        let taken = self.rt.operations.borrow_mut().take(self.op, cx.waker());
        match taken {
            Some(resolution) => {
                self.done = true;
                self.rt.progressed();
                Poll::Ready(resolution)
            }
            None => {
                let place = self.rt.operations.borrow().place(self.op);
                if let (Some((_, ending)), Some(deadline)) = (place, self.rt.deadline.get())
                    && (ending || self.op >= deadline.first_op)
                {
                    self.rt.deadline.set(Some(Deadline { outlasted: true, ..deadline }));
                } else if let Some((scope, _)) = place {
                    self.rt.outlasts_deadline(scope);
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for OpFuture {
    fn drop(&mut self) {
        if !self.done && !self.detached {
            self.rt.cancel(self.op, self.at);
        }
        if !self.detached {
            self.rt.operations.borrow_mut().forget(self.op);
        }
    }
}
