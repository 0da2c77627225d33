//! Commands of the system shard: one at a time, replicated and answered like those of executions.

use crate::{
    leader::{context::LeaderContext, executions::Executions},
    node::polled::Served,
    seam::{
        error::CommandError,
        messages::{Answer, Request, new_proposal_id},
    },
};
use futures::future::join_all;
use std::sync::Arc;
use tenure_api::error::Code;
use tenure_engine::{
    Process, ProposalId,
    search_attributes::Registry,
    system::{self, SystemCommand, SystemReply, cluster, token_secret::TokenSecret},
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

    /// Raises the cluster's feature level as far as all its nodes know it, and tells it.
    pub(crate) async fn raise_level(self: &Arc<Self>) -> Served {
        let router = &self.context.node.router;
        let ask = |node| async move { (node, router.ask(node, Request::KnownLevel).await) };
        let mut level = self.context.node.options.known_level;
        for (node, answer) in join_all(router.mesh.nodes().into_iter().map(ask)).await {
            let cause = match answer {
                Ok(Served::Answer(Answer::Level(known))) => {
                    level = level.min(known);
                    continue;
                }
                Ok(Served::Answer(Answer::Refused(error))) => error.message,
                Ok(_) => "an answer to something else".to_owned(),
                Err(failed) => failed.cause,
            };
            let message =
                format!("node {node} does not tell which feature level it knows ({cause}): all nodes must run");
            return Served::refused(Code::FailedPrecondition, message);
        }
        let raised = self.execute(new_proposal_id(), SystemCommand::RaiseFeatureLevel(level)).await;
        let level = raised.and_then(|_| Ok(cluster::feature_level(&*self.context.rows)?));
        Served::Answer(level.map_or_else(Answer::from, Answer::Level))
    }

    /// Waits until all nodes that are alive go by what was applied here: what one node created, the others know.
    async fn followed(&self) {
        let revision = *self.context.replica.applied().borrow();
        let router = &self.context.node.router;
        let alive = router.mesh.nodes().into_iter().filter(|node| router.mesh.is_alive(*node));
        let follow = |node| async move {
            let answer = router.ask(node, Request::FollowSystem { revision }).await;
            if !matches!(answer, Ok(Served::Answer(Answer::Done))) {
                tracing::warn!(node, revision, "the node does not follow the system shard");
            }
        };
        join_all(alive.map(follow)).await;
    }

    /// Runs a command, and answers when all nodes go by what it did; one that was tried before waits for the same.
    async fn run(&self, proposal: ProposalId, command: SystemCommand) -> Result<SystemReply, CommandError> {
        let reply = self.apply(proposal, command).await;
        self.followed().await;
        reply
    }

    async fn apply(&self, proposal: ProposalId, command: SystemCommand) -> Result<SystemReply, CommandError> {
        let _one = self.one.lock().await;
        let mut ids = self.executions.ids();
        let limits = &self.context.options().limits;
        let mut context = Context {
            now: self.context.clock.now(),
            ids: &mut ids,
            limits,
            level: self.context.node.system.level(),
            retention: None,
            search_attributes: &Registry::default(),
            origin: Process::default(),
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
