//! The working copy of a schedule, and the rows that its change writes.

use super::super::call::{Stop, VerbResult};
use crate::{
    codec,
    command::Reply,
    outbox::{Body, OutboxEntry, OutboxMessage},
    row::{Op, RowKey, SchedulePart, WriteSet},
    rows::StateReader,
    schedule::{self, Carried, Definition, Policies, ScheduleState, state::row},
    subject::{Lane, Subject},
    time::Timestamp,
    transition::types::{Acted, Context, Effect, Transition},
    visibility,
};
use bytes::Bytes;
use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};
use tenure_api::{error::ApiError, schedule::v1::Schedule};
use tenure_schedule::Spec;
use uuid::Uuid;

/// Requests whose ids a schedule remembers.
const REQUESTS: usize = 10;

/// The surroundings of a command for a schedule.
pub(super) struct ScheduleCall<'a, 'c> {
    pub(super) rows: &'a dyn StateReader,
    pub(super) cx: &'a mut Context<'c>,
    pub(super) lane: &'a Lane,
}

/// A schedule that changes.
pub(super) struct Change<'a, 'c> {
    pub(super) call: ScheduleCall<'a, 'c>,
    before: Option<(ScheduleState, Definition)>,
    pub(super) state: ScheduleState,
    pub(super) definition: Definition,
    /// What the definition says, once it was read.
    plan: Option<Rc<Plan>>,
    /// What the last workflow has left, once it was read.
    pub(super) carried: Option<Carried>,
    /// How late each start by the specification is sent.
    pub(super) late: Vec<Duration>,
    ops: Vec<Op>,
    effects: Vec<Effect>,
}

/// What a definition says.
pub(super) struct Plan {
    pub(super) schedule: Schedule,
    pub(super) spec: Spec,
    pub(super) policies: Policies,
}

impl<'a, 'c> ScheduleCall<'a, 'c> {
    /// Opens a schedule; `None` if there is none.
    pub(super) fn open(self) -> Result<Option<Change<'a, 'c>>, Stop> {
        let Some(state) = schedule::read(self.rows, self.lane)? else { return Ok(None) };
        let Some(definition) = schedule::read_definition(self.rows, self.lane)? else { return Ok(None) };
        let before = Some((state.clone(), definition.clone()));
        Ok(Some(Change {
            call: self,
            before,
            state,
            definition,
            plan: None,
            carried: None,
            late: Vec::new(),
            ops: Vec::new(),
            effects: Vec::new(),
        }))
    }

    /// Opens a schedule that a client names.
    pub(super) fn open_named(self) -> Result<Change<'a, 'c>, Stop> {
        let missing = schedule::not_found();
        Ok(self.open()?.ok_or(missing)?)
    }

    /// Begins a new one.
    pub(super) fn create(self, state: ScheduleState, definition: Definition) -> Change<'a, 'c> {
        let mut change = Change {
            call: self,
            before: None,
            state,
            definition,
            plan: None,
            carried: None,
            late: Vec::new(),
            ops: Vec::new(),
            effects: Vec::new(),
        };
        change.put_definition();
        change
    }
}

impl Change<'_, '_> {
    pub(super) fn now(&self) -> Timestamp {
        self.call.cx.now
    }

    fn subject(&self) -> Subject {
        self.call.lane.instance(Uuid::nil())
    }

    /// Whether a request with this id changed the schedule before; from now on one has.
    pub(super) fn is_repeated(&mut self, request_id: &str) -> bool {
        if self.state.requests.iter().any(|known| known == request_id) {
            return true;
        }
        if !request_id.is_empty() {
            self.state.requests.push_back(request_id.to_owned());
            if self.state.requests.len() > REQUESTS {
                self.state.requests.pop_front();
            }
        }
        false
    }

    /// What the definition says, whose specification was compiled when it was accepted.
    pub(super) fn plan(&mut self) -> Result<Rc<Plan>, Stop> {
        if let Some(plan) = &self.plan {
            return Ok(plan.clone());
        }
        let schedule = self.definition.schedule.decode();
        let spec = Spec::compile(schedule.spec.as_ref().unwrap_or(&Default::default()));
        let spec = spec.map_err(|error| ApiError::internal(format!("an invalid schedule: {error}")))?;
        let plan = Rc::new(Plan { spec, policies: Policies::of(&schedule), schedule });
        self.plan = Some(plan.clone());
        Ok(plan)
    }

