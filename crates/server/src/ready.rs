//! When clients may be sent to this node.

use crate::http::Readiness;
use parking_lot::RwLock;
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tenure_raft::{Group, Node};
use tenure_storage::Storage;

/// A replica that lacks more committed entries than this is still catching up.
const LAG: u64 = 1_000;

/// A leader that a majority has not confirmed for this long has lost its office, or is about to.
const QUORUM: Duration = Duration::from_secs(2);

/// How far the node has come.
pub(crate) struct Stage {
    at: RwLock<At>,
    namespace: AtomicBool,
    storage: OnceLock<Storage>,
}

enum At {
    Waiting(&'static str),
    Running(Node),
}

impl Default for Stage {
    fn default() -> Self {
        Stage {
            at: RwLock::new(At::Waiting("opening the data directory")),
            namespace: AtomicBool::new(false),
            storage: OnceLock::new(),
        }
    }
}

impl Stage {
    pub(crate) fn set_waiting(&self, reason: &'static str) {
        *self.at.write() = At::Waiting(reason);
    }

    pub(crate) fn set_running(&self, node: Node) {
        *self.at.write() = At::Running(node);
    }

    /// The databases are open.
    pub(crate) fn set_storage(&self, storage: Storage) {
        let _ = self.storage.set(storage);
    }

    /// What is wrong with the process itself, so that it will hardly mend.
    pub(crate) fn ill(&self) -> Option<String> {
        let silence = self.storage.get()?.disk_silence()?;
        Some(format!("the disk has not answered for {} s", silence.as_secs()))
    }

    /// The first namespaces are there.
    pub(crate) fn set_namespace(&self) {
        self.namespace.store(true, Ordering::Release);
    }

    pub(crate) fn check(&self) -> Readiness {
        let at = self.at.read();
        let reason = self.ill().or_else(|| match &*at {
            At::Waiting(reason) => Some((*reason).to_owned()),
            At::Running(node) => node.refused().or_else(|| node.groups().iter().find_map(|group| lacking(node, group))),
        });
        match reason {
            Some(reason) => Readiness::not_because(reason),
            None if !self.namespace.load(Ordering::Acquire) => {
                Readiness::not_because("registering the first namespaces")
            }
            None => Readiness::ready(),
        }
    }
}

/// What a replica lacks for requests to be served.
fn lacking(node: &Node, group: &Group) -> Option<String> {
    let (shard, status) = (group.id(), group.status());
    match status.leadership.leader {
        None => return Some(format!("shard {shard} has no leader")),
        Some(leader) if !node.is_alive(leader) => {
            return Some(format!("node {leader}, the leader of shard {shard}, is not heard"));
        }
        Some(_) => {}
    }
    let alone = status.voters.len() == 1;
    if let Some(since) = status.since_quorum.filter(|since| !alone && *since > QUORUM) {
        return Some(format!("shard {shard} is led here, without contact to a majority for {} s", since.as_secs()));
    }
    let lag = status.committed_index.saturating_sub(status.applied_index);
    (lag > LAG).then(|| format!("shard {shard} has {lag} entries to apply"))
}
