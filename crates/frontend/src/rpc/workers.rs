//! RecordWorkerHeartbeat, ListWorkers, CountWorkers and DescribeWorker: what workers say of themselves. Any node takes it,
//! and asks the homes of queues, which keep it.

use super::prelude::*;
use crate::Frontend;
use std::cmp::Reverse;
use tenure_api::worker::v1::{WorkerHeartbeat, WorkerInfo, WorkerListInfo};
use tenure_engine::{Limits, NamespaceId};
use tenure_limits::WORKER_HEARTBEAT;
use tenure_shard::{Item, Question, WorkerQuery, malformed_page_token};
use tokio::time::Instant;

/// Workers on a page, at most and unless the request says otherwise.
const PAGE_SIZE: usize = 1000;

impl LocalRpc for api::RecordWorkerHeartbeatRequest {
    type Response = api::RecordWorkerHeartbeatResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let namespace = frontend.namespace(&self.namespace, deadline).await?.id;
        let limits = &frontend.options().limits;
        self.worker_heartbeat.iter().try_for_each(|heartbeat| check(heartbeat, limits))?;
        frontend.shards().workers_said(namespace, &self.worker_heartbeat, deadline).await?;
        Ok(Self::Response::default())
    }
}

/// Whether a heartbeat may be kept.
pub(super) fn check(heartbeat: &WorkerHeartbeat, limits: &Limits) -> Result<(), ApiError> {
    required(&heartbeat.worker_instance_key, "WorkerInstanceKey")?;
    for (name, what) in [(&heartbeat.worker_instance_key, "WorkerInstanceKey"), (&heartbeat.task_queue, "TaskQueue")] {
        if name.len() > limits.id_length {
            return Err(ApiError::invalid_argument(format!("{what} length exceeds limit.")));
        }
    }
    let size = heartbeat.encoded_len();
    if size > WORKER_HEARTBEAT {
        let message = format!("A worker's heartbeat of {size} bytes is larger than {WORKER_HEARTBEAT} bytes.");
        return Err(ApiError::invalid_argument(message));
    }
    Ok(())
}

impl LocalRpc for api::ListWorkersRequest {
    type Response = api::ListWorkersResponse;

    #[allow(deprecated)]
    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let Self { namespace, page_size, next_page_token, query, include_system_workers: of_server } = self;
        let namespace = frontend.namespace(&namespace, deadline).await?.id;
        let query = WorkerQuery { namespace, query, of_server };
        let size = usize::try_from(page_size).ok().filter(|size| (1..=PAGE_SIZE).contains(size)).unwrap_or(PAGE_SIZE);
        let (workers, next_page_token) = page(frontend, query, &next_page_token, size, deadline).await?;
        Ok(Self::Response {
            workers: workers.iter().map(listed).collect(),
            // The CLI of the reference server shows these.
            workers_info: workers.into_iter().map(shown).collect(),
            next_page_token,
        })
    }
}

impl LocalRpc for api::CountWorkersRequest {
    type Response = api::CountWorkersResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let Self { namespace, query, include_system_workers: of_server } = self;
        let namespace = frontend.namespace(&namespace, deadline).await?.id;
        let query = WorkerQuery { namespace, query, of_server };
        query.check()?;
        let count = frontend.shards().count_workers(query, deadline).await?;
        Ok(Self::Response { count: i64::try_from(count).unwrap_or(i64::MAX) })
    }
}

impl LocalRpc for api::DescribeWorkerRequest {
    type Response = api::DescribeWorkerResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let namespace = frontend.namespace(&self.namespace, deadline).await?.id;
        let key = &self.worker_instance_key;
        let found = if key.is_empty() { None } else { find(frontend, namespace, key, deadline).await? };
        let found = found.ok_or_else(|| ApiError::not_found(format!("Worker {key} not found")))?;
        Ok(Self::Response { worker_info: Some(shown(found)) })
    }
}

