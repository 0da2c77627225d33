//! The environment of a test.

use crate::{
    background::Background,
    server::Servers,
    time::Time,
    watch::Watch,
    worker::{TestWorker, WorkerSetup},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tenure_sdk::{Client, DataConverter, Worker, WorkflowHandle};

/// A server for a test, in the test's process; see the [crate](crate).
///
/// Many may run at the same time: each has threads, ports and a directory of its own, which are gone when it is
/// dropped.
///
/// # Panics
/// All methods panic when something does not work that should, as tests do. So does the drop of an environment in which
/// a workflow cannot be replayed.
pub struct TestEnv {
    client: Client,
    watch: Arc<Watch>,
    time: Time,
    checked: bool,
    workers: Mutex<Vec<Background>>,
    background: Background,
    servers: tokio::sync::Mutex<Servers>,
}

/// How an environment is made.
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct TestEnvBuilder {
    nodes: u64,
    time_skipping: bool,
    replays: bool,
    task_failures: bool,
    converter: DataConverter,
}

impl TestEnvBuilder {
    /// Nodes of a cluster. Time does not skip in one of several. Default: 1.
    pub fn nodes(mut self, nodes: u64) -> Self {
        self.nodes = nodes;
        self
    }

    /// Whether time skips while a result is awaited. Default: it does.
    pub fn time_skipping(mut self, skip: bool) -> Self {
        self.time_skipping = skip;
        self
    }

    /// Whether workflows are replayed in the end. Default: they are.
    pub fn replays(mut self, replay: bool) -> Self {
        self.replays = replay;
        self
    }

    /// Whether workflow tasks may fail, for tests of what happens then. Default: they may not, and what waits for a
    /// result fails with them.
    pub fn task_failures(mut self, may_fail: bool) -> Self {
        self.task_failures = may_fail;
        self
    }

    /// The client's data converter. Default: JSON, no codec.
    pub fn converter(mut self, converter: DataConverter) -> Self {
        self.converter = converter;
        self
    }

    /// Starts it; returns when clients are served.
    pub async fn start(self) -> TestEnv {
        let named = if self.nodes == 1 { Servers::named() } else { None };
        let servers = match named {
            Some(servers) => servers,
            None => Servers::start(self.nodes, self.time_skipping).await,
        };
        let time = match (&servers, servers.virtual_time()) {
            (_, Some(time)) => Time::Virtual(time),
            (Servers::Elsewhere(addresses), None) if self.time_skipping => Time::Theirs(addresses[0].clone()),
            _ => Time::Real,
        };
        let watch = Watch::new(!self.task_failures);
        let background = Background::start("test-client");
        let client = {
            let (watch, time) = (watch.clone(), time.clone());
            let builder = Client::builder(servers.addresses()).deadline(Duration::from_secs(20));
            let builder = builder.converter(self.converter);
            let builder = builder.beside_waits(move || watch.clone().beside_wait(time.clone()));
            background.run(async move { builder.connect().await.expect("a server answers") }).await
        };
        TestEnv {
            client,
            watch,
            time,
            checked: self.replays,
            workers: Mutex::default(),
            background,
            servers: tokio::sync::Mutex::new(servers),
        }
    }
}

impl TestEnv {
    /// One server whose time skips; or the one that `TENURE_TEST_ADDRESS` names.
    pub async fn start() -> TestEnv {
        Self::builder().start().await
    }

    /// Three servers, one of which may die. Their time does not skip.
    ///
    /// ```no_run
    /// # use tenure_sdk::prelude::*;
    /// # #[workflow] async fn order(cx: WorkflowContext) -> Result<u32> { Ok(1) }
    /// # async fn test() -> Result<(), ClientError> {
    /// let env = tenure_sdk_testing::TestEnv::cluster().await;
    /// env.run(Worker::new(env.client(), "orders").workflow(order));
    /// let handle = env.client().start(order, ()).id("order-1").task_queue("orders").await?;
    /// let killed = env.kill_leader_of(&handle).await;
    /// assert_eq!(handle.result().await?, 1);
    /// env.restart(killed).await;
    /// # Ok(()) }
    /// ```
    pub async fn cluster() -> TestEnv {
        Self::builder().nodes(3).start().await
    }

    /// An environment that is not as usual.
    ///
    /// ```no_run
    /// # async fn test() {
    /// # use tenure_sdk_testing::TestEnv;
    /// // For a test of what happens when workflow code panics:
    /// let env = TestEnv::builder().task_failures(true).start().await;
    /// # }
    /// ```
    pub fn builder() -> TestEnvBuilder {
        TestEnvBuilder {
            nodes: 1,
            time_skipping: true,
            replays: true,
            task_failures: false,
            converter: DataConverter::default(),
        }
    }

    /// A client of all nodes.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// `host:port` of each node.
    pub async fn addresses(&self) -> Vec<String> {
        self.servers.lock().await.addresses()
    }

    /// Runs a worker beside the test, on threads of its own, after its activities were replaced as the test needs it.
    pub fn worker(&self, worker: Worker) -> WorkerSetup<'_> {
        WorkerSetup {
            worker,
            watch: self.watch.clone(),
            time: self.time.clone(),
            checked: self.checked,
            attempts: BTreeMap::new(),
            register: Box::new(|worker| self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker)),
        }
    }

    /// Runs a worker as it is.
    pub fn run(&self, worker: Worker) -> TestWorker {
        self.worker(worker).start()
    }

    /// Lets so much of the server's time pass. It skips meanwhile, but not beyond; a server that cannot skip takes its
    /// time.
    pub async fn sleep(&self, duration: Duration) {
        self.time.sleep(duration).await;
    }

    /// Whether [`Self::sleep`] skips.
    pub async fn skips_time(&self) -> bool {
        self.time.can_skip().await
    }

    /// The server's time.
    pub fn now(&self) -> SystemTime {
        self.time.now()
    }

    /// The node, from 1 on, that leads the shard of a workflow: everything about it is decided there.
    pub async fn leader_of<W: tenure_sdk::WorkflowDefinition>(&self, handle: &WorkflowHandle<W>) -> u64 {
        self.servers.lock().await.leader_of(self.client.namespace(), handle.id()).await
    }

    /// Kills the node that [`Self::leader_of`] names, and gives its number. The others go on when they have elected
    /// another leader, within a second or two.
    pub async fn kill_leader_of<W: tenure_sdk::WorkflowDefinition>(&self, handle: &WorkflowHandle<W>) -> u64 {
        let leader = self.leader_of(handle).await;
        self.kill(leader).await;
        leader
    }

    /// Ends a node as `kill -9` does. Its data stays.
    pub async fn kill(&self, node: u64) {
        self.servers.lock().await.node(node).crash();
    }

    /// Starts a node that was killed, with its data; returns when it serves clients.
    pub async fn restart(&self, node: u64) {
        self.servers.lock().await.node(node).restart().await;
    }

    /// Replays what workers have run so far, as the drop of the environment does.
    pub async fn check(&self) {
        let (watch, client) = (self.watch.clone(), self.client.clone());
        if let Err(problems) = self.background.run(async move { watch.replay_all(&client).await }).await {
            panic!("{problems}");
        }
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        let mut problems = None;
        if !std::thread::panicking() {
            let (watch, client, handle) = (self.watch.clone(), self.client.clone(), self.background.handle().clone());
            // The test may be asynchronous: its thread must not wait for futures.
            let checked = std::thread::spawn(move || handle.block_on(watch.replay_all(&client))).join();
            problems = checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).err();
        }
        for worker in self.workers.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            worker.end();
        }
        self.background.end();
        if let Some(problems) = problems {
            panic!("{problems}");
        }
    }
}
