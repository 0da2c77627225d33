//! What a shard that owns slots remembers of a namespace that was deleted: it is not to have anything of that any more.

use crate::{
    codec,
    key::NamespaceId,
    row::{Op, RowKey, SystemTable},
    rows::{ReadError, StateReader},
    time::Timestamp,
};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The value of a row of [`SystemTable::Reclaim`]. While a shard has it, nothing begins in the namespace, whatever the
/// leader, its node or the sender of a message know of the namespace's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Reclaim {
    /// When the shard began to remove what it had.
    #[n(0)]
    pub since: Timestamp,
    /// Whether nothing is left.
    #[n(1)]
    pub done: bool,
}

impl Reclaim {
    /// The shard's rows of all namespaces.
    pub fn all(rows: &dyn StateReader) -> Result<BTreeMap<NamespaceId, Reclaim>, ReadError> {
        let rows = rows.system_rows(SystemTable::Reclaim)?.into_iter();
        let decoded = rows.map(|(id, value)| {
            let corrupt = |cause: String| {
                ReadError::corrupt(RowKey::System { table: SystemTable::Reclaim, key: id.clone() }, cause)
            };
            let namespace = Uuid::try_parse(&id).map_err(|error| corrupt(error.to_string()))?;
            let reclaim = codec::decode(&value).map_err(|error| corrupt(error.to_string()))?;
            Ok((NamespaceId(namespace), reclaim))
        });
        decoded.collect()
    }

    /// Writes the row of a namespace.
    pub fn put(&self, namespace: NamespaceId) -> Op {
        Op::Put(key(namespace), codec::encode(self))
    }

    /// Deletes the row of a namespace.
    pub fn delete(namespace: NamespaceId) -> Op {
        Op::Delete(key(namespace))
    }
}

fn key(namespace: NamespaceId) -> RowKey {
    RowKey::System { table: SystemTable::Reclaim, key: namespace.0.to_string().into() }
}
