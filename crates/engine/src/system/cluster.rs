//! The cluster's own rows in the system shard: its id, its nodes, its shards. They are written when the cluster is
//! founded and when its members change (`members.rs`), and read by every node.

use super::change::MembersRow;
use crate::{
    codec::{self, field, is_default},
    feature_level::FeatureLevel,
    rows::{Op, ReadError, RowKey, StateReader, SystemTable, WriteSet},
};
use minicbor::{Decode, Encode};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// The shard that holds the rows of this module; data shards are numbered from one.
pub const SYSTEM_SHARD: u32 = 0;

/// The number of slots of the hash space; the shards' ranges cover all of them, without overlap.
pub const SLOTS: u32 = 1 << 16;

/// The most data shards that a cluster may be founded with.
pub const MAX_SHARDS: u32 = 1024;

const CLUSTER_KEY: &str = "cluster";
const MEMBERS_KEY: &str = "members";

/// Facts about the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ClusterRow {
    #[cbor(n(0), with = "field")]
    pub cluster_id: Uuid,
    /// The level of the forms that the cluster's nodes may write; it never falls.
    #[n(1)]
    pub feature_level: FeatureLevel,
}

/// A node of the cluster: a member, or one that was.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NodeRow {
    /// The identity of the node's data directory; a node that comes back with another one has lost its log.
    #[cbor(n(0), with = "field")]
    pub identity: Uuid,
    /// The address for peers when the cluster was founded; the configuration may have a newer one.
    #[n(1)]
    pub peer_address: String,
    /// The address for clients.
    #[n(2)]
    pub api_address: String,
    #[cbor(n(3), default, skip_if = "is_default")]
    pub standing: NodeStanding,
}

impl NodeRow {
    /// A member.
    pub fn new(identity: Uuid, peer_address: String, api_address: String) -> NodeRow {
        NodeRow { identity, peer_address, api_address, standing: NodeStanding::Member }
    }
}

/// What a node is to the cluster. It goes down this list, and never back: ids are used once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum NodeStanding {
    /// It gets what the others have, and does not vote yet.
    #[n(1)]
    Joining,
    /// It has a vote in every shard that it has a replica of.
    #[default]
    #[n(0)]
    Member,
    /// Its votes are being taken from it.
    #[n(2)]
    Leaving,
    /// It is refused, whatever it brings.
    #[n(3)]
    Removed,
}

/// The members that a node knows of before it has the cluster's rows: the founders, or those of whom it became one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct FirstMembers {
    #[n(0)]
    pub nodes: BTreeMap<u64, NodeRow>,
    /// The cluster was there before this node.
    #[n(1)]
    pub joined: bool,
}

/// A data shard: an inclusive range of slots, and who replicates it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShardRow {
    #[n(0)]
    pub first_slot: u16,
    #[n(1)]
    pub last_slot: u16,
    #[n(2)]
    pub replicas: Vec<u64>,
    /// The replica that leads when all is well, so that leaders are spread over the nodes.
    #[n(3)]
    pub preferred_leader: u64,
}

/// The cluster with all of its nodes and shards. The default is one of which nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ClusterMap {
    #[n(0)]
    pub cluster: ClusterRow,
    #[n(1)]
    pub nodes: BTreeMap<u64, NodeRow>,
    #[n(2)]
    pub shards: BTreeMap<u32, ShardRow>,
    #[cbor(n(3), default, skip_if = "is_default")]
    pub members: MembersRow,
}

/// The reason why a cluster cannot be founded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoundingError {
    #[error("a cluster needs at least one node")]
    NoNodes,
    #[error("{0} shards; a cluster has 1 to {MAX_SHARDS}")]
    ShardCount(u32),
}

