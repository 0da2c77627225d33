//! The working copy of one transition over one run.
//!
//! Sub-machines change [`Txn::state`], add events and move ready tasks; [`Txn::finish`] turns that into rows and
//! effects. Dropping it instead forgets everything, which is how a command is refused whole.

use crate::{
    command::Reply,
    copy::{self, HistoryCopy},
    events::{self, BUFFERED, history_len},
    feature_level::FeatureLevel,
    id::{ProposalId, Stamp},
    info::ExecutionInfo,
    key::{QueueKey, RunKey, TaskKind},
    limits::Limits,
    outbox::{Body, OutboxEntry, OutboxMessage},
    proposals::ProposalResult,
    proto::Encoded,
    row::{RequestKind, request_row},
    rows::{CurrentRun, Op, ReadError, ReadyTask, RowKey, StateReader, WriteSet},
    state::ExecutionState,
    subject::{Subject, WrittenState},
    time::Timestamp,
    transition::types::{Context, Effect, Transition},
    visibility,
    workflow_task::{
        events::{scheduled_event, started_event},
        state::TaskPhase,
    },
};
use bytes::Bytes;
use prost::Message;
use std::sync::Arc;
use tenure_api::history::v1::{
    History, HistoryEvent, WorkflowExecutionStartedEventAttributes, history_event::Attributes,
};

/// The size in bytes beyond which a buffered event gets a row of its own, so that it does not weigh on the core row.
const LARGE_EVENT: usize = 512;

/// The working copy of a run; see the module.
pub(crate) struct Txn<'a, 'c> {
    pub(crate) cx: &'a mut Context<'c>,
    pub(crate) rows: &'a dyn StateReader,
    pub(crate) run: RunKey,
    /// The proposal of the command that is run.
    pub(crate) proposal: ProposalId,
    pub(crate) state: ExecutionState,
    /// The new events, in order, with their ids.
    events: Vec<HistoryEvent>,
    /// The bytes that were added to history and buffer.
    added: usize,
    ready: Vec<ReadyTask>,
    gone: Vec<(QueueKey, u8, Stamp)>,
    outbox: Vec<(Stamp, OutboxMessage)>,
    ops: Vec<Op>,
    effects: Vec<Effect>,
    other_runs: Vec<Transition>,
    copy: Option<HistoryCopy>,
    /// The first event of history, once it was read ahead.
    first_event: Option<Arc<WorkflowExecutionStartedEventAttributes>>,
    /// The run as the transaction found it; `None` for a new one.
    before: Option<Arc<ExecutionState>>,
}

impl<'a, 'c> Txn<'a, 'c> {
    /// Opens a transaction over a new run.
    pub(crate) fn create(
        rows: &'a dyn StateReader,
        cx: &'a mut Context<'c>,
        run: RunKey,
        proposal: ProposalId,
        info: ExecutionInfo,
    ) -> Self {
        let mut txn = Txn::new(rows, cx, run, proposal, ExecutionState::new(info));
        let current = CurrentRun { run_id: txn.run.run_id };
        txn.ops.push(Op::Put(RowKey::Current(txn.run.workflow.clone()), crate::codec::encode(&current)));
        txn
    }

    /// Opens a transaction over a run that is there.
    pub(crate) fn open(
        rows: &'a dyn StateReader,
        cx: &'a mut Context<'c>,
        run: RunKey,
        proposal: ProposalId,
        found: Arc<ExecutionState>,
    ) -> Self {
        let state = ExecutionState::clone(&found);
        Txn { before: Some(found), ..Txn::new(rows, cx, run, proposal, state) }
    }

    fn new(
        rows: &'a dyn StateReader,
        cx: &'a mut Context<'c>,
        run: RunKey,
        proposal: ProposalId,
        state: ExecutionState,
    ) -> Self {
        Txn {
            cx,
            rows,
            run,
            proposal,
            state,
            events: Vec::new(),
            added: 0,
            ready: Vec::new(),
            gone: Vec::new(),
            outbox: Vec::new(),
            ops: Vec::new(),
            effects: Vec::new(),
            other_runs: Vec::new(),
            copy: None,
            first_event: None,
            before: None,
        }
    }