/// The worker with a key. One that went from one queue to another is known at two homes until the first has forgotten it.
async fn find(
    frontend: &Frontend,
    namespace: NamespaceId,
    key: &str,
    deadline: Instant,
) -> Result<Option<WorkerHeartbeat>, ApiError> {
    let quoted = key.replace('\\', "\\\\").replace('\'', "''");
    let query = format!("WorkerInstanceKey = '{quoted}'");
    let query = WorkerQuery { namespace, query, of_server: true };
    let (found, _) = page(frontend, query, &[], PAGE_SIZE, deadline).await?;
    Ok(found.into_iter().next())
}

/// A page of workers, each as it spoke last.
async fn page(
    frontend: &Frontend,
    query: WorkerQuery,
    page_token: &[u8],
    size: usize,
    deadline: Instant,
) -> Result<(Vec<WorkerHeartbeat>, Bytes), ApiError> {
    query.check()?;
    let page = frontend.shards().list(Question::Workers(query), page_token, size, deadline).await.map_err(|error| {
        if error == malformed_page_token() { ApiError::invalid_argument("invalid next_page_token") } else { error }
    })?;
    let decode = |item: Item| WorkerHeartbeat::decode(item.value);
    let workers = page.items.into_iter().map(decode).collect::<Result<Vec<_>, _>>();
    let mut workers = workers.map_err(|error| ApiError::internal(format!("a worker that is none: {error}")))?;
    let spoke = |worker: &WorkerHeartbeat| worker.heartbeat_time.map(|time| (time.seconds, time.nanos));
    workers.sort_by(|one, other| {
        let key = |worker: &WorkerHeartbeat| Reverse(spoke(worker));
        one.worker_instance_key.cmp(&other.worker_instance_key).then_with(|| key(one).cmp(&key(other)))
    });
    workers.dedup_by(|again, worker| again.worker_instance_key == worker.worker_instance_key);
    Ok((workers, page.next_page_token))
}

fn shown(worker: WorkerHeartbeat) -> WorkerInfo {
    WorkerInfo { worker_heartbeat: Some(worker) }
}

/// What a list shows of a worker.
fn listed(worker: &WorkerHeartbeat) -> WorkerListInfo {
    let worker = worker.clone();
    let host = worker.host_info.unwrap_or_default();
    WorkerListInfo {
        worker_instance_key: worker.worker_instance_key,
        worker_identity: worker.worker_identity,
        task_queue: worker.task_queue,
        deployment_version: worker.deployment_version,
        sdk_name: worker.sdk_name,
        sdk_version: worker.sdk_version,
        status: worker.status,
        start_time: worker.start_time,
        host_name: host.host_name,
        worker_grouping_key: host.worker_grouping_key,
        process_id: host.process_id,
        plugins: worker.plugins,
        drivers: worker.drivers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_has_a_key_and_a_largest_size() {
        let limits = Limits::default();
        let heartbeat = |key: &str, queue: &str, identity: usize| WorkerHeartbeat {
            worker_instance_key: key.into(),
            task_queue: queue.into(),
            worker_identity: "i".repeat(identity),
            ..Default::default()
        };
        let room = WORKER_HEARTBEAT - heartbeat("k", "q", 0).encoded_len() - 4;
        for good in [heartbeat("k", "", 0), heartbeat("k", "q", room), heartbeat(&"k".repeat(1000), "q", 0)] {
            assert_eq!(check(&good, &limits), Ok(()));
        }
        for (bad, reason) in [
            (heartbeat("", "q", 0), "WorkerInstanceKey is not set on request."),
            (heartbeat(&"k".repeat(1001), "q", 0), "WorkerInstanceKey length exceeds limit."),
            (heartbeat("k", &"q".repeat(1001), 0), "TaskQueue length exceeds limit."),
            (heartbeat("k", "q", room + 1), "A worker's heartbeat of 65537 bytes is larger than 65536 bytes."),
        ] {
            assert_eq!(check(&bad, &limits), Err(ApiError::invalid_argument(reason)));
        }
    }
}
