//! Whether a namespace's lists have changed, for whoever looks at them. A leader counts, and only for namespaces that were asked
//! about a short while ago; whoever asks compares what it heard. In memory only: a new leader's counts begin anew, which is a
//! change like any other.

use parking_lot::Mutex;
use std::{collections::HashMap, time::Duration};
use tenure_engine::{NamespaceId, Op, RowKey, WriteSet};
use tokio::time::Instant;

/// A namespace that nobody has asked about for this long is not counted any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// What one leader has seen change.
#[derive(Default)]
pub(crate) struct Changes(Mutex<HashMap<NamespaceId, Watched>>);

struct Watched {
    count: u64,
    asked: Instant,
}

impl Changes {
    /// A number that is another one once something in the namespace's lists has changed.
    pub(crate) fn of(&self, namespace: NamespaceId, now: Instant) -> u64 {
        let mut watched = self.0.lock();
        watched.retain(|_, watched| now.duration_since(watched.asked) < FORGOTTEN_AFTER);
        // Anywhere, so that what this leader has not seen, or has forgotten, counts as a change.
        let watched = watched.entry(namespace).or_insert_with(|| Watched { count: rand::random(), asked: now });
        watched.asked = now;
        watched.count
    }

    /// Rows were written: records among them say something else from now on, or are no more.
    pub(crate) fn seen(&self, writes: &WriteSet) {
        let mut watched = self.0.lock();
        if watched.is_empty() {
            return;
        }
        for op in &writes.ops {
            let (Op::Put(key, _) | Op::Delete(key)) = op;
            if let RowKey::Record { namespace, .. } = key
                && let Some(watched) = watched.get_mut(namespace)
            {
                watched.count = watched.count.wrapping_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_engine::SubjectKind;
    use uuid::Uuid;

    const ONE: NamespaceId = NamespaceId(Uuid::from_u128(1));
    const OTHER: NamespaceId = NamespaceId(Uuid::from_u128(2));

    fn shown(namespace: NamespaceId) -> WriteSet {
        let record = RowKey::Record { kind: SubjectKind::RUN, namespace, position: Default::default() };
        WriteSet { ops: vec![Op::Delete(record)] }
    }

    #[test]
    fn a_namespace_s_number_changes_with_what_happens_in_it() {
        let (changes, now) = (Changes::default(), Instant::now());
        let first = changes.of(ONE, now);
        changes.seen(&shown(OTHER));
        assert_eq!(changes.of(ONE, now), first);
        changes.seen(&shown(ONE));
        let second = changes.of(ONE, now);
        assert_ne!(second, first);
        let later = now + FORGOTTEN_AFTER;
        changes.of(OTHER, later);
        changes.seen(&shown(ONE));
        assert_ne!(changes.of(ONE, later), second, "what happened while nobody looked is not missed");
    }
}
