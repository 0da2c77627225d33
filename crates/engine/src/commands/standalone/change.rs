//! The working copy of a run of an activity without a workflow, and the rows that its change writes.

use super::super::call::{Stop, VerbResult};
use crate::{
    activity::{ActivityPhase, PendingActivity, own_priority},
    codec,
    command::Reply,
    id::{ProposalId, Stamp},
    info::DEFAULT_PRIORITY,
    key::{QueueKey, TaskKind, WorkflowKey},
    proto::Encoded,
    row::{ActivityPart, CurrentRun, Op, ReadyTask, RowKey, WriteSet},
    rows::{ReadError, StateReader},
    standalone::{
        self, Fixed, StandaloneState,
        state::{End, Ended, row},
    },
    subject::{Lane, Subject, SubjectKind},
    time::Timestamp,
    transition::types::{Context, Effect, Transition},
    visibility,
};
use bytes::Bytes;
use std::{collections::BTreeMap, time::Duration};
use tenure_api::{
    activity::v1::{ActivityExecutionOutcome, activity_execution_outcome::Value},
    common::v1::SearchAttributes,
    enums::v1::RetryState,
    error::ApiError,
    workflowservice::v1::StartActivityExecutionRequest,
};
use uuid::Uuid;

/// The wait of a leader that does not know the retention yet.
const UNKNOWN_RETENTION_WAIT: Duration = Duration::from_secs(60 * 60);

/// The surroundings of a command for an activity.
pub(super) struct ActivityCall<'a, 'c> {
    pub(super) rows: &'a dyn StateReader,
    pub(super) cx: &'a mut Context<'c>,
    pub(super) lane: &'a Lane,
    pub(super) proposal: ProposalId,
}

/// A run that changes.
pub(super) struct Change<'a, 'c> {
    pub(super) call: ActivityCall<'a, 'c>,
    pub(super) run_id: Uuid,
    before: Option<StandaloneState>,
    pub(super) state: StandaloneState,
    /// What the start has fixed, of a run that begins.
    fixed: Option<Fixed>,
    ops: Vec<Op>,
    effects: Vec<Effect>,
}

impl<'a, 'c> ActivityCall<'a, 'c> {
    pub(super) fn not_found(&self) -> ApiError {
        standalone::not_found(self.lane)
    }

    /// Opens a run, the latest where none is named. A command that it remembers is answered as the first time.
    pub(super) fn open(self, run_id: Option<Uuid>) -> Result<Change<'a, 'c>, Stop> {
        let Some((run_id, state)) = standalone::find(self.rows, self.lane, run_id)? else {
            return Err(self.not_found().into());
        };
        if state.knows(self.proposal) {
            return Err(Stop::Answered(Reply::Done));
        }
        Ok(Change {
            call: self,
            run_id,
            before: Some(state.clone()),
            state,
            fixed: None,
            ops: Vec::new(),
            effects: Vec::new(),
        })
    }

    /// Begins a run, which is the latest from now on.
    pub(super) fn create(self, state: StandaloneState, fixed: Fixed) -> Change<'a, 'c> {
        let run_id = self.cx.ids.run_id(self.cx.now);
        let ops = vec![
            Op::Put(row(self.lane, ActivityPart::Current), codec::encode(&CurrentRun { run_id })),
            Op::Put(row(self.lane, ActivityPart::Fixed(run_id)), codec::encode(&fixed)),
        ];
        Change { call: self, run_id, before: None, state, fixed: Some(fixed), ops, effects: Vec::new() }
    }
}

impl Change<'_, '_> {
    pub(super) fn now(&self) -> Timestamp {
        self.call.cx.now
    }

    pub(super) fn subject(&self) -> Subject {
        self.call.lane.instance(self.run_id)
    }

    /// What the start has fixed.
    fn fixed(&self) -> Result<Fixed, ReadError> {
        match &self.fixed {
            Some(fixed) => Ok(fixed.clone()),
            None => {
                let lane = self.call.lane;
                standalone::read_fixed(self.call.rows, lane, self.run_id)?.ok_or_else(|| {
                    ReadError::corrupt(row(lane, ActivityPart::Fixed(self.run_id)), "every run has such a row")
                })
            }
        }
    }

    /// The request that has started the run.
    pub(super) fn request(&self) -> Result<StartActivityExecutionRequest, ReadError> {
        Ok(self.fixed()?.request.decode())
    }

    fn given(&self) -> Result<Option<SearchAttributes>, ReadError> {
        Ok(self.fixed()?.search_attributes.as_ref().map(Encoded::decode))
    }

    fn queue(&self) -> QueueKey {
        let (namespace, name) = (self.call.lane.namespace, self.state.activity.task_queue.clone());
        QueueKey { namespace, kind: TaskKind::Activity, name }
    }

    fn priority(&self) -> u8 {
        own_priority(&self.state.activity).unwrap_or(DEFAULT_PRIORITY)
    }

    /// Makes the run's task ready, as `becomes_ready` says.
    pub(super) fn make_ready(&mut self, becomes_ready: fn(&mut PendingActivity, Stamp, Timestamp)) {
        let (stamp, now) = (self.call.cx.ids.stamp(), self.now());
        becomes_ready(&mut self.state.activity, stamp, now);
        let (queue, priority) = (self.queue(), self.priority());
        let workflow = WorkflowKey { namespace: self.call.lane.namespace, workflow_id: self.call.lane.id.clone() };
        let task = ReadyTask {
            queue: queue.clone(),
            priority,
            stamp,
            run: workflow.run(self.run_id),
            scheduled_event_id: 0,
            scheduled_at: self.state.activity.attempt_scheduled_at,
            sticky: false,
            of: SubjectKind::ACTIVITY,
        };
        self.ops.push(Op::Put(RowKey::Ready { queue, priority, stamp }, codec::encode(&task)));
        self.effects.push(Effect::TaskReady(task));
    }

