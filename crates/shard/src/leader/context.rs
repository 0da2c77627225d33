//! What every part of one leader stands on.

use crate::{
    leader::{changes::Changes, reclaimed::Reclaimed},
    node::{context::NodeContext, router::Router, share::Counted, token_key::TokenKey},
    options::Options,
    seam::replica::{NotLeader, ProposeError, Replica, Room, Rows, ShardId},
    time::clock::Clock,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tenure_api::error::ApiError;
use tenure_engine::{FeatureLevel, RowKey, WriteSet, codec, rows::ReadError, visibility::Filling};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two looks whether the clocks of a majority are known, as they are a moment after the node has come up.
const CLOCKS_AWAITED: Duration = Duration::from_millis(10);

/// What is not replicated because the disks are full keeps its caller for so long, so that it is not tried all the time.
const NO_ROOM: Duration = Duration::from_millis(100);

/// One term of a leader: its shard, replica, rows and clock.
pub(crate) struct LeaderContext {
    pub(crate) shard: ShardId,
    pub(crate) term: u64,
    pub(crate) replica: Arc<dyn Replica>,
    pub(crate) rows: Arc<dyn Rows>,
    pub(crate) node: Arc<NodeContext>,
    pub(crate) clock: Clock,
    /// How far earlier leaders have filled the shard's lists, if they have begun.
    pub(crate) filling: Option<Filling>,
    /// Whether the shard has begun to have lists: from then on all its leaders put runs into them, whatever this node has
    /// heard of the cluster's feature level.
    lists: AtomicBool,
    /// The namespaces that were deleted.
    pub(crate) reclaimed: Reclaimed,
    /// What is counted for those who look at lists.
    pub(crate) changes: Changes,
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
        let reclaimed = Reclaimed::load(replica.shard(), &*rows)?;
        let filling = rows.get(&RowKey::ListFill)?.map(|row| codec::decode(&row)).transpose();
        let filling = filling.map_err(|error| ReadError::corrupt(RowKey::ListFill, error))?;
        // A leader goes by no time that a majority does not allow.
        while !node.options.clock.is_known() {
            tokio::time::sleep(CLOCKS_AWAITED).await;
        }
        let clock = Clock::start(&*rows, &node.options)?;
        // The new leader's time is on record before anything is told by it; and the entry proves the leadership.
        replica.propose(term, &WriteSet { ops: clock.record().into_iter().collect() }).await?;
        let lists = filling.is_some().into();
        let (shard, ended, _counted) = (replica.shard(), CancellationToken::new(), node.leaders.enter());
        Ok(Arc::new(LeaderContext {
            shard,
            term,
            replica,
            rows,
            node,
            clock,
            filling,
            lists,
            reclaimed,
            changes: Changes::default(),
            ended,
            _counted,
        }))
    }

    /// The level of the forms that commands may write. It falls in no shard that has lists: a run that a command below their
    /// level started after the filling has passed it would never come into them.
    pub(crate) fn level(&self) -> FeatureLevel {
        let known = self.node.system.level();
        if self.has_lists() { known.max(FeatureLevel::LISTS) } else { known }
    }

    pub(crate) fn has_lists(&self) -> bool {
        self.lists.load(Ordering::SeqCst)
    }

    pub(crate) fn begin_lists(&self) {
        self.lists.store(true, Ordering::SeqCst);
    }

    pub(crate) fn options(&self) -> &Options {
        &self.node.options
    }

    pub(crate) fn router(&self) -> &Arc<Router> {
        &self.node.router
    }

    /// What seals the tokens that this leader gives out.
    pub(crate) async fn token_key(&self) -> Result<TokenKey, ApiError> {
        self.node.token_key(Instant::now() + self.options().call_timeout).await
    }

    pub(crate) fn not_leader(&self) -> NotLeader {
        self.router().not_leader(self.shard)
    }

    /// Reads rows where that may take long.
    pub(crate) async fn read<T: Send + 'static, E: From<ReadError> + Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Rows) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let rows = self.rows.clone();
        let reading = tokio::task::spawn_blocking(move || read(&*rows));
        reading.await.unwrap_or_else(|error| Err(ReadError::Storage(error.to_string()).into()))
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
        if self.replica.room() == Room::None {
            // Whoever asked tries again, as when leaders change.
            tokio::time::sleep(NO_ROOM).await;
            return Err(NotLeader { leader: None, term: self.term }.into());
        }
        writes.ops.extend(self.clock.record());
        self.replica.propose(self.term, writes).await
    }
}
