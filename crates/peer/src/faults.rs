//! A switch that cuts this node off from peers, for tests. Without the feature `fault-injection` nothing can turn it.

use std::collections::BTreeSet;
use tokio::sync::watch;

/// What does not get through between this node and its peers.
#[derive(Debug)]
pub struct Faults {
    cut: watch::Sender<Cut>,
}

/// The peers that this node is cut off from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    #[default]
    Nothing,
    /// It neither hears nor reaches them.
    BothWays(BTreeSet<u64>),
    /// It hears them, and they do not hear it: neither what it asks nor what it answers.
    Outward(BTreeSet<u64>),
}

impl Default for Faults {
    fn default() -> Self {
        Faults { cut: watch::Sender::new(Cut::Nothing) }
    }
}

impl Faults {
    /// What the peer sends arrives here.
    pub fn hears(&self, node: u64) -> bool {
        let cut = |cut: &Cut| matches!(cut, Cut::BothWays(nodes) if nodes.contains(&node));
        !(cfg!(feature = "fault-injection") && cut(&self.cut.borrow()))
    }

    /// What is sent from here arrives at the peer.
    pub fn reaches(&self, node: u64) -> bool {
        let cut = |cut: &Cut| matches!(cut, Cut::BothWays(nodes) | Cut::Outward(nodes) if nodes.contains(&node));
        !(cfg!(feature = "fault-injection") && cut(&self.cut.borrow()))
    }

    /// Returns once the peer's packets arrive (again): what a packet that is sent again and again does.
    pub async fn until_heard(&self, node: u64) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.cut.subscribe().wait_for(|_| self.hears(node)).await;
    }

    /// As [`Faults::until_heard`], of packets to the peer.
    pub async fn until_reached(&self, node: u64) {
        let _ = self.cut.subscribe().wait_for(|_| self.reaches(node)).await;
    }

    /// Replaces what is cut. False where this build has no such switch.
    #[must_use]
    pub fn cut_off(&self, cut: Cut) -> bool {
        if cfg!(feature = "fault-injection") {
            tracing::warn!(?cut, "fault injection");
            self.cut.send_replace(cut);
        }
        cfg!(feature = "fault-injection")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_has_a_direction() {
        let faults = Faults::default();
        let seen = |node| (faults.hears(node), faults.reaches(node));
        assert_eq!(seen(2), (true, true));
        let cut = |cut| assert_eq!(faults.cut_off(cut), cfg!(feature = "fault-injection"));
        for (two, turn) in [
            ((true, false), Cut::Outward([2].into())),
            ((false, false), Cut::BothWays([2].into())),
            ((true, true), Cut::Nothing),
        ] {
            cut(turn);
            let two = if cfg!(feature = "fault-injection") { two } else { (true, true) };
            assert_eq!((seen(2), seen(3)), (two, (true, true)));
        }
    }
}
