//! One server of an environment. When its threads end, it has crashed.

use crate::background::Background;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tenure_server::{
    Addresses, Listeners, Server, StartError, VirtualTime,
    config::{Config, Listen, TimeSkipping},
};
use tokio::time::{Instant, sleep, timeout};

/// Longer than a server takes to be ready on a machine that is busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Node {
    config: Config,
    running: Option<Running>,
}

struct Running {
    background: Background,
    server: Arc<Server>,
}

/// A node that has its ports, and nothing else yet.
pub(crate) struct Prepared {
    background: Background,
    listeners: Listeners,
    addresses: Addresses,
}

impl Prepared {
    /// Takes the ports of `listen` as soon as they are free.
    pub(crate) async fn new(listen: Listen) -> Prepared {
        let background = Background::start("test-server");
        let bind = async move {
            let deadline = Instant::now() + DEADLINE;
            loop {
                match Listeners::bind(&listen).await {
                    Ok(listeners) => return listeners,
                    Err(error) if Instant::now() > deadline => panic!("{error}"),
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let listeners = background.run(bind).await;
        let addresses = listeners.addresses().expect("a listener has an address");
        Prepared { background, listeners, addresses }
    }

    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Starts the server; returns when clients may be sent there.
    pub(crate) async fn start(self, mut config: Config) -> Node {
        let Prepared { background, listeners, addresses } = self;
        // From now on these are its ports, also after a crash.
        config.listen = Listen { grpc: addresses.grpc, peer: addresses.peer, http: addresses.http };
        let starting = {
            let config = config.clone();
            background.run(async move { timeout(DEADLINE, start(config, listeners)).await })
        };
        let server = starting.await.expect("a server is ready in time");
        Node { config, running: Some(Running { background, server: Arc::new(server) }) }
    }
}

async fn start(config: Config, listeners: Listeners) -> Server {
    let mut listeners = Some(listeners);
    let server = loop {
        let started = match listeners.take() {
            Some(listeners) => Server::start_on(config.clone(), listeners).await,
            None => Server::start(config.clone()).await,
        };
        match started {
            Ok(server) => break server,
            // The one before is still letting go of it.
            Err(StartError::DataDirectory(error)) if error.to_string().contains("in use") => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("a test server does not start: {error}"),
        }
    };
    server.ready().await;
    server
}

impl Node {
    pub(crate) fn grpc(&self) -> SocketAddr {
        self.config.listen.grpc
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn virtual_time(&self) -> Option<Arc<VirtualTime>> {
        self.running.as_ref()?.server.virtual_time().cloned()
    }

    /// The node that leads a workflow's shard, if this one knows.
    pub(crate) async fn leader_of(&self, namespace: &str, workflow_id: &str) -> Option<u64> {
        let Running { background, server } = self.running.as_ref()?;
        let (server, namespace, workflow_id) = (server.clone(), namespace.to_owned(), workflow_id.to_owned());
        background.run(async move { server.leader_of(&namespace, &workflow_id).await }).await
    }

    /// Ends the node as `kill -9` does: nothing is handed over, connections break.
    pub(crate) fn crash(&mut self) {
        let Some(Running { background, server }) = self.running.take() else { return };
        let (done, ended) = std::sync::mpsc::channel();
        background.handle().spawn(async move {
            // A Raft group that was not told that it ends would end the process.
            let _ = timeout(Duration::from_millis(300), server.node().kill()).await;
            drop(server);
            let _ = done.send(());
        });
        let _ = ended.recv_timeout(Duration::from_secs(5));
        background.end();
    }

    /// Starts the node again, on the same ports and with what is on disk.
    pub(crate) async fn restart(&mut self) {
        if self.running.is_none() {
            *self = Prepared::new(self.config.listen.clone()).await.start(self.config.clone()).await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.crash();
    }
}

/// What is different from a node in production: little memory, no room that is kept for a restart, and nothing is ever removed.
pub(crate) fn config(id: u64, data_dir: PathBuf, time_skipping: bool) -> Config {
    let mut config = Config::default();
    config.node.id = id;
    config.node.data_dir = data_dir;
    config.listen = any_ports();
    config.cluster.shards = 2;
    config.cluster.namespace_retention = Duration::from_secs(100 * 365 * 24 * 3600);
    config.memory.budget_bytes = 48 << 20;
    config.disk.reserve_bytes = 0;
    config.time_skipping = time_skipping.then_some(TimeSkipping::Locked);
    config
}

pub(crate) fn any_ports() -> Listen {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Listen { grpc: any, peer: any, http: any }
}
