//! How the members of the cluster change: one node comes, one goes, or one takes the place of another. A change goes
//! through phases, each of which is a map of the cluster; who drives it sees to it that the shards follow before it writes
//! the next one.
//!
//! | phase | the node that comes | the node that goes | ends when |
//! |---|---|---|---|
//! | learning | joining: gets all rows, has no vote | member | it has caught up in every shard, or the change is undone |
//! | voting | member | leaving | every shard has the new voters, and no others |
//! | undoing | removed | member | no shard sends it anything any more |

use super::{
    change::{Change, Ended, Nodes, Phase},
    cluster::{ClusterMap, NodeRow, NodeStanding, SYSTEM_SHARD, ShardRow},
};
use crate::feature_level::FeatureLevel;
use std::collections::{BTreeMap, BTreeSet};

/// Why the members are not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    #[error("{0}: wait until that is done, or undo it with `tenure cluster cancel-change`")]
    Changing(Nodes),
    #[error("node {0} is a member already")]
    MemberAlready(u64),
    #[error("node id {0} was used before: ids are used once, start the node with another one")]
    UsedBefore(u64),
    #[error("there is no node {0} in this cluster")]
    NoSuchNode(u64),
    #[error("node {0} was removed already")]
    RemovedAlready(u64),
    #[error("node {0} is the last one: a cluster has one node at least")]
    LastNode(u64),
    #[error("nothing is being changed")]
    NothingChanges,
    #[error("{0}, and has gone too far to be undone: it will be finished")]
    TooLate(Nodes),
    #[error("the cluster is at feature level {0}, and nodes come and go from level {level} on: run `tenure cluster upgrade`", level = FeatureLevel::MEMBERS)]
    Level(FeatureLevel),
}

impl ClusterMap {
    /// Begins a change; `row` is that of the node that comes.
    pub fn begin(&self, nodes: Nodes, row: Option<NodeRow>, now_ms: u64) -> Result<ClusterMap, MembersError> {
        self.check(nodes)?;
        let mut next = self.clone();
        if let (Some(add), Some(row)) = (nodes.add, row) {
            next.nodes.insert(add, NodeRow { standing: NodeStanding::Joining, ..row });
        }
        next.members.change = Some(Change { nodes, phase: Phase::Learning, began_ms: now_ms });
        // A node that only goes has nothing to learn.
        Ok(if nodes.add.is_none() { next.vote() } else { next.counted() })
    }

    /// Whether these nodes may come and go now.
    pub fn check(&self, nodes: Nodes) -> Result<(), MembersError> {
        if self.cluster.feature_level < FeatureLevel::MEMBERS {
            return Err(MembersError::Level(self.cluster.feature_level));
        }
        if let Some(change) = &self.members.change {
            return Err(MembersError::Changing(change.nodes));
        }
        if let Some(remove) = nodes.remove {
            match self.nodes.get(&remove) {
                None => return Err(MembersError::NoSuchNode(remove)),
                Some(row) if row.standing == NodeStanding::Removed => return Err(MembersError::RemovedAlready(remove)),
                Some(_) if nodes.add.is_none() && self.voting_nodes().count() == 1 => {
                    return Err(MembersError::LastNode(remove));
                }
                Some(_) => {}
            }
        }
        match nodes.add.and_then(|add| self.nodes.get_key_value(&add)) {
            Some((add, row)) if row.standing == NodeStanding::Removed => Err(MembersError::UsedBefore(*add)),
            Some((add, _)) => Err(MembersError::MemberAlready(*add)),
            None if nodes == Nodes::default() => Err(MembersError::NothingChanges),
            None => Ok(()),
        }
    }

    /// The map after the phase that the change is in; unchanged where nothing changes.
    pub fn advance(&self, now_ms: u64) -> ClusterMap {
        let Some(change) = &self.members.change else { return self.clone() };
        match change.phase {
            Phase::Learning => self.clone().vote(),
            Phase::Voting => self.ended(change, false, now_ms),
            Phase::Undoing => self.ended(change, true, now_ms),
        }
    }

    /// Takes a change back whose new node has no vote yet.
    pub fn undo(&self) -> Result<ClusterMap, MembersError> {
        let mut next = self.clone();
        let change = next.members.change.as_mut().ok_or(MembersError::NothingChanges)?;
        match (change.phase, change.nodes.add) {
            (Phase::Undoing, _) => return Ok(next),
            (Phase::Learning, Some(add)) => {
                change.phase = Phase::Undoing;
                next.stand(add, NodeStanding::Removed);
            }
            _ => return Err(MembersError::TooLate(change.nodes)),
        }
        Ok(next.counted())
    }

