//! The leaders that are here, and who leads the other shards.

use crate::{
    leader::runtime::LeaderRuntime,
    node::router::Router,
    seam::{
        error::NoLeader,
        replica::{Leadership, NodeId, ShardId},
    },
};
use parking_lot::RwLock;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

/// A leader that says it does not lead may be coming up; it is asked again after this time if nothing changes.
const RETRY: Duration = Duration::from_millis(25);

/// The leaders of one process.
pub(crate) struct Leaders {
    router: Arc<Router>,
    here: RwLock<BTreeMap<ShardId, Arc<LeaderRuntime>>>,
    /// Counts changes of `here`.
    changed: watch::Sender<u64>,
}

/// A shard's leader: a value of this process, or the node where it is.
#[derive(Clone)]
pub(crate) enum Leader {
    Here(Arc<LeaderRuntime>),
    At { node: NodeId, term: u64 },
}

impl Leader {
    /// The leader is that node, in that term or an earlier one.
    fn is_at(&self, denied: NodeId, in_term: u64) -> bool {
        matches!(self, Leader::At { node, term } if *node == denied && *term <= in_term)
    }
}

impl Leaders {
    pub(crate) fn new(router: Arc<Router>) -> Leaders {
        Leaders { router, here: RwLock::default(), changed: watch::Sender::new(0) }
    }

    pub(crate) fn local(&self, shard: ShardId) -> Option<Arc<LeaderRuntime>> {
        self.here.read().get(&shard).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<LeaderRuntime>> {
        self.here.read().values().cloned().collect()
    }

    pub(crate) fn set(&self, shard: ShardId, leader: Option<Arc<LeaderRuntime>>) {
        match leader {
            Some(leader) => _ = self.here.write().insert(shard, leader),
            None => _ = self.here.write().remove(&shard),
        }
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Waits until a leader is known. Where a node said that it does not lead in a term, another one is waited for, but not
    /// for long, because it may have come up by now.
    pub(crate) async fn find(
        &self,
        shard: ShardId,
        deadline: Instant,
        not_leader: Option<(NodeId, u64)>,
    ) -> Result<Leader, NoLeader> {
        let replica = self.router.replica(shard).ok_or(NoLeader { shard })?;
        let mut leadership = replica.leadership();
        let mut changed = self.changed.subscribe();
        let patience = Instant::now() + RETRY;
        loop {
            changed.mark_unchanged();
            let now = *leadership.borrow_and_update();
            let mut wake = deadline;
            match self.found(shard, now) {
                Some(found) => {
                    let denied = not_leader.is_some_and(|(node, term)| found.is_at(node, term));
                    if !denied || Instant::now() >= patience {
                        return Ok(found);
                    }
                    wake = deadline.min(patience);
                }
                None if Instant::now() >= deadline => return Err(NoLeader { shard }),
                None => {}
            }
            tokio::select! {
                gone = leadership.changed() => if gone.is_err() { return Err(NoLeader { shard }) },
                _ = changed.changed() => {}
                () = tokio::time::sleep_until(wake) => if wake == deadline && self.found(shard, *leadership.borrow()).is_none() {
                    return Err(NoLeader { shard });
                },
            }
        }
    }

    fn found(&self, shard: ShardId, now: Leadership) -> Option<Leader> {
        if now.is_leader {
            return self.local(shard).filter(|leader| leader.context.term == now.term).map(Leader::Here);
        }
        let node = now.leader.filter(|leader| *leader != self.router.mesh.node())?;
        Some(Leader::At { node, term: now.term })
    }
}
