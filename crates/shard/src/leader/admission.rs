//! Which commands of clients a leader takes: as many as it can hope to run before their callers give up.

use crate::{
    leader::{context::LeaderContext, executions::Executions},
    seam::{error::CommandError, replica::Room},
};
use metrics::counter;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tenure_api::{
    enums::v1::{ResourceExhaustedCause as Cause, ResourceExhaustedScope as Scope},
    error::ApiError,
};
use tenure_engine::{Envelope, Lane, Reply};
use tenure_limits::COMMANDS_OF_WORKFLOW;

/// The way in for commands of clients.
pub(crate) struct Admission {
    context: Arc<LeaderContext>,
    executions: Arc<Executions>,
    /// No majority was heard for a while: what is proposed now may never be committed.
    without_quorum: AtomicBool,
}

impl Admission {
    pub(crate) fn new(context: Arc<LeaderContext>, executions: Arc<Executions>) -> Admission {
        Admission { context, executions, without_quorum: AtomicBool::new(false) }
    }

    /// Now and then: looks whether this leader can replicate.
    pub(crate) fn tick(&self) {
        self.without_quorum.store(!self.context.replica.has_quorum(), Ordering::Relaxed);
    }

    /// Runs a command that came from outside, as [`Executions::execute`] does. It is taken back when the future is dropped
    /// before it ran. RESOURCE_EXHAUSTED if too many wait, or disks are full; a leader that cannot replicate takes none.
    pub(crate) async fn execute(&self, envelope: Envelope) -> Result<Reply, CommandError> {
        if self.without_quorum.load(Ordering::Relaxed) {
            return Err(self.context.not_leader().into());
        }
        if self.context.replica.room() != Room::Enough {
            let message = "the disks of the cluster are full; it goes on once there is space";
            return Err(refused("disk", Cause::PersistenceStorageLimit, Scope::System, message));
        }
        if self.executions.waiting(&envelope.lane) >= COMMANDS_OF_WORKFLOW {
            return Err(refused("workflow", Cause::BusyWorkflow, Scope::Namespace, "Workflow is busy."));
        }
        let Ok(_permit) = self.context.node.commands.try_acquire() else {
            let message = "too many commands wait on this node; try again later";
            return Err(refused("node", Cause::SystemOverloaded, Scope::System, message));
        };
        let lane = envelope.lane.clone();
        let taken_back = TakenBack { executions: &self.executions, lane: &lane };
        let answer = self.executions.execute(envelope).await;
        std::mem::forget(taken_back);
        answer
    }
}

/// Removes the commands of a lane whose callers have gone, when the one who holds this goes without an answer.
struct TakenBack<'a> {
    executions: &'a Executions,
    lane: &'a Lane,
}

impl Drop for TakenBack<'_> {
    fn drop(&mut self) {
        self.executions.forget_abandoned(self.lane);
    }
}

fn refused(limit: &'static str, cause: Cause, scope: Scope, message: &str) -> CommandError {
    counter!("tenure_shard_commands_refused_total", "limit" => limit).increment(1);
    ApiError::exhausted(cause, scope, message).into()
}
