//! Commands of the system shard: one at a time, replicated and answered like those of executions.

use crate::{
    leader::handle::new_proposal_id, leader::runtime::LeaderRuntime, node::polled::Served, seam::error::CommandError,
    seam::messages::Answer,
};
use std::sync::Arc;
use tenure_engine::{
    Process, ProposalId,
    search_attributes::Registry,
    system::{self, SystemCommand, SystemReply, token_secret::TokenSecret},
    transition::Context,
};

impl LeaderRuntime {
    /// Runs a system command. It goes on if the future is dropped.
    pub(crate) async fn execute_system(
        self: &Arc<Self>,
        proposal: ProposalId,
        command: SystemCommand,
    ) -> Result<SystemReply, CommandError> {
        let runtime = self.clone();
        let run = tokio::spawn(async move { runtime.run_system(proposal, command).await });
        tokio::select! {
            biased;
            done = run => done.unwrap_or_else(|e| Err(tenure_api::error::ApiError::internal(e.to_string()).into())),
            () = self.ended.cancelled() => Err(self.not_leader().into()),
        }
    }

    /// Makes the secret for tokens if there is none; whichever was recorded first stays.
    pub(crate) async fn create_token_secret(self: &Arc<Self>) -> Served {
        let command = SystemCommand::CreateTokenSecret(TokenSecret(rand::random()));
        Served::Answer(match self.execute_system(new_proposal_id(), command).await {
            Ok(_) => Answer::Done,
            Err(CommandError::Api(error)) => Answer::Refused(error),
            Err(CommandError::NotLeader(not_leader)) => Answer::NotLeader(not_leader),
        })
    }

    async fn run_system(&self, proposal: ProposalId, command: SystemCommand) -> Result<SystemReply, CommandError> {
        let _one = self.system.lock().await;
        let mut ids = self.executions.ids(self.term);
        let limits = &self.options.limits;
        let mut context = Context {
            now: self.clock.now(),
            ids: &mut ids,
            limits,
            retention: None,
            search_attributes: &Registry::default(),
            origin: Process::default(),
            credits: &[],
        };
        let outcome = system::transition(&*self.rows, proposal, &command, &mut context);
        let (reply, mut writes) = match outcome {
            Ok((reply, writes)) => (Ok(reply), writes),
            Err(refused) => (Err(refused.into()), Default::default()),
        };
        if writes.ops.is_empty() {
            self.replica.linearizable().await?;
        } else {
            self.propose(&mut writes).await?;
        }
        reply
    }
}
