//! What every change of a schedule ends with: times that are due are taken, what may start starts, and the timer is armed
//! for what comes next.

use super::{
    super::call::{Stop, VerbResult},
    change::{Change, Plan},
};
use crate::{
    outbox::{Body, ClosePolicy},
    proto::Encoded,
    schedule::{
        self, Carried, Decision, LISTED, Policies, Times, decide,
        state::{BufferedStart, Starting},
    },
};
use prost::Message;
use std::time::Duration;
use tenure_api::{schedule::v1::schedule_action::Action, workflow::v1::NewWorkflowExecutionInfo};
use tenure_limits::{PIECE, SCHEDULE_DUE, SCHEDULE_STARTS, SCHEDULE_STEP};

/// So many steps at most a change waits for the times before it: after a long outage its timer has taken them by then.
const MOST_STEPS: usize = 100;

/// Does what is due now, and ends the change.
pub(super) fn advance(mut change: Change<'_, '_>) -> VerbResult {
    let plan = change.plan()?;
    let seed = schedule::jitter_seed(change.call.lane);
    let times = Times { spec: &plan.spec, seed: &seed, catchup: plan.policies.catchup };
    let now = change.now();
    // What waits for nothing but its turn goes first where it would take the room of times to come.
    let crowded = change.state.due.len() > SCHEDULE_DUE - SCHEDULE_STEP;
    let mut more = crowded && start(&mut change, &plan)?;
    if !more {
        more = times.take(&mut change.state, now);
        times.make_up(&mut change.state);
        more |= start(&mut change, &plan)?;
        more |= change.state.can_make_up();
    }
    let next: Vec<_> = times.after(change.state.processed_to).take(LISTED).collect();
    let shown = change.state.at_most(LISTED).min(next.len());
    change.state.timer = match more {
        // Later than before, so that it is another row.
        true => Some(now.plus(Duration::from_nanos(1))),
        false => next.first().copied(),
    };
    change.finish(&next[..shown])
}

/// Takes the times that were due before something changes, under what was said before.
pub(super) fn catch_up(change: &mut Change<'_, '_>) -> Result<(), Stop> {
    let plan = change.plan()?;
    let seed = schedule::jitter_seed(change.call.lane);
    let times = Times { spec: &plan.spec, seed: &seed, catchup: plan.policies.catchup };
    let now = change.now();
    let mut steps = 0;
    while times.take(&mut change.state, now) && steps < MOST_STEPS {
        steps += 1;
    }
    change.state.processed_to = change.state.processed_to.max(now);
    Ok(())
}

/// Starts what may start. Answers whether there is more that only waits for its turn.
fn start(change: &mut Change<'_, '_>, plan: &Plan) -> Result<bool, Stop> {
    let policies = &plan.policies;
    let Some(Action::StartWorkflow(action)) = plan.schedule.action.as_ref().and_then(|action| action.action.as_ref())
    else {
        change.state.due.clear();
        return Ok(false);
    };
    let (mut sent, mut bytes) = (0, 0);
    loop {
        let due = std::mem::take(&mut change.state.due);
        let Decision { beside, alone, wait, skipped, end } = decide(due, change.state.is_busy(), policies.overlap);
        change.state.counts.overlap_skipped += skipped.cast_signed();
        let alone = alone.map(|start| (start, true));
        let mut starts = beside.into_iter().map(|start| (start, false)).chain(alone);
        let mut kept_back = false;
        while sent < SCHEDULE_STARTS
            && bytes < PIECE
            && let Some((due, alone)) = starts.next()
        {
            if due.manual || change.state.may_act() {
                bytes += send(change, action, policies, &due, alone)?;
                sent += 1;
            } else {
                kept_back = true;
            }
        }
        let rest: Vec<BufferedStart> = starts.map(|(start, _)| start).collect();
        let more = !rest.is_empty();
        change.state.due = rest.into_iter().chain(wait).collect();
        if let Some(how) = end {
            tell_to_end(change, how);
        }
        // What was not to start keeps nothing waiting.
        if more || !kept_back {
            return Ok(more);
        }
    }
}

/// Sends a start; answers the bytes of its message.
fn send(
    change: &mut Change<'_, '_>,
    action: &NewWorkflowExecutionInfo,
    policies: &Policies,
    due: &BufferedStart,
    alone: bool,
) -> Result<usize, Stop> {
    if !due.manual {
        change.late.push(change.now().since(due.due));
        if change.state.limited {
            change.state.remaining -= 1;
            change.state.conflict_token += 1;
        }
    }
    let workflow_id = schedule::workflow_id(action, due, policies.keep_workflow_id);
    let request_id = change.call.cx.ids.uuid().to_string();
    // What runs beside others has no one before it.
    let carried = if alone { change.carried()?.clone() } else { Carried::default() };
    let (definition, schedule_id) = (&change.definition, &change.call.lane.id);
    let request =
        schedule::start_request(definition, schedule_id, action, due, workflow_id.clone(), request_id, &carried);
    let bytes = request.encoded_len();
    change.state.last_start += 1;
    let (number, workflow_id) = (change.state.last_start, workflow_id.into());
    change.send(&workflow_id, Body::StartScheduled { number, request: Encoded::of(&request) });
    change.state.starting.push(Starting { number, workflow_id, due: due.due, alone });
    Ok(bytes)
}

/// Tells what runs to end, each once in each way.
fn tell_to_end(change: &mut Change<'_, '_>, how: ClosePolicy) {
    let identity = schedule::identity(&change.definition.namespace, &change.call.lane.id);
    for place in 0..change.state.running.len() {
        let running = &mut change.state.running[place];
        if running.told == Some(how) || running.told == Some(ClosePolicy::Terminate) {
            continue;
        }
        running.told = Some(how);
        let (workflow_id, first_run_id) = (running.workflow_id.clone(), running.first_run_id);
        change.send(&workflow_id, Body::EndScheduled { first_run_id, how, identity: identity.clone() });
    }
}
