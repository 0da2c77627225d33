//! Names of things: namespaces, workflows, runs, task queues, and the slot that decides the shard.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

/// A namespace's id (not its name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NamespaceId(pub Uuid);

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// One workflow id of a namespace; commands for it are run one at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkflowKey {
    pub namespace: NamespaceId,
    pub workflow_id: Arc<str>,
}

impl WorkflowKey {
    pub fn slot(&self) -> u16 {
        slot(self.namespace, &self.workflow_id)
    }

    pub fn run(&self, run_id: Uuid) -> RunKey {
        RunKey { workflow: self.clone(), run_id }
    }
}

/// One run of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunKey {
    pub workflow: WorkflowKey,
    pub run_id: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TaskKind {
    Workflow,
    Activity,
}

/// A task queue as matching sees it. A sticky queue is one whose name a worker made up for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueKey {
    pub namespace: NamespaceId,
    pub kind: TaskKind,
    pub name: Arc<str>,
}

impl QueueKey {
    /// The slot whose shard's leader is the queue's home.
    pub fn slot(&self) -> u16 {
        slot(self.namespace, &self.name)
    }
}

/// Top 16 bits of `xxh3_64(namespace id, 0x00, id)`, the namespace id in its 36-byte hyphenated lower-case form.
pub fn slot(namespace: NamespaceId, id: &str) -> u16 {
    let mut hash = Xxh3::new();
    let mut buffer = Uuid::encode_buffer();
    hash.update(namespace.0.hyphenated().encode_lower(&mut buffer).as_bytes());
    hash.update(&[0]);
    hash.update(id.as_bytes());
    (hash.digest() >> 48) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_pinned() {
        let zero = NamespaceId(Uuid::nil());
        let one = NamespaceId(Uuid::from_u128(1));
        let got = [slot(zero, ""), slot(zero, "order-1"), slot(one, "order-1"), slot(one, "größe")];
        assert_eq!(got, [8299, 56598, 46785, 8791]);
    }
}
