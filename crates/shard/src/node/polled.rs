//! A task on its way from its owner to a worker.

use crate::{
    node::router::Router,
    seam::messages::{Answer, Request, new_proposal_id},
    seam::query_token::QueryToken,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tenure_api::error::{ApiError, Code};
use tenure_engine::token::TaskToken;
use tokio::time::Instant;

/// How long the owner is asked to take an undelivered task back.
const RETURN_WITHIN: Duration = Duration::from_secs(20);

/// The answer to a poll. It travels from the owner to the worker's connection as it was encoded, with its tokens sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollResponse {
    /// The encoded response.
    pub body: Bytes,
    /// The task that was started for it; `None` where it carries a query.
    pub task: Option<TaskToken>,
}

/// The task that was started, or the query that was taken, for a poll.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    Task(TaskToken),
    Query(QueryToken),
}

/// A poll response that must be handed on. Dropped instead, the task goes back to its owner: no byte of it was sent.
pub(crate) struct Polled {
    body: Bytes,
    /// `None` once it is handed on.
    taken: Option<Taken>,
    router: Arc<Router>,
}

/// The answer to a request; a started task stays an object until it has to travel.
pub(crate) enum Served {
    Answer(Answer),
    Started(Polled),
}

impl Served {
    pub(crate) fn refused(code: Code, message: impl Into<String>) -> Served {
        Served::Answer(Answer::Refused(ApiError::new(code, message)))
    }
}

impl Polled {
    pub(crate) fn new(body: Bytes, taken: Taken, router: Arc<Router>) -> Self {
        Polled { body, taken: Some(taken), router }
    }

    /// Hands the response on; from now on the next one in line answers for its handover.
    pub(crate) fn hand_over(mut self) -> PollResponse {
        let task = match self.taken.take() {
            Some(Taken::Task(token)) => Some(token),
            Some(Taken::Query(_)) | None => None,
        };
        PollResponse { body: std::mem::take(&mut self.body), task }
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.router.give_back(taken);
        }
    }
}

impl Router {
    /// Returns a task that did not reach its worker, no byte of which was sent.
    pub(crate) fn give_back(self: &Arc<Self>, taken: Taken) {
        let (owner, request) = match taken {
            Taken::Task(token) => {
                let owner = self.mesh.shard_of(token.run.workflow.slot());
                (owner, Request::Return { owner, token, proposal: new_proposal_id() })
            }
            Taken::Query(token) => (token.shard, Request::ReturnQuery { token }),
        };
        let router = self.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let answer = router.ask_leader(owner, request, Instant::now() + RETURN_WITHIN).await;
            if let Ok(Served::Answer(Answer::Refused(error))) = answer {
                tracing::debug!(%error, "an undelivered task was not taken back");
            }
        });
    }
}
