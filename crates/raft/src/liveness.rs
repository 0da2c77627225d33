//! Nodes say hello to each other, so that each knows who is alive even where no group's messages flow, what the others say of
//! themselves, and what their clocks show.

use crate::{fitness::Unfit, node::Core};
use futures::future::join_all;
use std::{
    collections::BTreeSet,
    convert::Infallible,
    time::{Duration, Instant},
};
use tenure_clock::{TOLERANCE, wall};
use tenure_peer::{Callee, Condition, proto::HelloReply, says_removed};
use tonic::Code;

const PERIOD: Duration = Duration::from_millis(500);

/// Between two rounds while the clocks of a majority are not known: no leader of this node serves before they are.
const FIRST_PERIOD: Duration = Duration::from_millis(50);

/// An answer that takes longer does not tell when the peer looked at its clock.
const PROMPT: Duration = Duration::from_millis(250);

/// So many rounds in a row have to find this node's clock off. In one of them the others may not have been heard of since a
/// machine slept on which all of them run.
const ROUNDS_OFF: u32 = 2;

pub(crate) async fn run(core: Core) -> Infallible {
    let (mut rounds_off, mut shown) = (0, BTreeSet::new());
    loop {
        let strangers = core.members.strangers();
        let told = join_all(strangers.iter().map(|(node, address)| ask_stranger(&core, *node, address)));
        let peers: BTreeSet<u64> = core.pool.peers().collect();
        for gone in shown.difference(&peers) {
            clock_offset(*gone).set(0.0);
        }
        core.clock.set_peers(&peers);
        shown.clone_from(&peers);
        tokio::join!(join_all(peers.into_iter().map(|node| ping(&core, node))), told);
        let ahead = Duration::from_nanos(core.clock.ahead().unsigned_abs());
        rounds_off = if ahead > TOLERANCE { rounds_off + 1 } else { 0 };
        let off = (rounds_off >= ROUNDS_OFF).then(|| off_by(core.clock.ahead()));
        core.fitness.set(Unfit::ClockOff, off);
        metrics::gauge!("tenure_clock_off_seconds").set(core.clock.ahead() as f64 / 1e9);
        tenure_vital::succeeded("liveness");
        tokio::time::sleep(if core.clock.is_known() { PERIOD } else { FIRST_PERIOD }).await;
    }
}

/// In words, in a unit that a person would choose.
fn off_by(ahead: i64) -> String {
    let seconds = ahead.unsigned_abs() as f64 / 1e9;
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let (value, unit) = match seconds {
        ..120.0 => (seconds, "s"),
        ..7_200.0 => (seconds / 60.0, "min"),
        ..172_800.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "days"),
    };
    format!("its clock is {value:.1} {unit} {side} those of the other nodes")
}

async fn ping(core: &Core, node: u64) {
    let begin = Instant::now();
    match core.pool.hello(node).await {
        Ok(answer) => {
            core.members.set_refused(node, None);
            core.members.hear(&answer);
            core.pool.set_condition(node, condition(&answer));
            look_at_clock(core, node, answer.clock, begin);
        }
        Err(status) if status.code() == Code::PermissionDenied => {
            core.members.set_refused(node, Some(status.message().to_owned()));
            if says_removed(&status) {
                core.members.set_removed(status.message()).await;
            }
        }
        Err(_) => {}
    }
}

/// The peer looked at its clock somewhere between our two looks.
fn look_at_clock(core: &Core, node: u64, showed: i64, begin: Instant) {
    let took = begin.elapsed();
    if took > PROMPT {
        return;
    }
    core.clock.observe(node, showed, begin + took / 2);
    let ahead = (showed + (took / 2).as_nanos() as i64).saturating_sub(wall()) as f64 / 1e9;
    core.pool.set_clock_ahead(node, ahead);
    clock_offset(node).set(ahead);
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
    Condition { unfit_because: answer.unfit_because.clone(), damaged_shards: answer.damaged_shards.clone(), free_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_of_in_words() {
        const SECOND: i64 = 1_000_000_000;
        for (ahead, told) in [
            (SECOND * 6 / 10, "its clock is 0.6 s ahead of those of the other nodes"),
            (-3_600 * SECOND, "its clock is 60.0 min behind those of the other nodes"),
            (3_650 * 86_400 * SECOND, "its clock is 3650.0 days ahead of those of the other nodes"),
        ] {
            assert_eq!(off_by(ahead), told);
        }
    }
}
