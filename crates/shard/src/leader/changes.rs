//! Whether a namespace's lists have changed, for whoever looks at them. A leader counts, and only for namespaces that were asked
//! about a short while ago; whoever asks compares what it heard. In memory only: a new leader's counts begin anew, which is a
//! change like any other.

use parking_lot::Mutex;
use std::{collections::HashMap, time::Duration};
use tenure_engine::{Effect, NamespaceId, SubjectKind};
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

    /// An effect was acted on: what it is about may be shown differently.
    pub(crate) fn seen(&self, effect: &Effect) {
        let namespace = match effect {
            Effect::HistoryGrew { run, .. } => run.workflow.namespace,
            Effect::ActivityAdvanced { run: subject, .. } => subject.lane.namespace,
            // A schedule's next time is shown.
            Effect::TimerArmed { subject, .. } if subject.lane.kind == SubjectKind::SCHEDULE => subject.lane.namespace,
            Effect::BatchChanged { job, .. } => job.namespace,
            _ => return,
        };
        if let Some(watched) = self.0.lock().get_mut(&namespace) {
            watched.count = watched.count.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_engine::WorkflowKey;
    use uuid::Uuid;

    const ONE: NamespaceId = NamespaceId(Uuid::from_u128(1));
    const OTHER: NamespaceId = NamespaceId(Uuid::from_u128(2));

    fn grew(namespace: NamespaceId) -> Effect {
        let run = WorkflowKey { namespace, workflow_id: "w".into() }.run(Uuid::nil());
        Effect::HistoryGrew { run, next_event_id: 2, closed: false }
    }

    #[test]
    fn a_namespace_s_number_changes_with_what_happens_in_it() {
        let (changes, now) = (Changes::default(), Instant::now());
        let first = changes.of(ONE, now);
        changes.seen(&grew(OTHER));
        assert_eq!(changes.of(ONE, now), first);
        changes.seen(&grew(ONE));
        let second = changes.of(ONE, now);
        assert_ne!(second, first);
        let later = now + FORGOTTEN_AFTER;
        changes.of(OTHER, later);
        changes.seen(&grew(ONE));
        assert_ne!(changes.of(ONE, later), second, "what happened while nobody looked is not missed");
    }
}