    /// The replicas that a shard should send its entries to although they have no vote.
    pub fn learners(&self, _shard: u32) -> BTreeSet<u64> {
        let learning = self.members.change.as_ref().filter(|change| change.phase == Phase::Learning);
        learning.and_then(|change| change.nodes.add).into_iter().collect()
    }

    /// All shards, the system shard first.
    pub fn all_shards(&self) -> impl Iterator<Item = u32> {
        std::iter::once(SYSTEM_SHARD).chain(self.shards.keys().copied())
    }

    fn counted(mut self) -> ClusterMap {
        self.members.revision += 1;
        self
    }

    fn stand(&mut self, node: u64, standing: NodeStanding) {
        if let Some(row) = self.nodes.get_mut(&node) {
            debug_assert!(row.standing <= standing, "a node never goes back to what it was");
            row.standing = standing;
        }
    }

    /// Gives votes to the node that comes, and takes those of the one that goes.
    fn vote(mut self) -> ClusterMap {
        let Some(change) = &mut self.members.change else { return self };
        change.phase = Phase::Voting;
        let Nodes { add, remove } = change.nodes;
        if let Some(add) = add {
            self.stand(add, NodeStanding::Member);
        }
        if let Some(remove) = remove {
            self.stand(remove, NodeStanding::Leaving);
        }
        let voting: Vec<u64> = self.voting_nodes().collect();
        for row in self.shards.values_mut() {
            row.replicas.clone_from(&voting);
        }
        spread_leaders(&mut self.shards, &voting);
        self.counted()
    }

    fn ended(&self, change: &Change, undone: bool, now_ms: u64) -> ClusterMap {
        let mut next = self.clone();
        if let (false, Some(remove)) = (undone, change.nodes.remove) {
            next.stand(remove, NodeStanding::Removed);
        }
        next.members.change = None;
        next.members.last = Some(Ended {
            nodes: change.nodes,
            undone,
            began_ms: change.began_ms,
            ended_ms: now_ms.max(change.began_ms),
        });
        next.counted()
    }
}

