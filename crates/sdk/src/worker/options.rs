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
/// let options = WorkerOptions {
///     activity_slots: 20,
///     activities_per_second: Some(5.0),
///     grace: Duration::from_secs(60),
///     ..Default::default()
/// };
/// ```
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Workflow tasks at the same time, 2 at least. Default: 100.
    pub workflow_slots: usize,
    /// Activities at the same time. Default: 100.
    pub activity_slots: usize,
    /// Local activities at the same time; more of them wait. Default: 100.
    pub local_slots: usize,
    /// Polls for workflow tasks at the same time, of each of the worker's two queues: its own, to which the tasks of
    /// cached workflows come, and the task queue. Their number follows the load. Default: 2 to 20.
    pub workflow_pollers: RangeInclusive<usize>,
    /// Polls for activities at the same time. Their number follows the load. Default: 2 to 20.
    pub activity_pollers: RangeInclusive<usize>,
    /// Workflows that are kept between their tasks; others are replayed from history. 0: none. Default: 1,000.
    pub cached_workflows: usize,
    /// Threads on which workflow code runs. Default: one for each core, four at most.
    pub workflow_threads: usize,
    /// How long workflow code may run without coming to an `.await` before the worker says that it blocks, and lets the
    /// other workflows of its thread go on on another one. `None`: for ever, as when a debugger holds it. Default: 2 s.
    pub deadlock_timeout: Option<Duration>,
    /// Whether each workflow task is run twice, the second time from the first event of its history, and fails unless both
    /// do the same with the same inputs: so code that reads a clock, random numbers or the order of a hash map is found on
    /// its first day. It is for development, and costs a replay for each task. `None`: in debug builds. Default: `None`.
    pub strict: Option<bool>,
    /// Activities that this worker begins in a second, at most. Default: no limit.
    pub activities_per_second: Option<f64>,
    /// Activities of the task queue that the server hands out in a second, to all workers together; what the last
    /// worker said counts. Default: no limit.
    pub queue_activities_per_second: Option<f64>,
    /// How long activities may go on after the worker was told to stop, before they are cancelled; as long again until
    /// they are left alone. Also how long an activity may go on after its own time was up, before it is dropped.
    /// Default: 10 s.
    pub grace: Duration,
    /// How long the server waits for this worker to take a task of a workflow that it has cached. Default: 5 s.
    pub sticky_timeout: Duration,
    /// How often the worker tells the server how it is, where the server wants to know. `None`: never. Default: 60 s.
    pub heartbeat_interval: Option<Duration>,
    /// Which code this worker runs. Default: it does not say.
    pub deployment: Option<Deployment>,
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
    /// These, with each workflow task run twice: [`Self::strict`].
    #[must_use]
    pub fn strict(self) -> Self {
        WorkerOptions { strict: Some(true), ..self }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.strict.unwrap_or(cfg!(debug_assertions))
    }
}

/// A version of a program, for servers that route workflows by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The program.
    pub name: String,
    /// Its version.
    pub build_id: String,
    /// What becomes of a running workflow when there is another version. `None`: the server is told the version and
    /// routes as if it were not.
    pub versioning: Option<Versioning>,
}

/// What becomes of a running workflow when there is another version of its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// It stays on the version that it began on.
    Pinned,
    /// Its next task goes to the version that the server finds current.
    AutoUpgrade,
}

impl Deployment {
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
