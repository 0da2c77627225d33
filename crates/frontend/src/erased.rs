//! RPCs whose types are forgotten: what all of them share is compiled once, not once for each.

use crate::{
    Frontend,
    call::{Call, Kind, LocalRpc, PollingWorker, Rpc, Scope, Target},
    client::Client,
    validate::Admission,
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use prost::{DecodeError, Message};
use std::sync::Arc;
use tenure_api::{common::v1::SearchAttributes, error::ApiError};
use tenure_engine::token::TaskToken;
use tenure_shard::{CommandError, Delivery, ShardId, Shards, TokenKey, TokenUse};
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
    fn run<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Box<dyn AnyResponse>, CommandError>>;

    /// Encodes the request as it was admitted.
    fn encode(&self) -> Bytes;

    /// The response to it that another node gave.
    fn receive(&self, message: Bytes) -> Result<Box<dyn AnyResponse>, DecodeError>;

    /// What a poll answers that found nothing in time.
    fn nothing(&self) -> Box<dyn AnyResponse>;
}

/// A request that any node answers; see [`LocalRpc`].
pub(crate) trait AnyLocalRequest: Send {
    fn kind(&self) -> Kind;
    fn polling_worker(&self) -> Option<PollingWorker<'_>>;
    fn answer(self: Box<Self>, frontend: &Frontend, deadline: Instant) -> BoxFuture<'_, Result<Bytes, ApiError>>;
}

pub(crate) trait AnyResponse: Send {
    /// Binds the fate of the started tasks that it carries to that of the response, and takes out those that their
    /// owner gave up meanwhile.
    fn hand_over(&mut self, shards: &Shards) -> Vec<Delivery>;

    /// Gives the tokens in it the form in which they leave the cluster.
    fn seal(&mut self, key: TokenKey);

    fn encode(&self) -> Bytes;
}

/// The target is known once the request is admitted.
struct Led<R: Rpc> {
    request: Arc<R>,
    client: Option<Client>,
    target: Option<R::Target>,
}

struct Local<R>(R);

struct Answered<R: Rpc>(R::Response);

impl<R: Rpc> Led<R> {
    /// The response as its client is to see it.
    fn answered(&self, mut response: R::Response) -> Box<dyn AnyResponse> {
        if let Some(client) = &self.client {
            self.request.suit(&mut response, client);
        }
        Box::new(Answered::<R>(response))
    }
}

impl<R: Rpc> AnyRequest for Led<R> {
    fn scope(&self) -> Scope<'_> {
        self.request.scope()
    }

    fn kind(&self) -> Kind {
        self.request.kind()
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

    fn run<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Box<dyn AnyResponse>, CommandError>> {
        let Some(target) = self.target.clone() else {
            return async { Err(ApiError::internal("the request was not admitted").into()) }.boxed();
        };
        let response = self.request.clone().run(target, call);
        response.map(|response| Ok(self.answered(response?))).boxed()
    }

    fn encode(&self) -> Bytes {
        self.request.encode_to_vec().into()
    }

    fn receive(&self, message: Bytes) -> Result<Box<dyn AnyResponse>, DecodeError> {
        Ok(self.answered(R::Response::decode(message)?))
    }

    fn nothing(&self) -> Box<dyn AnyResponse> {
        Box::new(Answered::<R>(R::Response::default()))
    }
}

impl<R: LocalRpc> AnyLocalRequest for Local<R> {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn polling_worker(&self) -> Option<PollingWorker<'_>> {
        self.0.polling_worker()
    }

    fn answer(self: Box<Self>, frontend: &Frontend, deadline: Instant) -> BoxFuture<'_, Result<Bytes, ApiError>> {
        self.0.answer(frontend, deadline).map(|response| Ok(response?.encode_to_vec().into())).boxed()
    }
}

impl<R: Rpc> AnyResponse for Answered<R> {
    fn hand_over(&mut self, shards: &Shards) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let tokens = R::tokens(&mut self.0).into_iter().filter(|token| token.purpose == TokenUse::Task);
        for bytes in tokens.map(|token| token.content.clone()).collect::<Vec<_>>() {
            let Some(token) = TaskToken::decode(&bytes) else { continue };
            let delivery = match R::ASKED_AGAIN {
                true => shards.deliver_again(token),
                false => shards.deliver(token),
            };
            match delivery {
                Some(delivery) => deliveries.push(delivery),
                None => R::withdraw(&mut self.0, &bytes),
            }
        }
        deliveries
    }

    fn seal(&mut self, key: TokenKey) {
        for token in R::tokens(&mut self.0) {
            token.seal(key);
        }
    }

    fn encode(&self) -> Bytes {
        self.0.encode_to_vec().into()
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
