//! What a worker counts, by the names that other SDKs use; `docs/sdk-production.md` lists them.

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};
use std::collections::BTreeMap;

/// All that a worker counts. A recorder has to be installed before the worker starts.
pub(crate) struct Metrics {
    labels: Vec<Label>,
    pub(crate) cache_size: Gauge,
    pub(crate) cache_hits: Counter,
    pub(crate) cache_misses: Counter,
    pub(crate) cache_evictions: Counter,
    pub(crate) local_activities: Counter,
    workflows: BTreeMap<String, OfWorkflow>,
    activities: BTreeMap<String, OfActivity>,
}

/// The metrics of one workflow type.
pub(crate) struct OfWorkflow {
    pub(crate) task_schedule_to_start: Histogram,
    pub(crate) task_execution: Histogram,
    pub(crate) task_failed: Counter,
    pub(crate) completed: Counter,
    pub(crate) failed: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) continued: Counter,
}

/// The metrics of one activity type.
pub(crate) struct OfActivity {
    pub(crate) schedule_to_start: Histogram,
    pub(crate) execution: Histogram,
    pub(crate) failed: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) local_execution: Histogram,
    pub(crate) local_failed: Counter,
}

impl Metrics {
    pub(crate) fn new<'a>(
        namespace: &str,
        task_queue: &str,
        workflows: impl Iterator<Item = &'a String>,
        activities: impl Iterator<Item = &'a String>,
    ) -> Self {
        let labels =
            vec![Label::new("namespace", namespace.to_owned()), Label::new("task_queue", task_queue.to_owned())];
        counter!("temporal_worker_start", labels.clone()).increment(1);
        Metrics {
            cache_size: gauge!("temporal_sticky_cache_size", labels.clone()),
            cache_hits: counter!("temporal_sticky_cache_hit", labels.clone()),
            cache_misses: counter!("temporal_sticky_cache_miss", labels.clone()),
            cache_evictions: counter!("temporal_sticky_cache_total_forced_eviction", labels.clone()),
            local_activities: counter!("temporal_local_activity_total", labels.clone()),
            workflows: workflows.map(|it| (it.clone(), OfWorkflow::new(with(&labels, "workflow_type", it)))).collect(),
            activities: activities
                .map(|it| (it.clone(), OfActivity::new(with(&labels, "activity_type", it))))
                .collect(),
            labels,
        }
    }

    pub(crate) fn workflow(&self, workflow_type: &str) -> Option<&OfWorkflow> {
        self.workflows.get(workflow_type).or_else(|| self.workflows.get(super::DYNAMIC))
    }

    pub(crate) fn activity(&self, activity_type: &str) -> Option<&OfActivity> {
        self.activities.get(activity_type).or_else(|| self.activities.get(super::DYNAMIC))
    }

    /// Used and available slots of a kind of worker.
    pub(super) fn slots(&self, worker_type: &str) -> (Gauge, Gauge) {
        let labels = with(&self.labels, "worker_type", worker_type);
        let used = gauge!("temporal_worker_task_slots_used", labels.clone());
        (used, gauge!("temporal_worker_task_slots_available", labels))
    }

    pub(super) fn workflow_polls(&self, poller_type: &str) -> super::pollers::Measures {
        super::pollers::Measures {
            pollers: gauge!("temporal_num_pollers", with(&self.labels, "poller_type", poller_type)),
            succeeded: counter!("temporal_workflow_task_queue_poll_succeed", self.labels.clone()),
            empty: counter!("temporal_workflow_task_queue_poll_empty", self.labels.clone()),
        }
    }

    pub(super) fn activity_polls(&self) -> super::pollers::Measures {
        super::pollers::Measures {
            pollers: gauge!("temporal_num_pollers", with(&self.labels, "poller_type", "activity_task")),
            succeeded: counter!("temporal_activity_task_received", self.labels.clone()),
            empty: counter!("temporal_activity_poll_no_task", self.labels.clone()),
        }
    }
}

fn with(labels: &[Label], key: &'static str, value: &str) -> Vec<Label> {
    labels.iter().cloned().chain([Label::new(key, value.to_owned())]).collect()
}

impl OfWorkflow {
    fn new(labels: Vec<Label>) -> Self {
        OfWorkflow {
            task_schedule_to_start: histogram!(
                "temporal_workflow_task_schedule_to_start_latency_seconds",
                labels.clone()
            ),
            task_execution: histogram!("temporal_workflow_task_execution_latency_seconds", labels.clone()),
            task_failed: counter!("temporal_workflow_task_execution_failed", labels.clone()),
            completed: counter!("temporal_workflow_completed", labels.clone()),
            failed: counter!("temporal_workflow_failed", labels.clone()),
            cancelled: counter!("temporal_workflow_canceled", labels.clone()),
            continued: counter!("temporal_workflow_continue_as_new", labels),
        }
    }
}

impl OfActivity {
    fn new(labels: Vec<Label>) -> Self {
        OfActivity {
            schedule_to_start: histogram!("temporal_activity_schedule_to_start_latency_seconds", labels.clone()),
            execution: histogram!("temporal_activity_execution_latency_seconds", labels.clone()),
            failed: counter!("temporal_activity_execution_failed", labels.clone()),
            cancelled: counter!("temporal_activity_execution_cancelled", labels.clone()),
            local_execution: histogram!("temporal_local_activity_execution_latency_seconds", labels.clone()),
            local_failed: counter!("temporal_local_activity_execution_failed", labels),
        }
    }
}
