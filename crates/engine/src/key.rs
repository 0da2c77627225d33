//! Keys: namespaces, workflows, runs, task queues, and the slot that decides the shard.

use crate::codec::field;
use minicbor::{Decode, Encode};
use std::{fmt, sync::Arc};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

/// A namespace's id (not its name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct NamespaceId(#[cbor(n(0), with = "field")] pub Uuid);

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// One workflow id of a namespace; commands for it are run one at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct WorkflowKey {
    #[n(0)]
    pub namespace: NamespaceId,
    #[cbor(n(1), with = "field")]
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct RunKey {
    #[n(0)]
    pub workflow: WorkflowKey,
    #[cbor(n(1), with = "field")]
    pub run_id: Uuid,
}

/// The kind of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum TaskKind {
    #[n(0)]
    Workflow,
    #[n(1)]
    Activity,
}

/// A task queue as matching sees it. A sticky queue is one whose name a worker made up for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct QueueKey {
    #[n(0)]
    pub namespace: NamespaceId,
    #[n(1)]
    pub kind: TaskKind,
    #[cbor(n(2), with = "field")]
    pub name: Arc<str>,
}

impl QueueKey {
    /// The slot whose shard's leader is the queue's home.
    pub fn slot(&self) -> u16 {
        slot(self.namespace, &self.name)
    }
}

/// The top 16 bits of `xxh3_64(namespace id, 0x00, id)`, with the namespace id in its 36-byte hyphenated lower-case
/// form.
pub fn slot(namespace: NamespaceId, id: &str) -> u16 {
    let mut hash = Xxh3::new();
    let mut buffer = Uuid::encode_buffer();
    hash.update(namespace.0.hyphenated().encode_lower(&mut buffer).as_bytes());
    hash.update(&[0]);
    hash.update(id.as_bytes());
    (hash.digest() >> 48) as u16
}

/// The error for a text that is no run id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a run id")]
pub struct NotARunId;

/// Parses the run id of a request or command: a UUID in any of its spellings. The empty text is `None`, which means the
/// current run.
pub fn parse_run_id(text: &str) -> Result<Option<Uuid>, NotARunId> {
    match text {
        "" => Ok(None),
        text => Uuid::try_parse(&text.to_ascii_lowercase()).map(Some).map_err(|_| NotARunId),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F35.
    #[test]
    fn a_run_id_is_a_uuid_in_any_of_its_spellings() {
        const PLAIN: &str = "0123abcd-0123-4567-89ab-0123456789ab";
        let id = Uuid::parse_str(PLAIN).unwrap();
        assert_eq!(parse_run_id(""), Ok(None));
        let bare = PLAIN.replace('-', "");
        for text in [
            PLAIN.to_owned(),
            PLAIN.to_uppercase(),
            bare.clone(),
            format!("{{{PLAIN}}}"),
            format!("urn:uuid:{PLAIN}"),
            format!("URN:UUID:{PLAIN}"),
        ] {
            assert_eq!(parse_run_id(&text), Ok(Some(id)), "{text}");
        }
        for text in [
            "abc".to_owned(),
            "z".repeat(36),
            "z".repeat(32),
            "\u{fc}".repeat(18),
            format!(" {PLAIN}"),
            format!("{PLAIN} "),
            format!("{PLAIN}0"),
            format!("({PLAIN})"),
            format!("{{{bare}}}"),
            format!("urn:uuid:{bare}"),
            format!("urn:uuid:{{{PLAIN}}}"),
            format!("urn:oid0:{PLAIN}"),
            "0123abc-d0123-4567-89ab-0123456789ab".to_owned(),
        ] {
            assert_eq!(parse_run_id(&text), Err(NotARunId), "{text}");
        }
    }

    #[test]
    fn slots_are_pinned() {
        let zero = NamespaceId(Uuid::nil());
        let one = NamespaceId(Uuid::from_u128(1));
        let got = [slot(zero, ""), slot(zero, "order-1"), slot(one, "order-1"), slot(one, "größe")];
        assert_eq!(got, [8299, 56598, 46785, 8791]);
    }
}
