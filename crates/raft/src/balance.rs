//! Gives leaderships back to the replicas that should have them, once those are up and have caught up.

use crate::{group::Group, node::Core};
use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    time::{Duration, Instant},
};
use tenure_storage::ShardId;

const PERIOD: Duration = Duration::from_secs(1);

/// A peer that was silent for longer than this has to be present anew before it gets a leadership.
const ABSENT: Duration = Duration::from_secs(2);

/// A leadership goes back when the other replica lacks no more than this.
const CAUGHT_UP: u64 = 50;

pub(crate) async fn run(core: Core) -> Infallible {
    // Since when this node has led each shard, or has last tried to hand it over.
    let mut led = HashMap::<ShardId, Instant>::new();
    // Since when each peer has been there, and fit to lead, without a break.
    let mut present = HashMap::<u64, Instant>::new();
    let mut shown = BTreeSet::new();
    loop {
        tenure_vital::succeeded("balance");
        tokio::time::sleep(PERIOD).await;
        for node in core.pool.peers() {
            match core.pool.silence(node) {
                Some(silence) if silence < ABSENT && core.pool.condition(node).is_fit() => {
                    present.entry(node).or_insert_with(Instant::now);
                }
                _ => _ = present.remove(&node),
            }
        }
        observe_lag(&core, &mut shown);
        let map = core.members.map();
        let long_enough = |since: Option<&Instant>| since.is_some_and(|at| at.elapsed() >= core.options.balance_after);
        for group in core.groups.all() {
            let shard = group.id();
            if !group.leadership().borrow().is_leader {
                led.remove(&shard);
                continue;
            }
            led.entry(shard).or_insert_with(Instant::now);
            let Some(preferred) = map.preferred_leader(shard).filter(|node| *node != core.node) else { continue };
            if long_enough(led.get(&shard))
                && long_enough(present.get(&preferred))
                && may_lead(&core, &group, preferred)
            {
                led.insert(shard, Instant::now());
                match group.transfer_leader(preferred).await {
                    Ok(()) => tracing::info!(shard, to = preferred, "leadership given back"),
                    Err(error) => tracing::warn!(shard, to = preferred, %error, "leadership not given back"),
                }
            }
        }
    }
}

fn may_lead(core: &Core, group: &Group, node: u64) -> bool {
    core.pool.condition(node).is_fit_for(group.id())
        && !core.pool.is_draining(node)
        && group.status().lag.iter().any(|(peer, lag)| *peer == node && lag.is_some_and(|entries| entries <= CAUGHT_UP))
}

/// Peers that were shown and are members no more lack nothing.
fn observe_lag(core: &Core, shown: &mut BTreeSet<u64>) {
    let mut worst = HashMap::<u64, u64>::new();
    for group in core.groups.all() {
        if group.leadership().borrow().is_leader {
            for (node, lag) in group.status().lag {
                let entries = worst.entry(node).or_default();
                *entries = (*entries).max(lag.unwrap_or(0));
            }
        }
    }
    shown.extend(core.pool.peers());
    for node in shown.iter() {
        let entries = worst.get(node).copied().unwrap_or(0);
        metrics::gauge!("tenure_raft_replication_lag_entries", "peer" => node.to_string()).set(entries as f64);
    }
}
