//! The worker: polls, runs what it gets, and drains when it is told to stop.

mod activities;
mod failing;
mod heartbeat;
mod lane;
mod local;
mod metrics;
mod options;
mod pollers;
mod rate;
mod slots;
mod strict;
mod threads;
mod workflows;

pub use options::{Deployment, Versioning, WorkerOptions};

use crate::{
    Failure, Replayer,
    activity::{Activities, Activity, ActivityContext, ActivityRegistry},
    execution::{Factory, Typed},
    interceptor::{Interceptors, WorkerInterceptor},
    testing::Observer,
    workflow::Workflow,
};
use pollers::Pollers;
use rate::RateLimit;
use slots::Slots;
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};
use tenure_api::{
    enums::v1::{TaskQueueType, WorkerStatus},
    namespace::v1::namespace_info::Capabilities,
    workflowservice::v1::ShutdownWorkerRequest,
};
use tenure_client::{ActivityDefinition, Client, ClientError, IntoActivity, IntoWorkflow, Patience, rpc};
use tokio::sync::{oneshot, watch};

/// The name under which a dynamic workflow or activity is: it takes the tasks of all names that are not known.
pub(crate) const DYNAMIC: &str = "";

const SDK_NAME: &str = "tenure-rust";
const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

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
    interceptors: Vec<Arc<dyn WorkerInterceptor>>,
    observer: Option<Arc<dyn Observer>>,
}

/// How far a worker is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ShutdownPhase {
    Polling,
    /// No new polls.
    Draining,
    /// Polls that are out are given up.
    Stopped,
    /// Activities are cancelled.
    Cancelling,
}

/// What the parts of a running worker share.
pub(crate) struct WorkerShared {
    client: Client,
    task_queue: String,
    sticky_queue: String,
    instance_key: String,
    activities: ActivityRegistry,
    options: WorkerOptions,
    interceptors: Interceptors,
    workflow_slots: Arc<Slots>,
    activity_slots: Arc<Slots>,
    local_slots: Arc<Slots>,
    threads: threads::Threads,
    failing: failing::FailingRuns,
    metrics: Arc<metrics::Metrics>,
    heart: heartbeat::Heart,
    phase: watch::Sender<ShutdownPhase>,
    observer: Option<Arc<dyn Observer>>,
}

