//! A server that does the least, from memory: against it the load generator shows what it could do.

use std::{
    collections::HashMap,
    convert::Infallible,
    hash::Hash,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};
use tenure_api::{
    command::v1::command::Attributes,
    common::v1::WorkflowExecution,
    enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage,
    history::v1::{
        ActivityTaskCompletedEventAttributes, History, HistoryEvent, TimerFiredEventAttributes,
        TimerStartedEventAttributes, WorkflowExecutionStartedEventAttributes, history_event::Attributes as Told,
    },
    protocol::v1::Message,
    query::v1::WorkflowQuery,
    update::v1::{Outcome, Response as Responded},
    workflowservice::v1::{
        CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse, CreateScheduleRequest, CreateScheduleResponse,
        DescribeNamespaceRequest, DescribeNamespaceResponse, ListWorkflowExecutionsRequest,
        ListWorkflowExecutionsResponse, PollActivityTaskQueueRequest, PollActivityTaskQueueResponse,
        PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse, QueryWorkflowRequest, QueryWorkflowResponse,
        RespondActivityTaskCompletedRequest, RespondActivityTaskCompletedResponse, RespondQueryTaskCompletedRequest,
        RespondQueryTaskCompletedResponse, RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskCompletedResponse,
        SignalWorkflowExecutionRequest, SignalWorkflowExecutionResponse, StartWorkflowExecutionRequest,
        StartWorkflowExecutionResponse, TerminateWorkflowExecutionRequest, TerminateWorkflowExecutionResponse,
        UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse,
    },
};
use tokio::sync::{Mutex as Turns, mpsc, oneshot};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::{Grpc, UnaryService},
};
use tonic_prost::ProstCodec;

/// How long a poll waits for a task.
const POLL: Duration = Duration::from_secs(60);

pub async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    Ok(tonic::transport::Server::builder().serve(listen, Mock::default()).await?)
}

#[derive(Clone, Default)]
struct Mock(Arc<State>);

#[derive(Default)]
struct State {
    next: AtomicU64,
    runs: Mutex<HashMap<u64, Run>>,
    /// The latest run of each workflow id.
    latest: Mutex<HashMap<String, u64>>,
    workflow_tasks: Queues<PollWorkflowTaskQueueResponse>,
    activities: Queues<PollActivityTaskQueueResponse>,
    updates: Waiting<String, Outcome>,
    queries: Waiting<u64, QueryWorkflowResponse>,
}

struct Run {
    workflow_id: String,
    queue: String,
    /// Workflow tasks so far.
    tasks: i64,
    events: Vec<HistoryEvent>,
}

