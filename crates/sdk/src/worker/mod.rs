//! The worker: polls, runs what it gets, and drains when it is told to stop.

mod activities;
mod local;
mod threads;
mod workflows;

use crate::{
    Failure, Replayer,
    activity::{Activities, Activity, ActivityContext, ActivityRegistry},
    execution::{Factory, Typed},
    testing::Observer,
    workflow::Workflow,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_api::workflowservice::v1::ShutdownWorkerRequest;
use tenure_client::{ActivityDefinition, Client, ClientError, IntoActivity, IntoWorkflow, rpc};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// Limits of a worker.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Workflow tasks at the same time. Default: 100.
    pub workflow_slots: usize,
    /// Activities at the same time. Default: 100.
    pub activity_slots: usize,
    /// Polls for workflow tasks at the same time, of each of the worker's two queues. Default: 3.
    pub workflow_pollers: usize,
    /// Polls for activities at the same time. Default: 5.
    pub activity_pollers: usize,
    /// Workflows that are kept between their tasks; others are replayed from history. Default: 1,000.
    pub cached_workflows: usize,
    /// Threads on which workflow code runs. Default: one for each core, four at most.
    pub workflow_threads: usize,
    /// How long activities may go on after the worker was told to stop, before they are cancelled. Default: 10 s.
    pub grace: Duration,
    /// How long the server waits for this worker to take a task of a workflow that it has cached. Default: 5 s.
    pub sticky_timeout: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions {
            workflow_slots: 100,
            activity_slots: 100,
            workflow_pollers: 3,
            activity_pollers: 5,
            cached_workflows: 1_000,
            workflow_threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)),
            grace: Duration::from_secs(10),
            sticky_timeout: Duration::from_secs(5),
        }
    }
}

/// Runs workflows and activities of one task queue.
///
/// ```no_run
/// use tenure_sdk::prelude::*;
///
/// #[activity]
/// async fn greet(name: String) -> String {
///     format!("Hello, {name}!")
/// }
///
/// #[workflow]
/// async fn greeting(cx: WorkflowContext, name: String) -> Result<String> {
///     cx.activity(greet, name).await
/// }
///
/// # async fn run() -> Result<(), ClientError> {
/// let client = Client::connect(["127.0.0.1:7233"]).await?;
/// Worker::new(client, "greetings").workflow(greeting).activity(greet).run().await
/// # }
/// ```
pub struct Worker {
    client: Client,
    task_queue: String,
    workflows: BTreeMap<String, Arc<dyn Factory>>,
    activities: ActivityRegistry,
    options: WorkerOptions,
    observer: Option<Arc<dyn Observer>>,
}