/// The pollers of a worker.
struct Groups {
    normal: Option<Arc<Pollers<workflows::Tasks>>>,
    sticky: Option<Arc<Pollers<workflows::Tasks>>>,
    activities: Option<Arc<Pollers<activities::Tasks>>>,
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
            interceptors: Vec::new(),
            observer: None,
        }
    }

    /// Adds a workflow.
    ///
    /// # Panics
    /// When the worker has a workflow of this name already.
    #[must_use]
    #[track_caller]
    pub fn workflow<W: Workflow, G>(mut self, workflow: impl IntoWorkflow<G, Workflow = W>) -> Self {
        add_workflow(&mut self.workflows, &workflow.into_workflow());
        self
    }

    /// Adds an activity.
    ///
    /// # Panics
    /// When the worker has an activity of this name already.
    #[must_use]
    #[track_caller]
    pub fn activity<D: Activity, G>(mut self, activity: impl IntoActivity<G, Activity = D>) -> Self {
        self.activities.activity(activity.into_activity());
        self
    }

    /// Adds the activities of a type, and what they depend on.
    ///
    /// # Panics
    /// When the worker has an activity of one of their names already.
    #[must_use]
    #[track_caller]
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
        Replayer::of(self.workflows.clone(), &self.client, self.interceptors.iter().cloned().collect())
    }

    /// Strict only if it was said: test environments replay in the end.
    #[doc(hidden)]
    #[must_use]
    pub fn leniently(mut self) -> Self {
        self.options.strict.get_or_insert(false);
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub fn observed(mut self, observer: Arc<dyn Observer>) -> Self {
        self.activities.before_each(&observer);
        self.observer = Some(observer);
        self
    }

    /// Sees what reaches workflows and activities, and what workflows call. Several look in the order in which they were
    /// given: the first is the outermost.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl WorkerInterceptor) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Limits; see [`WorkerOptions`].
    #[must_use]
    pub fn options(mut self, options: WorkerOptions) -> Self {
        self.options = options;
        self
    }

    /// Runs until SIGTERM or Ctrl-C, then drains.
    ///
    /// # Errors
    /// When there is nothing to run, or no such namespace. While no server answers, it waits for one.
    pub async fn run(self) -> Result<(), ClientError> {
        self.run_until(signalled()).await
    }

    /// Runs until `stop` is done, then drains: no new tasks, running ones finish, activities are cancelled after the
    /// grace time.
    ///
    /// # Errors
    /// As with [`Self::run`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), ClientError> {
        let Worker { client, task_queue, workflows, mut activities, options, interceptors, observer } = self;
        interceptors.iter().rev().for_each(|interceptor| activities.intercept(interceptor));
        let interceptors: Interceptors = interceptors.into();
        let has_workflows = !workflows.is_empty();
        if !has_workflows && activities.calls.is_empty() {
            let why = format!("the worker of {task_queue:?} was given neither workflows nor activities");
            return Err(ClientError::Invalid(why));
        }
        let names = (workflows.keys(), activities.calls.keys());
        let metrics = Arc::new(metrics::Metrics::new(client.namespace(), &task_queue, names.0, names.1));
        let slots = |worker_type, size| {
            let (used, available) = metrics.slots(worker_type);
            Slots::new(size, used, available)
        };
        let shared = Arc::new(WorkerShared {
            sticky_queue: format!("{}:{}", client.identity(), uuid::Uuid::new_v4()),
            instance_key: uuid::Uuid::new_v4().to_string(),
            workflow_slots: slots("WorkflowWorker", options.workflow_slots.max(2)),
            activity_slots: slots("ActivityWorker", options.activity_slots.max(1)),
            local_slots: slots("LocalActivityWorker", options.local_slots.max(1)),
            threads: threads::Threads::start(
                workflows,
                interceptors.clone(),
                client.converter().clone(),
                metrics.clone(),
                &options,
            ),
            interceptors,
            failing: failing::FailingRuns::default(),
            heart: heartbeat::Heart::new(),
            phase: watch::Sender::new(ShutdownPhase::Polling),
            metrics,
            client,
            task_queue,
            activities,
            options,
            observer,
        });
        let groups = Arc::new(Groups::start(&shared, has_workflows));
        let addresses = shared.client.connection().addresses();
        tracing::info!(task_queue = shared.task_queue, addresses, "polling");
        if has_workflows && shared.options.is_strict() {
            tracing::info!(
                "strict: each workflow task runs twice, and must do the same both times; that is for development, see \
                 `WorkerOptions::strict`"
            );
        }
        let (fails, mut failed) = oneshot::channel();
        let capabilities = tokio::spawn({
            let (shared, groups) = (shared.clone(), groups.clone());
            async move {
                let capabilities = match heartbeat::capabilities(&shared).await {
                    Ok(capabilities) => capabilities,
                    Err(error) => {
                        let _ = fails.send(error);
                        return Capabilities::default();
                    }
                };
                if capabilities.worker_heartbeats {
                    let mut phase = shared.phase.subscribe();
                    tokio::select! {
                        () = until(&mut phase, ShutdownPhase::Draining) => {}
                        () = heartbeat::beat(&shared, &groups) => {}
                    }
                }
                capabilities
            }
        });
        let mut stop = pin!(stop);
        tokio::select! {
            () = &mut stop => {}
            error = &mut failed => match error {
                Ok(error) => {
                    shared.phase.send_replace(ShutdownPhase::Stopped);
                    groups.ended().await;
                    return Err(error);
                }
                // Nothing is wrong.
                Err(_) => stop.await,
            },
        }
        tracing::info!(task_queue = shared.task_queue, "draining");
        shared.phase.send_replace(ShutdownPhase::Draining);
        let known = tokio::time::timeout(Duration::from_millis(100), capabilities).await;
        let capabilities = known.ok().and_then(Result::ok).unwrap_or_default();
        shared.goodbye(&groups, WorkerStatus::ShuttingDown).await;
        if capabilities.worker_poll_complete_on_shutdown {
            // A poll that the server has ended cannot have taken a task along.
            let _ = tokio::time::timeout(Duration::from_secs(3), groups.ended()).await;
        }
        shared.phase.send_replace(ShutdownPhase::Stopped);
        groups.ended().await;
        shared.drain().await;
        tracing::info!(task_queue = shared.task_queue, "stopped");
        Ok(())
    }
}

