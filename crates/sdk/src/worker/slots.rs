//! Slots: how many tasks of a kind are worked on at the same time.

use metrics::Gauge;
use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};
use tenure_api::worker::v1::WorkerSlotsInfo;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Duration, timeout},
};

pub(crate) struct Slots {
    semaphore: Arc<Semaphore>,
    size: usize,
    used: AtomicI32,
    processed: AtomicI32,
    failed: AtomicI32,
    used_gauge: Gauge,
    available_gauge: Gauge,
}

/// The right to work on one task.
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    slots: Arc<Slots>,
    is_used: bool,
}

impl Slots {
    pub(crate) fn new(size: usize, used_gauge: Gauge, available_gauge: Gauge) -> Arc<Self> {
        available_gauge.set(size as f64);
        let semaphore = Arc::new(Semaphore::new(size));
        let counter = AtomicI32::default;
        Arc::new(Slots {
            semaphore,
            size,
            used: counter(),
            processed: counter(),
            failed: counter(),
            used_gauge,
            available_gauge,
        })
    }

    pub(crate) async fn acquire(self: &Arc<Self>) -> Slot {
        let permit = self.semaphore.clone().acquire_owned().await;
        self.slot(permit.expect("slots are never closed"))
    }

    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<Slot> {
        Some(self.slot(self.semaphore.clone().try_acquire_owned().ok()?))
    }

    fn slot(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Slot {
        Slot { _permit: permit, slots: self.clone(), is_used: false }
    }

    pub(crate) fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed).try_into().unwrap_or_default()
    }

    /// Waits until nobody has a slot; whether that was in time.
    pub(crate) async fn all_free(&self, within: Duration) -> bool {
        let all = u32::try_from(self.size).unwrap_or(u32::MAX);
        timeout(within, self.semaphore.acquire_many(all)).await.is_ok()
    }

    fn changed(&self, by: i32) {
        let used = self.used.fetch_add(by, Ordering::Relaxed) + by;
        self.used_gauge.set(f64::from(used));
        self.available_gauge.set(self.size as f64 - f64::from(used));
    }

    /// What a heartbeat says of the slots; it counts from what the last one said.
    pub(crate) fn info(&self, last: Option<&WorkerSlotsInfo>) -> WorkerSlotsInfo {
        let get = |counter: &AtomicI32| counter.load(Ordering::Relaxed);
        let (used, processed, failed) = (get(&self.used), get(&self.processed), get(&self.failed));
        let size = i32::try_from(self.size).unwrap_or(i32::MAX);
        WorkerSlotsInfo {
            current_available_slots: size.saturating_sub(used),
            current_used_slots: used,
            slot_supplier_kind: "Fixed".to_owned(),
            total_processed_tasks: processed,
            total_failed_tasks: failed,
            last_interval_processed_tasks: processed.wrapping_sub(last.map_or(0, |last| last.total_processed_tasks)),
            last_interval_failure_tasks: failed.wrapping_sub(last.map_or(0, |last| last.total_failed_tasks)),
        }
    }
}

impl Slot {
    /// The task is here.
    pub(crate) fn begin(&mut self) {
        self.is_used = true;
        self.slots.changed(1);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.is_used {
            self.slots.processed.fetch_add(1, Ordering::Relaxed);
            self.slots.changed(-1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_heartbeat_tells_what_the_last_one_did_not() {
        let slots = Slots::new(3, Gauge::noop(), Gauge::noop());
        for _ in 0..2 {
            slots.acquire().await.begin();
        }
        slots.count_failed();
        let mut slot = slots.acquire().await;
        // A poll that waits uses nothing.
        let _polling = slots.acquire().await;
        slot.begin();
        let first = slots.info(None);
        assert_eq!((first.current_used_slots, first.current_available_slots), (1, 2));
        assert_eq!((first.total_processed_tasks, first.last_interval_processed_tasks), (2, 2));
        drop(slot);
        let second = slots.info(Some(&first));
        assert_eq!((second.total_processed_tasks, second.last_interval_processed_tasks), (3, 1));
        assert_eq!((second.total_failed_tasks, second.last_interval_failure_tasks), (1, 0));
    }

    #[tokio::test]
    async fn a_drain_waits_for_the_last_slot() {
        let slots = Slots::new(1, Gauge::noop(), Gauge::noop());
        let slot = slots.acquire().await;
        assert!(slots.try_acquire().is_none());
        assert!(!slots.all_free(Duration::from_millis(1)).await);
        drop(slot);
        assert!(slots.all_free(Duration::from_secs(1)).await);
    }
}
