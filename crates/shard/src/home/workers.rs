//! What workers say of themselves, at the home of their queues. It is in no row: after a change of leaders it is known again
//! with the workers' next heartbeats.

use super::worker_table::WorkerTable;
use crate::{
    leader::context::LeaderContext,
    node::share::Share,
    seam::{
        error::CommandError,
        question::{Budget, Item, Part, Step},
        worker_query::WorkerQuery,
    },
};
use bytes::Bytes;
use metrics::{counter, gauge};
use parking_lot::Mutex;
use prost::Message;
use std::time::Instant;
use tenure_api::{enums::v1::WorkerStatus, error::ApiError, worker::v1::WorkerHeartbeat};
use tenure_engine::{NamespaceId, proto::Encoded};
use tenure_limits::WORKER_BYTES;

/// The workers of the queues that are homed on this shard.
pub(crate) struct Workers {
    shard: String,
    table: Mutex<WorkerTable>,
    room: Share,
}

impl Workers {
    pub(crate) fn new(context: &LeaderContext) -> Workers {
        let room = context.node.leaders.share(WORKER_BYTES);
        Workers { shard: context.shard.to_string(), table: Mutex::default(), room }
    }

    /// Keeps what workers of a namespace say of themselves, and forgets those that say that they are no more.
    pub(crate) fn heard(&self, namespace: NamespaceId, heartbeats: &[Encoded<WorkerHeartbeat>]) {
        let (now, room) = (Instant::now(), self.room.get());
        let mut lost = 0;
        for heartbeat in heartbeats {
            let worker = heartbeat.decode();
            // One at a time, so that a thousand keep nobody waiting.
            let mut table = self.table.lock();
            match worker.status() {
                WorkerStatus::Shutdown => table.remove(namespace, &worker.worker_instance_key),
                _ => lost += table.put(namespace, &worker, now, room),
            }
        }
        counter!("tenure_worker_heartbeats_total").increment(heartbeats.len() as u64);
        counter!("tenure_workers_forgotten_total", "reason" => "room").increment(lost as u64);
    }

    /// Now and then: forgets who is silent, and counts the others.
    pub(crate) fn tick(&self) {
        let (silent, known) = {
            let mut table = self.table.lock();
            (table.forget_silent(Instant::now()), table.len())
        };
        counter!("tenure_workers_forgotten_total", "reason" => "silent").increment(silent as u64);
        self.show(known);
    }

    pub(crate) fn end(&self) {
        self.show(0);
    }

    fn show(&self, known: usize) {
        gauge!("tenure_workers_known", "shard" => self.shard.clone()).set(known as f64);
    }

    /// A step of a list, by keys.
    pub(crate) fn page(&self, query: &WorkerQuery, after: Option<&[u8]>, budget: Budget) -> Result<Step, CommandError> {
        let (mut items, mut bytes): (Vec<Item>, u64) = (Vec::new(), 0);
        let next = self.read(query, after, budget.rows, |worker| {
            let item = Item { value: worker.encode_to_vec().into(), place: worker.worker_instance_key.into() };
            bytes += item.size() as u64;
            items.push(item);
            (items.len() as u64) < budget.items && bytes < budget.bytes
        })?;
        Ok(Step { part: Part::Items(items), next })
    }

    /// A step of a count.
    pub(crate) fn count(
        &self,
        query: &WorkerQuery,
        after: Option<&[u8]>,
        budget: Budget,
    ) -> Result<Step, CommandError> {
        let mut count = 0;
        let next = self.read(query, after, budget.rows, |_| {
            count += 1;
            true
        })?;
        Ok(Step { part: Part::Count(count), next })
    }

    /// Looks at so many workers strictly after a place, as long as each that fits asks for more. The place where it goes on,
    /// if there may be others.
    fn read(
        &self,
        query: &WorkerQuery,
        after: Option<&[u8]>,
        most: u64,
        mut take: impl FnMut(WorkerHeartbeat) -> bool,
    ) -> Result<Option<Bytes>, CommandError> {
        let filter = query.filter()?;
        let after = after.map(std::str::from_utf8).transpose();
        let after = after.map_err(|_| ApiError::internal("a place of workers that is no key"))?;
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        // What is found is looked at when others may have the table again.
        let listed = {
            let table = self.table.lock();
            match filter.key() {
                Some(key) if after.is_some_and(|after| after >= key) => Vec::new(),
                Some(key) => table.get(query.namespace, key).into_iter().collect(),
                None => table.after(query.namespace, filter.queue(), after, most),
            }
        };
        let is_full = listed.len() == most && filter.key().is_none();
        let (mut last, mut listed) = (None, listed.into_iter());
        for (key, heartbeat) in listed.by_ref() {
            last = Some(key);
            let worker = heartbeat.decode();
            if filter.finds(&worker) && !take(worker) {
                break;
            }
        }
        let last = last.filter(|_| is_full || listed.len() > 0);
        Ok(last.map(|key| Bytes::copy_from_slice(key.as_bytes())))
    }
}
