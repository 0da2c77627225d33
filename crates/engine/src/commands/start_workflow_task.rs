//! A poll was matched with a ready workflow task.

use super::{
    call::{Call, Stop, VerbResult, no_workflow_task},
    finish::finish,
};
use crate::{
    command::{Reply, StartTask},
    id::ProposalId,
    workflow_task::{self, TaskPhase},
};

pub(super) fn run(call: Call<'_, '_>, start: &StartTask) -> VerbResult {
    let mut txn = call.open(Some(start.run_id))?;
    match txn.state.workflow_task.pending.as_ref().map(|task| &task.phase) {
        Some(TaskPhase::Ready { stamp, .. }) if *stamp == start.stamp => {
            let started = workflow_task::start(&mut txn, &start.poll);
            Ok(finish(txn, Reply::WorkflowTaskStarted(Box::new(started))))
        }
        Some(TaskPhase::Started(started))
            if started.proposal == txn.proposal && txn.proposal != ProposalId::default() =>
        {
            let again = workflow_task::describe_started(&txn.run, &txn.state).expect("it is started");
            Err(Stop::Answered(Reply::WorkflowTaskStarted(Box::new(again))))
        }
        _ => Err(no_workflow_task().into()),
    }
}
