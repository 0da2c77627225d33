//! Polls: what a worker that asks for a task says of itself.

use crate::{id::Process, key::QueueKey};

/// The poll that a task is started for.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    pub identity: String,
    /// Holds the worker's connection.
    pub process: Process,
    /// Name of the polled queue; for a sticky poll the sticky queue's.
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
