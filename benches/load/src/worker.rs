//! A worker that does the least: one activity, then the workflow is complete.

use crate::work::Service;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tenure_api::{
    command::v1::{
        Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes, command::Attributes,
    },
    common::v1::ActivityType,
    enums::v1::CommandType,
    history::v1::history_event::Attributes as Told,
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{
        PollActivityTaskQueueRequest, PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse,
        RespondActivityTaskCompletedRequest, RespondWorkflowTaskCompletedRequest,
    },
};
use tokio::{sync::oneshot, time::sleep};
use tonic::{Code, Request, Status};

const POLL: Duration = Duration::from_secs(70);
const ANSWER: Duration = Duration::from_secs(10);

/// How long a poller waits after a failure.
const PAUSE: Duration = Duration::from_millis(100);

/// Who waits for which workflow to end.
#[derive(Default)]
pub struct Completions(Mutex<HashMap<String, oneshot::Sender<Duration>>>);

pub struct Expected {
    ended: oneshot::Receiver<Duration>,
}

impl Completions {
    pub fn expect(&self, workflow_id: &str) -> Expected {
        let (sender, ended) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(workflow_id.to_owned(), sender);
        Expected { ended }
    }

    /// `late`: how much later than due its first task came.
    fn ended(&self, workflow_id: &str, late: Duration) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(workflow_id);
        if let Some(waiting) = waiting {
            // Nobody may wait any more.
            let _ = waiting.send(late);
        }
    }
}

impl Expected {
    /// How late the workflow's first task came, once it has ended.
    pub async fn within(self, limit: Duration) -> Result<Duration, Code> {
        match tokio::time::timeout(limit, self.ended).await {
            Ok(Ok(late)) => Ok(late),
            _ => Err(Code::DeadlineExceeded),
        }
    }
}

#[derive(Clone)]
struct Worker {
    service: Service,
    namespace: String,
    queue: String,
    completions: Arc<Completions>,
}

/// So many pollers of workflow tasks, and of activities.
pub fn spawn(service: &Service, namespace: &str, queue: &str, pollers: usize, completions: &Arc<Completions>) {
    let worker = Worker {
        service: service.clone(),
        namespace: namespace.to_owned(),
        queue: queue.to_owned(),
        completions: completions.clone(),
    };
    for _ in 0..pollers {
        let mut workflows = worker.clone();
        tokio::spawn(async move {
            loop {
                if workflows.workflow_task().await.is_err() {
                    sleep(PAUSE).await;
                }
            }
        });
        let mut activities = worker.clone();
        tokio::spawn(async move {
            loop {
                if activities.activity_task().await.is_err() {
                    sleep(PAUSE).await;
                }
            }
        });
    }
}

impl Worker {
    fn queue(&self) -> Option<TaskQueue> {
        Some(TaskQueue { name: self.queue.clone(), ..Default::default() })
    }

    async fn workflow_task(&mut self) -> Result<(), Status> {
        let poll = PollWorkflowTaskQueueRequest {
            namespace: self.namespace.clone(),
            task_queue: self.queue(),
            identity: "load".to_owned(),
            ..Default::default()
        };
        let task = self.service.poll_workflow_task_queue(within(POLL, poll)).await?.into_inner();
        if task.task_token.is_empty() {
            return Ok(());
        }
        let late = lateness(&task);
        // One that was delayed has nothing to do but to begin.
        let first = task.previous_started_event_id == 0 && late.is_none();
        let completion = RespondWorkflowTaskCompletedRequest {
            namespace: self.namespace.clone(),
            task_token: task.task_token.clone(),
            commands: vec![if first { self.activity() } else { complete() }],
            identity: "load".to_owned(),
            ..Default::default()
        };
        self.service.respond_workflow_task_completed(within(ANSWER, completion)).await?;
        if !first {
            self.completions.ended(workflow_id(&task), late.unwrap_or_default());
        }
        Ok(())
    }

    async fn activity_task(&mut self) -> Result<(), Status> {
        let poll = PollActivityTaskQueueRequest {
            namespace: self.namespace.clone(),
            task_queue: self.queue(),
            identity: "load".to_owned(),
            ..Default::default()
        };
        let task = self.service.poll_activity_task_queue(within(POLL, poll)).await?.into_inner();
        if task.task_token.is_empty() {
            return Ok(());
        }
        let completion = RespondActivityTaskCompletedRequest {
            namespace: self.namespace.clone(),
            task_token: task.task_token,
            identity: "load".to_owned(),
            ..Default::default()
        };
        self.service.respond_activity_task_completed(within(ANSWER, completion)).await?;
        Ok(())
    }

    fn activity(&self) -> Command {
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: "1".to_owned(),
            activity_type: Some(ActivityType { name: "load".to_owned() }),
            task_queue: self.queue(),
            start_to_close_timeout: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
            ..Default::default()
        };
        command(CommandType::ScheduleActivityTask, Attributes::ScheduleActivityTaskCommandAttributes(attributes))
    }
}

/// How much later than due a workflow begins whose start was delayed; `None` for any other.
fn lateness(task: &PollWorkflowTaskQueueResponse) -> Option<Duration> {
    let started = task.history.as_ref()?.events.first()?;
    let Some(Told::WorkflowExecutionStartedEventAttributes(attributes)) = &started.attributes else { return None };
    let delay = Duration::try_from(attributes.first_workflow_task_backoff?).ok().filter(|delay| !delay.is_zero())?;
    let due = SystemTime::try_from(started.event_time?).ok()? + delay;
    Some(SystemTime::now().duration_since(due).unwrap_or_default())
}

fn complete() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    command(CommandType::CompleteWorkflowExecution, Attributes::CompleteWorkflowExecutionCommandAttributes(attributes))
}

fn command(kind: CommandType, attributes: Attributes) -> Command {
    Command { command_type: kind as i32, attributes: Some(attributes), ..Default::default() }
}

fn workflow_id(task: &PollWorkflowTaskQueueResponse) -> &str {
    task.workflow_execution.as_ref().map_or("", |execution| &execution.workflow_id)
}

fn within<T>(limit: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}
