//! What all leaders of a process share.

use crate::{
    leader::cache::StateCache,
    node::{
        held_polls::HeldPolls,
        idle_polls::{LocalHomes, TakenPoll},
        router::Router,
        share::LeaderCount,
        system_view::SystemView,
        token_key::{KnownKey, TokenKey},
    },
    options::Options,
};
use std::sync::Arc;
use tenure_api::error::ApiError;
use tenure_engine::{
    Envelope, QueueKey, Transition,
    transition::{Context, Refused},
};
use tenure_limits::{COMMANDS, LONG_COMMANDS, STEPS};
use tokio::{sync::Semaphore, time::Instant};

/// The engine's entry point; an argument, so that tests of this crate may bring their own.
pub(crate) type Engine =
    fn(&dyn tenure_engine::StateReader, &Envelope, &mut Context<'_>) -> Result<Transition, Refused>;

/// What a leader needs of its process; there is one for all of them.
pub(crate) struct NodeContext {
    pub(crate) router: Arc<Router>,
    pub(crate) system: Arc<SystemView>,
    pub(crate) options: Options,
    pub(crate) engine: Engine,
    pub(crate) states: Arc<StateCache>,
    pub(crate) leaders: LeaderCount,
    pub(crate) homes: LocalHomes,
    pub(crate) held_polls: Arc<HeldPolls>,
    token_key: KnownKey,
    /// Permits for commands that read whole histories.
    pub(crate) long_commands: Arc<Semaphore>,
    /// Permits for steps of answers to questions that go to many shards.
    pub(crate) steps: Arc<Semaphore>,
    /// Permits for commands of clients, that wait or run.
    pub(crate) commands: Semaphore,
}

impl NodeContext {
    pub(crate) fn new(system: Arc<SystemView>, router: Arc<Router>, options: Options, engine: Engine) -> Self {
        NodeContext {
            held_polls: HeldPolls::new(router.clone()),
            router,
            system,
            states: StateCache::new(options.state_cache_bytes),
            leaders: LeaderCount::default(),
            homes: LocalHomes::default(),
            token_key: KnownKey::default(),
            options,
            engine,
            long_commands: Arc::new(Semaphore::new(LONG_COMMANDS)),
            steps: Arc::new(Semaphore::new(STEPS)),
            commands: Semaphore::new(COMMANDS),
        }
    }

    /// Takes a poll that waits for whatever comes next in the queue, if one of this node's workers' does or one of those at a
    /// home that is here.
    pub(crate) fn take_idle_poll(&self, queue: &QueueKey) -> Option<TakenPoll> {
        let home = self.router.mesh.shard_of(queue.slot());
        self.homes.take(home, queue).or_else(|| self.held_polls.take(home, queue))
    }

    /// The same as [`NodeContext::token_key`], if this node knows it already.
    pub(crate) fn known_token_key(&self) -> Option<TokenKey> {
        self.token_key.known()
    }

    /// What seals and opens the tokens of this cluster. A node that does not know it yet asks the system shard's leader.
    ///
    /// # Errors
    /// UNAVAILABLE if that does not answer in time.
    pub(crate) async fn token_key(&self, deadline: Instant) -> Result<TokenKey, ApiError> {
        let key = self.token_key.get(&self.router, deadline).await;
        key.map_err(|cause| ApiError::unavailable(format!("the key of tokens: {cause}")))
    }
}
