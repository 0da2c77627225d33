//! What one unit of work is.

use crate::worker::{self, Completions};
use anyhow::Context;
use clap::ValueEnum;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tenure_api::{
    common::v1::{WorkflowExecution, WorkflowType},
    enums::v1::WorkflowIdConflictPolicy,
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{
        SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use tokio::task::JoinSet;
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};

pub type Service = WorkflowServiceClient<Channel>;

/// Workflows that signals go to.
const SIGNALED: u64 = 1_000;

/// Workflow ids whose runs replace each other.
const REPLACED: u64 = 20_000;

#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// A workflow with one activity, from its start to its end; the worker is in this process
    Workflow,
    /// The start of a workflow that no worker takes up
    Start,
    /// The start of a workflow that ends the one before it under the same id: closed runs without a worker
    Replace,
    /// A signal to one of a thousand workflows that no worker takes up
    Signal,
}

pub struct Work {
    kind: Kind,
    namespace: String,
    /// Unlike any other load's.
    name: String,
    services: Vec<Service>,
    deadline: Duration,
    completions: Arc<Completions>,
}

/// So many connections to each address, in turn.
pub fn connect(addresses: &[String], connections: usize) -> anyhow::Result<Vec<Service>> {
    let all = std::iter::repeat_n(addresses, connections.max(1)).flatten();
    all.map(|address| {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).context("an address is HOST:PORT")?;
        Ok(Service::new(endpoint.connect_lazy()).max_decoding_message_size(128 << 20))
    })
    .collect()
}

impl Work {
    pub fn new(kind: Kind, namespace: &str, services: Vec<Service>, deadline: Duration) -> Work {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let name = format!("load-{}", now.as_millis());
        Work { kind, namespace: namespace.to_owned(), name, services, deadline, completions: Arc::default() }
    }

    /// Starts what the units need: a worker, or the workflows that are signaled.
    pub async fn prepare(self: &Arc<Self>, pollers: usize) -> anyhow::Result<()> {
        match self.kind {
            Kind::Workflow => {
                for service in &self.services {
                    let each = pollers.div_ceil(self.services.len()).max(1);
                    worker::spawn(service, &self.namespace, &self.name, each, &self.completions);
                }
            }
            Kind::Signal => {
                let mut starts = JoinSet::new();
                for number in 0..SIGNALED {
                    let work = self.clone();
                    starts.spawn(async move { work.start(number, work.signaled(number), false).await });
                }
                for started in starts.join_all().await {
                    started.map_err(|code| anyhow::anyhow!("a start failed: {code:?}"))?;
                }
            }
            Kind::Start | Kind::Replace => {}
        }
        Ok(())
    }

    pub async fn unit(&self, number: u64) -> Result<(), Code> {
        let id = format!("{}-{number}", self.name);
        match self.kind {
            Kind::Workflow => {
                let ended = self.completions.expect(&id);
                let started = self.start(number, id, false).await;
                match started {
                    Ok(()) => ended.within(self.deadline).await,
                    Err(code) => Err(code),
                }
            }
            Kind::Start => self.start(number, id, false).await,
            Kind::Replace => self.start(number, format!("{}-{}", self.name, number % REPLACED), true).await,
            Kind::Signal => self.signal(number).await,
        }
    }

    fn signaled(&self, number: u64) -> String {
        format!("{}-signaled-{}", self.name, number % SIGNALED)
    }

    /// The services take turns.
    fn service(&self, number: u64) -> Service {
        self.services[(number % self.services.len() as u64) as usize].clone()
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        request
    }

    async fn start(&self, number: u64, workflow_id: String, replace: bool) -> Result<(), Code> {
        let policy =
            if replace { WorkflowIdConflictPolicy::TerminateExisting } else { WorkflowIdConflictPolicy::Unspecified };
        let request = StartWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            request_id: format!("{workflow_id}-{number}"),
            workflow_id,
            workflow_type: Some(WorkflowType { name: "load".to_owned() }),
            task_queue: Some(TaskQueue { name: self.name.clone(), ..Default::default() }),
            workflow_id_conflict_policy: policy as i32,
            identity: "load".to_owned(),
            ..Default::default()
        };
        let answer = self.service(number).start_workflow_execution(self.request(request)).await;
        answer.map(drop).map_err(|status| status.code())
    }

    async fn signal(&self, number: u64) -> Result<(), Code> {
        let request = SignalWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: Some(WorkflowExecution { workflow_id: self.signaled(number), ..Default::default() }),
            signal_name: "load".to_owned(),
            request_id: format!("{}-{number}", self.name),
            identity: "load".to_owned(),
            ..Default::default()
        };
        let answer = self.service(number).signal_workflow_execution(self.request(request)).await;
        answer.map(drop).map_err(|status| status.code())
    }
}
