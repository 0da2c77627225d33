//! What workers said of themselves last, at the home of their queues: bounded in bytes and in time. Pure; the home has the
//! lock and the clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
    time::Instant,
};
use tenure_api::worker::v1::WorkerHeartbeat;
use tenure_engine::{NamespaceId, proto::Encoded};
use tenure_limits::WORKER_SILENCE;

/// Bytes that a worker takes besides its heartbeat and its names.
const OVERHEAD: usize = 300;

/// The workers of all namespaces.
#[derive(Default)]
pub(super) struct WorkerTable {
    namespaces: BTreeMap<NamespaceId, OfNamespace>,
    bytes: usize,
    workers: usize,
    /// Counts heartbeats: later ones have higher numbers.
    heard: u64,
}

/// The workers of one namespace.
#[derive(Default)]
struct OfNamespace {
    /// By the keys that worker instances gave themselves.
    workers: BTreeMap<Arc<str>, Worker>,
    /// The same: names of queues, and keys.
    by_queue: BTreeSet<(Arc<str>, Arc<str>)>,
    /// The same by their last heartbeats, the longest silent first.
    by_age: BTreeMap<u64, Arc<str>>,
    bytes: usize,
}

struct Worker {
    queue: Arc<str>,
    heartbeat: Encoded<WorkerHeartbeat>,
    heard: u64,
    heard_at: Instant,
}

/// A worker as it is listed: its key, and what it said.
pub(super) type Listed = (Arc<str>, Encoded<WorkerHeartbeat>);

impl Worker {
    fn size(&self, key: &str) -> usize {
        // The key is in three of the maps, the queue in two.
        OVERHEAD + self.heartbeat.size() + 3 * key.len() + 2 * self.queue.len()
    }
}

impl OfNamespace {
    fn put(&mut self, key: Arc<str>, worker: Worker) {
        self.bytes += worker.size(&key);
        self.by_queue.insert((worker.queue.clone(), key.clone()));
        self.by_age.insert(worker.heard, key.clone());
        self.workers.insert(key, worker);
    }

    /// Takes a worker out; the bytes that it took.
    fn remove(&mut self, key: &str) -> Option<usize> {
        let (key, worker) = self.workers.remove_entry(key)?;
        let size = worker.size(&key);
        self.by_age.remove(&worker.heard);
        self.by_queue.remove(&(worker.queue, key));
        self.bytes -= size;
        Some(size)
    }

    /// The worker that was not heard of for the longest time.
    fn oldest(&self) -> Option<&Arc<str>> {
        self.by_age.first_key_value().map(|(_, key)| key)
    }
}

impl WorkerTable {
    /// Keeps what a worker said, in place of what it said before. Where that is more than `room` bytes in all, the namespace
    /// that has most of them loses those of its workers that were not heard of for the longest time; how many, is returned.
    pub(super) fn put(
        &mut self,
        namespace: NamespaceId,
        heartbeat: &WorkerHeartbeat,
        now: Instant,
        room: usize,
    ) -> usize {
        let key = Arc::<str>::from(heartbeat.worker_instance_key.as_str());
        self.heard += 1;
        let worker = Worker {
            queue: heartbeat.task_queue.as_str().into(),
            heartbeat: Encoded::of(heartbeat),
            heard: self.heard,
            heard_at: now,
        };
        self.remove(namespace, &key);
        self.bytes += worker.size(&key);
        self.workers += 1;
        self.namespaces.entry(namespace).or_default().put(key, worker);
        let mut lost = 0;
        while self.bytes > room && self.workers > 1 {
            self.make_room();
            lost += 1;
        }
        lost
    }

    fn make_room(&mut self) {
        let largest = self.namespaces.iter().max_by_key(|(_, workers)| workers.bytes);
        let oldest = largest.and_then(|(namespace, workers)| Some((*namespace, workers.oldest()?.clone())));
        let (namespace, key) = oldest.expect("there are workers");
        self.remove(namespace, &key);
    }

    pub(super) fn remove(&mut self, namespace: NamespaceId, key: &str) {
        let Some(workers) = self.namespaces.get_mut(&namespace) else { return };
        let Some(size) = workers.remove(key) else { return };
        self.bytes -= size;
        self.workers -= 1;
        if workers.workers.is_empty() {
            self.namespaces.remove(&namespace);
        }
    }

