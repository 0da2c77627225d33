//! What a worker tells of itself, against a server that wants to know.

use crate::common::{Server, unique, with_worker};
use std::time::Duration;
use tenure_api::workflowservice::v1 as api;
use tenure_client::rpc;
use tenure_sdk::prelude::*;

#[activity]
async fn shout(text: String) -> String {
    text.to_uppercase()
}

#[workflow]
async fn shouting(cx: WorkflowContext, text: String) -> Result<String> {
    cx.activity(shout, text).await
}

async fn wants_to_know(client: &Client) -> bool {
    let request = api::DescribeNamespaceRequest { namespace: client.namespace().to_owned(), ..Default::default() };
    let namespace = rpc!(client.connection(), describe_namespace, request, client.short()).await.unwrap();
    namespace.namespace_info.unwrap().capabilities.unwrap_or_default().worker_heartbeats
}

/// Full information on the worker of a queue, as the server has it.
async fn told(client: &Client, queue: &str) -> Option<tenure_api::worker::v1::WorkerHeartbeat> {
    let namespace = client.namespace().to_owned();
    let query = format!("TaskQueue = '{queue}'");
    let list = api::ListWorkersRequest { namespace: namespace.clone(), page_size: 10, query, ..Default::default() };
    let listed = rpc!(client.connection(), list_workers, list, client.short()).await.unwrap().workers;
    let worker_instance_key = listed.first()?.worker_instance_key.clone();
    let describe = api::DescribeWorkerRequest { namespace, worker_instance_key };
    let described = rpc!(client.connection(), describe_worker, describe, client.short()).await.ok()?;
    described.worker_info?.worker_heartbeat
}

#[tokio::test]
async fn the_server_knows_how_a_worker_is() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (server.client().await, unique("heartbeats"));
    if !wants_to_know(&client).await {
        return eprintln!("skipped: the server wants no heartbeats of workers");
    }
    let options = WorkerOptions::default().heartbeat_interval(Duration::from_millis(200));
    let worker = Worker::new(client.clone(), &queue).workflow(shouting).activity(shout).options(options);
    with_worker(worker, async {
        let handle = client.start(shouting, "a").id(unique("shouting")).task_queue(&queue).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), "A");
        let beat = loop {
            let beat = told(&client, &queue).await;
            let processed = |beat: &tenure_api::worker::v1::WorkerHeartbeat| {
                beat.activity_task_slots_info.as_ref().map_or(0, |slots| slots.total_processed_tasks)
            };
            // The last workflow task ends a moment after its result is there.
            let available = |beat: &tenure_api::worker::v1::WorkerHeartbeat| {
                beat.workflow_task_slots_info.as_ref().map_or(0, |slots| slots.current_available_slots)
            };
            match beat.filter(|beat| processed(beat) == 1 && available(beat) == 100) {
                Some(beat) => break beat,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        assert_eq!((beat.sdk_name.as_str(), beat.worker_identity.as_str()), ("tenure-rust", client.identity()));
        assert_eq!(beat.status(), tenure_api::enums::v1::WorkerStatus::Running);
        assert!(beat.workflow_poller_info.unwrap().current_pollers >= 2);
        assert!(beat.workflow_sticky_poller_info.unwrap().is_autoscaling);
        assert!(!beat.host_info.unwrap().process_id.is_empty());
    })
    .await;
}