/// What the parts of a running worker share.
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) task_queue: String,
    pub(crate) sticky_queue: String,
    pub(crate) activities: ActivityRegistry,
    pub(crate) options: WorkerOptions,
    pub(crate) workflow_slots: Arc<Semaphore>,
    pub(crate) activity_slots: Arc<Semaphore>,
    pub(crate) threads: threads::Threads,
    /// Activities are to be cancelled.
    pub(crate) grace_over: watch::Sender<bool>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl Worker {
    /// A worker that knows nothing yet.
    pub fn new(client: Client, task_queue: impl Into<String>) -> Self {
        Worker {
            client,
            task_queue: task_queue.into(),
            workflows: BTreeMap::new(),
            activities: ActivityRegistry::default(),
            options: WorkerOptions::default(),
            observer: None,
        }
    }

    /// Adds a workflow.
    #[must_use]
    pub fn workflow<W: Workflow, G>(mut self, workflow: impl IntoWorkflow<G, Workflow = W>) -> Self {
        let workflow = workflow.into_workflow();
        self.workflows.insert(workflow.name().to_owned(), Arc::new(Typed::new(&workflow)));
        self
    }

    /// Adds an activity.
    #[must_use]
    pub fn activity<D: Activity, G>(mut self, activity: impl IntoActivity<G, Activity = D>) -> Self {
        self.activities.activity(activity.into_activity());
        self
    }

    /// Adds the activities of a type, and what they depend on.
    #[must_use]
    pub fn activities<O: Activities>(mut self, owner: O) -> Self {
        O::register(Arc::new(owner), &mut self.activities);
        self
    }

    /// Adds an activity that is a closure, under the name and with the types of a definition; in place of the one that
    /// is there.
    ///
    /// ```no_run
    /// # use tenure_sdk::prelude::*;
    /// const ADD: ActivityRef<(i64, i64), i64> = ActivityRef::new("add");
    /// # fn worker(client: Client) -> Worker {
    /// Worker::new(client, "sums").activity_with(ADD, |_cx, (a, b)| async move { Ok(a + b) })
    /// # }
    /// ```
    #[must_use]
    pub fn activity_with<D: ActivityDefinition, G, F>(
        mut self,
        activity: impl IntoActivity<G, Activity = D>,
        run: impl Fn(ActivityContext, D::Args) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<D::Output, Failure>> + Send + 'static,
    {
        self.activities.insert(activity.into_activity().name(), run);
        self
    }

    /// Replays histories with this worker's workflows and converter.
    pub fn replayer(&self) -> Replayer {
        Replayer::of(self.workflows.clone(), &self.client)
    }

    #[doc(hidden)]
    #[must_use]
    pub fn observed(mut self, observer: Arc<dyn Observer>) -> Self {
        self.activities.before_each(&observer);
        self.observer = Some(observer);
        self
    }

    /// Limits; see [`WorkerOptions`].
    #[must_use]
    pub fn options(mut self, options: WorkerOptions) -> Self {
        self.options = options;
        self
    }

    /// Runs until SIGTERM or Ctrl-C, then drains.
    pub async fn run(self) -> Result<(), ClientError> {
        self.run_until(signalled()).await
    }

    /// Runs until `stop` is done, then drains: no new tasks, running ones finish, activities are cancelled after the
    /// grace time.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), ClientError> {
        let Worker { client, task_queue, workflows, activities, options, observer } = self;
        let has_workflows = !workflows.is_empty();
        let has_activities = !activities.calls.is_empty();
        let shared = Arc::new(Shared {
            sticky_queue: format!("{}:{}", client.identity(), uuid::Uuid::new_v4()),
            workflow_slots: Arc::new(Semaphore::new(options.workflow_slots)),
            activity_slots: Arc::new(Semaphore::new(options.activity_slots)),
            threads: threads::Threads::start(workflows, client.converter().clone(), &options),
            grace_over: watch::Sender::new(false),
            client,
            task_queue,
            activities,
            options,
            observer,
        });
        let (stopping, stopped) = watch::channel(false);
        let mut pollers = JoinSet::new();
        if has_workflows {
            for _ in 0..shared.options.workflow_pollers {
                pollers.spawn(workflows::poll(shared.clone(), false, stopped.clone()));
                pollers.spawn(workflows::poll(shared.clone(), true, stopped.clone()));
            }
        }
        if has_activities {
            for _ in 0..shared.options.activity_pollers {
                pollers.spawn(activities::poll(shared.clone(), stopped.clone()));
            }
        }
        tracing::info!(task_queue = shared.task_queue, addresses = shared.client.connection().addresses(), "polling");
        stop.await;
        tracing::info!(task_queue = shared.task_queue, "draining");
        stopping.send_replace(true);
        while pollers.join_next().await.is_some() {}
        shared.drain().await;
        tracing::info!(task_queue = shared.task_queue, "stopped");
        Ok(())
    }
}

impl Shared {
    async fn drain(&self) {
        let all = |slots: usize| u32::try_from(slots).unwrap_or(u32::MAX);
        let workflows = self.workflow_slots.acquire_many(all(self.options.workflow_slots));
        let activities = async {
            let all = all(self.options.activity_slots);
            if tokio::time::timeout(self.options.grace, self.activity_slots.acquire_many(all)).await.is_err() {
                self.grace_over.send_replace(true);
                // Those that do not look are left to their timeouts.
                let _ = tokio::time::timeout(self.options.grace, self.activity_slots.acquire_many(all)).await;
            }
        };
        let _ = tokio::time::timeout(self.options.grace, workflows).await;
        activities.await;
        // The server then offers this worker's cached workflows to others at once.
        let request = ShutdownWorkerRequest {
            namespace: self.client.namespace().to_owned(),
            sticky_task_queue: self.sticky_queue.clone(),
            identity: self.client.identity().to_owned(),
            reason: "the worker stops".to_owned(),
            ..Default::default()
        };
        let patience = tenure_client::Patience::short(Duration::from_secs(2));
        let _ = rpc!(self.client.connection(), shutdown_worker, request, patience).await;
    }
}

/// Done when the process is asked to end.
async fn signalled() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}

/// Done when the worker stops.
pub(crate) async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