    /// Removes the run's ready task, if it has one.
    pub(super) fn withdraw(&mut self) {
        let Some(stamp) = self.state.activity.ready() else { return };
        let (queue, priority) = (self.queue(), self.priority());
        self.ops.push(Op::Delete(RowKey::Ready { queue: queue.clone(), priority, stamp }));
        self.effects.push(Effect::TaskGone { queue, stamp });
    }

    /// Begins the next attempt now, or when its time has come.
    pub(super) fn begin_at(&mut self, at: Timestamp) {
        self.state.activity.phase = ActivityPhase::Backoff;
        self.state.activity.attempt_scheduled_at = at;
        if at <= self.now() {
            self.make_ready(PendingActivity::wake);
        }
    }

    /// The time until which a run that ended then is kept.
    pub(super) fn kept_until(&self, ended_at: Timestamp) -> Timestamp {
        match self.call.cx.retention {
            Some(retention) => ended_at.plus(retention),
            None => self.now().plus(UNKNOWN_RETENTION_WAIT),
        }
    }

    /// Ends the run.
    pub(super) fn end(&mut self, how: Ended, retry_state: RetryState, value: Value) {
        debug_assert!(self.state.is_running(), "a run ends once");
        self.withdraw();
        self.state.end = Some(End { how, at: self.now() });
        let outcome = ActivityExecutionOutcome { retry_state: retry_state.into(), value: Some(value) };
        let key = row(self.call.lane, ActivityPart::Outcome(self.run_id));
        self.ops.push(Op::Put(key, codec::encode(&Encoded::of(&outcome))));
    }

    /// Finishes a command, which is answered as the first time if it is tried again.
    pub(super) fn finish_remembered(mut self, reply: Reply) -> VerbResult {
        self.state.remember(self.call.proposal);
        self.finish(reply)
    }

    /// Finishes a command that those who look at the run are to see.
    pub(super) fn finish(mut self, reply: Reply) -> VerbResult {
        self.state.transitions += 1;
        let (transitions, ended) = (self.state.transitions, !self.state.is_running());
        self.effects.push(Effect::ActivityAdvanced { run: self.subject(), transitions, ended });
        self.finish_unseen(reply)
    }

    /// Finishes a change that makes no difference to those who look at the run.
    pub(super) fn finish_unseen(mut self, reply: Reply) -> VerbResult {
        self.list()?;
        let due = match self.state.end {
            None => self.state.next_due().map(|(at, _)| at),
            Some(end) => Some(self.kept_until(end.at)),
        };
        self.arm(due);
        self.ops.push(Op::Put(row(self.call.lane, ActivityPart::State(self.run_id)), codec::encode(&self.state)));
        Ok(self.transition(reply))
    }

    /// Finishes with a run that is no more.
    pub(super) fn finish_removed(mut self) -> VerbResult {
        let lane = self.call.lane;
        if self.state.is_running() {
            self.withdraw();
        }
        let parts = [ActivityPart::State, ActivityPart::Fixed, ActivityPart::Outcome];
        self.ops.extend(parts.map(|part| Op::Delete(row(lane, part(self.run_id)))));
        if standalone::read_current(self.call.rows, lane)? == Some(self.run_id) {
            self.ops.push(Op::Delete(row(lane, ActivityPart::Current)));
        }
        if let Some(before) = &self.before {
            let record = standalone::record(self.run_id, before, self.given()?);
            self.ops.extend(visibility::changes(&visibility::rows_of_record(lane, &record), BTreeMap::new()));
        }
        self.arm(None);
        let (transitions, run) = (self.state.transitions + 1, self.subject());
        self.effects.push(Effect::ActivityAdvanced { run, transitions, ended: true });
        Ok(self.transition(Reply::Done))
    }

    /// Tells lists what has changed of what they show.
    fn list(&mut self) -> Result<(), Stop> {
        let shown = |state: &StandaloneState| {
            (state.status(), state.end, state.activity.task_queue.clone(), state.execution_time())
        };
        if self.before.as_ref().is_some_and(|before| shown(before) == shown(&self.state)) {
            return Ok(());
        }
        let given = self.given()?;
        let rows = |state: &StandaloneState| {
            visibility::rows_of_record(self.call.lane, &standalone::record(self.run_id, state, given.clone()))
        };
        let (before, after) = (self.before.as_ref().map(rows).unwrap_or_default(), rows(&self.state));
        self.ops.extend(visibility::changes(&before, after));
        Ok(())
    }

    /// Moves the timer row: to an earlier deadline at once, to a later one of a run that goes on when it fires.
    fn arm(&mut self, deadline: Option<Timestamp>) {
        let armed = self.state.timer;
        let due = match (armed, deadline) {
            (Some(armed), Some(deadline)) if self.state.is_running() && armed <= deadline && armed > self.now() => {
                Some(armed)
            }
            (_, deadline) => deadline,
        };
        let subject = self.subject();
        if due == armed {
            if due.is_some_and(|at| at <= self.now()) {
                self.effects.push(Effect::TimerArmed { subject, due });
            }
            return;
        }
        let timer = |due: Timestamp| RowKey::Timer { due, subject: subject.clone() };
        self.ops.extend(armed.map(|due| Op::Delete(timer(due))));
        self.ops.extend(due.map(|due| Op::Put(timer(due), Bytes::new())));
        self.state.timer = due;
        self.effects.push(Effect::TimerArmed { subject, due });
    }

    fn transition(self, reply: Reply) -> Transition {
        let Change { ops, effects, .. } = self;
        Transition { reply, writes: WriteSet { ops }, states: Vec::new(), effects, copy: None }
    }
}
