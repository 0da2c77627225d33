//! What a node knows of the system shard.

use super::{TIMEOUT, leader, memory::Cluster, options};
use futures::future::join_all;
use std::sync::{Arc, atomic::Ordering};
use tenure_api::{namespace::v1::UpdateNamespaceInfo, workflowservice::v1 as api};
use tenure_engine::{
    system::{SystemCommand, cluster::SYSTEM_SHARD},
    transition::transition,
};
use tokio::time::Instant;

const NODES: [u64; 3] = [1, 2, 3];

fn register(name: &str) -> SystemCommand {
    SystemCommand::RegisterNamespace(Arc::new(api::RegisterNamespaceRequest {
        namespace: name.into(),
        workflow_execution_retention_period: std::time::Duration::from_secs(86400).try_into().ok(),
        ..Default::default()
    }))
}

/// Without asking the leader: what routes tasks and checks starts has no time to ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_acknowledged_is_known_to_all_nodes() {
    let cluster = Cluster::start(&NODES, 1, |_| 1, &options(), transition);
    let system = leader(&cluster, 1, SYSTEM_SHARD).await;
    let run = |command| system.execute_system(crate::new_proposal_id(), command);
    run(register("n")).await.unwrap();
    let id = cluster.node(1).namespace("n", Instant::now() + TIMEOUT).await.unwrap().expect("registered").id;
    for number in 0..1000 {
        let description = format!("told {number}");
        let info = UpdateNamespaceInfo { description: description.clone(), ..Default::default() };
        let update =
            api::UpdateNamespaceRequest { namespace: "n".into(), update_info: Some(info), ..Default::default() };
        run(SystemCommand::UpdateNamespace(Arc::new(update))).await.unwrap();
        for node in NODES {
            let known = cluster.node(node).namespace_by_id(id).expect("known");
            let info = known.description.namespace_info.as_ref().unwrap();
            assert_eq!(info.description, description, "at node {node}");
        }
    }
}

/// What a change costs does not grow with the number of namespaces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_read_without_all_that_was_there_before() {
    let cluster = Cluster::start(&NODES, 1, |_| 1, &options(), transition);
    let system = leader(&cluster, 1, SYSTEM_SHARD).await;
    let tables_read = || cluster.logs[&SYSTEM_SHARD].tables_read.load(Ordering::Relaxed);
    let before = tables_read();
    for number in 0..50 {
        let name = format!("n{number}");
        system.execute_system(crate::new_proposal_id(), register(&name)).await.unwrap();
        for node in NODES {
            let known = cluster.node(node).namespace(&name, Instant::now() + TIMEOUT).await.unwrap();
            assert!(known.is_some(), "{name} at node {node}");
        }
    }
    assert_eq!(tables_read(), before);
}

/// A node that has fallen too far behind to know what was written reads everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_come_in_a_crowd_are_all_known() {
    let cluster = Cluster::start(&NODES, 1, |_| 1, &options(), transition);
    let system = leader(&cluster, 1, SYSTEM_SHARD).await;
    let names: Vec<_> = (0..200).map(|number| format!("n{number}")).collect();
    let registered =
        join_all(names.iter().map(|name| system.execute_system(crate::new_proposal_id(), register(name)))).await;
    assert!(registered.iter().all(Result::is_ok));
    for node in NODES {
        for name in &names {
            let known = cluster.node(node).namespace(name, Instant::now() + TIMEOUT).await.unwrap();
            assert!(known.is_some(), "{name} at node {node}");
        }
    }
}
