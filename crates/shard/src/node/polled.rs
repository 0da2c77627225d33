//! A task on its way from its owner to a worker.

use crate::{
    node::router::Router,
    seam::messages::{Answer, Request, new_proposal_id},
    seam::query_token::QueryToken,
};
use bytes::Bytes;
use prost::Message;
use std::{sync::Arc, time::Duration};
use tenure_api::{
    encoded::PollWorkflowTaskQueueResponse,
    error::{ApiError, Code},
    workflowservice::v1::PollActivityTaskQueueResponse,
};
use tenure_engine::{TaskKind, token::TaskToken};
use tokio::time::Instant;

/// How long the owner is asked to take an undelivered task back.
const RETURN_WITHIN: Duration = Duration::from_secs(20);

/// The answer to a poll.
#[derive(Debug)]
pub(crate) enum PollResponse {
    Workflow(Box<PollWorkflowTaskQueueResponse>),
    Activity(Box<PollActivityTaskQueueResponse>),
}

/// The task that was started, or the query that was taken, for a poll.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    Task(TaskToken),
    Query(QueryToken),
}

/// A poll response that must be handed on. Dropped instead, the task goes back to its owner: no byte of it was sent.
pub(crate) struct Polled {
    response: Option<PollResponse>,
    taken: Taken,
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
    pub(crate) fn new(response: PollResponse, taken: Taken, router: Arc<Router>) -> Self {
        Polled { response: Some(response), taken, router }
    }

    /// Decodes what another node sent.
    pub(crate) fn decode(kind: TaskKind, response: Bytes, taken: Taken, router: &Arc<Router>) -> Option<Polled> {
        let response = match kind {
            TaskKind::Workflow => PollResponse::Workflow(Message::decode(response).ok()?),
            TaskKind::Activity => PollResponse::Activity(Message::decode(response).ok()?),
        };
        Some(Polled::new(response, taken, router.clone()))
    }

    /// Hands the response on; from now on the next one in line answers for its delivery.
    pub(crate) fn hand_over(mut self) -> PollResponse {
        self.response.take().expect("taken once, here or by drop")
    }

    pub(crate) fn taken(&self) -> &Taken {
        &self.taken
    }
}

impl PollResponse {
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            PollResponse::Workflow(response) => response.encode_to_vec().into(),
            PollResponse::Activity(response) => response.encode_to_vec().into(),
        }
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        if self.response.is_some() {
            self.router.give_back(self.taken.clone());
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