    /// Gives the schedule another definition.
    pub(super) fn define(&mut self, change: impl FnOnce(&mut Definition)) {
        change(&mut self.definition);
        self.plan = None;
        self.put_definition();
    }

    fn put_definition(&mut self) {
        self.ops.push(Op::Put(row(self.call.lane, SchedulePart::Definition), codec::encode(&self.definition)));
    }

    pub(super) fn carried(&mut self) -> Result<&Carried, Stop> {
        if self.carried.is_none() {
            self.carried = Some(schedule::read_carried(self.call.rows, self.call.lane)?);
        }
        Ok(self.carried.as_ref().expect("it was just read"))
    }

    pub(super) fn put_carried(&mut self, carried: Carried) {
        self.ops.push(Op::Put(row(self.call.lane, SchedulePart::Carried), codec::encode(&carried)));
        self.carried = Some(carried);
    }

    pub(super) fn write(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Sends a message to a workflow.
    pub(super) fn send(&mut self, workflow_id: &Arc<str>, body: Body) {
        let workflow =
            crate::key::WorkflowKey { namespace: self.call.lane.namespace, workflow_id: workflow_id.clone() };
        let (from, stamp) = (self.subject(), self.call.cx.ids.stamp());
        let message = OutboxMessage { to: workflow.into(), body };
        self.ops.push(Op::Put(RowKey::Outbox { from: from.clone(), stamp }, codec::encode(&message)));
        self.effects.push(Effect::OutboxReady(OutboxEntry { from, stamp, to: message.to }));
    }

    /// Ends the change: the schedule is as it stands now, and its next times are these.
    pub(super) fn finish(mut self, next: &[Timestamp]) -> VerbResult {
        let record = schedule::record(self.call.lane, &self.state, &self.definition, next);
        let new = visibility::rows_of_record(self.call.lane, &record);
        self.ops.extend(visibility::changes(&self.listed_before(), new));
        self.ops.push(Op::Put(row(self.call.lane, SchedulePart::State), codec::encode(&self.state)));
        let missed = self.state.counts.missed - self.before.as_ref().map_or(0, |(before, _)| before.counts.missed);
        let acted = Acted { late: std::mem::take(&mut self.late), missed: missed.unsigned_abs() };
        if acted != Acted::default() {
            self.effects.push(Effect::ScheduleActed(acted));
        }
        self.arm(self.state.timer);
        Ok(self.transition())
    }

    /// Ends the change: the schedule is no more.
    pub(super) fn finish_removed(mut self) -> VerbResult {
        let parts = [SchedulePart::State, SchedulePart::Definition, SchedulePart::Carried];
        self.ops.extend(parts.map(|part| Op::Delete(row(self.call.lane, part))));
        self.ops.extend(visibility::changes(&self.listed_before(), BTreeMap::new()));
        self.arm(None);
        Ok(self.transition())
    }

    /// The rows by which lists know it, but for what they tell of its times.
    fn listed_before(&self) -> BTreeMap<RowKey, Bytes> {
        let Some((state, definition)) = &self.before else { return BTreeMap::new() };
        visibility::rows_of_record(self.call.lane, &schedule::record(self.call.lane, state, definition, &[]))
    }

    fn arm(&mut self, due: Option<Timestamp>) {
        let before = self.before.as_ref().and_then(|(state, _)| state.timer);
        if before == due {
            return;
        }
        let subject = self.subject();
        let timer = |due: Timestamp| RowKey::Timer { due, subject: subject.clone() };
        self.ops.extend(before.map(|due| Op::Delete(timer(due))));
        self.ops.extend(due.map(|due| Op::Put(timer(due), Bytes::new())));
        self.effects.push(Effect::TimerArmed { subject, due });
    }

    fn transition(self) -> Transition {
        let Change { ops, effects, .. } = self;
        Transition { reply: Reply::Done, writes: WriteSet { ops }, states: Vec::new(), effects, copy: None }
    }
}
