//! What a worker may take and keep.

use std::{ops::RangeInclusive, time::Duration};
use tenure_api::{
    deployment::v1::{WorkerDeploymentOptions, WorkerDeploymentVersion},
    enums::v1::{VersioningBehavior, WorkerVersioningMode},
};

/// Limits of a worker.
///
/// ```
/// use std::time::Duration;
/// use tenure_sdk::WorkerOptions;
/// let options = WorkerOptions::default()
///     .activity_slots(20)
///     .activities_per_second(5.0)
///     .grace(Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
#[must_use = "is given to a worker"]
pub struct WorkerOptions {
    pub(crate) workflow_slots: usize,
    pub(crate) activity_slots: usize,
    pub(crate) local_slots: usize,
    pub(crate) workflow_pollers: RangeInclusive<usize>,
    pub(crate) activity_pollers: RangeInclusive<usize>,
    pub(crate) cached_workflows: usize,
    pub(crate) workflow_threads: usize,
    pub(crate) deadlock_timeout: Option<Duration>,
    pub(crate) strict: Option<bool>,
    pub(crate) activities_per_second: Option<f64>,
    pub(crate) queue_activities_per_second: Option<f64>,
    pub(crate) grace: Duration,
    pub(crate) sticky_timeout: Duration,
    pub(crate) heartbeat_interval: Option<Duration>,
    pub(crate) deployment: Option<Deployment>,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions {
            workflow_slots: 100,
            activity_slots: 100,
            local_slots: 100,
            workflow_pollers: 2..=20,
            activity_pollers: 2..=20,
            cached_workflows: 1_000,
            workflow_threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)),
            deadlock_timeout: Some(Duration::from_secs(2)),
            strict: None,
            activities_per_second: None,
            queue_activities_per_second: None,
            grace: Duration::from_secs(10),
            sticky_timeout: Duration::from_secs(5),
            heartbeat_interval: Some(Duration::from_secs(60)),
            deployment: None,
        }
    }
}

impl WorkerOptions {
    /// Workflow tasks at the same time, 2 at least. Default: 100.
    pub fn workflow_slots(self, workflow_slots: usize) -> Self {
        WorkerOptions { workflow_slots, ..self }
    }

    /// Activities at the same time. Default: 100.
    pub fn activity_slots(self, activity_slots: usize) -> Self {
        WorkerOptions { activity_slots, ..self }
    }

    /// Local activities at the same time; more of them wait. Default: 100.
    pub fn local_slots(self, local_slots: usize) -> Self {
        WorkerOptions { local_slots, ..self }
    }

    /// Polls for workflow tasks at the same time, of each of the worker's two queues: its own, to which the tasks of
    /// cached workflows come, and the task queue. Their number follows the load. Default: 2 to 20.
    pub fn workflow_pollers(self, workflow_pollers: RangeInclusive<usize>) -> Self {
        WorkerOptions { workflow_pollers, ..self }
    }

    /// Polls for activities at the same time. Their number follows the load. Default: 2 to 20.
    pub fn activity_pollers(self, activity_pollers: RangeInclusive<usize>) -> Self {
        WorkerOptions { activity_pollers, ..self }
    }

    /// Workflows that are kept between their tasks; others are replayed from history. 0: none. Default: 1,000.
    pub fn cached_workflows(self, cached_workflows: usize) -> Self {
        WorkerOptions { cached_workflows, ..self }
    }

    /// Threads on which workflow code runs. Default: one for each core, four at most.
    pub fn workflow_threads(self, workflow_threads: usize) -> Self {
        WorkerOptions { workflow_threads, ..self }
    }

    /// How long workflow code may run without coming to an `.await` before the worker says that it blocks, and lets the
    /// other workflows of its thread go on on another one. `None`: for ever, as when a debugger holds it. Default: 2 s.
    pub fn deadlock_timeout(self, deadlock_timeout: impl Into<Option<Duration>>) -> Self {
        WorkerOptions { deadlock_timeout: deadlock_timeout.into(), ..self }
    }

