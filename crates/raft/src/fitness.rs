//! Whether this node should lead shards. One that should not says so to the others, to operators, in its log and in its
//! metrics, and gives away what it leads, as long as another node may take it.

use crate::{group::Leadership, node::Core};
use futures::future::join_all;
use metrics::gauge;
use parking_lot::Mutex;
use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};
use tenure_peer::{Pool, admin::StatusRequest};
use tenure_storage::ShardId;
use tokio::sync::Notify;

/// Between two looks at what tells whether the node is fit.
const PERIOD: Duration = Duration::from_millis(250);

/// Between two attempts to give away what is led, and two questions who leads instead.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a node may take to tell what it leads.
const PATIENCE: Duration = Duration::from_millis(800);

/// What makes a node unfit to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unfit {
    /// Its disk does not answer a write of the log.
    DiskHangs,
    /// Its disk is (nearly) full.
    DiskFull,
    /// Its clock is far from those of the others.
    ClockOff,
}

impl Unfit {
    /// The label of metrics.
    fn name(self) -> &'static str {
        match self {
            Unfit::DiskHangs => "disk_hangs",
            Unfit::DiskFull => "disk_full",
            Unfit::ClockOff => "clock_off",
        }
    }
}

/// Why this node should not lead. Clones share it.
#[derive(Clone)]
pub(crate) struct Fitness(Arc<Inner>);

struct Inner {
    pool: Pool,
    reasons: Mutex<BTreeMap<Unfit, String>>,
    /// Told while there is something that this node should not lead.
    wake: Notify,
}

impl Fitness {
    pub(crate) fn new(pool: Pool) -> Fitness {
        for cause in [Unfit::DiskHangs, Unfit::DiskFull, Unfit::ClockOff] {
            gauge!("tenure_node_unfit", "cause" => cause.name()).set(0.0);
        }
        Fitness(Arc::new(Inner { pool, reasons: Mutex::default(), wake: Notify::new() }))
    }

    /// Says whether a cause is there, and in a sentence without its beginning ('its disk hangs') what is the matter.
    pub(crate) fn set(&self, cause: Unfit, because: Option<String>) {
        let mut reasons = self.0.reasons.lock();
        let before = reasons.get(&cause);
        if before == because.as_ref() {
            return;
        }
        match (before, &because) {
            (None, Some(because)) => tracing::error!(because, "this node is not fit to lead"),
            (Some(_), None) => tracing::info!(cause = cause.name(), "no longer unfit to lead for this"),
            _ => {}
        }
        gauge!("tenure_node_unfit", "cause" => cause.name()).set(f64::from(u8::from(because.is_some())));
        match because {
            Some(because) => _ = reasons.insert(cause, because),
            None => _ = reasons.remove(&cause),
        }
        self.0.pool.change_condition(|condition| condition.unfit_because = reasons.values().cloned().collect());
    }
}

/// Looks again and again whether the node is fit, and its replicas are whole.
pub(crate) async fn watch(core: Core) -> Infallible {
    loop {
        tenure_vital::succeeded("fitness");
        tokio::time::sleep(PERIOD).await;
        let hangs = core.storage.disk_silence();
        let hangs = hangs.map(|silence| format!("its disk has not answered for {} s", silence.as_secs()));
        core.fitness.set(Unfit::DiskHangs, hangs);
        let groups = core.groups.all().into_iter();
        let damaged: Vec<ShardId> = groups.filter(|group| group.damage().is_some()).map(|group| group.id()).collect();
        let whole = damaged.is_empty();
        core.pool.change_condition(|condition| condition.damaged_shards = damaged);
        if !whole || !core.pool.own_condition().is_fit() {
            core.fitness.0.wake.notify_one();
        }
    }
}

/// Gives away what a node leads and should not, again and again, for it may be elected.
pub(crate) async fn give_away(core: Core) -> Infallible {
    loop {
        core.fitness.0.wake.notified().await;
        tokio::select! {
            () = core.hand_over_unfit() => {}
            _ = keep_asking(&core) => {}
        }
        ask_who_leads(&core).await;
    }
}

async fn keep_asking(core: &Core) -> Infallible {
    loop {
        ask_who_leads(core).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks the other nodes who leads, while this one's disk hangs: a replica writes its vote before it follows a new leader, and
/// so it would not hear of one.
async fn ask_who_leads(core: &Core) {
    if core.storage.disk_silence().is_some() {
        join_all(core.pool.peers().map(|node| ask_what_is_led(core, node))).await;
    }
}

/// Asks a node what it leads itself.
async fn ask_what_is_led(core: &Core, node: u64) {
    let Ok(mut client) = core.pool.admin(node) else { return };
    let asked = tokio::time::timeout(PATIENCE, client.status(StatusRequest {})).await;
    let Ok(Ok(status)) = asked else { return };
    for shard in status.into_inner().shards.iter().filter(|shard| shard.leader == node) {
        if let Some(group) = core.groups.get(shard.shard) {
            group.hear_of(Leadership { leader: Some(node), term: shard.term, is_leader: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_peer::{Gate, Local};
    use uuid::Uuid;

    #[tokio::test]
    async fn what_is_unfit_is_told_until_it_is_over() {
        let local = Arc::new(Local::new(1, Uuid::from_u128(1), None));
        let pool = Pool::new(local, Arc::new(Gate::new(1, [1])), BTreeMap::new()).unwrap();
        let fitness = Fitness::new(pool.clone());
        assert!(pool.own_condition().is_fit());
        for told in ["its disk has not answered for 1 s", "its disk has not answered for 2 s"] {
            fitness.set(Unfit::DiskHangs, Some(told.to_owned()));
            assert_eq!(pool.own_condition().unfit_because, [told]);
        }
        fitness.set(Unfit::DiskHangs, None);
        assert!(pool.own_condition().is_fit());
    }
}
