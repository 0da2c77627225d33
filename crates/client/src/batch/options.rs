//! What batch operations are told: where to reset to, which activities, which options.

use crate::{
    RetryPolicy,
    definition::{ActivityDefinition, IntoActivity},
};
use prost_types::FieldMask;
use std::time::Duration;
use tenure_api::{
    activity::v1 as activity,
    common::v1::{ResetOptions, reset_options::Target},
    deployment::v1::WorkerDeploymentVersion,
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
    workflow::v1::{
        VersioningOverride, WorkflowExecutionOptions,
        versioning_override::{Override, PinnedOverride, PinnedOverrideBehavior},
    },
};

pub use tenure_api::enums::v1::ResetReapplyExcludeType;

/// Where a reset lets a run go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetPoint {
    /// Its first workflow task that was completed, or else started.
    FirstWorkflowTask,
    /// Its last workflow task that was completed, or else started.
    LastWorkflowTask,
    /// The event with this id, which ends or starts a workflow task.
    Event(i64),
    /// The first workflow task that was done by this build of the workers.
    BuildId(String),
}

impl ResetPoint {
    pub(super) fn into_options(self) -> ResetOptions {
        let target = match self {
            ResetPoint::FirstWorkflowTask => Target::FirstWorkflowTask(()),
            ResetPoint::LastWorkflowTask => Target::LastWorkflowTask(()),
            ResetPoint::Event(event_id) => Target::WorkflowTaskId(event_id),
            ResetPoint::BuildId(build_id) => Target::BuildId(build_id),
        };
        ResetOptions { target: Some(target), ..Default::default() }
    }
}

/// Which activities of a run a batch operation is about. A text is the name of a type.
///
/// ```no_run
/// use tenure_client::{ActivityRef, BatchActivities, Client, ClientError};
/// const CHARGE: ActivityRef<(u64,), String> = ActivityRef::new("charge");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let orders = || client.batch("WorkflowType = 'Order'").reason("the bank is back");
/// orders().unpause_activities(BatchActivities::of(CHARGE)).reset_attempts().await?;
/// orders().reset_activities(BatchActivities::All).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchActivities {
    /// All that are pending.
    All,
    /// Those of this type.
    Type(String),
}

impl BatchActivities {
    /// Those that are calls of this activity.
    pub fn of<G>(activity: impl IntoActivity<G>) -> Self {
        BatchActivities::Type(activity.into_activity().name().to_owned())
    }

    pub(super) fn choose<T>(self, of_type: fn(String) -> T, all: fn(bool) -> T) -> T {
        match self {
            BatchActivities::All => all(true),
            BatchActivities::Type(name) => of_type(name),
        }
    }
}

impl From<&str> for BatchActivities {
    fn from(name: &str) -> Self {
        BatchActivities::Type(name.to_owned())
    }
}

impl From<String> for BatchActivities {
    fn from(name: String) -> Self {
        BatchActivities::Type(name)
    }
}

/// Options of a workflow that are changed; those that are not set stay as they are.
///
/// ```no_run
/// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
/// use tenure_client::WorkflowOptions;
/// let urgent = WorkflowOptions::default().priority(1).fairness_key("gold");
/// client.batch("CustomerId = '7'").reason("a good customer").update_options(urgent).await?;
/// # Ok(()) }
/// ```
#[must_use = "changes nothing by itself"]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkflowOptions {
    options: WorkflowExecutionOptions,
    mask: FieldMask,
}

impl WorkflowOptions {
    /// How urgent its tasks are: 1 is the most.
    pub fn priority(mut self, key: u32) -> Self {
        self.options.priority.get_or_insert_default().priority_key = key.try_into().unwrap_or(i32::MAX);
        self.with("priority.priority_key")
    }

    /// Tasks of the same priority go by turns of this key.
    pub fn fairness_key(mut self, key: impl Into<String>) -> Self {
        self.options.priority.get_or_insert_default().fairness_key = key.into();
        self.with("priority.fairness_key")
    }

    /// How many turns its fairness key has, against 1 of others.
    pub fn fairness_weight(mut self, weight: f32) -> Self {
        self.options.priority.get_or_insert_default().fairness_weight = weight;
        self.with("priority.fairness_weight")
    }

    /// Keeps it on this version of its program, whatever its workers say.
    pub fn pinned(self, deployment: impl Into<String>, build_id: impl Into<String>) -> Self {
        let version = WorkerDeploymentVersion { deployment_name: deployment.into(), build_id: build_id.into() };
        let pinned = PinnedOverride { behavior: PinnedOverrideBehavior::Pinned.into(), version: Some(version) };
        self.versioned(Some(Override::Pinned(pinned)))
    }