    /// Forgets workers that have been silent for too long; how many.
    pub(super) fn forget_silent(&mut self, now: Instant) -> usize {
        let mut forgotten = 0;
        self.namespaces.retain(|_, workers| {
            while let Some(key) = workers.oldest().cloned()
                && now.saturating_duration_since(workers.workers[&key].heard_at) >= WORKER_SILENCE
            {
                self.bytes -= workers.remove(&key).unwrap_or_default();
                self.workers -= 1;
                forgotten += 1;
            }
            !workers.workers.is_empty()
        });
        forgotten
    }

    pub(super) fn len(&self) -> usize {
        self.workers
    }

    /// The worker with a key.
    pub(super) fn get(&self, namespace: NamespaceId, key: &str) -> Option<Listed> {
        let (key, worker) = self.namespaces.get(&namespace)?.workers.get_key_value(key)?;
        Some((key.clone(), worker.heartbeat.clone()))
    }

    /// Up to so many workers of a namespace, of one queue if it is given, in the order of their keys and strictly after one.
    pub(super) fn after(
        &self,
        namespace: NamespaceId,
        queue: Option<&str>,
        after: Option<&str>,
        most: usize,
    ) -> Vec<Listed> {
        let Some(workers) = self.namespaces.get(&namespace) else { return Vec::new() };
        let listed = |key: &Arc<str>, worker: &Worker| (key.clone(), worker.heartbeat.clone());
        match queue {
            None => {
                let after = after.map_or(Bound::Unbounded, Bound::Excluded);
                let rest = workers.workers.range::<str, _>((after, Bound::Unbounded));
                rest.take(most).map(|(key, worker)| listed(key, worker)).collect()
            }
            Some(queue) => {
                let queue = Arc::<str>::from(queue);
                let from = match after {
                    None => Bound::Included((queue.clone(), "".into())),
                    Some(after) => Bound::Excluded((queue.clone(), after.into())),
                };
                let rest = workers.by_queue.range((from, Bound::Unbounded));
                let rest = rest.take_while(|(of, _)| *of == queue).take(most);
                rest.map(|(_, key)| listed(key, &workers.workers[key])).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use uuid::Uuid;

    const NAMESPACE: NamespaceId = NamespaceId(Uuid::from_u128(1));
    const OTHER: NamespaceId = NamespaceId(Uuid::from_u128(2));
    const ROOM: usize = 1 << 20;

    fn worker(key: &str, queue: &str) -> WorkerHeartbeat {
        WorkerHeartbeat { worker_instance_key: key.into(), task_queue: queue.into(), ..Default::default() }
    }

    fn keys(table: &WorkerTable, namespace: NamespaceId, queue: Option<&str>) -> Vec<String> {
        table.after(namespace, queue, None, 1000).into_iter().map(|(key, _)| key.to_string()).collect()
    }

    /// What the maps say of each other, and the sums.
    fn check(table: &WorkerTable) {
        let (mut bytes, mut count) = (0, 0);
        for workers in table.namespaces.values() {
            assert!(!workers.workers.is_empty());
            let by_queue: BTreeSet<_> =
                workers.workers.iter().map(|(key, worker)| (worker.queue.clone(), key.clone())).collect();
            let by_age: BTreeMap<_, _> =
                workers.workers.iter().map(|(key, worker)| (worker.heard, key.clone())).collect();
            assert_eq!((&workers.by_queue, &workers.by_age), (&by_queue, &by_age));
            let size: usize = workers.workers.iter().map(|(key, worker)| worker.size(key)).sum();
            assert_eq!(workers.bytes, size);
            bytes += size;
            count += workers.workers.len();
        }
        assert_eq!((table.bytes, table.workers), (bytes, count));
    }

    #[test]
    fn a_worker_is_what_it_said_last() {
        let (mut table, now) = (WorkerTable::default(), Instant::now());
        for (key, queue) in [("b", "q"), ("a", "r"), ("c", "q"), ("b", "s")] {
            assert_eq!(table.put(NAMESPACE, &worker(key, queue), now, ROOM), 0);
            check(&table);
        }
        assert_eq!(table.put(OTHER, &worker("a", "q"), now, ROOM), 0);
        assert_eq!(keys(&table, NAMESPACE, None), ["a", "b", "c"]);
        assert_eq!(keys(&table, NAMESPACE, Some("q")), ["c"]);
        assert_eq!(keys(&table, NAMESPACE, Some("s")), ["b"]);
        assert_eq!(keys(&table, NAMESPACE, Some("p")), [""; 0]);
        assert_eq!(keys(&table, OTHER, None), ["a"]);
        assert_eq!(table.len(), 4);
        assert_eq!(table.get(NAMESPACE, "b").unwrap().1.decode(), worker("b", "s"));
        assert!(table.get(OTHER, "b").is_none());
        table.remove(NAMESPACE, "b");
        table.remove(NAMESPACE, "nobody");
        check(&table);
        assert!(table.get(NAMESPACE, "b").is_none());
    }

    #[test]
    fn pages_go_on_after_a_key_that_may_be_gone() {
        let (mut table, now) = (WorkerTable::default(), Instant::now());
        for key in ["a", "b", "d", "e"] {
            table.put(NAMESPACE, &worker(key, "q"), now, ROOM);
            table.put(NAMESPACE, &worker(&format!("{key}'"), "r"), now, ROOM);
        }
        for (queue, after, expected) in [
            (None, Some("b"), vec!["b'", "d"]),
            (None, Some("c"), vec!["d", "d'"]),
            (Some("q"), None, vec!["a", "b"]),
            (Some("q"), Some("b"), vec!["d", "e"]),
            (Some("q"), Some("c"), vec!["d", "e"]),
            (Some("r"), Some("e'"), vec![]),
            (Some("q"), Some("e"), vec![]),
        ] {
            let page = table.after(NAMESPACE, queue, after, 2);
            let page: Vec<_> = page.iter().map(|(key, _)| key.to_string()).collect();
            assert_eq!(page, expected, "{queue:?} after {after:?}");
        }
    }

    #[test]
    fn a_worker_that_falls_silent_is_forgotten_and_one_that_goes_on_is_not() {
        let (mut table, begin) = (WorkerTable::default(), Instant::now());
        for key in ["silent", "alive"] {
            table.put(NAMESPACE, &worker(key, "q"), begin, ROOM);
        }
        table.put(OTHER, &worker("silent", "q"), begin, ROOM);
        table.put(NAMESPACE, &worker("alive", "q"), begin + Duration::from_secs(1), ROOM);
        assert_eq!(table.forget_silent(begin + WORKER_SILENCE - Duration::from_millis(1)), 0);
        assert_eq!(table.forget_silent(begin + WORKER_SILENCE), 2);
        check(&table);
        assert_eq!(keys(&table, NAMESPACE, None), ["alive"]);
        assert_eq!(table.forget_silent(begin + WORKER_SILENCE + Duration::from_secs(1)), 1);
        assert!(table.namespaces.is_empty() && table.bytes == 0);
    }

    /// One that makes workers up takes no other one's place.
    #[test]
    fn the_namespace_with_most_makes_room() {
        let (mut table, now) = (WorkerTable::default(), Instant::now());
        for n in 0..3 {
            table.put(OTHER, &worker(&n.to_string(), "q"), now, ROOM);
        }
        let mut lost = 0;
        for n in 0..1000 {
            lost += table.put(NAMESPACE, &worker(&format!("{n:04}"), "q"), now, 20_000);
            assert!(table.bytes <= 20_000);
        }
        check(&table);
        assert_eq!(lost + table.len(), 1003);
        assert_eq!(keys(&table, OTHER, None), ["0", "1", "2"]);
        let left = keys(&table, NAMESPACE, None);
        assert_eq!(left.last().unwrap(), "0999", "those that spoke last are there");
        assert_eq!(left.len(), 1000 - lost);
        assert!(left.len() > 10);
    }

    #[test]
    fn the_only_worker_is_kept_whatever_its_size() {
        let (mut table, now) = (WorkerTable::default(), Instant::now());
        table.put(NAMESPACE, &worker("a", "q"), now, 1);
        assert_eq!(table.put(NAMESPACE, &worker("b", &"q".repeat(1000)), now, 1), 1);
        assert_eq!(keys(&table, NAMESPACE, None), ["b"]);
        check(&table);
    }
}