impl Run {
    fn tell(&mut self, attributes: Told) {
        let event_id = self.events.len() as i64 + 1;
        let event_time = Some(SystemTime::now().into());
        self.events.push(HistoryEvent { event_id, event_time, attributes: Some(attributes), ..Default::default() });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tasks by the name of their queue; polls get them in turn.
struct Queues<T>(Mutex<HashMap<String, Arc<Queue<T>>>>);

struct Queue<T> {
    sender: mpsc::UnboundedSender<T>,
    receiver: Turns<mpsc::UnboundedReceiver<T>>,
}

impl<T> Default for Queues<T> {
    fn default() -> Queues<T> {
        Queues(Mutex::default())
    }
}

impl<T: Default> Queues<T> {
    fn queue(&self, name: &str) -> Arc<Queue<T>> {
        let make = || {
            let (sender, receiver) = mpsc::unbounded_channel();
            Arc::new(Queue { sender, receiver: Turns::new(receiver) })
        };
        locked(&self.0).entry(name.to_owned()).or_insert_with(make).clone()
    }

    fn add(&self, name: &str, task: T) {
        // The queue holds the receiver.
        let _ = self.queue(name).sender.send(task);
    }

    /// The next task, or none of it.
    async fn poll(&self, name: &str) -> T {
        let queue = self.queue(name);
        let task = async { queue.receiver.lock().await.recv().await };
        tokio::time::timeout(POLL, task).await.ok().flatten().unwrap_or_default()
    }
}

/// Calls that wait for a worker's answer.
struct Waiting<K, T>(Mutex<HashMap<K, oneshot::Sender<T>>>);

impl<K, T> Default for Waiting<K, T> {
    fn default() -> Waiting<K, T> {
        Waiting(Mutex::default())
    }
}

impl<K: Hash + Eq, T> Waiting<K, T> {
    fn expect(&self, key: K) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        locked(&self.0).insert(key, sender);
        receiver
    }

    fn answer(&self, key: &K, answer: T) {
        if let Some(waiting) = locked(&self.0).remove(key) {
            // The caller may be gone.
            let _ = waiting.send(answer);
        }
    }
}

impl State {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands out a task of the run with all that was told of it.
    fn add_task(&self, number: u64, messages: Vec<Message>) {
        let mut runs = locked(&self.runs);
        let Some(run) = runs.get_mut(&number) else { return };
        let task = PollWorkflowTaskQueueResponse {
            task_token: token(number).into(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: run.workflow_id.clone(),
                run_id: number.to_string(),
            }),
            previous_started_event_id: run.tasks,
            started_event_id: run.tasks + 1,
            history: Some(History { events: run.events.clone() }),
            messages,
            ..Default::default()
        };
        run.tasks += 1;
        self.workflow_tasks.add(&run.queue, task);
    }

    fn tell(&self, number: u64, attributes: Told) {
        if let Some(run) = locked(&self.runs).get_mut(&number) {
            run.tell(attributes);
        }
    }

    fn latest(&self, execution: Option<WorkflowExecution>) -> Result<u64, Status> {
        let workflow_id = execution.unwrap_or_default().workflow_id;
        locked(&self.latest).get(&workflow_id).copied().ok_or_else(|| Status::not_found("no such workflow"))
    }

    async fn start(self: Arc<Self>, request: StartWorkflowExecutionRequest) -> Answer<StartWorkflowExecutionResponse> {
        let number = self.number();
        let queue = request.task_queue.unwrap_or_default().name;
        let mut run = Run { workflow_id: request.workflow_id.clone(), queue, tasks: 0, events: Vec::new() };
        run.tell(Told::WorkflowExecutionStartedEventAttributes(WorkflowExecutionStartedEventAttributes {
            input: request.input,
            ..Default::default()
        }));
        locked(&self.runs).insert(number, run);
        locked(&self.latest).insert(request.workflow_id, number);
        self.add_task(number, Vec::new());
        Ok(StartWorkflowExecutionResponse { run_id: number.to_string(), started: true, ..Default::default() })
    }

    async fn poll_workflow(
        self: Arc<Self>,
        request: PollWorkflowTaskQueueRequest,
    ) -> Answer<PollWorkflowTaskQueueResponse> {
        Ok(self.workflow_tasks.poll(&request.task_queue.unwrap_or_default().name).await)
    }

    async fn poll_activity(
        self: Arc<Self>,
        request: PollActivityTaskQueueRequest,
    ) -> Answer<PollActivityTaskQueueResponse> {
        Ok(self.activities.poll(&request.task_queue.unwrap_or_default().name).await)
    }

    async fn complete_workflow_task(
        self: Arc<Self>,
        request: RespondWorkflowTaskCompletedRequest,
    ) -> Answer<RespondWorkflowTaskCompletedResponse> {
        let number = run_of(&request.task_token)?;
        for command in request.commands {
            match command.attributes {
                Some(Attributes::ScheduleActivityTaskCommandAttributes(activity)) => {
                    let task = PollActivityTaskQueueResponse {
                        task_token: request.task_token.clone(),
                        activity_id: activity.activity_id,
                        activity_type: activity.activity_type,
                        input: activity.input,
                        ..Default::default()
                    };
                    self.activities.add(&activity.task_queue.unwrap_or_default().name, task);
                }
                Some(Attributes::StartTimerCommandAttributes(timer)) => {
                    self.start_timer(number, timer.start_to_fire_timeout)
                }
                Some(Attributes::CompleteWorkflowExecutionCommandAttributes(_)) => {
                    if let Some(run) = locked(&self.runs).remove(&number) {
                        locked(&self.latest).remove(&run.workflow_id);
                    }
                }
                // Markers, and where updates belong.
                _ => {}
            }
        }
        for message in request.messages {
            let response = message.body.and_then(|body| body.to_msg::<Responded>().ok());
            if let Some(outcome) = response.and_then(|response| response.outcome) {
                self.updates.answer(&message.protocol_instance_id, outcome);
            }
        }
        Ok(RespondWorkflowTaskCompletedResponse::default())
    }

