//! The servers of an environment: one, three, or somebody else's.

use crate::node::{DEADLINE, Node, Prepared, any_ports, config};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tenure_server::VirtualTime;
use tokio::time::{Instant, sleep};

/// The variable with the address of a server, for tests that do not start their own.
const ELSEWHERE: &str = "TENURE_TEST_ADDRESS";

pub(crate) enum Servers {
    Here {
        nodes: Vec<Node>,
        /// Removed after the nodes have ended.
        _dir: TempDir,
    },
    Elsewhere(Vec<String>),
}

impl Servers {
    /// The addresses that the process's environment names.
    pub(crate) fn named() -> Option<Servers> {
        let addresses = std::env::var(ELSEWHERE).ok().filter(|it| !it.is_empty())?;
        Some(Servers::Elsewhere(addresses.split(',').map(|it| it.trim().to_owned()).collect()))
    }

    /// Starts `count` nodes, together.
    pub(crate) async fn start(count: u64, time_skipping: bool) -> Servers {
        let dir = tempfile::Builder::new().prefix("tenure-test-").tempdir().expect("a temporary directory");
        let mut prepared = Vec::new();
        for id in 1..=count {
            prepared.push((id, Prepared::new(any_ports()).await));
        }
        let member = |(id, node): &(u64, Prepared)| (id.to_string(), node.addresses().peer.to_string());
        let members: std::collections::BTreeMap<_, _> = prepared.iter().map(member).collect();
        let starts = prepared.into_iter().map(|(id, node)| {
            let mut config = config(id, dir.path().join(format!("node-{id}")), time_skipping && count == 1);
            if count > 1 {
                config.cluster.members.clone_from(&members);
            }
            // They wait for each other.
            tokio::spawn(node.start(config))
        });
        let mut nodes = Vec::new();
        for start in starts.collect::<Vec<_>>() {
            nodes.push(start.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
        Servers::Here { nodes, _dir: dir }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        match self {
            Servers::Here { nodes, .. } => nodes.iter().map(|node| node.grpc().to_string()).collect(),
            Servers::Elsewhere(addresses) => addresses.clone(),
        }
    }

    pub(crate) fn virtual_time(&self) -> Option<Arc<VirtualTime>> {
        match self {
            Servers::Here { nodes, .. } => nodes.iter().find_map(Node::virtual_time),
            Servers::Elsewhere(_) => None,
        }
    }

    /// A node by its number, from 1 on.
    pub(crate) fn node(&mut self, id: u64) -> &mut Node {
        let Servers::Here { nodes, .. } = self else {
            panic!("the server of this environment is not the test's to kill");
        };
        let count = nodes.len();
        let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        index.and_then(|index| nodes.get_mut(index)).unwrap_or_else(|| panic!("no node {id}: there are 1 to {count}"))
    }

    /// Waits until a running node leads the shard of a workflow.
    pub(crate) async fn leader_of(&self, namespace: &str, workflow_id: &str) -> u64 {
        let Servers::Here { nodes, .. } = self else {
            panic!("the servers of this environment do not say who leads");
        };
        let deadline = Instant::now() + DEADLINE;
        loop {
            for node in nodes.iter().filter(|node| node.is_running()) {
                let Some(leader) = node.leader_of(namespace, workflow_id).await else { continue };
                if usize::try_from(leader).is_ok_and(|id| nodes.get(id - 1).is_some_and(Node::is_running)) {
                    return leader;
                }
            }
            assert!(Instant::now() < deadline, "no node leads the shard of workflow {workflow_id:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}