    /// Takes it along to the current version of its program, whatever its workers say.
    pub fn auto_upgrade(self) -> Self {
        self.versioned(Some(Override::AutoUpgrade(true)))
    }

    /// Leaves its version to its workers again.
    pub fn without_versioning_override(self) -> Self {
        self.versioned(None)
    }

    fn versioned(mut self, by: Option<Override>) -> Self {
        self.options.versioning_override =
            by.map(|by| VersioningOverride { r#override: Some(by), ..Default::default() });
        self.with("versioning_override")
    }

    fn with(mut self, path: &str) -> Self {
        self.mask.paths.push(path.to_owned());
        self
    }

    pub(super) fn into_parts(self) -> (WorkflowExecutionOptions, FieldMask) {
        (self.options, self.mask)
    }
}

/// Options of activities that are changed; those that are not set stay as they are.
///
/// ```no_run
/// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
/// use std::time::Duration;
/// use tenure_client::{ActivityOptions, RetryPolicy};
/// let patient = ActivityOptions::default().start_to_close(Duration::from_secs(60)).retry(RetryPolicy::default());
/// client.batch("WorkflowType = 'Order'").reason("the bank is slow").update_activity_options("charge", patient).await?;
/// # Ok(()) }
/// ```
#[must_use = "changes nothing by itself"]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActivityOptions {
    options: activity::ActivityOptions,
    mask: FieldMask,
}

impl ActivityOptions {
    /// The queue on which their workers poll.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.options.task_queue = Some(TaskQueue { name: name.into(), ..Default::default() });
        self.with("task_queue.name")
    }

    /// Limit for one attempt.
    pub fn start_to_close(mut self, timeout: Duration) -> Self {
        self.options.start_to_close_timeout = Some(duration_to_proto(timeout));
        self.with("start_to_close_timeout")
    }

    /// Limit for all attempts together.
    pub fn schedule_to_close(mut self, timeout: Duration) -> Self {
        self.options.schedule_to_close_timeout = Some(duration_to_proto(timeout));
        self.with("schedule_to_close_timeout")
    }

    /// Limit for the time that an attempt waits for a worker.
    pub fn schedule_to_start(mut self, timeout: Duration) -> Self {
        self.options.schedule_to_start_timeout = Some(duration_to_proto(timeout));
        self.with("schedule_to_start_timeout")
    }

    /// Limit for the time between heartbeats.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.options.heartbeat_timeout = Some(duration_to_proto(timeout));
        self.with("heartbeat_timeout")
    }

    /// When a failed attempt is followed by another.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.retry_policy = Some(policy.into_proto());
        self.with("retry_policy")
    }

    /// How urgent their tasks are: 1 is the most.
    pub fn priority(mut self, key: u32) -> Self {
        self.options.priority.get_or_insert_default().priority_key = key.try_into().unwrap_or(i32::MAX);
        self.with("priority.priority_key")
    }

    fn with(mut self, path: &str) -> Self {
        self.mask.paths.push(path.to_owned());
        self
    }

    pub(super) fn into_parts(self) -> (activity::ActivityOptions, FieldMask) {
        (self.options, self.mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_names_what_is_set() {
        let (options, mask) = WorkflowOptions::default().pinned("shop", "v2").fairness_weight(2.0).into_parts();
        assert_eq!(mask.paths, ["versioning_override", "priority.fairness_weight"]);
        let Some(Override::Pinned(pinned)) = options.versioning_override.and_then(|versioning| versioning.r#override)
        else {
            panic!("not pinned");
        };
        let version = WorkerDeploymentVersion { deployment_name: "shop".to_owned(), build_id: "v2".to_owned() };
        assert_eq!((pinned.behavior(), pinned.version), (PinnedOverrideBehavior::Pinned, Some(version)));
        let (options, mask) = WorkflowOptions::default().without_versioning_override().into_parts();
        assert_eq!(
            (options, mask.paths),
            (WorkflowExecutionOptions::default(), vec!["versioning_override".to_owned()])
        );
        let (options, mask) = ActivityOptions::default().task_queue("slow").priority(3).into_parts();
        assert_eq!(mask.paths, ["task_queue.name", "priority.priority_key"]);
        assert_eq!((options.task_queue.unwrap().name, options.priority.unwrap().priority_key), ("slow".to_owned(), 3));
    }
}
