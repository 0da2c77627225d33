//! RPCs whose types are forgotten: what all of them share is compiled once, not once for each.

use crate::{
    Frontend,
    call::{Call, Kind, LocalRpc, PollingWorker, Rpc, Scope, Search, Target},
    client::Client,
    validate::Admission,
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use prost::{DecodeError, Message};
use std::sync::Arc;
use tenure_api::{
    common::v1::SearchAttributes, enums::v1::NamespaceState, error::ApiError,
    workflowservice::v1::DescribeNamespaceRequest,
};
use tenure_engine::{ProposalId, token::TaskToken};
use tenure_shard::{CommandError, Handover, HeldPoll, PollResponse, ShardId, Shards, TokenKey, TokenUse};
use tokio::time::Instant;

/// How a method is served.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// The leader of the shard that the request is for runs it.
    Led(fn(Bytes) -> Result<Box<dyn AnyRequest>, DecodeError>),
    /// Any node runs it.
    Local(fn(Bytes) -> Result<Box<dyn AnyLocalRequest>, DecodeError>),
}

impl Handler {
    pub(crate) fn led<R: Rpc>() -> Handler {
        Handler::Led(|message| {
            let request = Arc::new(R::decode(message)?);
            Ok(Box::new(Led::<R> { request, client: None, target: None }))
        })
    }

    pub(crate) fn local<R: LocalRpc>() -> Handler {
        Handler::Local(|message| Ok(Box::new(Local(R::decode(message)?))))
    }
}

/// A request for a leader; see [`Rpc`].
pub(crate) trait AnyRequest: Send + Sync {
    fn scope(&self) -> Scope<'_>;
    fn kind(&self) -> Kind;
    fn allowed_states(&self) -> &'static [NamespaceState];
    fn also_names(&self) -> Vec<&str>;
    fn search_attributes(&self) -> Vec<&SearchAttributes>;
    fn polling_worker(&self) -> Option<PollingWorker<'_>>;

    /// Says who made it. Not told where it was forwarded to: the node that received it looks after its client.
    fn set_client(&mut self, client: Client);

    /// Refuses a client that is not served.
    fn check_client(&self) -> Result<(), ApiError>;

    /// Tells the shard whose leader runs it.
    fn admit(&mut self, admission: &Admission<'_>, shards: &Shards) -> Result<ShardId, ApiError>;

    /// Runs it, once it is admitted. It may be run again.
    fn run<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<EncodedResponse, CommandError>>;

    /// Encodes the request as it was admitted.
    fn encode(&self) -> Bytes;

    /// Has a poll answered here, too, while it waits at another node. `None` for what is no poll.
    fn hold(&self, shards: &Shards, id: ProposalId) -> Option<HeldPoll>;

    /// Binds the fate of the started tasks in a response to that of its body, and takes out those that their owner gave
    /// up meanwhile; suits the body to the request's client.
    fn hand_over(&self, response: EncodedResponse, shards: &Shards, key: TokenKey) -> Result<Outgoing, ApiError>;
}

/// A response as it travels, from the leader that made it to its client: nodes on the way decode nothing of it.
#[derive(Debug, Default)]
pub(crate) struct EncodedResponse {
    /// The encoded message; its tokens are sealed.
    pub(crate) body: Bytes,
    /// The started tasks in it.
    pub(crate) tasks: Vec<TaskToken>,
}

/// A response that is about to be sent.
pub(crate) struct Outgoing {
    pub(crate) body: Bytes,
    /// To be told what becomes of the body.
    pub(crate) handovers: Vec<Handover>,
}

/// What an RPC answers with.
pub(crate) trait Respond: Send + 'static {
    fn encode(self) -> EncodedResponse;
}

impl<M: Message + 'static> Respond for M {
    fn encode(self) -> EncodedResponse {
        EncodedResponse { body: self.encode_to_vec().into(), tasks: Vec::new() }
    }
}

impl Respond for EncodedResponse {
    fn encode(self) -> EncodedResponse {
        self
    }
}

impl From<Option<PollResponse>> for EncodedResponse {
    fn from(polled: Option<PollResponse>) -> EncodedResponse {
        let Some(PollResponse { body, task }) = polled else { return EncodedResponse::default() };
        EncodedResponse { body, tasks: task.into_iter().collect() }
    }
}

/// A request that any node answers; see [`LocalRpc`].
pub(crate) trait AnyLocalRequest: Send {
    fn kind(&self) -> Kind;
    fn polling_worker(&self) -> Option<PollingWorker<'_>>;
    fn search(&self) -> Option<Search>;
    fn described(&self) -> Option<&DescribeNamespaceRequest>;
    fn answer(self: Box<Self>, frontend: &Frontend, deadline: Instant) -> BoxFuture<'_, Result<Bytes, ApiError>>;
}

