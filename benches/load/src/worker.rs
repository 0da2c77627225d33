//! A worker that does the least: it answers each workflow task as planned, and each activity at once.

use crate::{
    calls::{Calls, Service, within},
    payload::payloads,
    shape::{self, Making, Plan, Shape},
    updates,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tenure_api::{
    enums::v1::{QueryResultType, TaskQueueKind},
    history::v1::HistoryEvent,
    query::v1::WorkflowQueryResult,
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    workflowservice::v1::{
        PollActivityTaskQueueRequest, PollActivityTaskQueueResponse, PollWorkflowTaskQueueRequest,
        PollWorkflowTaskQueueResponse, RespondActivityTaskCompletedRequest, RespondQueryTaskCompletedRequest,
        RespondWorkflowTaskCompletedRequest,
    },
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};
use tonic::{Code, Status};

const POLL: Duration = Duration::from_secs(70);
const ANSWER: Duration = Duration::from_secs(10);

/// Tasks of one worker at once, and polls for them.
const SLOTS: usize = 2000;

/// How long a poller waits after a failure.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a task waits on the worker's own queue before any worker may have it.
const STICKY: prost_types::Duration = prost_types::Duration { seconds: 10, nanos: 0 };

/// Who waits for which workflow to end.
pub struct Completions {
    expected: Mutex<HashMap<String, oneshot::Sender<Duration>>>,
    /// A permit for each that ended and that nobody waited for.
    unexpected: Semaphore,
}

pub struct Expected {
    ended: oneshot::Receiver<Duration>,
}

impl Default for Completions {
    fn default() -> Completions {
        Completions { expected: Mutex::default(), unexpected: Semaphore::new(0) }
    }
}

impl Completions {
    pub fn expect(&self, workflow_id: &str) -> Expected {
        let (sender, ended) = oneshot::channel();
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).insert(workflow_id.to_owned(), sender);
        Expected { ended }
    }

    /// `late`: how much later than due its timer fired, if it had one.
    fn ended(&self, workflow_id: &str, late: Duration) {
        let waiting = self.expected.lock().unwrap_or_else(PoisonError::into_inner).remove(workflow_id);
        match waiting {
            // Nobody may wait any more.
            Some(waiting) => drop(waiting.send(late)),
            None => self.unexpected.add_permits(1),
        }
    }

    /// Waits for the end of a workflow that nobody expects.
    pub async fn unexpected(&self, limit: Duration) -> Result<(), Code> {
        match timeout(limit, self.unexpected.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(Code::DeadlineExceeded),
        }
    }
}

impl Expected {
    /// How late the workflow's timer was, once it has ended.
    pub async fn within(self, limit: Duration) -> Result<Duration, Code> {
        match timeout(limit, self.ended).await {
            Ok(Ok(late)) => Ok(late),
            Ok(Err(_)) | Err(_) => Err(Code::DeadlineExceeded),
        }
    }
}

#[derive(Clone)]
pub struct Worker {
    service: Service,
    namespace: String,
    queue: String,
    plan: Plan,
    eager: bool,
    sticky: bool,
    payload: usize,
    completions: Arc<Completions>,
    /// For polls and the tasks that they bring, as in workers of SDKs: a poller goes on polling while a task is worked on.
    slots: Arc<Semaphore>,
    /// How much is done of each run whose next task comes without what was told before.
    kept: Arc<Mutex<HashMap<String, u32>>>,
}

impl Worker {
    pub fn new(calls: &Calls, queue: &str, plan: Plan, shape: &Shape, completions: Arc<Completions>) -> Worker {
        Worker {
            service: calls.services[0].clone(),
            namespace: calls.namespace.clone(),
            queue: queue.to_owned(),
            plan,
            eager: shape.eager,
            sticky: shape.sticky,
            payload: calls.payload,
            completions,
            slots: Arc::new(Semaphore::new(SLOTS)),
            kept: Arc::default(),
        }
    }

    /// Polls with so many pollers for workflow tasks, for those of its own queue if it has one, and for activities.
    pub fn spawn(&self, calls: &Calls, pollers: usize) {
        let each = pollers.div_ceil(calls.services.len());
        for service in &calls.services {
            for _ in 0..each {
                let worker = Worker { service: service.clone(), ..self.clone() };
                tokio::spawn(worker.clone().workflow_tasks(worker.queue()));
                tokio::spawn(worker.clone().activity_tasks());
                if worker.sticky {
                    tokio::spawn(worker.clone().workflow_tasks(worker.sticky_queue()));
                }
            }
        }
    }

    /// Answers a task that came with the answer to a call.
    pub fn take_up(&self, task: PollWorkflowTaskQueueResponse) {
        let mut worker = self.clone();
        tokio::spawn(async move { worker.workflow_task(task).await });
    }

    fn queue(&self) -> TaskQueue {
        TaskQueue { name: self.queue.clone(), ..Default::default() }
    }

