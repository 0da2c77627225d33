//! Calls of the API, each with a deadline and no second try.

use crate::{
    payload::payloads,
    search::{self, Search},
};
use anyhow::Context;
use std::time::Duration;
use tenure_api::{
    common::v1::{WorkflowExecution, WorkflowType},
    enums::v1::{UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy},
    query::v1::WorkflowQuery,
    schedule::v1::{IntervalSpec, Schedule, ScheduleAction, ScheduleSpec, schedule_action},
    taskqueue::v1::TaskQueue,
    update::v1::{Input, Meta, Request as Update, WaitPolicy},
    workflow::v1::NewWorkflowExecutionInfo,
    workflowservice::v1::{
        CountWorkflowExecutionsRequest, CreateScheduleRequest, ListWorkflowExecutionsRequest, QueryWorkflowRequest,
        SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest, StartWorkflowExecutionResponse,
        TerminateWorkflowExecutionRequest, UpdateWorkflowExecutionRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint},
};

pub type Service = WorkflowServiceClient<Channel>;

pub struct Calls {
    pub namespace: String,
    pub services: Vec<Service>,
    pub deadline: Duration,
    /// Bytes of each input and result.
    pub payload: usize,
}

/// What is particular about a start.
#[derive(Default)]
pub struct Start {
    /// The run under the same id, if there is one, ends for it.
    pub replace: bool,
    /// One of a catalogue.
    pub catalogued: bool,
    pub eager: bool,
    /// The first task comes so much later.
    pub delay: Option<Duration>,
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

pub fn within<T>(limit: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

fn answered<T>(answer: Result<Response<T>, Status>) -> Result<T, Code> {
    answer.map(Response::into_inner).map_err(|status| status.code())
}

fn execution(workflow_id: String) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id, ..Default::default() })
}

impl Calls {
    /// The services take turns.
    fn service(&self, number: u64) -> Service {
        self.services[(number % self.services.len() as u64) as usize].clone()
    }

    fn request<T>(&self, message: T) -> Request<T> {
        within(self.deadline, message)
    }

    pub async fn start(
        &self,
        number: u64,
        workflow_id: String,
        queue: &str,
        start: Start,
    ) -> Result<StartWorkflowExecutionResponse, Code> {
        let policy = if start.replace {
            WorkflowIdConflictPolicy::TerminateExisting
        } else {
            WorkflowIdConflictPolicy::Unspecified
        };
        let (name, search_attributes) = if start.catalogued {
            let (name, attributes) = search::described(number);
            (name, Some(attributes))
        } else {
            ("load".to_owned(), None)
        };
        let request = StartWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            request_id: format!("{workflow_id}-{number}"),
            workflow_id,
            workflow_type: Some(WorkflowType { name }),
            search_attributes,
            task_queue: Some(TaskQueue { name: queue.to_owned(), ..Default::default() }),
            input: payloads(self.payload, number),
            workflow_id_conflict_policy: policy as i32,
            workflow_start_delay: start.delay.and_then(|delay| prost_types::Duration::try_from(delay).ok()),
            request_eager_execution: start.eager,
            identity: "load".to_owned(),
            ..Default::default()
        };
        answered(self.service(number).start_workflow_execution(self.request(request)).await)
    }

    pub async fn terminate(&self, number: u64, workflow_id: String) -> Result<(), Code> {
        let request = TerminateWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: execution(workflow_id),
            ..Default::default()
        };
        answered(self.service(number).terminate_workflow_execution(self.request(request)).await).map(drop)
    }

    pub async fn signal(&self, number: u64, workflow_id: String, request_id: String) -> Result<(), Code> {
        let request = SignalWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: execution(workflow_id),
            signal_name: "load".to_owned(),
            input: payloads(self.payload, number),
            request_id,
            identity: "load".to_owned(),
            ..Default::default()
        };
        answered(self.service(number).signal_workflow_execution(self.request(request)).await).map(drop)
    }

    /// Waits until the update is complete.
    pub async fn update(&self, number: u64, workflow_id: String, update_id: String) -> Result<(), Code> {
        let update = Update {
            meta: Some(Meta { update_id, identity: "load".to_owned() }),
            input: Some(Input { name: "load".to_owned(), args: payloads(self.payload, number), ..Default::default() }),
            ..Default::default()
        };
        let request = UpdateWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: execution(workflow_id),
            wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::Completed as i32 }),
            request: Some(update),
            ..Default::default()
        };
        let answer = answered(self.service(number).update_workflow_execution(self.request(request)).await)?;
        answer.outcome.map(drop).ok_or(Code::DeadlineExceeded)
    }

    pub async fn query(&self, number: u64, workflow_id: String) -> Result<(), Code> {
        let request = QueryWorkflowRequest {
            namespace: self.namespace.clone(),
            execution: execution(workflow_id),
            query: Some(WorkflowQuery {
                query_type: "load".to_owned(),
                query_args: payloads(self.payload, number),
                ..Default::default()
            }),
            ..Default::default()
        };
        answered(self.service(number).query_workflow(self.request(request)).await).map(drop)
    }

    pub async fn list(&self, number: u64, search: &Search) -> Result<(), Code> {
        let mut request = ListWorkflowExecutionsRequest {
            namespace: self.namespace.clone(),
            page_size: search.page_size,
            query: search.query(number),
            ..Default::default()
        };
        for _ in 0..search.pages {
            let answer = self.service(number).list_workflow_executions(self.request(request.clone())).await;
            request.next_page_token = answered(answer)?.next_page_token;
        }
        Ok(())
    }

    pub async fn count(&self, number: u64, search: &Search) -> Result<(), Code> {
        let request = CountWorkflowExecutionsRequest { namespace: self.namespace.clone(), query: search.query(number) };
        answered(self.service(number).count_workflow_executions(self.request(request)).await).map(drop)
    }

    /// A schedule that acts once, `at` seconds since 1970.
    pub async fn schedule(&self, number: u64, id: String, at: i64) -> Result<(), Code> {
        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        // One time between its start and its end.
        let day = Some(prost_types::Duration { seconds: 86_400, nanos: 0 });
        let phase = Some(prost_types::Duration { seconds: at % 86_400, nanos: 0 });
        let spec = ScheduleSpec {
            interval: vec![IntervalSpec { interval: day, phase }],
            start_time: time(at),
            end_time: time(at),
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
        answered(self.service(number).create_schedule(self.request(request)).await).map(drop)
    }
}
