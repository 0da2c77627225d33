//! Which step takes a shard's replicas nearer to what is wanted. No I/O: a leader looks at its group, and this says what
//! it has to do next.

use std::collections::{BTreeMap, BTreeSet};

/// A learner that lacks no more entries than this may get a vote.
pub(crate) const CAUGHT_UP: u64 = 200;

/// The replicas of a group, as its leader sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replicas {
    /// One set of voters, or two while they change.
    pub(crate) voters: Vec<BTreeSet<u64>>,
    pub(crate) learners: BTreeSet<u64>,
    /// How many entries each other replica lacks; `None` for one that was not heard yet.
    pub(crate) lag: BTreeMap<u64, Option<u64>>,
    /// The last change of them is committed.
    pub(crate) settled: bool,
}

/// What a leader has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// All is as it is wanted.
    Done,
    /// Entries have to arrive first.
    Wait,
    /// The node gets all entries, without a vote.
    AddLearner(u64),
    RemoveLearners(BTreeSet<u64>),
    /// These have the votes, by joint consensus.
    ChangeVoters(BTreeSet<u64>),
    /// The leader is to lose its vote: one of these leads first, if it can.
    HandOver(Vec<u64>),
}

impl Step {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Step::Done => "done",
            Step::Wait => "wait",
            Step::AddLearner(_) => "add a learner",
            Step::RemoveLearners(_) => "remove learners",
            Step::ChangeVoters(_) => "change voters",
            Step::HandOver(_) => "hand over",
        }
    }
}

impl Replicas {
    pub(crate) fn has_caught_up(&self, node: u64) -> bool {
        self.lag.get(&node).is_some_and(|lag| lag.is_some_and(|entries| entries <= CAUGHT_UP))
    }

    /// Whether these are the voters and the learners, and nothing is on its way.
    pub(crate) fn are(&self, voters: &BTreeSet<u64>, learners: &BTreeSet<u64>) -> bool {
        self.settled && self.voters.len() == 1 && self.voters[0] == *voters && self.learners == *learners
    }

    /// The next step of the leader, which is node `leader`.
    pub(crate) fn next(&self, leader: u64, voters: &BTreeSet<u64>, learners: &BTreeSet<u64>) -> Step {
        if !self.settled {
            return Step::Wait;
        }
        if self.are(voters, learners) {
            return Step::Done;
        }
        if self.voters.len() > 1 {
            // Somebody led who did not get further.
            return Step::ChangeVoters(voters.clone());
        }
        let now = self.voters.first().cloned().unwrap_or_default();
        let has_replica = |node: &&u64| now.contains(node) || self.learners.contains(node);
        if let Some(new) = voters.union(learners).find(|node| !has_replica(node)) {
            return Step::AddLearner(*new);
        }
        if now == *voters {
            return Step::RemoveLearners(self.learners.difference(learners).copied().collect());
        }
        if !voters.difference(&now).all(|node| self.has_caught_up(*node)) {
            return Step::Wait;
        }
        if !voters.contains(&leader) {
            let mut heirs: Vec<u64> = voters.intersection(&now).copied().collect();
            heirs.sort_by_key(|node| self.lag.get(node).copied().flatten().unwrap_or(u64::MAX));
            if !heirs.is_empty() {
                return Step::HandOver(heirs);
            }
        }
        Step::ChangeVoters(voters.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<const N: usize>(nodes: [u64; N]) -> BTreeSet<u64> {
        nodes.into()
    }

    fn replicas(voters: &[&[u64]], learners: &[u64], lag: &[(u64, u64)]) -> Replicas {
        Replicas {
            voters: voters.iter().map(|nodes| nodes.iter().copied().collect()).collect(),
            learners: learners.iter().copied().collect(),
            lag: lag.iter().map(|(node, entries)| (*node, Some(*entries))).collect(),
            settled: true,
        }
    }

    #[track_caller]
    fn check(now: &Replicas, leader: u64, voters: &[u64], learners: &[u64], want: Step) {
        let set = |nodes: &[u64]| nodes.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(now.next(leader, &set(voters), &set(learners)), want);
    }

    #[test]
    fn a_node_learns_votes_and_another_goes() {
        let three = replicas(&[&[1, 2, 3]], &[], &[(2, 0), (3, 0)]);
        check(&three, 1, &[1, 2, 3], &[], Step::Done);
        check(&three, 1, &[1, 2, 3], &[4], Step::AddLearner(4));
        let learning = replicas(&[&[1, 2, 3]], &[4], &[(3, 0), (4, 5000)]);
        check(&learning, 1, &[1, 2, 3], &[4], Step::Done);
        check(&learning, 1, &[1, 3, 4], &[], Step::Wait);
        let learnt = replicas(&[&[1, 2, 3]], &[4], &[(1, 7), (3, 0), (4, 20)]);
        check(&learnt, 1, &[1, 3, 4], &[], Step::ChangeVoters(set([1, 3, 4])));
        check(&learnt, 2, &[1, 3, 4], &[], Step::HandOver(vec![3, 1]));
        check(&learnt, 1, &[1, 2, 3], &[], Step::RemoveLearners(set([4])));
    }

    #[test]
    fn what_a_leader_left_half_way_is_finished() {
        let joint = replicas(&[&[1, 2, 3], &[1, 3, 4]], &[], &[]);
        check(&joint, 1, &[1, 3, 4], &[], Step::ChangeVoters(set([1, 3, 4])));
        check(&joint, 2, &[1, 3, 4], &[], Step::ChangeVoters(set([1, 3, 4])));
        let unsettled = Replicas { settled: false, ..joint };
        check(&unsettled, 1, &[1, 3, 4], &[], Step::Wait);
        let left = replicas(&[&[1, 3, 4]], &[2], &[]);
        check(&left, 1, &[1, 3, 4], &[], Step::RemoveLearners(set([2])));
        check(&replicas(&[&[1]], &[], &[]), 1, &[2], &[], Step::AddLearner(2));
        check(&replicas(&[&[1]], &[2], &[(2, 0)]), 1, &[2], &[], Step::ChangeVoters(set([2])));
    }
}