    fn start_timer(self: &Arc<Self>, number: u64, after: Option<prost_types::Duration>) {
        self.tell(
            number,
            Told::TimerStartedEventAttributes(TimerStartedEventAttributes {
                start_to_fire_timeout: after,
                ..Default::default()
            }),
        );
        let after = after.and_then(|after| Duration::try_from(after).ok()).unwrap_or_default();
        let state = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            state.tell(number, Told::TimerFiredEventAttributes(TimerFiredEventAttributes::default()));
            state.add_task(number, Vec::new());
        });
    }

    async fn complete_activity(
        self: Arc<Self>,
        request: RespondActivityTaskCompletedRequest,
    ) -> Answer<RespondActivityTaskCompletedResponse> {
        let number = run_of(&request.task_token)?;
        self.tell(
            number,
            Told::ActivityTaskCompletedEventAttributes(ActivityTaskCompletedEventAttributes {
                result: request.result,
                ..Default::default()
            }),
        );
        self.add_task(number, Vec::new());
        Ok(RespondActivityTaskCompletedResponse::default())
    }

    async fn update(
        self: Arc<Self>,
        request: UpdateWorkflowExecutionRequest,
    ) -> Answer<UpdateWorkflowExecutionResponse> {
        let number = self.latest(request.workflow_execution)?;
        let update = request.request.unwrap_or_default();
        let id = update.meta.clone().unwrap_or_default().update_id;
        let answer = self.updates.expect(id.clone());
        let body = prost_types::Any::from_msg(&update).map_err(|error| Status::internal(error.to_string()))?;
        let message =
            Message { id: format!("{id}/request"), protocol_instance_id: id, body: Some(body), ..Default::default() };
        self.add_task(number, vec![message]);
        let outcome = answer.await.map_err(|_| Status::unavailable("no worker answered"))?;
        Ok(UpdateWorkflowExecutionResponse {
            outcome: Some(outcome),
            stage: Stage::Completed as i32,
            ..Default::default()
        })
    }

    async fn query(self: Arc<Self>, request: QueryWorkflowRequest) -> Answer<QueryWorkflowResponse> {
        let number = self.latest(request.execution)?;
        let (events, queue) = match locked(&self.runs).get(&number) {
            Some(run) => (run.events.clone(), run.queue.clone()),
            None => return Err(Status::not_found("no such run")),
        };
        let id = self.number();
        let answer = self.queries.expect(id);
        let task = PollWorkflowTaskQueueResponse {
            task_token: token(id).into(),
            history: Some(History { events }),
            query: Some(request.query.unwrap_or_else(WorkflowQuery::default)),
            ..Default::default()
        };
        self.workflow_tasks.add(&queue, task);
        answer.await.map_err(|_| Status::unavailable("no worker answered"))
    }

    async fn complete_query(
        self: Arc<Self>,
        request: RespondQueryTaskCompletedRequest,
    ) -> Answer<RespondQueryTaskCompletedResponse> {
        let result = QueryWorkflowResponse { query_result: request.query_result, ..Default::default() };
        self.queries.answer(&run_of(&request.task_token)?, result);
        Ok(RespondQueryTaskCompletedResponse::default())
    }

    async fn terminate(
        self: Arc<Self>,
        request: TerminateWorkflowExecutionRequest,
    ) -> Answer<TerminateWorkflowExecutionResponse> {
        let number = self.latest(request.workflow_execution)?;
        locked(&self.runs).remove(&number);
        Ok(TerminateWorkflowExecutionResponse::default())
    }

    async fn signal(
        self: Arc<Self>,
        request: SignalWorkflowExecutionRequest,
    ) -> Answer<SignalWorkflowExecutionResponse> {
        self.latest(request.workflow_execution)?;
        Ok(SignalWorkflowExecutionResponse::default())
    }

    async fn list(self: Arc<Self>, _: ListWorkflowExecutionsRequest) -> Answer<ListWorkflowExecutionsResponse> {
        Ok(ListWorkflowExecutionsResponse::default())
    }

    async fn count(self: Arc<Self>, _: CountWorkflowExecutionsRequest) -> Answer<CountWorkflowExecutionsResponse> {
        Ok(CountWorkflowExecutionsResponse { count: locked(&self.latest).len() as i64, ..Default::default() })
    }

    async fn schedule(self: Arc<Self>, _: CreateScheduleRequest) -> Answer<CreateScheduleResponse> {
        Ok(CreateScheduleResponse::default())
    }

    /// By which a caller learns that the server is there.
    async fn namespace(self: Arc<Self>, _: DescribeNamespaceRequest) -> Answer<DescribeNamespaceResponse> {
        Ok(DescribeNamespaceResponse::default())
    }
}