impl Groups {
    fn start(shared: &Arc<WorkerShared>, has_workflows: bool) -> Self {
        let (options, metrics) = (&shared.options, &shared.metrics);
        let (workflow_slots, activity_slots) = (&shared.workflow_slots, &shared.activity_slots);
        let workflows = |sticky: bool, name: &str| {
            // Neither queue's polls may take the last slot from the other's.
            let range = (&options.workflow_pollers, options.workflow_slots / 2);
            let tasks = workflows::Tasks::new(shared.clone(), sticky);
            Pollers::start(
                tasks,
                range,
                workflow_slots.clone(),
                None,
                metrics.workflow_polls(name),
                shared.phase.subscribe(),
            )
        };
        let activities = || {
            let limit = RateLimit::new(options.activities_per_second).map(Arc::new);
            let most = limit.as_ref().map_or(options.activity_slots, |limit| limit.most_polls());
            let range = (&options.activity_pollers, most);
            let tasks = activities::Tasks::new(shared.clone());
            Pollers::start(
                tasks,
                range,
                activity_slots.clone(),
                limit,
                metrics.activity_polls(),
                shared.phase.subscribe(),
            )
        };
        let has_cache = options.cached_workflows > 0;
        Groups {
            normal: has_workflows.then(|| workflows(false, "workflow_task")),
            sticky: (has_workflows && has_cache).then(|| workflows(true, "sticky_workflow_task")),
            activities: (!shared.activities.calls.is_empty()).then(activities),
        }
    }

    async fn ended(&self) {
        for workflows in [&self.normal, &self.sticky].into_iter().flatten() {
            workflows.ended().await;
        }
        if let Some(activities) = &self.activities {
            activities.ended().await;
        }
    }
}

impl WorkerShared {
    /// Waits for what runs, as long as the grace time allows.
    async fn drain(&self) {
        let grace = self.options.grace;
        let activities = async {
            if !self.activity_slots.all_free(grace).await {
                let left = self.activity_slots.used();
                tracing::warn!(left, "the grace time is over, activities are cancelled");
                self.phase.send_replace(ShutdownPhase::Cancelling);
                if !self.activity_slots.all_free(grace).await {
                    let left = self.activity_slots.used();
                    tracing::warn!(left, "activities that do not end are left to their time-outs");
                }
            }
        };
        let (_, ()) = tokio::join!(self.workflow_slots.all_free(grace), activities);
    }

    /// The server then offers this worker's cached workflows to others at once.
    async fn goodbye(&self, groups: &Groups, status: WorkerStatus) {
        let request = ShutdownWorkerRequest {
            namespace: self.client.namespace().to_owned(),
            sticky_task_queue: self.sticky_queue.clone(),
            identity: self.client.identity().to_owned(),
            reason: "the worker stops".to_owned(),
            worker_heartbeat: Some(self.heart.beat(self, groups, status)),
            worker_instance_key: self.instance_key.clone(),
            task_queue: self.task_queue.clone(),
            task_queue_types: vec![TaskQueueType::Workflow.into(), TaskQueueType::Activity.into()],
        };
        let patience = Patience::short(Duration::from_secs(2));
        if let Err(error) = rpc!(self.client.connection(), shutdown_worker, request, patience).await {
            tracing::debug!(%error, "the server does not know that the worker stops");
        }
    }
}

/// # Panics
/// When there is one of this name already: tasks carry nothing but the name.
#[track_caller]
pub(crate) fn add_workflow<W: Workflow>(workflows: &mut BTreeMap<String, Arc<dyn Factory>>, workflow: &W) {
    let added: Arc<dyn Factory> = Arc::new(Typed::new(workflow));
    if let Some(other) = workflows.get(workflow.name()) {
        refuse_second("workflow", workflow.name(), other.code(), added.code());
    }
    workflows.insert(workflow.name().to_owned(), added);
}

/// # Panics
/// Always: two things of one name are a mistake that would show itself only when the wrong one runs.
#[track_caller]
pub(crate) fn refuse_second(kind: &str, name: &str, first: &str, second: &str) -> ! {
    panic!(
        "{first} and {second} are both the {kind} {name:?} to a server: call one of them otherwise, \
         `#[{kind}(name = \"..\")]`, or give it to another worker"
    )
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

/// Done when the worker has come to this phase.
pub(crate) async fn until(phase: &mut watch::Receiver<ShutdownPhase>, reached: ShutdownPhase) {
    let _ = phase.wait_for(|phase| *phase >= reached).await;
}