    /// Runs each workflow task twice, the second time from the first event of its history, and fails it unless both do the
    /// same with the same inputs: so code that reads a clock, random numbers or the order of a hash map is found on its
    /// first day. It is for development, and costs a replay for each task. Default: in debug builds.
    pub fn strict(self) -> Self {
        WorkerOptions { strict: Some(true), ..self }
    }

    /// Runs each workflow task once, in debug builds, too.
    pub fn not_strict(self) -> Self {
        WorkerOptions { strict: Some(false), ..self }
    }

    /// Activities that this worker begins in a second, at most. Default: no limit.
    pub fn activities_per_second(self, limit: f64) -> Self {
        WorkerOptions { activities_per_second: Some(limit), ..self }
    }

    /// Activities of the task queue that the server hands out in a second, to all workers together; what the last
    /// worker said counts. Default: no limit.
    pub fn queue_activities_per_second(self, limit: f64) -> Self {
        WorkerOptions { queue_activities_per_second: Some(limit), ..self }
    }

    /// How long activities may go on after the worker was told to stop, before they are cancelled; as long again until
    /// they are left alone. Also how long an activity may go on after its own time was up, before it is dropped.
    /// Default: 10 s.
    pub fn grace(self, grace: Duration) -> Self {
        WorkerOptions { grace, ..self }
    }

    /// How long the server waits for this worker to take a task of a workflow that it has cached. Default: 5 s.
    pub fn sticky_timeout(self, sticky_timeout: Duration) -> Self {
        WorkerOptions { sticky_timeout, ..self }
    }

    /// How often the worker tells the server how it is, where the server wants to know. `None`: never. Default: 60 s.
    pub fn heartbeat_interval(self, heartbeat_interval: impl Into<Option<Duration>>) -> Self {
        WorkerOptions { heartbeat_interval: heartbeat_interval.into(), ..self }
    }

    /// Which code this worker runs. Default: it does not say.
    pub fn deployment(self, deployment: Deployment) -> Self {
        WorkerOptions { deployment: Some(deployment), ..self }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.strict.unwrap_or(cfg!(debug_assertions))
    }
}

/// A version of a program, for servers that route workflows by it.
///
/// ```
/// use tenure_sdk::{Deployment, Versioning};
/// let deployment = Deployment::new("orders", "2026-11-30").versioning(Versioning::Pinned);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    name: String,
    build_id: String,
    versioning: Option<Versioning>,
}

/// What becomes of a running workflow when there is another version of its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Versioning {
    /// It stays on the version that it began on.
    Pinned,
    /// Its next task goes to the version that the server finds current.
    AutoUpgrade,
}

impl Deployment {
    /// This build of a program. The server is told of it, and routes as if it were not.
    pub fn new(name: impl Into<String>, build_id: impl Into<String>) -> Self {
        Deployment { name: name.into(), build_id: build_id.into(), versioning: None }
    }

    /// Has the server route by versions: what becomes of a running workflow when there is another one.
    #[must_use]
    pub fn versioning(self, versioning: Versioning) -> Self {
        Deployment { versioning: Some(versioning), ..self }
    }

    pub(super) fn to_proto(&self) -> WorkerDeploymentOptions {
        let mode = match self.versioning {
            Some(_) => WorkerVersioningMode::Versioned,
            None => WorkerVersioningMode::Unversioned,
        };
        WorkerDeploymentOptions {
            deployment_name: self.name.clone(),
            build_id: self.build_id.clone(),
            worker_versioning_mode: mode.into(),
        }
    }

    pub(super) fn version(&self) -> WorkerDeploymentVersion {
        WorkerDeploymentVersion { deployment_name: self.name.clone(), build_id: self.build_id.clone() }
    }

    pub(super) fn behavior(&self) -> VersioningBehavior {
        match self.versioning {
            Some(Versioning::Pinned) => VersioningBehavior::Pinned,
            Some(Versioning::AutoUpgrade) => VersioningBehavior::AutoUpgrade,
            None => VersioningBehavior::Unspecified,
        }
    }
}
