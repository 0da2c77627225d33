//! Nodes say hello to each other, so that each knows who is alive even where no group's messages flow, and how far
//! the clocks are apart.

use crate::node::Core;
use futures::future::join_all;
use std::{
    collections::BTreeSet,
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tenure_peer::{Callee, Condition, proto::HelloReply};
use tokio::time::MissedTickBehavior;
use tonic::Code;

const PERIOD: Duration = Duration::from_millis(500);

pub(crate) async fn run(core: Core) -> Infallible {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = BTreeSet::new();
    loop {
        ticks.tick().await;
        let strangers = core.members.strangers();
        let told = join_all(strangers.iter().map(|(node, address)| ask_stranger(&core, *node, address)));
        let peers: BTreeSet<u64> = core.pool.peers().collect();
        for gone in shown.difference(&peers) {
            clock_offset(*gone).set(0.0);
        }
        shown.clone_from(&peers);
        tokio::join!(join_all(peers.into_iter().map(|node| ping(&core, node))), told);
        tenure_vital::succeeded("liveness");
    }
}

async fn ping(core: &Core, node: u64) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64);
    let before = now();
    match core.pool.hello(node).await {
        Ok(answer) => {
            core.members.set_refused(node, None);
            core.members.hear(&answer);
            core.pool.set_condition(node, condition(&answer));
            // The peer looked at its clock somewhere between our two looks.
            let offset = answer.clock - (before + now()) / 2;
            core.pool.set_clock_ahead(node, offset as f64 / 1e9);
            clock_offset(node).set(offset as f64 / 1e9);
        }
        Err(status) if status.code() == Code::PermissionDenied => {
            core.members.set_refused(node, Some(status.message().to_owned()));
        }
        Err(_) => {}
    }
}

fn clock_offset(node: u64) -> metrics::Gauge {
    metrics::gauge!("tenure_peer_clock_offset_seconds", "peer" => node.to_string())
}

/// A node that is listed and not known may know more of the members; one of this cluster is believed.
async fn ask_stranger(core: &Core, node: u64, address: &str) {
    let callee = Callee { node_id: node, identity: None };
    if let Ok(answer) = core.pool.hello_at(address, &callee).await
        && !answer.cluster_id.is_empty()
    {
        core.members.hear(&answer);
    }
}

fn condition(answer: &HelloReply) -> Condition {
    let free_bytes = Some(answer.free_bytes).filter(|bytes| *bytes > 0);
    Condition { unfit_because: answer.unfit_because.clone(), free_bytes }
}
