//! What every part of one leader stands on.

use crate::{
    node::{context::NodeContext, router::Router, share::Counted, token_key::TokenKey},
    options::Options,
    seam::error::NoLeader,
    seam::replica::{NotLeader, ProposeError, Replica, Rows, ShardId},
    time::clock::Clock,
};
use std::sync::Arc;
use tenure_engine::{WriteSet, rows::ReadError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One term of a leader: its shard, replica, rows and clock.
pub(crate) struct LeaderContext {
    pub(crate) shard: ShardId,
    pub(crate) term: u64,
    pub(crate) replica: Arc<dyn Replica>,
    pub(crate) rows: Arc<dyn Rows>,
    pub(crate) node: Arc<NodeContext>,
    pub(crate) clock: Clock,
    /// Cancelled when leadership goes; all calls and tasks end with it.
    pub(crate) ended: CancellationToken,
    _counted: Counted,
}

/// Why a leader could not come up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error(transparent)]
    Rows(#[from] ReadError),
}

impl LeaderContext {
    /// Takes office: passes a barrier in the new term, and puts the new leader's time on record.
    pub(crate) async fn establish(
        node: Arc<NodeContext>,
        replica: Arc<dyn Replica>,
        term: u64,
    ) -> Result<Arc<LeaderContext>, BuildError> {
        replica.linearizable().await?;
        let rows = replica.rows();
        let clock = Clock::start(&*rows, node.options.virtual_time.as_ref())?;
        // The new leader's time is on record before anything is told by it; and the entry proves the leadership.
        replica.propose(term, &WriteSet { ops: clock.record().into_iter().collect() }).await?;
        let (shard, ended, _counted) = (replica.shard(), CancellationToken::new(), node.leaders.enter());
        Ok(Arc::new(LeaderContext { shard, term, replica, rows, node, clock, ended, _counted }))
    }

    pub(crate) fn options(&self) -> &Options {
        &self.node.options
    }

    pub(crate) fn router(&self) -> &Arc<Router> {
        &self.node.router
    }

    /// What seals the tokens that this leader gives out.
    pub(crate) async fn token_key(&self) -> Result<TokenKey, NoLeader> {
        self.node.token_key(Instant::now() + self.options().call_timeout).await
    }

    pub(crate) fn not_leader(&self) -> NotLeader {
        self.router().not_leader(self.shard)
    }

    /// Rows read afterwards show all that was acknowledged before the call.
    pub(crate) async fn barrier(&self) -> Result<(), NotLeader> {
        tokio::select! {
            biased;
            () = self.ended.cancelled() => Err(self.not_leader()),
            passed = self.replica.linearizable() => passed,
        }
    }

    /// Replicates rows in this leader's term, with the time now and then.
    pub(crate) async fn propose(&self, writes: &mut WriteSet) -> Result<(), ProposeError> {
        writes.ops.extend(self.clock.record());
        self.replica.propose(self.term, writes).await
    }
}