/// The target is known once the request is admitted.
struct Led<R: Rpc> {
    request: Arc<R>,
    client: Option<Client>,
    target: Option<R::Target>,
}

struct Local<R>(R);

impl<R: Rpc> AnyRequest for Led<R> {
    fn scope(&self) -> Scope<'_> {
        self.request.scope()
    }

    fn kind(&self) -> Kind {
        self.request.kind()
    }

    fn allowed_states(&self) -> &'static [NamespaceState] {
        self.request.allowed_states()
    }

    fn also_names(&self) -> Vec<&str> {
        self.request.also_names()
    }

    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        self.request.search_attributes()
    }

    fn polling_worker(&self) -> Option<PollingWorker<'_>> {
        self.request.polling_worker()
    }

    fn set_client(&mut self, client: Client) {
        self.client = Some(client);
    }

    fn check_client(&self) -> Result<(), ApiError> {
        self.client.as_ref().map_or(Ok(()), Client::check)
    }

    fn admit(&mut self, admission: &Admission<'_>, shards: &Shards) -> Result<ShardId, ApiError> {
        let Some(request) = Arc::get_mut(&mut self.request) else {
            return Err(ApiError::internal("the request is running already"));
        };
        let target = request.admit(admission)?;
        Ok(self.target.insert(target).shard(shards))
    }

    fn run<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<EncodedResponse, CommandError>> {
        let Some(target) = self.target.clone() else {
            return async { Err(ApiError::internal("the request was not admitted").into()) }.boxed();
        };
        let response = self.request.clone().run(target, call);
        response.map(|response| Ok(response?.encode())).boxed()
    }

    fn encode(&self) -> Bytes {
        self.request.encode_to_vec().into()
    }

    fn hold(&self, shards: &Shards, id: ProposalId) -> Option<HeldPoll> {
        let (queue, poll) = self.request.poll(self.target.as_ref()?, shards.process())?;
        Some(shards.hold_poll(queue, id, poll))
    }

    fn hand_over(&self, response: EncodedResponse, shards: &Shards, key: TokenKey) -> Result<Outgoing, ApiError> {
        let unreadable = |error| ApiError::internal(format!("the response cannot be read: {error}"));
        let EncodedResponse { mut body, tasks } = response;
        let mut handovers = Vec::new();
        for token in tasks {
            let in_body = key.seal(TokenUse::Task, &token.encode());
            let handover = match R::REDELIVERS_TASKS {
                true => shards.hand_over_again(token),
                false => shards.hand_over(token),
            };
            match handover {
                Some(handover) => handovers.push(handover),
                None => body = R::withdraw(body, &in_body).map_err(unreadable)?,
            }
        }
        if let Some(client) = &self.client {
            body = self.request.suit(body, client).map_err(unreadable)?;
        }
        Ok(Outgoing { body, handovers })
    }
}

impl<R: LocalRpc> AnyLocalRequest for Local<R> {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn polling_worker(&self) -> Option<PollingWorker<'_>> {
        self.0.polling_worker()
    }

    fn search(&self) -> Option<Search> {
        self.0.search()
    }

    fn described(&self) -> Option<&DescribeNamespaceRequest> {
        self.0.described()
    }

    fn answer(self: Box<Self>, frontend: &Frontend, deadline: Instant) -> BoxFuture<'_, Result<Bytes, ApiError>> {
        self.0.answer(frontend, deadline).map(|response| Ok(response?.encode_to_vec().into())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::System;

    #[derive(PartialEq, prost::Message)]
    struct NotClonable {}

    impl prost::Name for NotClonable {
        const NAME: &'static str = "NotClonable";
        const PACKAGE: &'static str = "tests";
    }

    impl Rpc for NotClonable {
        type Response = ();
        type Target = System;

        fn scope(&self) -> Scope<'_> {
            Scope::Cluster
        }

        fn admit(&mut self, _: &Admission<'_>) -> Result<System, ApiError> {
            Ok(System)
        }

        async fn run(self: Arc<Self>, _: System, _: &Call) -> Result<(), CommandError> {
            Ok(())
        }
    }

    /// F42: the attempts of a request share it; nothing asks for a copy.
    #[test]
    fn a_request_that_cannot_be_cloned_is_served() {
        let Handler::Led(decode) = Handler::led::<NotClonable>() else { unreachable!() };
        assert!(matches!(decode(Bytes::new()).unwrap().scope(), Scope::Cluster));
    }
}