impl ClusterMap {
    /// Makes a new cluster: slots in equal ranges, a replica of every shard on every node, shard `i` led by the node at
    /// place `i mod n`.
    pub fn found(
        cluster_id: Uuid,
        feature_level: FeatureLevel,
        nodes: BTreeMap<u64, NodeRow>,
        shards: u32,
    ) -> Result<ClusterMap, FoundingError> {
        if nodes.is_empty() {
            return Err(FoundingError::NoNodes);
        }
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(FoundingError::ShardCount(shards));
        }
        let ids: Vec<u64> = nodes.keys().copied().collect();
        let members = MembersRow::default();
        let first_slot = |nth: u32| (u64::from(nth) * u64::from(SLOTS) / u64::from(shards)) as u32;
        let rows = (0..shards).map(|nth| {
            let shard = nth + 1;
            let row = ShardRow {
                first_slot: first_slot(nth) as u16,
                last_slot: (first_slot(nth + 1) - 1) as u16,
                replicas: ids.clone(),
                preferred_leader: ids[shard as usize % ids.len()],
            };
            (shard, row)
        });
        let shards = rows.collect();
        Ok(ClusterMap { cluster: ClusterRow { cluster_id, feature_level }, nodes, shards, members })
    }

    /// The writes of a new cluster's rows in the system shard.
    pub fn writes(&self) -> WriteSet {
        let mut ops = vec![Op::Put(cluster_key(), codec::encode(&self.cluster))];
        ops.extend(self.nodes.iter().map(|(id, row)| put(SystemTable::Node, *id, row)));
        ops.extend(self.shards.iter().map(|(id, row)| put(SystemTable::Shard, u64::from(*id), row)));
        WriteSet { ops }
    }

    /// The writes that make this map of an earlier one of the same cluster. Nodes and shards do not vanish, and the
    /// cluster's own row is none of these.
    pub fn writes_since(&self, before: &ClusterMap) -> WriteSet {
        let nodes = self.nodes.iter().filter(|(id, row)| before.nodes.get(id) != Some(row));
        let shards = self.shards.iter().filter(|(id, row)| before.shards.get(id) != Some(row));
        let mut ops: Vec<Op> = nodes.map(|(id, row)| put(SystemTable::Node, *id, row)).collect();
        ops.extend(shards.map(|(id, row)| put(SystemTable::Shard, u64::from(*id), row)));
        if self.members != before.members {
            ops.push(Op::Put(members_key(), codec::encode(&self.members)));
        }
        WriteSet { ops }
    }

    /// Reads the map back; `None` while the cluster is not founded.
    pub fn read(rows: &dyn StateReader) -> Result<Option<ClusterMap>, ReadError> {
        let Some(cluster) = cluster(rows)? else { return Ok(None) };
        let nodes = numbered(rows, SystemTable::Node)?.into_iter().collect();
        let shards = numbered(rows, SystemTable::Shard)?.into_iter().map(|(id, row)| (id as u32, row)).collect();
        check_slots(&shards)?;
        let members = members(rows)?;
        Ok(Some(ClusterMap { cluster, nodes, shards, members }))
    }

    /// The data shard that owns a slot.
    ///
    /// # Panics
    /// If the ranges do not cover the slot: a map that was founded or read covers all of them.
    pub fn shard_of(&self, slot: u16) -> u32 {
        let owner = self.shards.iter().find(|(_, row)| (row.first_slot..=row.last_slot).contains(&slot));
        *owner.expect("the shards' ranges cover all slots").0
    }

    /// The nodes that take part: all but those that were removed.
    pub fn members(&self) -> impl Iterator<Item = (u64, &NodeRow)> {
        self.nodes.iter().filter(|(_, row)| row.standing != NodeStanding::Removed).map(|(id, row)| (*id, row))
    }

    /// The nodes that have votes, when all is as it should be.
    pub fn voting_nodes(&self) -> impl Iterator<Item = u64> {
        self.nodes.iter().filter(|(_, row)| row.standing == NodeStanding::Member).map(|(id, _)| *id)
    }

    /// The replicas of a shard that should vote, the system shard included.
    pub fn replicas(&self, shard: u32) -> Vec<u64> {
        match self.shards.get(&shard) {
            Some(row) => row.replicas.clone(),
            None => self.voting_nodes().collect(),
        }
    }

    /// The replica that leads the shard when all is well.
    pub fn preferred_leader(&self, shard: u32) -> Option<u64> {
        match self.shards.get(&shard) {
            Some(row) => Some(row.preferred_leader),
            None => self.voting_nodes().next(),
        }
    }
}

fn put(table: SystemTable, id: u64, row: &impl Encode<()>) -> Op {
    Op::Put(RowKey::System { table, key: number(id) }, codec::encode(row))
}

fn members_key() -> RowKey {
    RowKey::System { table: SystemTable::Members, key: MEMBERS_KEY.into() }
}

/// How often the members have changed, and how they are changing now.
pub fn members(rows: &dyn StateReader) -> Result<MembersRow, ReadError> {
    let key = members_key();
    Ok(rows.get(&key)?.map(|value| decoded(&key, &value)).transpose()?.unwrap_or_default())
}

fn cluster_key() -> RowKey {
    RowKey::System { table: SystemTable::Cluster, key: CLUSTER_KEY.into() }
}

fn cluster(rows: &dyn StateReader) -> Result<Option<ClusterRow>, ReadError> {
    let key = cluster_key();
    rows.get(&key)?.map(|value| decoded(&key, &value)).transpose()
}

/// The cluster's feature level; the first one while the cluster is not founded.
pub fn feature_level(rows: &dyn StateReader) -> Result<FeatureLevel, ReadError> {
    Ok(cluster(rows)?.map_or(FeatureLevel::FIRST, |cluster| cluster.feature_level))
}

/// Raises the feature level; nothing changes if the cluster has the level already.
pub(super) fn raise(rows: &dyn StateReader, level: FeatureLevel) -> Result<WriteSet, ReadError> {
    let ops = match cluster(rows)? {
        Some(now) if now.feature_level < level => {
            vec![Op::Put(cluster_key(), codec::encode(&ClusterRow { feature_level: level, ..now }))]
        }
        _ => Vec::new(),
    };
    Ok(WriteSet { ops })
}

