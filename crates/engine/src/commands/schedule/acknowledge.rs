//! A message of a schedule was answered: its row goes, and a start becomes an action.

use super::{
    super::call::{Stop, VerbResult, unchanged},
    advance::advance,
    change::{Change, ScheduleCall},
};
use crate::{
    codec,
    command::Reply,
    id::Stamp,
    outbox::{Body, OutboxMessage, Receipt},
    rows::{Op, ReadError, RowKey},
    schedule::state::{Action, RunningWorkflow, Starting},
};
use tenure_api::enums::v1::WorkflowExecutionStatus;
use uuid::Uuid;

/// Actions that are kept, the latest ones.
const RECENT: usize = 10;

pub(super) fn run(call: ScheduleCall<'_, '_>, stamp: Stamp, receipt: Receipt) -> VerbResult {
    let key = RowKey::Outbox { from: call.lane.instance(Uuid::nil()), stamp };
    let Some(row) = call.rows.get(&key)? else { return Err(Stop::Answered(Reply::Done)) };
    let message: OutboxMessage = codec::decode(&row).map_err(|error| ReadError::corrupt(key.clone(), error))?;
    let delete = Op::Delete(key);
    let opened = call.open()?;
    let answered = match message.body {
        Body::StartScheduled { number, .. } => opened.and_then(|change| take(change, number)),
        _ => None,
    };
    let Some((mut change, starting)) = answered else {
        let mut transition = unchanged(Reply::Done);
        transition.writes.ops.push(delete);
        return Ok(transition);
    };
    change.write(delete);
    match receipt {
        Receipt::Started { run_id } => {
            change.state.refused = None;
            started(&mut change, &starting, run_id);
        }
        Receipt::AlreadyExists => refused(&mut change, &starting, "is running already"),
        _ => refused(&mut change, &starting, "cannot be started"),
    }
    advance(change)
}

/// Takes out the start with this number, if its answer is still waited for.
fn take<'a, 'c>(mut change: Change<'a, 'c>, number: u64) -> Option<(Change<'a, 'c>, Starting)> {
    let place = change.state.starting.iter().position(|starting| starting.number == number)?;
    let starting = change.state.starting.remove(place);
    Some((change, starting))
}

/// Records the action; where others wait for its end, the workflow runs.
pub(super) fn started(change: &mut Change<'_, '_>, starting: &Starting, first_run_id: Uuid) {
    let Starting { number, workflow_id, due, alone } = starting.clone();
    let state = &mut change.state;
    state.counts.actions += 1;
    if alone {
        state.running.push(RunningWorkflow { workflow_id: workflow_id.clone(), first_run_id, told: None });
    }
    let status = WorkflowExecutionStatus::Running.into();
    let action = Action { due, started_at: change.call.cx.now, workflow_id, first_run_id, status, number };
    // Answers come as they come.
    let place = state.recent.partition_point(|before| before.number < number);
    state.recent.insert(place, action);
    if state.recent.len() > RECENT {
        state.recent.pop_front();
    }
}

fn refused(change: &mut Change<'_, '_>, starting: &Starting, why: &str) {
    change.state.refused = Some(format!("workflow '{}' {why}", starting.workflow_id));
}
