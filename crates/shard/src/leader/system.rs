//! Commands of the system shard: one at a time, replicated and answered like those of executions.

use crate::{
    leader::{context::LeaderContext, executions::Executions},
    node::polled::Served,
    seam::{
        error::CommandError,
        messages::{Answer, new_proposal_id},
    },
};
use std::sync::Arc;
use tenure_engine::{
    Process, ProposalId,
    search_attributes::Registry,
    system::{self, SystemCommand, SystemReply, token_secret::TokenSecret},
    transition::Context,
};
use tokio::sync::Mutex;

/// What the leader of the system shard does besides.
pub(crate) struct System {
    context: Arc<LeaderContext>,
    executions: Arc<Executions>,
    /// System commands run one at a time.
    one: Mutex<()>,
}

impl System {
    pub(crate) fn new(context: Arc<LeaderContext>, executions: Arc<Executions>) -> System {
        System { context, executions, one: Mutex::default() }
    }

    /// Runs a system command. It goes on if the future is dropped.
    pub(crate) async fn execute(
        self: &Arc<Self>,
        proposal: ProposalId,
        command: SystemCommand,
    ) -> Result<SystemReply, CommandError> {
        let system = self.clone();
        let run = tokio::spawn(async move { system.run(proposal, command).await });
        tokio::select! {
            biased;
            done = run => done.unwrap_or_else(|e| Err(tenure_api::error::ApiError::internal(e.to_string()).into())),
            () = self.context.ended.cancelled() => Err(self.context.not_leader().into()),
        }
    }

    /// Makes the secret for tokens if there is none; whichever was recorded first stays.
    pub(crate) async fn create_token_secret(self: &Arc<Self>) -> Served {
        let command = SystemCommand::CreateTokenSecret(TokenSecret(rand::random()));
        Served::Answer(match self.execute(new_proposal_id(), command).await {
            Ok(_) => Answer::Done,
            Err(error) => error.into(),
        })
    }

    async fn run(&self, proposal: ProposalId, command: SystemCommand) -> Result<SystemReply, CommandError> {
        let _one = self.one.lock().await;
        let mut ids = self.executions.ids();
        let limits = &self.context.options().limits;
        let mut context = Context {
            now: self.context.clock.now(),
            ids: &mut ids,
            limits,
            retention: None,
            search_attributes: &Registry::default(),
            origin: Process::default(),
            credits: &[],
        };
        let outcome = system::transition(&*self.context.rows, proposal, &command, &mut context);
        let (reply, mut writes) = match outcome {
            Ok((reply, writes)) => (Ok(reply), writes),
            Err(refused) => (Err(refused.into()), Default::default()),
        };
        if writes.ops.is_empty() {
            self.context.replica.linearizable().await?;
        } else {
            self.context.propose(&mut writes).await?;
        }
        reply
    }
}
