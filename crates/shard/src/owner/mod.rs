//! The owner's side of dispatch: the tasks of a shard's workflows, until workers have them.

pub(crate) mod dispatch;
pub(crate) mod starts;
pub(crate) mod windows;

use crate::{
    leader::{
        context::LeaderContext,
        executions::{Executions, own},
        pending_queries::PendingQueries,
        queries::Queries,
        response::Responses,
        waiters::Waiters,
    },
    node::polled::Served,
    seam::{error::CommandError, messages::Answer, query_token::QueryToken},
};
use dispatch::Dispatch;
use starts::Starts;
use std::sync::Arc;
use tenure_engine::{RunKey, ShardCommand, Stamp};
use windows::ReadyWindows;

/// The owner of a shard's tasks and queries. It talks to homes in messages, even to the one that is on the same leader; but for
/// tasks that are started as they are made, for polls of this node.
pub(crate) struct Owner {
    context: Arc<LeaderContext>,
    executions: Arc<Executions>,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) queries: Arc<Queries>,
    pub(crate) starts: Arc<Starts>,
}

impl Owner {
    pub(crate) fn new(
        context: Arc<LeaderContext>,
        executions: Arc<Executions>,
        ready: ReadyWindows,
        waiters: Arc<Waiters>,
    ) -> Owner {
        let pending = Arc::new(PendingQueries::new(context.term));
        let dispatch = Arc::new(Dispatch::new(context.clone(), ready, pending.clone()));
        let responses = Responses::new(context.clone(), pending.clone());
        let queries = Arc::new(Queries::new(context.clone(), pending, waiters, dispatch.clone(), responses.clone()));
        let (of_starts, offers) = (context.clone(), dispatch.clone());
        let starts = Arc::new(Starts::new(of_starts, executions.clone(), offers, queries.clone(), responses));
        Owner { context, executions, dispatch, queries, starts }
    }

    /// Offers what was found in rows, and takes over what the last leader was waiting for.
    pub(crate) fn start(&self) {
        self.dispatch.offer_all();
        let (starts, shard) = (self.starts.clone(), self.context.shard);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = starts.expect_recent() {
                tracing::error!(shard, %error, "recent starts cannot be read; time-outs find the lost");
            }
        });
    }

    /// The home of a sticky queue says that nobody polls it.
    pub(crate) async fn sticky_unavailable(&self, tasks: Vec<(RunKey, Stamp)>, queries: Vec<QueryToken>) -> Served {
        for query in queries {
            self.queries.sticky_unavailable(&query);
        }
        let moves = tasks.into_iter().map(|(run, stamp)| {
            let command = ShardCommand::StickyUnavailable { run_id: run.run_id, stamp };
            self.executions.execute(own(run.workflow, command))
        });
        for moved in futures::future::join_all(moves).await {
            match moved {
                Ok(_) => {}
                Err(CommandError::NotLeader(not_leader)) => return Served::Answer(Answer::NotLeader(not_leader)),
                Err(CommandError::Api(error)) => tracing::debug!(%error, "a sticky task was not moved"),
            }
        }
        Served::Answer(Answer::Done)
    }
}
