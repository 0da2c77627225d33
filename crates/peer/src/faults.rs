//! A switch that cuts this node off from peers, for tests. Without the feature `fault-injection` nothing can turn it.

use std::collections::BTreeSet;
use tokio::sync::watch;

/// The peers that this node neither hears nor reaches.
#[derive(Debug)]
pub struct Faults {
    cut: watch::Sender<BTreeSet<u64>>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults { cut: watch::Sender::new(BTreeSet::new()) }
    }
}

impl Faults {
    pub fn is_cut(&self, node: u64) -> bool {
        cfg!(feature = "fault-injection") && self.cut.borrow().contains(&node)
    }

    /// Returns once the peer is not cut off (any more): what a packet that is sent again and again does.
    pub async fn wait_healed(&self, node: u64) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.cut.subscribe().wait_for(|_| !self.is_cut(node)).await;
    }

    /// Replaces the set of peers that are cut off. False where this build has no such switch.
    #[must_use]
    pub fn cut_off(&self, nodes: BTreeSet<u64>) -> bool {
        if cfg!(feature = "fault-injection") {
            tracing::warn!(?nodes, "fault injection: cut off from peers");
            self.cut.send_replace(nodes);
        }
        cfg!(feature = "fault-injection")
    }
}
