//! A workflow is started, or the running one found, and an update is admitted to it: in one entry, or not at all.

use super::{
    call::{Call, Stop, VerbResult},
    finish::finish,
    start_workflow, update_workflow,
};
use crate::{
    chain::Start,
    command::Reply,
    proposals::ProposalResult,
    state::ExecutionState,
    subject::Subject,
    transition::types::Refused,
    txn::Txn,
    update::{self, start_failed, update_refused},
};
use tenure_api::{error::ApiError, update::v1::Request, workflowservice::v1::UpdateWorkflowExecutionRequest};

pub(super) fn run(call: Call<'_, '_>, start: &Start, update: &UpdateWorkflowExecutionRequest) -> VerbResult {
    let wanted = update.request.clone().unwrap_or_default();
    let Call { rows, cx, workflow, proposal } = call;
    if let Some(answer) = known(&mut Call { rows, cx, workflow, proposal }, &wanted)? {
        return Err(Stop::Answered(answer));
    }
    let (start_transition, reply) = match start_workflow::run(Call { rows, cx, workflow, proposal }, start) {
        Ok(transition) => {
            let reply = transition.reply.clone();
            (Some(transition), reply)
        }
        Err(Stop::Answered(reply)) => (None, reply),
        Err(Stop::Refused(Refused::Api(error))) => return Err(start_failed(&error).into()),
        Err(refused) => return Err(refused),
    };
    let Reply::WorkflowStarted { run_id, started, status, .. } = reply else {
        return Err(ApiError::internal("a start was answered with something else").into());
    };
    let run = workflow.run(run_id);
    let subject = Subject::from(&run);
    let written = start_transition
        .as_ref()
        .and_then(|start_transition| start_transition.states.iter().find(|written| written.subject == subject));
    let state = match written.and_then(|written| written.state.clone().downcast::<ExecutionState>().ok()) {
        Some(state) => state,
        None => rows.execution(&run)?.ok_or_else(|| ApiError::internal("a started run is not there"))?,
    };
    let started = started && (start_transition.is_some() || state.proposals.result(proposal).is_some());
    if !state.is_running() {
        let deduplicated = ApiError::unavailable("Workflow was not started: StartDeduped");
        return Err(start_failed(&deduplicated).into());
    }
    let mut txn = Txn::open(rows, cx, run.clone(), proposal, state.clone());
    let reply = |found| Reply::UpdateWithStart { run_id, started, status, found };
    if let Some(found) = update::same_update(&txn, &wanted)? {
        return Err(Stop::Answered(reply(found)));
    }
    let found = update_workflow::admit(&mut txn, &wanted).map_err(|error| update_refused(&error))?;
    if started {
        // So that a retry of this very command knows what it did. Another start of the same id did nothing.
        txn.remember(ProposalResult::Done);
    }
    let admitted = finish(txn, reply(found));
    let Some(mut whole) = start_transition else { return Ok(admitted) };
    whole.reply = admitted.reply;
    whole.writes.ops.extend(admitted.writes.ops);
    whole.states.retain(|written| written.subject != subject);
    whole.states.extend(admitted.states);
    whole.effects.extend(admitted.effects);
    Ok(whole)
}

/// The reply if the update is known: to the running run, or with its outcome to the last one.
fn known(call: &mut Call<'_, '_>, wanted: &Request) -> Result<Option<Reply>, Stop> {
    let Some(run_id) = call.current_run()? else { return Ok(None) };
    let Some(state) = call.state(run_id)? else { return Ok(None) };
    let run = call.workflow.run(run_id);
    let found = update::find(call.rows, &run, &state, update::update_id(wanted))?;
    Ok(found.filter(|found| state.is_running() || found.admission == 0).map(|found| Reply::UpdateWithStart {
        run_id,
        started: state.proposals.result(call.proposal) == Some(&ProposalResult::Done),
        status: state.status().into(),
        found,
    }))
}
