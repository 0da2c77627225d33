//! What one unit of work is.

use crate::worker::{self, Completions};
use anyhow::Context;
use clap::{Args, ValueEnum};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tenure_api::{
    common::v1::{Payload, SearchAttributes, WorkflowExecution, WorkflowType},
    enums::v1::WorkflowIdConflictPolicy,
    schedule::v1::{IntervalSpec, Schedule, ScheduleAction, ScheduleSpec, schedule_action},
    taskqueue::v1::TaskQueue,
    workflow::v1::NewWorkflowExecutionInfo,
    workflowservice::v1::{
        CountWorkflowExecutionsRequest, CreateScheduleRequest, ListWorkflowExecutionsRequest, SignalWorkflowExecutionRequest,
        StartWorkflowExecutionRequest, TerminateWorkflowExecutionRequest, workflow_service_client::WorkflowServiceClient,
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

/// How much later a `Delayed` workflow begins.
const SECOND: prost_types::Duration = prost_types::Duration { seconds: 1, nanos: 0 };

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
    /// The start of a workflow of one of 20 types with one of 5,000 values of the attribute `Customer`, and for nine of ten
    /// its end: what `list` and `count` look for
    Catalogue,
    /// A page of the list of a query
    List,
    /// The count of a query
    Count,
    /// A schedule that acts once, at `--at`: it starts a workflow of the type `burst` that no worker takes up
    Schedule,
    /// A workflow that begins after a second; what counts is how much later its worker, in this process, has the task
    Delayed,
}

/// Types of workflows in a catalogue, and values of their attribute.
const TYPES: u64 = 20;
const CUSTOMERS: u64 = 5_000;

/// What is looked for.
#[derive(Args, Clone, Default)]
pub struct Search {
    /// The query of `list` and `count`; `{n}` in it stands for the number of the unit, `{t}` and `{c}` for its type and its
    /// customer in a catalogue
    #[arg(long, default_value = "")]
    query: String,
    /// Runs on the page of a `list`
    #[arg(long, default_value_t = 20)]
    page_size: i32,
    /// Pages of a `list` that are read one after the other, as one unit
    #[arg(long, default_value_t = 1)]
    pages: u32,
    /// What the workflow ids of a `catalogue` begin with
    #[arg(long)]
    name: Option<String>,
    /// When each `schedule` acts, in seconds since 1970
    #[arg(long, default_value_t = 0)]
    at: i64,
}

pub struct Work {
    kind: Kind,
    namespace: String,
    search: Search,
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
    pub fn new(kind: Kind, namespace: &str, services: Vec<Service>, deadline: Duration, search: Search) -> Work {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let name = search.name.clone().unwrap_or_else(|| format!("load-{}", now.as_millis()));
        let namespace = namespace.to_owned();
        Work { kind, namespace, search, name, services, deadline, completions: Arc::default() }
    }

    /// Starts what the units need: a worker, or the workflows that are signaled.
    pub async fn prepare(self: &Arc<Self>, pollers: usize) -> anyhow::Result<()> {
        match self.kind {
            Kind::Workflow | Kind::Delayed => {
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
            Kind::Start | Kind::Replace | Kind::Catalogue | Kind::List | Kind::Count | Kind::Schedule => {}
        }
        Ok(())
    }

    /// Does one unit; answers how long it took, where that is not the time from its beginning to its end.
    pub async fn unit(&self, number: u64) -> Result<Option<Duration>, Code> {
        let id = format!("{}-{number}", self.name);
        if let Kind::Delayed = self.kind {
            let begins = self.completions.expect(&id);
            self.start(number, id, false).await?;
            return begins.within(self.deadline).await.map(Some);
        }
        self.plain_unit(number, id).await.map(|()| None)
    }

    async fn plain_unit(&self, number: u64, id: String) -> Result<(), Code> {
        match self.kind {
            Kind::Delayed => unreachable!("it tells how late it was"),
            Kind::Schedule => self.schedule(number, id).await,
            Kind::Workflow => {
                let ended = self.completions.expect(&id);
                let started = self.start(number, id, false).await;
                match started {
                    Ok(()) => ended.within(self.deadline).await.map(drop),
                    Err(code) => Err(code),
                }
            }
            Kind::Start => self.start(number, id, false).await,
            Kind::Replace => self.start(number, format!("{}-{}", self.name, number % REPLACED), true).await,
            Kind::Signal => self.signal(number).await,
            Kind::Catalogue => {
                let id = format!("{}-{number}", self.name);
                self.start(number, id.clone(), false).await?;
                if number % 10 == 0 { Ok(()) } else { self.terminate(number, id).await }
            }
            Kind::List => self.list(number).await,
            Kind::Count => self.count(number).await,
        }
    }

    async fn schedule(&self, number: u64, id: String) -> Result<(), Code> {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        // One time between its start and its end.
        let day = Some(prost_types::Duration { seconds: 86_400, nanos: 0 });
        let phase = Some(prost_types::Duration { seconds: self.search.at % 86_400, nanos: 0 });
        let spec = ScheduleSpec {
            interval: vec![IntervalSpec { interval: day, phase }],
            start_time: at(self.search.at),
            end_time: at(self.search.at),
            ..Default::default()
        };
        let action = schedule_action::Action::StartWorkflow(NewWorkflowExecutionInfo {
            workflow_id: id.clone(),
            workflow_type: Some(WorkflowType { name: "burst".to_owned() }),
            task_queue: Some(TaskQueue { name: "burst".to_owned(), ..Default::default() }),
            ..Default::default()
        });
        let request = CreateScheduleRequest {
            namespace: self.namespace.clone(),
            request_id: id.clone(),
            schedule_id: id,
            schedule: Some(Schedule {
                spec: Some(spec),
                action: Some(ScheduleAction { action: Some(action) }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = self.service(number).create_schedule(self.request(request)).await;
        answer.map(drop).map_err(|status| status.code())
    }

    fn query(&self, number: u64) -> String {
        // Numbers that follow each other are not neighbours in any order.
        let number = number.wrapping_mul(7919) % 100_000;
        let (kind, customer) = ((number % TYPES).to_string(), (number % CUSTOMERS).to_string());
        self.search.query.replace("{n}", &number.to_string()).replace("{t}", &kind).replace("{c}", &customer)
    }

    async fn list(&self, number: u64) -> Result<(), Code> {
        let mut request = ListWorkflowExecutionsRequest {
            namespace: self.namespace.clone(),
            page_size: self.search.page_size,
            query: self.query(number),
            ..Default::default()
        };
        for _ in 0..self.search.pages {
            let answer = self.service(number).list_workflow_executions(self.request(request.clone())).await;
            request.next_page_token = answer.map_err(|status| status.code())?.into_inner().next_page_token;
        }
        Ok(())
    }

    async fn count(&self, number: u64) -> Result<(), Code> {
        let request = CountWorkflowExecutionsRequest { namespace: self.namespace.clone(), query: self.query(number) };
        let answer = self.service(number).count_workflow_executions(self.request(request)).await;
        answer.map(drop).map_err(|status| status.code())
    }

    async fn terminate(&self, number: u64, workflow_id: String) -> Result<(), Code> {
        let request = TerminateWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: Some(WorkflowExecution { workflow_id, ..Default::default() }),
            ..Default::default()
        };
        let answer = self.service(number).terminate_workflow_execution(self.request(request)).await;
        answer.map(drop).map_err(|status| status.code())
    }

    /// The type and the attributes of a workflow in a catalogue; others are all alike.
    fn described(&self, number: u64) -> (String, Option<SearchAttributes>) {
        if !matches!(self.kind, Kind::Catalogue) {
            return ("load".to_owned(), None);
        }
        let metadata = [("encoding", "json/plain"), ("type", "Keyword")].map(|(key, value)| (key.to_owned(), value.into()));
        let data = format!("\"c{}\"", number % CUSTOMERS).into();
        let payload = Payload { metadata: metadata.into(), data, ..Default::default() };
        let indexed_fields = [("Customer".to_owned(), payload)].into();
        (format!("load{}", number % TYPES), Some(SearchAttributes { indexed_fields }))
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
        let (name, search_attributes) = self.described(number);
        let request = StartWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            request_id: format!("{workflow_id}-{number}"),
            workflow_id,
            workflow_type: Some(WorkflowType { name }),
            search_attributes,
            task_queue: Some(TaskQueue { name: self.name.clone(), ..Default::default() }),
            workflow_id_conflict_policy: policy as i32,
            workflow_start_delay: matches!(self.kind, Kind::Delayed).then_some(SECOND),
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