/// Checks that each slot is in one range.
fn check_slots(shards: &BTreeMap<u32, ShardRow>) -> Result<(), ReadError> {
    let corrupt = |id: u32, cause: String| {
        let key = RowKey::System { table: SystemTable::Shard, key: number(u64::from(id)) };
        Err(ReadError::corrupt(key, cause))
    };
    let mut rows: Vec<_> = shards.iter().collect();
    rows.sort_by_key(|(_, row)| row.first_slot);
    let (mut next, mut last) = (0, 0);
    for (id, row) in rows {
        let (first_slot, last_slot) = (u32::from(row.first_slot), u32::from(row.last_slot));
        if first_slot != next || last_slot < first_slot {
            return corrupt(*id, format!("slots {first_slot} to {last_slot}, where {next} is the next one"));
        }
        (next, last) = (last_slot + 1, *id);
    }
    if next == SLOTS { Ok(()) } else { corrupt(last, format!("no shard has the slots from {next} on")) }
}

/// The key of a numbered row; keys sort as their numbers do.
fn number(id: u64) -> Arc<str> {
    format!("{id:020}").into()
}

fn numbered<T: for<'b> Decode<'b, ()>>(rows: &dyn StateReader, table: SystemTable) -> Result<Vec<(u64, T)>, ReadError> {
    let read = |(key, value): (Arc<str>, bytes::Bytes)| {
        let row_key = RowKey::System { table, key: key.clone() };
        let id = key.parse().map_err(|_| ReadError::corrupt(row_key.clone(), "not a number"))?;
        Ok((id, decoded(&row_key, &value)?))
    };
    rows.system_rows(table)?.into_iter().map(read).collect()
}

fn decoded<T: for<'b> Decode<'b, ()>>(key: &RowKey, value: &[u8]) -> Result<T, ReadError> {
    codec::decode(value).map_err(|e| ReadError::corrupt(key.clone(), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ids: &[u64]) -> BTreeMap<u64, NodeRow> {
        let row = |id: u64| NodeRow::new(Uuid::from_u128(u128::from(id)), format!("127.0.0.1:{id}"), String::new());
        ids.iter().map(|id| (*id, row(*id))).collect()
    }

    #[test]
    fn every_slot_has_one_shard_and_leaders_are_spread() {
        for (ids, shards) in [(vec![1], 1), (vec![1, 2, 3], 8), (vec![4, 7, 9], 7), (vec![1, 2, 3], 1024)] {
            let map = ClusterMap::found(Uuid::nil(), FeatureLevel::FIRST, nodes(&ids), shards).unwrap();
            let mut next = 0u32;
            for row in map.shards.values() {
                assert_eq!(u32::from(row.first_slot), next);
                next = u32::from(row.last_slot) + 1;
            }
            assert_eq!(next, SLOTS);
            for id in &ids {
                let led = map.shards.values().filter(|row| row.preferred_leader == *id).count() as u32;
                assert!(led.abs_diff(shards / ids.len() as u32) <= 1, "node {id} leads {led} of {shards}");
            }
            assert_eq!(map.shard_of(0), 1);
            assert_eq!(map.shard_of(u16::MAX), shards);
        }
    }

    /// F34.
    #[test]
    fn ranges_that_leave_a_slot_out_are_refused_when_they_are_read() {
        let map = ClusterMap::found(Uuid::nil(), FeatureLevel::FIRST, nodes(&[1]), 4).unwrap();
        let read = |change: &dyn Fn(&mut BTreeMap<u32, ShardRow>)| {
            let mut map = map.clone();
            change(&mut map.shards);
            let mut rows = crate::testing::MemoryRows::default();
            rows.apply(&map.writes());
            ClusterMap::read(&rows).map_err(|error| error.to_string())
        };
        assert_eq!(read(&|_| {}), Ok(Some(map.clone())));
        let check = |change: &dyn Fn(&mut BTreeMap<u32, ShardRow>), id: u32, cause: &str| {
            let expected =
                format!("row '{}' of the system table Shard cannot be decoded: {cause}", number(u64::from(id)));
            assert_eq!(read(change), Err(expected));
        };
        let slots = "slots 32768 to 49151, where 16384 is the next one";
        check(&|shards| drop(shards.remove(&2)), 3, slots);
        check(&|shards| drop(shards.remove(&4)), 3, "no shard has the slots from 49152 on");
        check(&|shards| shards.clear(), 0, "no shard has the slots from 0 on");
        let overlap = "slots 16384 to 32767, where 16386 is the next one";
        check(&|shards| shards.get_mut(&1).unwrap().last_slot += 2, 2, overlap);
    }

    #[test]
    fn impossible_clusters_are_refused() {
        assert_eq!(ClusterMap::found(Uuid::nil(), FeatureLevel::FIRST, nodes(&[]), 8), Err(FoundingError::NoNodes));
        assert_eq!(
            ClusterMap::found(Uuid::nil(), FeatureLevel::FIRST, nodes(&[1]), 0),
            Err(FoundingError::ShardCount(0))
        );
        assert_eq!(
            ClusterMap::found(Uuid::nil(), FeatureLevel::FIRST, nodes(&[1]), 1025),
            Err(FoundingError::ShardCount(1025))
        );
    }

    #[test]
    fn keys_sort_as_numbers() {
        assert!(number(9) < number(10));
        assert_eq!("00000000000000000042", &*number(42));
    }
}