    /// Forgets everything that was done since the transaction was opened over a run that is there.
    pub(crate) fn start_over(&mut self) {
        if let Some(before) = &self.before {
            self.state = ExecutionState::clone(before);
        }
        self.events.clear();
        self.added = 0;
        self.ready.clear();
        self.gone.clear();
        self.outbox.clear();
        self.ops.clear();
        self.effects.clear();
        self.other_runs.clear();
    }

    /// Whether this transaction creates the run.
    pub(crate) fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// The shard's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.cx.now
    }

    pub(crate) fn limits(&self) -> &'c Limits {
        self.cx.limits
    }

    /// Adds an event that happens now and returns its id; [`BUFFERED`] if it has to wait for the end of the workflow
    /// task that is running.
    pub(crate) fn add_event(&mut self, attributes: Attributes) -> i64 {
        self.add(HistoryEvent { attributes: Some(attributes), ..Default::default() })
    }

    /// The same as [`Txn::add_event`], for an event that carries more than attributes (links, user metadata, a time of
    /// its own). Id, type and, where there is none, time are filled in.
    pub(crate) fn add(&mut self, mut event: HistoryEvent) -> i64 {
        let attributes = event.attributes.as_ref().expect("every event has attributes");
        let event_type = attributes.event_type();
        event.event_type = event_type.into();
        event.event_time.get_or_insert_with(|| self.cx.now.to_proto());
        debug_assert!(self.state.is_running() || event_type.closes_run(), "no event after the close");
        self.persist_task();
        if self.state.workflow_task.blocks_events().is_some() && event_type.waits_for_task() {
            self.buffer(&event);
            return BUFFERED;
        }
        self.append(event)
    }

    /// Adds an event of a workflow command that has to follow the events of all the commands. It is dropped when they
    /// close the run.
    pub(crate) fn add_after_commands(&mut self, attributes: Attributes) {
        self.buffer(&HistoryEvent {
            event_type: attributes.event_type().into(),
            event_time: Some(self.cx.now.to_proto()),
            attributes: Some(attributes),
            ..Default::default()
        });
    }

    /// Moves the events of a speculative task into history: it is a normal task from then on.
    pub(crate) fn persist_task(&mut self) {
        if !self.state.workflow_task.is_speculative() {
            return;
        }
        let Some(mut task) = self.state.workflow_task.pending.take() else { return };
        self.state.workflow_task.first_at = None;
        self.add(scheduled_event(&self.state, &task));
        if let TaskPhase::Started(started) = &task.phase {
            self.add(started_event(&task, started));
        }
        if let (TaskPhase::Ready { deadline, .. }, false) = (&mut task.phase, task.sticky) {
            *deadline = None;
        }
        task.transient = false;
        self.state.workflow_task.pending = Some(task);
    }

    fn buffer(&mut self, event: &HistoryEvent) {
        let place = self.state.next_buffered;
        self.state.next_buffered += 1;
        let size = event.encoded_len();
        self.added += size;
        if size > LARGE_EVENT {
            self.state.buffered.insert_large(place, Encoded::of(event));
        } else {
            self.state.buffered.insert(place, Encoded::of(event));
        }
    }

    fn append(&mut self, mut event: HistoryEvent) -> i64 {
        event.event_id = self.state.next_event_id;
        self.state.next_event_id += 1;
        let id = event.event_id;
        self.added += event.encoded_len();
        self.events.push(event);
        id
    }

    /// Whether so much was added that optional work should be left to the next transition.
    pub(crate) fn is_full(&self) -> bool {
        self.added >= tenure_limits::PIECE
    }

    /// Moves buffered events into history, in the API's order.
    pub(crate) fn flush_buffered(&mut self) {
        debug_assert!(
            self.state.workflow_task.blocks_events().is_none(),
            "events stay buffered while a task is running"
        );
        let waiting = self.state.buffered.values().map(Encoded::decode).collect();
        self.state.buffered.clear();
        let mut started = Vec::new();
        for mut event in events::in_flush_order(waiting) {
            events::fill_in_started_id(&mut event, &started);
            let attributes = event.attributes.clone();
            let event_type = event.event_type;
            let id = self.append(event);
            match attributes {
                Some(Attributes::ActivityTaskStartedEventAttributes(a)) => started.push((a.scheduled_event_id, id)),
                Some(Attributes::ChildWorkflowExecutionStartedEventAttributes(a)) => {
                    started.push((a.initiated_event_id, id));
                    self.state.relations.start_has_event(a.initiated_event_id, id);
                }
                Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(a))
                    if !a.attached_request_id.is_empty() =>
                {
                    self.attached_request_has_event(&a.attached_request_id, id, event_type);
                }
                _ => {}
            }
        }
    }

    fn attached_request_has_event(&mut self, request_id: &str, event_id: i64, event_type: i32) {
        let place = self.state.info.request_ids.iter().position(|attached| &*attached.request_id == request_id);
        if let Some(place) = place {
            let attached = &mut self.state.info.request_ids[place];
            attached.event_id = event_id;
            attached.event_type = event_type;
        }
    }

    /// Removes the first buffered event that `find` accepts, and returns it.
    pub(crate) fn take_buffered(&mut self, find: impl Fn(&Attributes) -> bool) -> Option<HistoryEvent> {
        let (place, event) = self
            .state
            .buffered
            .iter()
            .map(|(place, event)| (place, event.decode()))
            .find(|(_, event)| event.attributes.as_ref().is_some_and(&find))?;
        self.state.buffered.remove(place);
        Some(event)
    }

    /// An event of this run, from this transition or from history.
    pub(crate) fn event(&self, event_id: i64) -> Result<Option<HistoryEvent>, ReadError> {
        if let Some(event) = self.events.iter().find(|e| e.event_id == event_id) {
            return Ok(Some(event.clone()));
        }
        self.rows.event(&self.run, event_id)
    }

    /// Reads the first event ahead, for commands that may create a run like this one.
    pub(crate) fn read_first_event(&mut self) -> Result<(), ReadError> {
        match self.event(1)?.and_then(|event| event.attributes) {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
                self.first_event = Some(Arc::new(started));
                Ok(())
            }
            _ => Err(ReadError::history(&self.run, 1, "history does not begin with a start")),
        }
    }

    /// The attributes of the first event.
    ///
    /// # Panics
    ///
    /// If [`Txn::read_first_event`] was not called before.
    pub(crate) fn first_event(&self) -> Arc<WorkflowExecutionStartedEventAttributes> {
        self.first_event.clone().expect("it was read ahead")
    }

    /// Draws the name of a start of a task, of a ready task or of a message.
    pub(crate) fn stamp(&mut self) -> Stamp {
        self.cx.ids.stamp()
    }

    pub(crate) fn queue(&self, kind: TaskKind, name: &Arc<str>) -> QueueKey {
        QueueKey { namespace: self.run.workflow.namespace, kind, name: name.clone() }
    }

    /// Adds a ready task, which may be handed to a worker.
    pub(crate) fn put_ready(&mut self, task: ReadyTask) {
        self.ready.push(task);
    }

    /// Removes a ready task, which is started or obsolete.
    pub(crate) fn take_ready(&mut self, queue: QueueKey, priority: u8, stamp: Stamp) {
        match self.ready.iter().position(|task| task.stamp == stamp) {
            Some(made_here) => drop(self.ready.remove(made_here)),
            None => self.gone.push((queue, priority, stamp)),
        }
    }

    /// Sends a message once this transition is applied.
    pub(crate) fn send(&mut self, message: OutboxMessage) {
        let stamp = self.stamp();
        self.outbox.push((stamp, message));
    }

    /// Takes back the messages that the workflow commands of this transition wanted to send.
    pub(crate) fn take_back_commanded(&mut self) -> Vec<Body> {
        let (unsent, kept) = std::mem::take(&mut self.outbox).into_iter().partition(|(_, m)| m.body.is_commanded());
        self.outbox = kept;
        unsent.into_iter().map(|(_, message): (Stamp, OutboxMessage)| message.body).collect()
    }

    /// Writes a row besides those of the run's state.
    pub(crate) fn write(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Records that a request with this id was applied to this run.
    pub(crate) fn put_request_id(&mut self, kind: RequestKind, request_id: &str) {
        let mut value = self.run.run_id.as_bytes().to_vec();
        match kind {
            // A later chain of runs may receive the same id, but not by another try of the same request.
            RequestKind::Signal => value.extend(self.proposal.0.to_be_bytes()),
            RequestKind::Start | RequestKind::Cancel | RequestKind::Reset => {}
        }
        self.ops.push(Op::Put(request_row(&self.run.workflow, kind, request_id), value.into()));
    }

    /// Remembers the result of the command, for a retry with the same proposal id.
    pub(crate) fn remember(&mut self, result: ProposalResult) {
        if self.proposal != ProposalId::default() {
            self.state.proposals.remember(self.proposal, self.cx.now, result);
        }
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// The size of history in bytes, with the events of this transition.
    pub(crate) fn history_size(&self) -> i64 {
        self.state.history_size + history_len(&self.events)
    }

    /// Makes the run begin with copied events.
    pub(crate) fn begin_with(&mut self, copy: HistoryCopy) {
        self.ops.push(Op::Delete(copy::timer(&self.run)));
        self.copy = Some(copy);
    }

    /// Adds what was done to another run of the workflow id, in the same entry.
    pub(crate) fn add_other_run(&mut self, other: Transition) {
        self.other_runs.push(other);
    }

    /// The events of this transition so far.
    pub(crate) fn events(&self) -> &[HistoryEvent] {
        &self.events
    }

    /// Ends the transaction: turns everything that was done into rows and effects.
    pub(crate) fn finish(mut self, reply: Reply) -> Transition {
        debug_assert!(self.state.is_running() || self.state.buffered.is_empty(), "a closed run waits for nothing");
        self.state.transitions += 1;
        self.write_history();
        self.write_outbox();
        self.write_ready_tasks();
        self.arm_timer_row();
        let level = self.cx.level;
        let Txn { run, mut state, mut ops, effects, other_runs, copy, before, .. } = self;
        for (kind, pending) in state.pending() {
            ops.extend(pending.take_writes(&run, kind));
        }
        ops.extend(state.info.take_write(&run, level));
        ops.extend(list_writes(&run, before.as_deref(), &mut state, level));
        let core = state.encode();
        let bytes = state.is_running().then(|| state.memory(core.len()));
        ops.push(Op::Put(RowKey::Execution(run.clone()), core));
        let written = WrittenState { subject: run.into(), state: Arc::new(state), bytes };
        let mut whole = Transition { reply, writes: WriteSet { ops }, states: vec![written], effects, copy };
        for other in other_runs {
            whole.writes.ops.extend(other.writes.ops);
            whole.states.extend(other.states);
            whole.effects.extend(other.effects);
        }
        whole
    }

    /// Ends the transaction over a run of which nothing changed but that lists know it.
    pub(crate) fn finish_listed(self, reply: Reply) -> Transition {
        let Txn { cx, run, mut state, before, .. } = self;
        let mut ops: Vec<_> = state.info.take_write(&run, cx.level).into_iter().collect();
        ops.extend(list_writes(&run, before.as_deref(), &mut state, cx.level));
        let core = state.encode();
        let bytes = state.is_running().then(|| state.memory(core.len()));
        ops.push(Op::Put(RowKey::Execution(run.clone()), core));
        let written = WrittenState { subject: run.into(), state: Arc::new(state), bytes };
        Transition { reply, writes: WriteSet { ops }, states: vec![written], effects: Vec::new(), copy: None }
    }

    /// Ends the transaction over a run that is removed: deletes its last rows.
    pub(crate) fn finish_removed(mut self, reply: Reply) -> Transition {
        debug_assert!(!self.state.is_running(), "only closed runs go");
        self.state.proposals.forget();
        self.ops.extend(self.state.proposals.take_writes(&self.run));
        if self.state.info.has_row() {
            self.ops.push(Op::Delete(RowKey::Info(self.run.clone())));
        }
        if self.state.listed {
            self.ops.extend(visibility::writes(&self.run, self.before.as_deref(), None));
        }
        self.ops.push(Op::Delete(RowKey::Execution(self.run.clone())));
        self.ops.extend(self.state.timer_row.map(|due| Op::Delete(RowKey::Timer { due, subject: (&self.run).into() })));
        let effects = vec![Effect::TimerArmed { subject: self.run.into(), due: None }];
        Transition { reply, writes: WriteSet { ops: self.ops }, states: Vec::new(), effects, copy: None }
    }

    fn write_history(&mut self) {
        let events = std::mem::take(&mut self.events);
        let Some(first) = events.first() else { return };
        let row = RowKey::History { run: self.run.clone(), first_event_id: first.event_id };
        let chunk = History { events }.encode_to_vec();
        self.state.history_size += chunk.len() as i64;
        self.ops.push(Op::Put(row, chunk.into()));
        let next_event_id = self.state.next_event_id;
        let closed = !self.state.is_running();
        self.effects.push(Effect::HistoryGrew { run: self.run.clone(), next_event_id, closed });
    }

    fn write_ready_tasks(&mut self) {
        for (queue, priority, stamp) in std::mem::take(&mut self.gone) {
            self.ops.push(Op::Delete(RowKey::Ready { queue: queue.clone(), priority, stamp }));
            self.effects.push(Effect::TaskGone { queue, stamp });
        }
        for task in std::mem::take(&mut self.ready) {
            let ReadyTask { queue, priority, stamp, .. } = task.clone();
            self.ops.push(Op::Put(RowKey::Ready { queue, priority, stamp }, crate::codec::encode(&task)));
            self.effects.push(Effect::TaskReady(task));
        }
    }

    fn write_outbox(&mut self) {
        for (stamp, message) in std::mem::take(&mut self.outbox) {
            let from = Subject::from(&self.run);
            self.ops.push(Op::Put(RowKey::Outbox { from: from.clone(), stamp }, crate::codec::encode(&message)));
            self.effects.push(Effect::OutboxReady(OutboxEntry { from, stamp, to: message.to }));
        }
    }

    /// Moves the timer row to an earlier deadline at once, and to a later one only when it fires: most deadlines never
    /// come.
    fn arm_timer_row(&mut self) {
        let deadline = self.state.earliest_deadline();
        let armed = self.state.timer_row;
        let due = match (armed, deadline) {
            (None, None) => return,
            // Nothing else can be due in a closed run.
            (_, deadline) if !self.state.is_running() => deadline,
            (Some(armed), None) => Some(armed).filter(|&at| at > self.cx.now),
            (Some(armed), Some(deadline)) if armed <= deadline && armed > self.cx.now => Some(armed),
            (_, Some(deadline)) => Some(deadline),
        };
        if due == armed {
            // What is left of the deadlines that were due is fired by the row that has fired already.
            if due.is_some_and(|at| at <= self.cx.now) {
                self.effects.push(Effect::TimerArmed { subject: (&self.run).into(), due });
            }
            return;
        }
        let row = |due| RowKey::Timer { due, subject: (&self.run).into() };
        self.ops.extend(armed.map(|at| Op::Delete(row(at))));
        self.ops.extend(due.map(|at| Op::Put(row(at), Bytes::new())));
        self.effects.push(Effect::TimerArmed { subject: (&self.run).into(), due });
        self.state.timer_row = due;
    }
}

/// The writes by which lists come to know what has become of a run; from then on they know it.
fn list_writes(
    run: &RunKey,
    before: Option<&ExecutionState>,
    state: &mut ExecutionState,
    level: FeatureLevel,
) -> Vec<Op> {
    let known = before.filter(|before| before.listed);
    if level < FeatureLevel::LISTS || known.is_some_and(|before| !visibility::is_changed(before, state)) {
        return Vec::new();
    }
    state.listed = true;
    visibility::writes(run, known, Some(state))
}