/// Leaders that may stay do, as long as no node leads two shards more than another.
fn spread_leaders(shards: &mut BTreeMap<u32, ShardRow>, nodes: &[u64]) {
    let mut led: BTreeMap<u64, Vec<u32>> = nodes.iter().map(|node| (*node, Vec::new())).collect();
    let mut without = Vec::new();
    for (shard, row) in shards.iter() {
        match led.get_mut(&row.preferred_leader) {
            Some(shards) => shards.push(*shard),
            None => without.push(*shard),
        }
    }
    loop {
        let least = led.iter().min_by_key(|(_, shards)| shards.len()).map(|(node, shards)| (*node, shards.len()));
        let most = led.iter().max_by_key(|(_, shards)| shards.len()).map(|(node, shards)| (*node, shards.len()));
        let (Some((least, few)), Some((most, many))) = (least, most) else { return };
        let moved = match without.pop() {
            Some(shard) => Some(shard),
            None if many > few + 1 => led.get_mut(&most).and_then(Vec::pop),
            None => None,
        };
        let Some(shard) = moved else { break };
        led.entry(least).or_default().push(shard);
    }
    for (node, led) in led {
        for shard in led {
            if let Some(row) = shards.get_mut(&shard) {
                row.preferred_leader = node;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rows::StateReader, system::change::MembersRow, testing::MemoryRows};
    use uuid::Uuid;

    fn node(id: u64) -> NodeRow {
        NodeRow::new(Uuid::from_u128(u128::from(id)), format!("host{id}:7234"), String::new())
    }

    fn founded(nodes: u64, shards: u32) -> ClusterMap {
        let nodes = (1..=nodes).map(|id| (id, node(id))).collect();
        ClusterMap::found(Uuid::nil(), FeatureLevel::MEMBERS, nodes, shards).unwrap()
    }

    fn replace(remove: u64, add: u64) -> Nodes {
        Nodes { add: Some(add), remove: Some(remove) }
    }

    fn add(node: u64) -> Nodes {
        Nodes { add: Some(node), remove: None }
    }

    fn remove(node: u64) -> Nodes {
        Nodes { add: None, remove: Some(node) }
    }

    fn begin(map: &ClusterMap, nodes: Nodes) -> Result<ClusterMap, MembersError> {
        map.begin(nodes, nodes.add.map(node), 1000)
    }

    /// Each step as rows would have it, and the voters, learners and members that it wants.
    fn walk(map: &ClusterMap, nodes: Nodes) -> (ClusterMap, Vec<String>) {
        let mut rows = MemoryRows::default();
        rows.apply(&map.writes());
        rows.apply(&map.writes_since(&ClusterMap { members: MembersRow::default(), ..map.clone() }));
        let mut now = map.clone();
        let mut seen = Vec::new();
        let mut step = |now: &mut ClusterMap, next: ClusterMap| {
            assert_eq!(next.members.revision, now.members.revision + 1);
            rows.apply(&next.writes_since(now));
            assert_eq!(ClusterMap::read(&rows as &dyn StateReader).unwrap().as_ref(), Some(&next));
            assert!(next.all_shards().all(|shard| next.replicas(shard) == next.replicas(SYSTEM_SHARD)));
            let members: Vec<u64> = next.members().map(|(id, _)| id).collect();
            seen.push(format!("{:?} {:?} {members:?}", next.replicas(SYSTEM_SHARD), next.learners(SYSTEM_SHARD)));
            *now = next;
        };
        let next = begin(&now, nodes).unwrap();
        step(&mut now, next);
        while now.members.change.is_some() {
            let next = now.advance(5000);
            step(&mut now, next);
        }
        let ended = Ended { nodes, undone: false, began_ms: 1000, ended_ms: 5000 };
        assert_eq!(now.members.last, Some(ended));
        (now, seen)
    }

    #[test]
    fn a_node_takes_the_place_of_another() {
        let (map, seen) = walk(&founded(3, 8), replace(2, 4));
        assert_eq!(seen, ["[1, 2, 3] {4} [1, 2, 3, 4]", "[1, 3, 4] {} [1, 2, 3, 4]", "[1, 3, 4] {} [1, 3, 4]"]);
        assert_eq!(map.advance(9), map, "nothing is changing");
        assert!(map.shards.values().all(|row| row.preferred_leader != 2));
    }

    #[test]
    fn nodes_come_and_go() {
        let (map, seen) = walk(&founded(3, 8), add(4));
        assert_eq!(
            seen,
            ["[1, 2, 3] {4} [1, 2, 3, 4]", "[1, 2, 3, 4] {} [1, 2, 3, 4]", "[1, 2, 3, 4] {} [1, 2, 3, 4]"]
        );
        let led = |map: &ClusterMap, node| map.shards.values().filter(|row| row.preferred_leader == node).count();
        assert_eq!([1, 2, 3, 4].map(|node| led(&map, node)), [2, 2, 2, 2]);
        let (map, seen) = walk(&map, remove(4));
        assert_eq!(seen, ["[1, 2, 3] {} [1, 2, 3, 4]", "[1, 2, 3] {} [1, 2, 3]"]);
        assert_eq!([1, 2, 3].iter().map(|node| led(&map, *node)).sum::<usize>(), 8);
        assert_eq!(begin(&map, add(4)), Err(MembersError::UsedBefore(4)));
    }

    #[test]
    fn what_cannot_be_is_refused_and_changes_nothing() {
        let map = founded(3, 2);
        assert_eq!(begin(&map, add(2)), Err(MembersError::MemberAlready(2)));
        assert_eq!(begin(&map, remove(7)), Err(MembersError::NoSuchNode(7)));
        assert_eq!(begin(&map, replace(7, 4)), Err(MembersError::NoSuchNode(7)));
        assert_eq!(begin(&map, replace(2, 2)), Err(MembersError::MemberAlready(2)));
        assert_eq!(begin(&map, Nodes::default()), Err(MembersError::NothingChanges));
        assert_eq!(map.undo(), Err(MembersError::NothingChanges));
        assert_eq!(begin(&founded(1, 2), remove(1)), Err(MembersError::LastNode(1)));
        let (gone, _) = walk(&map, remove(3));
        assert_eq!(begin(&gone, remove(3)), Err(MembersError::RemovedAlready(3)));
        let changing = begin(&map, add(4)).unwrap();
        assert_eq!(begin(&changing, replace(1, 5)), Err(MembersError::Changing(add(4))));
        let mut old = map.clone();
        old.cluster.feature_level = FeatureLevel::LENT_POLLS;
        assert_eq!(begin(&old, add(4)), Err(MembersError::Level(FeatureLevel::LENT_POLLS)));
    }

    #[test]
    fn a_change_is_undone_as_long_as_the_new_node_has_no_vote() {
        let map = founded(3, 2);
        let undoing = begin(&map, replace(2, 4)).unwrap().undo().unwrap();
        assert_eq!(undoing.replicas(1), [1, 2, 3]);
        assert!(undoing.learners(1).is_empty());
        assert_eq!(undoing.undo().as_ref(), Ok(&undoing), "it is being undone already");
        let undone = undoing.advance(7000);
        assert!(undone.members.change.is_none() && undone.members.last.as_ref().is_some_and(|last| last.undone));
        assert_eq!(undone.members().map(|(id, _)| id).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(begin(&undone, replace(2, 4)), Err(MembersError::UsedBefore(4)));
        let voting = begin(&map, replace(2, 4)).unwrap().advance(2000);
        assert_eq!(voting.undo(), Err(MembersError::TooLate(replace(2, 4))));
    }
}
