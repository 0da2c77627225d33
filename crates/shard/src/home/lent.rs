//! Polls of a queue that wait for what leaders on the nodes have which they came to.

use super::queue::WaitingPoll;
use crate::seam::replica::NodeId;
use std::collections::BTreeMap;
use tenure_engine::ProposalId;
use tenure_queue::PollId;

/// Polls that the home has lent. It gives no task to one before it has called it back.
#[derive(Default)]
pub(super) struct LentPolls(BTreeMap<PollId, LentPoll>);

struct LentPoll {
    poll: WaitingPoll,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The node may not have heard of it yet.
    Told,
    Known,
    /// It is called back. If the node has started a task for it meanwhile, it goes.
    Recalled,
}

impl LentPolls {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, id: PollId, poll: WaitingPoll) {
        self.0.insert(id, LentPoll { poll, stage: Stage::Told });
    }

    /// The node knows of the poll.
    pub(super) fn known(&mut self, name: ProposalId) {
        if let Some(lent) = self.0.values_mut().find(|lent| lent.poll.request.id == name) {
            lent.stage = Stage::Known;
        }
    }

    /// The oldest polls that can be called back, by their nodes, so that as many as are wanted are called back.
    pub(super) fn recall(&mut self, wanted: usize) -> BTreeMap<NodeId, Vec<ProposalId>> {
        let under_way = self.0.values().filter(|lent| lent.stage == Stage::Recalled).count();
        let known = self.0.values_mut().filter(|lent| lent.stage == Stage::Known);
        let mut nodes: BTreeMap<NodeId, Vec<ProposalId>> = BTreeMap::new();
        for lent in known.take(wanted.saturating_sub(under_way)) {
            lent.stage = Stage::Recalled;
            nodes.entry(lent.poll.request.poll.process.node).or_default().push(lent.poll.request.id);
        }
        nodes
    }

    /// The poll came back, or goes.
    pub(super) fn remove(&mut self, id: PollId) -> Option<WaitingPoll> {
        self.0.remove(&id).map(|lent| lent.poll)
    }

    pub(super) fn remove_named(&mut self, name: ProposalId) -> Option<(PollId, WaitingPoll)> {
        let id = *self.0.iter().find(|(_, lent)| lent.poll.request.id == name)?.0;
        Some((id, self.remove(id)?))
    }

    pub(super) fn take_all(&mut self) -> Vec<WaitingPoll> {
        std::mem::take(&mut self.0).into_values().map(|lent| lent.poll).collect()
    }
}
