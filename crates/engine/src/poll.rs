//! Polls: what a worker reports about itself when it asks for a task.

use crate::{id::Process, key::QueueKey};

/// The poll that a task is started for.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    pub identity: String,
    /// The process that holds the worker's connection.
    pub process: Process,
    /// The name of the polled queue; for a sticky poll that of the sticky queue.
    pub queue: String,
    pub worker_version: Option<tenure_api::common::v1::WorkerVersionCapabilities>,
    pub deployment: Option<tenure_api::deployment::v1::WorkerDeploymentOptions>,
}

/// A poll lent to the shard's owner ahead of time: a command that makes a task for this queue may start it at once.
#[derive(Clone, Debug)]
pub struct Credit {
    pub queue: QueueKey,
    pub poll: Poll,
}
