//! The threads on which workflow code runs, each with its cache of executions. A run always comes to the same thread.

use super::WorkerOptions;
use crate::{
    Failure,
    execution::{Execution, Factory, Name, Output, Task, TaskFailure, Trouble},
    runtime::LocalCall,
};
use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, mpsc},
};
use tenure_api::{
    common::v1::{Payload, Payloads},
    enums::v1::{QueryResultType, WorkflowTaskFailedCause},
    query::v1::{WorkflowQuery, WorkflowQueryResult},
};
use tenure_client::DataConverter;
use tokio::sync::oneshot;

/// A workflow task, or a query, for a run.
pub(crate) struct Advance {
    pub(crate) name: Name,
    pub(crate) workflow_type: String,
    pub(crate) task: Task,
    pub(crate) queries: BTreeMap<String, WorkflowQuery>,
    /// Start over from the first event.
    pub(crate) afresh: bool,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) output: Output,
    pub(crate) local: Vec<LocalCall>,
    pub(crate) query_results: BTreeMap<String, WorkflowQueryResult>,
}

enum Job {
    Advance(Box<Advance>, oneshot::Sender<Result<Answer, Trouble>>),
    FinishLocal(String, u64, Result<Option<Payload>, Failure>, oneshot::Sender<Result<Answer, Trouble>>),
    RollBack(String, i64),
    Evict(String),
}

pub(crate) struct Threads {
    senders: Vec<mpsc::Sender<Job>>,
}

impl Threads {
    pub(crate) fn start(
        factories: BTreeMap<String, Arc<dyn Factory>>,
        converter: DataConverter,
        options: &WorkerOptions,
    ) -> Self {
        let count = options.workflow_threads.max(1);
        let start = |index: usize| {
            let (sender, jobs) = mpsc::channel();
            let (factories, converter) = (factories.clone(), converter.clone());
            let bound = options.cached_workflows.div_ceil(count);
            let cache = move || Cache { factories, converter, bound, executions: HashMap::new(), tick: 0 }.work(&jobs);
            let spawned = std::thread::Builder::new().name(format!("workflows-{index}")).spawn(cache);
            spawned.expect("a thread can be started");
            sender
        };
        Threads { senders: (0..count).map(start).collect() }
    }

    fn send(&self, run_id: &str, job: Job) {
        let mut hasher = DefaultHasher::new();
        run_id.hash(&mut hasher);
        let index = hasher.finish() as usize % self.senders.len();
        // A thread that is gone drops the reply, which is noticed.
        let _ = self.senders[index].send(job);
    }

    pub(crate) async fn advance(&self, advance: Advance) -> Result<Answer, Trouble> {
        let (reply, answer) = oneshot::channel();
        let run_id = advance.name.run_id.clone();
        self.send(&run_id, Job::Advance(Box::new(advance), reply));
        answer.await.unwrap_or(Err(Trouble::Gap))
    }

    pub(crate) async fn finish_local(
        &self,
        run_id: &str,
        seq: u64,
        result: Result<Option<Payload>, Failure>,
    ) -> Result<Answer, Trouble> {
        let (reply, answer) = oneshot::channel();
        self.send(run_id, Job::FinishLocal(run_id.to_owned(), seq, result, reply));
        answer.await.unwrap_or(Err(Trouble::Gap))
    }

    pub(crate) fn evict(&self, run_id: &str) {
        self.send(run_id, Job::Evict(run_id.to_owned()));
    }

    pub(crate) fn roll_back(&self, run_id: &str, last_event: i64) {
        self.send(run_id, Job::RollBack(run_id.to_owned(), last_event));
    }
}

struct Cache {
    factories: BTreeMap<String, Arc<dyn Factory>>,
    converter: DataConverter,
    bound: usize,
    /// With when each was used last.
    executions: HashMap<String, (Execution, u64)>,
    tick: u64,
}

