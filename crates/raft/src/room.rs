//! Room on the disks. Below a floor a node gives its leaderships away, and a leader takes no more from clients unless a
//! majority of its voters is above it. With hardly any left, it replicates nothing at all, and a replica takes no entries: that
//! a disk is full must not end a process.

use crate::{fitness::Unfit, node::Core};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

const PERIOD: Duration = Duration::from_secs(1);

/// So many parts of the floor are hardly any room.
const HARDLY: u64 = 8;

/// What there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Everything.
    #[default]
    Enough,
    /// What was begun: nothing new of clients.
    Low,
    /// Nothing.
    None,
}

impl Room {
    fn of(free: Option<u64>, floor: u64) -> Room {
        match free {
            Some(free) if free < floor / HARDLY => Room::None,
            Some(free) if free < floor => Room::Low,
            _ => Room::Enough,
        }
    }

    /// What there is room for on a majority of so many voters, where `rooms` are those of the ones that are there. Without a
    /// majority there is no saying.
    fn of_majority(mut rooms: Vec<Room>, voters: usize) -> Room {
        rooms.sort_unstable();
        rooms.get(voters / 2).copied().unwrap_or_default()
    }
}

/// What there is room for, as it was found last. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedRoom(Arc<AtomicU8>);

impl SharedRoom {
    pub(crate) fn get(&self) -> Room {
        match self.0.load(Ordering::Relaxed) {
            0 => Room::Enough,
            1 => Room::Low,
            _ => Room::None,
        }
    }

    pub(crate) fn set(&self, room: Room) {
        self.0.store(room as u8, Ordering::Relaxed);
    }
}

/// Looks at this node's disk, and at what the others say of theirs.
pub(crate) async fn watch(core: Core) -> Infallible {
    let floor = core.options.disk_floor_bytes;
    loop {
        let storage = core.storage.clone();
        let looked = tokio::task::spawn_blocking(move || storage.keep_reserve(floor / HARDLY, floor)).await;
        let free = looked.ok().flatten();
        core.pool.change_condition(|condition| condition.free_bytes = free);
        let own = Room::of(free, floor);
        core.room.set(own);
        let full = free.filter(|_| own > Room::Enough).map(|free| format!("its disk has only {} MiB free", free >> 20));
        core.fitness.set(Unfit::DiskFull, full);
        for group in core.groups.all() {
            let voters = group.status().voters;
            let there = voters.iter().filter(|node| core.is_alive(**node));
            let rooms = there.map(|node| match *node == core.node {
                true => own,
                false => Room::of(core.pool.condition(*node).free_bytes, floor),
            });
            group.room().set(Room::of_majority(rooms.collect(), voters.len()));
        }
        tenure_vital::succeeded("watch on room");
        tokio::time::sleep(PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_with_room_is_enough() {
        use Room::{Enough, Low, None};
        for (rooms, voters, expected) in [
            (&[Enough][..], 1, Enough),
            (&[Low], 1, Low),
            (&[Enough, Enough, None], 3, Enough),
            (&[Enough, Low, Low], 3, Low),
            (&[Enough, None, None], 3, None),
            (&[Enough, Low, None], 3, Low),
            // One is not there.
            (&[Enough, Low], 3, Low),
            (&[Enough, Enough], 3, Enough),
            (&[None], 3, Enough),
            (&[Enough, Enough, None, None], 4, None),
            (&[Enough, Enough, Enough, None, None], 5, Enough),
            (&[], 0, Enough),
        ] {
            assert_eq!(Room::of_majority(rooms.to_vec(), voters), expected, "{rooms:?} of {voters}");
        }
    }

    #[test]
    fn what_is_not_known_is_enough() {
        let floor = 80;
        for (free, expected) in [
            (Option::None, Room::Enough),
            (Some(80), Room::Enough),
            (Some(79), Room::Low),
            (Some(10), Room::Low),
            (Some(9), Room::None),
        ] {
            assert_eq!(Room::of(free, floor), expected);
            let shared = SharedRoom::default();
            shared.set(expected);
            assert_eq!(shared.get(), expected);
        }
    }
}
