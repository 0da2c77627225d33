//! What a node knows of the system shard.

use super::{SOON, leader, memory::Cluster, options};
use std::sync::Arc;
use tenure_api::{namespace::v1::UpdateNamespaceInfo, workflowservice::v1 as api};
use tenure_engine::{
    system::{SystemCommand, cluster::SYSTEM_SHARD},
    transition::transition,
};
use tokio::time::Instant;

const NODES: [u64; 3] = [1, 2, 3];

/// Without asking the leader: what routes tasks and checks starts has no time to ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_acknowledged_is_known_to_all_nodes() {
    let cluster = Cluster::start(&NODES, 1, |_| 1, &options(), transition);
    let system = leader(&cluster, 1, SYSTEM_SHARD).await;
    let register = api::RegisterNamespaceRequest {
        namespace: "n".into(),
        workflow_execution_retention_period: std::time::Duration::from_secs(86400).try_into().ok(),
        ..Default::default()
    };
    let run = |command| system.execute_system(crate::new_proposal_id(), command);
    run(SystemCommand::RegisterNamespace(Arc::new(register))).await.unwrap();
    let id = cluster.node(1).namespace("n", Instant::now() + SOON).await.unwrap().expect("registered").id;
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
