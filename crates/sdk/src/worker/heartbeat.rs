//! What the worker tells the server of itself, where the server wants to know.

use super::{Groups, WorkerShared};
use std::{
    sync::{Mutex, OnceLock, PoisonError, atomic::Ordering},
    time::{Duration, SystemTime},
};
use tenure_api::{
    enums::v1::WorkerStatus,
    namespace::v1::namespace_info::Capabilities,
    time::{duration_to_proto, time_from_proto},
    worker::v1::{WorkerHeartbeat, WorkerHostInfo},
    workflowservice::v1 as api,
};
use tenure_client::{ClientError, rpc};
use tonic::Code;

/// How often a server may say that there is no such namespace: one that has just been made is not everywhere at once.
const NAMESPACE_TRIES: u32 = 5;

/// What the server can do, as soon as it says so.
///
/// # Errors
/// When there is no such namespace.
pub(super) async fn capabilities(shared: &WorkerShared) -> Result<Capabilities, ClientError> {
    let client = &shared.client;
    let request = api::DescribeNamespaceRequest { namespace: client.namespace().to_owned(), ..Default::default() };
    let mut unknown = 0;
    loop {
        let described = rpc!(client.connection(), describe_namespace, request.clone(), client.short()).await;
        match described {
            Ok(namespace) => return Ok(namespace.namespace_info.unwrap_or_default().capabilities.unwrap_or_default()),
            Err(error) if matches!(error.code(), Some(Code::Unimplemented | Code::PermissionDenied)) => {
                return Ok(Capabilities::default());
            }
            Err(error) if error.is_namespace_not_found() => {
                unknown += 1;
                if unknown >= NAMESPACE_TRIES {
                    return Err(error);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => {
                tracing::debug!(%error, "the namespace is not described yet");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    }
}

/// Tells it again and again.
pub(super) async fn beat(shared: &WorkerShared, groups: &Groups) {
    let (Some(interval), client) = (shared.options.heartbeat_interval, &shared.client) else { return };
    loop {
        let request = api::RecordWorkerHeartbeatRequest {
            namespace: client.namespace().to_owned(),
            identity: client.identity().to_owned(),
            worker_heartbeat: vec![shared.heart.beat(shared, groups, WorkerStatus::Running)],
            ..Default::default()
        };
        match rpc!(client.connection(), record_worker_heartbeat, request, client.short()).await {
            Err(error) if error.code() == Some(Code::Unimplemented) => return,
            Err(error) => tracing::debug!(%error, "a worker's heartbeat was not sent"),
            Ok(_) => {}
        }
        tokio::time::sleep(interval).await;
    }
}

pub(super) struct Heart {
    started: SystemTime,
    last: Mutex<(WorkerHeartbeat, CpuTimes)>,
}

impl Heart {
    pub(super) fn new() -> Self {
        Heart { started: SystemTime::now(), last: Mutex::default() }
    }

    /// How the worker is, since the last time that somebody asked.
    pub(super) fn beat(&self, shared: &WorkerShared, groups: &Groups, status: WorkerStatus) -> WorkerHeartbeat {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, cpu_before) = &*last;
        let now = SystemTime::now();
        let since = time_from_proto(before.heartbeat_time);
        let cache = &shared.threads.stats;
        let count = |it: &std::sync::atomic::AtomicU64| i32::try_from(it.load(Ordering::Relaxed)).unwrap_or(i32::MAX);
        let cpu = CpuTimes::read();
        let beat = WorkerHeartbeat {
            worker_instance_key: shared.instance_key.clone(),
            worker_identity: shared.client.identity().to_owned(),
            host_info: Some(host(&cpu, cpu_before)),
            task_queue: shared.task_queue.clone(),
            deployment_version: shared.options.deployment.as_ref().map(|it| it.version()),
            sdk_name: super::SDK_NAME.to_owned(),
            sdk_version: super::SDK_VERSION.to_owned(),
            status: status.into(),
            start_time: Some(self.started.into()),
            heartbeat_time: Some(now.into()),
            elapsed_since_last_heartbeat: since.map(|it| duration_to_proto(now.duration_since(it).unwrap_or_default())),
            workflow_task_slots_info: Some(shared.workflow_slots.info(before.workflow_task_slots_info.as_ref())),
            activity_task_slots_info: Some(shared.activity_slots.info(before.activity_task_slots_info.as_ref())),
            local_activity_slots_info: Some(shared.local_slots.info(before.local_activity_slots_info.as_ref())),
            workflow_poller_info: groups.normal.as_ref().map(|it| it.info()),
            workflow_sticky_poller_info: groups.sticky.as_ref().map(|it| it.info()),
            activity_poller_info: groups.activities.as_ref().map(|it| it.info()),
            total_sticky_cache_hit: count(&cache.hits),
            total_sticky_cache_miss: count(&cache.misses),
            current_sticky_cache_size: count(&cache.size),
            ..Default::default()
        };
        *last = (beat.clone(), cpu);
        beat
    }
}

fn host(cpu: &CpuTimes, before: &CpuTimes) -> WorkerHostInfo {
    // Workers of one process belong together.
    static PROCESS: OnceLock<String> = OnceLock::new();
    WorkerHostInfo {
        host_name: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        worker_grouping_key: PROCESS.get_or_init(|| uuid::Uuid::new_v4().to_string()).clone(),
        process_id: std::process::id().to_string(),
        current_host_cpu_usage: cpu.usage_since(before),
        current_host_mem_usage: memory_usage().unwrap_or_default(),
    }
}

/// Time that all cores spent since boot; zero where there is no `/proc`.
#[derive(Default)]
struct CpuTimes {
    busy: u64,
    all: u64,
}

impl CpuTimes {
    fn read() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = stat.lines().next().unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
        let times: Vec<u64> = first.split_whitespace().skip(1).take(8).filter_map(|it| it.parse().ok()).collect();
        let all = times.iter().sum();
        let idle: u64 = times.iter().skip(3).take(2).sum();
        CpuTimes { busy: all - idle, all }
    }

    fn usage_since(&self, before: &CpuTimes) -> f32 {
        let all = self.all.saturating_sub(before.all).max(1);
        self.busy.saturating_sub(before.busy) as f32 / all as f32
    }
}

fn memory_usage() -> Option<f32> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| -> Option<f32> {
        info.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    };
    let (total, available) = (kib("MemTotal:")?, kib("MemAvailable:")?);
    Some((total - available) / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_host_has_memory_and_time() {
        assert!((0.0..=1.0).contains(&memory_usage().unwrap()));
        let (before, after) = (CpuTimes::default(), CpuTimes::read());
        assert!(after.all > 0 && (0.0..=1.0).contains(&after.usage_since(&before)));
    }
}