impl Cache {
    fn work(mut self, jobs: &mpsc::Receiver<Job>) {
        for job in jobs {
            self.tick += 1;
            match job {
                Job::Advance(advance, reply) => {
                    let run_id = advance.name.run_id.clone();
                    let answer = self.advance(*advance);
                    self.settle(&run_id, &answer);
                    let _ = reply.send(answer);
                }
                Job::FinishLocal(run_id, seq, result, reply) => {
                    let answer = self.finish_local(&run_id, seq, result);
                    self.settle(&run_id, &answer);
                    let _ = reply.send(answer);
                }
                Job::RollBack(run_id, last_event) => {
                    if let Some((execution, _)) = self.executions.get_mut(&run_id) {
                        execution.roll_back(last_event);
                    }
                }
                Job::Evict(run_id) => {
                    self.executions.remove(&run_id);
                }
            }
            metrics::gauge!("sdk_cached_workflows").set(self.executions.len() as f64);
        }
    }

    fn advance(&mut self, advance: Advance) -> Result<Answer, Trouble> {
        let Advance { name, workflow_type, task, queries, afresh } = advance;
        let run_id = name.run_id.clone();
        if afresh {
            self.executions.remove(&run_id);
        }
        if !self.executions.contains_key(&run_id) {
            let Some(factory) = self.factories.get(&workflow_type).cloned() else {
                let known = self.factories.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let message = format!("this worker has no workflow {workflow_type:?}; it has: {known}");
                let cause = WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure;
                return Err(Trouble::Fails(TaskFailure::new(cause, "UnknownWorkflow", message)));
            };
            if task.events.first().is_none_or(|first| first.event_id != 1) {
                return Err(Trouble::Gap);
            }
            self.make_room();
            let execution = Execution::new(&factory, name, self.converter.clone());
            self.executions.insert(run_id.clone(), (execution, self.tick));
        }
        let Some((execution, used)) = self.executions.get_mut(&run_id) else { return Err(Trouble::Gap) };
        *used = self.tick;
        let output = execution.advance(task)?;
        let local = execution.take_local();
        let answer = |query: &WorkflowQuery| {
            answer(execution.query(&query.query_type, query.query_args.as_ref()), &self.converter)
        };
        let query_results = queries.iter().map(|(id, query)| (id.clone(), answer(query))).collect();
        Ok(Answer { output, local, query_results })
    }

    fn finish_local(
        &mut self,
        run_id: &str,
        seq: u64,
        result: Result<Option<Payload>, Failure>,
    ) -> Result<Answer, Trouble> {
        let (execution, used) = self.executions.get_mut(run_id).ok_or(Trouble::Gap)?;
        *used = self.tick;
        let output = execution.finish_local(seq, result)?;
        Ok(Answer { output, local: execution.take_local(), ..Default::default() })
    }

    /// An execution that got into trouble is of no more use.
    fn settle(&mut self, run_id: &str, answer: &Result<Answer, Trouble>) {
        if answer.is_err() {
            self.executions.remove(run_id);
        }
    }

    fn make_room(&mut self) {
        while self.executions.len() >= self.bound.max(1) {
            let oldest = self.executions.iter().min_by_key(|(_, (_, used))| *used).map(|(run_id, _)| run_id.clone());
            let Some(oldest) = oldest else { return };
            self.executions.remove(&oldest);
        }
    }
}

fn answer(result: Result<Payload, Failure>, converter: &DataConverter) -> WorkflowQueryResult {
    match result {
        Ok(payload) => WorkflowQueryResult {
            result_type: QueryResultType::Answered.into(),
            answer: Some(Payloads { payloads: vec![payload] }),
            ..Default::default()
        },
        Err(failure) => WorkflowQueryResult {
            result_type: QueryResultType::Failed.into(),
            error_message: failure.to_string(),
            failure: Some(failure.to_proto(converter)),
            ..Default::default()
        },
    }
}
