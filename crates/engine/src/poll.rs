//! Polls: what a worker reports about itself when it asks for a task.

use crate::{id::Process, proto::Encoded};
use minicbor::{Decode, Encode};
use tenure_api::{common::v1::WorkerVersionCapabilities, deployment::v1::WorkerDeploymentOptions};

/// The poll that a task is started for.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Poll {
    #[n(0)]
    pub identity: String,
    /// The process that holds the worker's connection.
    #[n(1)]
    pub process: Process,
    /// The name of the polled queue; for a sticky poll that of the sticky queue.
    #[n(2)]
    pub queue: String,
    #[n(3)]
    pub worker_version: Option<Encoded<WorkerVersionCapabilities>>,
    #[n(4)]
    pub deployment: Option<Encoded<WorkerDeploymentOptions>>,
}
