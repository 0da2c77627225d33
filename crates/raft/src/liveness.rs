//! Nodes say hello to each other, so that each knows who is alive even where no group's messages flow, and how far
//! the clocks are apart.

use crate::node::Core;
use futures::future::join_all;
use std::{
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::MissedTickBehavior;

const PERIOD: Duration = Duration::from_millis(500);

pub(crate) async fn run(core: Core) -> Infallible {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        join_all(core.pool.peers().map(|node| ping(&core, node))).await;
    }
}

async fn ping(core: &Core, node: u64) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64);
    let before = now();
    if let Ok(answer) = core.hello(node).await {
        // The peer looked at its clock somewhere between our two looks.
        let offset = answer.clock - (before + now()) / 2;
        core.pool.set_clock_ahead(node, offset as f64 / 1e9);
        metrics::gauge!("tenure_peer_clock_offset_seconds", "peer" => node.to_string()).set(offset as f64 / 1e9);
    }
}