    fn sticky_queue(&self) -> TaskQueue {
        let name = format!("{}-sticky", self.queue);
        TaskQueue { name, kind: TaskQueueKind::Sticky as i32, normal_name: self.queue.clone() }
    }

    async fn workflow_tasks(mut self, queue: TaskQueue) {
        loop {
            let poll = PollWorkflowTaskQueueRequest {
                namespace: self.namespace.clone(),
                task_queue: Some(queue.clone()),
                identity: "load".to_owned(),
                ..Default::default()
            };
            // A closed semaphore would end the loop; nobody closes it.
            let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
            match self.service.poll_workflow_task_queue(within(POLL, poll)).await {
                Ok(task) => {
                    let mut worker = self.clone();
                    tokio::spawn(async move {
                        worker.workflow_task(task.into_inner()).await.ok();
                        drop(slot);
                    });
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn activity_tasks(mut self) {
        loop {
            let poll = PollActivityTaskQueueRequest {
                namespace: self.namespace.clone(),
                task_queue: Some(self.queue()),
                identity: "load".to_owned(),
                ..Default::default()
            };
            // A closed semaphore would end the loop; nobody closes it.
            let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
            match self.service.poll_activity_task_queue(within(POLL, poll)).await {
                Ok(task) => {
                    let mut worker = self.clone();
                    tokio::spawn(async move {
                        worker.activity_task(task.into_inner()).await.ok();
                        drop(slot);
                    });
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn workflow_task(&mut self, task: PollWorkflowTaskQueueResponse) -> Result<(), Status> {
        if task.task_token.is_empty() {
            return Ok(());
        }
        if task.query.is_some() {
            return self.query_task(task).await;
        }
        let events = task.history.as_ref().map_or(&[][..], |history| &history.events);
        let execution = task.workflow_execution.clone().unwrap_or_default();
        let done = self.done(&execution.run_id, events);
        let making = Making { queue: &self.queue, eager: self.eager, payload: self.payload };
        let step = self.plan.step(task.previous_started_event_id == 0, done, &making);
        let late = shape::lateness(events).unwrap_or_default();
        let messages = updates::answers(&task.messages, payloads(self.payload, 0));
        let answer = WorkflowQueryResult {
            result_type: QueryResultType::Answered as i32,
            answer: payloads(self.payload, 0),
            ..Default::default()
        };
        let completion = RespondWorkflowTaskCompletedRequest {
            namespace: self.namespace.clone(),
            task_token: task.task_token,
            commands: updates::commands(&messages).chain(step.commands).collect(),
            messages,
            query_results: task.queries.into_keys().map(|id| (id, answer.clone())).collect(),
            sticky_attributes: self.sticky.then(|| StickyExecutionAttributes {
                worker_task_queue: Some(self.sticky_queue()),
                schedule_to_start_timeout: Some(STICKY),
            }),
            identity: "load".to_owned(),
            ..Default::default()
        };
        self.keep(execution.run_id, done, step.last);
        let answer = self.service.respond_workflow_task_completed(within(ANSWER, completion)).await?.into_inner();
        if step.last {
            self.completions.ended(&execution.workflow_id, late);
        }
        for activity in answer.activity_tasks {
            let mut worker = self.clone();
            tokio::spawn(async move { worker.activity_task(activity).await });
        }
        Ok(())
    }

    async fn query_task(&mut self, task: PollWorkflowTaskQueueResponse) -> Result<(), Status> {
        let completion = RespondQueryTaskCompletedRequest {
            namespace: self.namespace.clone(),
            task_token: task.task_token,
            completed_type: QueryResultType::Answered as i32,
            query_result: payloads(self.payload, 0),
            ..Default::default()
        };
        self.service.respond_query_task_completed(within(ANSWER, completion)).await.map(drop)
    }

    async fn activity_task(&mut self, task: PollActivityTaskQueueResponse) -> Result<(), Status> {
        if task.task_token.is_empty() {
            return Ok(());
        }
        let completion = RespondActivityTaskCompletedRequest {
            namespace: self.namespace.clone(),
            task_token: task.task_token,
            result: payloads(self.payload, 0),
            identity: "load".to_owned(),
            ..Default::default()
        };
        self.service.respond_activity_task_completed(within(ANSWER, completion)).await.map(drop)
    }

    /// How much is done of a run, by these events and by what was told before them.
    fn done(&self, run: &str, events: &[HistoryEvent]) -> u32 {
        let whole = events.first().is_none_or(|event| event.event_id == 1);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if whole { 0 } else { kept.get(run).copied().unwrap_or_default() };
        before + shape::done(events)
    }

    fn keep(&self, run: String, done: u32, last: bool) {
        if self.sticky {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if last {
                kept.remove(&run)
            } else {
                kept.insert(run, done)
            };
        }
    }
}