type Answer<T> = Result<T, Status>;

fn token(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

fn run_of(token: &[u8]) -> Result<u64, Status> {
    let bytes = token.try_into().map_err(|_| Status::invalid_argument("not a token"))?;
    Ok(u64::from_le_bytes(bytes))
}

impl Service<http::Request<Body>> for Mock {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let state = self.0.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        Box::pin(async move {
            Ok(match method.as_str() {
                "CountWorkflowExecutions" => call(state, request, State::count).await,
                "CreateSchedule" => call(state, request, State::schedule).await,
                "DescribeNamespace" => call(state, request, State::namespace).await,
                "ListWorkflowExecutions" => call(state, request, State::list).await,
                "PollActivityTaskQueue" => call(state, request, State::poll_activity).await,
                "PollWorkflowTaskQueue" => call(state, request, State::poll_workflow).await,
                "QueryWorkflow" => call(state, request, State::query).await,
                "RespondActivityTaskCompleted" => call(state, request, State::complete_activity).await,
                "RespondQueryTaskCompleted" => call(state, request, State::complete_query).await,
                "RespondWorkflowTaskCompleted" => call(state, request, State::complete_workflow_task).await,
                "SignalWorkflowExecution" => call(state, request, State::signal).await,
                "StartWorkflowExecution" => call(state, request, State::start).await,
                "TerminateWorkflowExecution" => call(state, request, State::terminate).await,
                "UpdateWorkflowExecution" => call(state, request, State::update).await,
                _ => Status::unimplemented(method).into_http(),
            })
        })
    }
}

/// Decodes the request, has it answered, encodes that.
async fn call<Q, A, F, Fut>(state: Arc<State>, request: http::Request<Body>, answer: F) -> http::Response<Body>
where
    Q: prost::Message + Default + 'static,
    A: prost::Message + 'static,
    F: FnMut(Arc<State>, Q) -> Fut,
    Fut: Future<Output = Answer<A>> + Send + 'static,
{
    Grpc::new(ProstCodec::<A, Q>::default()).unary(Method { state, answer }, request).await
}

struct Method<F> {
    state: Arc<State>,
    answer: F,
}

impl<Q, A, F, Fut> UnaryService<Q> for Method<F>
where
    F: FnMut(Arc<State>, Q) -> Fut,
    Fut: Future<Output = Answer<A>> + Send + 'static,
{
    type Response = A;
    type Future = BoxFuture<Response<A>, Status>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let answer = (self.answer)(self.state.clone(), request.into_inner());
        Box::pin(async { answer.await.map(Response::new) })
    }
}
