//! The threads on which workflow code runs, each with its cache of executions. A run always comes to the same thread.

use super::{
    DYNAMIC, WorkerOptions,
    lane::{Lane, Running, Watched},
    metrics::Metrics,
    strict::{self, Strict},
};
use crate::{
    Failure,
    execution::{Execution, Factory, Name, Output, Progress, Task, TaskFailure, Trouble},
    interceptor::Interceptors,
    runtime::{LocalCall, count_beats, hush, message_of},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tenure_api::{
    common::v1::{Payload, Payloads},
    enums::v1::{EventType, QueryResultType, WorkflowTaskFailedCause},
    history::v1::HistoryEvent,
    query::v1::{WorkflowQuery, WorkflowQueryResult},
};
use tenure_client::{DataConverter, Headers};
use tokio::sync::oneshot;

/// A workflow task, or a query, for a run.
pub(crate) struct Advance {
    pub(crate) name: Arc<Name>,
    pub(crate) workflow_type: String,
    pub(crate) task: Task,
    pub(crate) queries: BTreeMap<String, WorkflowQuery>,
    /// Start over from the first event.
    pub(crate) afresh: bool,
    /// Panics of the code are known: they go to no hook.
    pub(crate) quiet: bool,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct AdvanceResult {
    pub(crate) output: Output,
    /// After a local activity, in place of the output.
    pub(crate) progress: Progress,
    pub(crate) local: Vec<LocalCall>,
    pub(crate) query_results: BTreeMap<String, WorkflowQueryResult>,
    /// Within which the workflow task has to be answered.
    pub(crate) task_timeout: Duration,
}

/// Why nothing came of it.
pub(crate) enum Refused {
    /// The execution is not here, or its events do not follow those that it knows. The task comes back.
    Gap(Option<Box<Advance>>),
    Fails(TaskFailure),
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Gap => Refused::Gap(None),
            Trouble::Fails(failure) => Refused::Fails(failure),
        }
    }
}

type Reply = oneshot::Sender<Result<AdvanceResult, Refused>>;

pub(super) enum Job {
    Advance(Box<Advance>, Reply),
    FinishLocal(Arc<Name>, u64, Result<Option<Payload>, Failure>, Reply),
    Output(Arc<Name>, Reply),
    RollBack(String, i64),
    Evict(String),
}

impl Job {
    /// Whose code runs in it.
    pub(super) fn running(&self) -> Option<Running> {
        match self {
            Job::Advance(advance, _) => {
                Some(Running { name: advance.name.clone(), workflow_type: advance.workflow_type.clone() })
            }
            Job::FinishLocal(name, ..) => Some(Running { name: name.clone(), workflow_type: String::new() }),
            Job::Output(..) | Job::RollBack(..) | Job::Evict(_) => None,
        }
    }
}

/// Counters of the caches of all threads.
#[derive(Default)]
pub(crate) struct CacheStats {
    pub(crate) size: AtomicU64,
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
}

pub(crate) struct Threads {
    pool: Arc<Pool>,
    pub(crate) stats: Arc<CacheStats>,
}

/// The threads, of which one that blocks is replaced.
struct Pool {
    lanes: Vec<Mutex<Arc<Lane>>>,
    /// Runs whose code blocks a thread.
    blocked: Mutex<BTreeSet<String>>,
    plan: Arc<Plan>,
}

/// What a cache is made of.
struct Plan {
    factories: BTreeMap<String, Arc<dyn Factory>>,
    interceptors: Interceptors,
    converter: DataConverter,
    bound: usize,
    stats: Arc<CacheStats>,
    metrics: Arc<Metrics>,
    strict: bool,
}

/// Threads that may be blocked at the same time; beyond, they are not replaced any more.
const MAX_BLOCKED: usize = 64;
/// Deep recursion is a workflow's right: only what it touches costs memory.
const STACK_SIZE: usize = 16 << 20;

impl Pool {
    fn blocked(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self, index: usize) -> MutexGuard<'_, Arc<Lane>> {
        self.lanes[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(self: &Arc<Self>, lane: &Arc<Lane>) {
        let (pool, lane, plan) = (Arc::downgrade(self), lane.clone(), self.plan.clone());
        let name = lane.thread.clone();
        let cache = move || {
            count_beats(&lane.pulse);
            Cache { plan, executions: HashMap::new(), tick: 0, pool }.work(&lane);
        };
        let spawned = thread::Builder::new().name(name).stack_size(STACK_SIZE).spawn(cache);
        spawned.expect("a thread can be started");
    }

    /// Looks after the threads as long as there is a worker.
    fn watch(pool: &Weak<Self>, limit: Duration) {
        let mut watched: Vec<Watched> = Vec::new();
        loop {
            thread::sleep(limit / 8);
            let Some(pool) = pool.upgrade() else { return };
            watched.resize_with(pool.lanes.len(), Watched::new);
            for (index, watched) in watched.iter_mut().enumerate() {
                let lane = pool.lane(index).clone();
                if let Some(running) = watched.blocked(&lane, limit) {
                    pool.replace(index, &lane, &running, limit);
                    *watched = Watched::new();
                }
            }
        }
    }

    /// Lets the others of a thread go on on a new one.
    fn replace(self: &Arc<Self>, index: usize, lane: &Arc<Lane>, running: &Running, limit: Duration) {
        let Running { name, workflow_type } = running;
        let (workflow_id, run_id, thread) = (&name.workflow_id, &name.run_id, &lane.thread);
        {
            let mut blocked = self.blocked();
            if blocked.len() >= MAX_BLOCKED || !blocked.insert(run_id.clone()) {
                return;
            }
            // It may have come to its end just now; from here on, it takes itself out.
            if !lane.is_at(run_id) {
                blocked.remove(run_id);
                return;
            }
        }
        tracing::error!(
            workflow_type,
            workflow_id,
            run_id,
            thread,
            "workflow code has run for {limit:?} without coming to an `.await`: it blocks its thread (a blocking call, a \
             lock, a long computation); put that in an activity"
        );
        let new = Lane::new(lane.thread.clone());
        self.spawn(&new);
        let mut current = self.lane(index);
        *current = new;
        lane.close().into_iter().for_each(|job| current.push(job));
    }
}

impl Threads {
    pub(crate) fn start(
        factories: BTreeMap<String, Arc<dyn Factory>>,
        interceptors: Interceptors,
        converter: DataConverter,
        metrics: Arc<Metrics>,
        options: &WorkerOptions,
    ) -> Self {
        let count = options.workflow_threads.max(1);
        let stats = Arc::<CacheStats>::default();
        let bound = options.cached_workflows.div_ceil(count).max(1);
        let lanes = (0..count).map(|index| Mutex::new(Lane::new(format!("workflows-{index}")))).collect();
        let strict = options.is_strict();
        let plan = Arc::new(Plan { factories, interceptors, converter, bound, stats: stats.clone(), metrics, strict });
        let pool = Arc::new(Pool { lanes, blocked: Mutex::default(), plan });
        for index in 0..count {
            let lane = pool.lane(index).clone();
            pool.spawn(&lane);
        }
        if let Some(limit) = options.deadlock_timeout {
            let pool = Arc::downgrade(&pool);
            let watchdog = move || Pool::watch(&pool, limit.max(Duration::from_millis(100)));
            thread::Builder::new().name("workflows-watch".to_owned()).spawn(watchdog).expect("a thread can be started");
        }
        Threads { pool, stats }
    }

    fn send(&self, run_id: &str, job: Job) {
        let mut hasher = DefaultHasher::new();
        run_id.hash(&mut hasher);
        let index = hasher.finish() as usize % self.pool.lanes.len();
        self.pool.lane(index).push(job);
    }

    pub(crate) async fn advance(&self, advance: Box<Advance>) -> Result<AdvanceResult, Refused> {
        let (reply, answer) = oneshot::channel();
        let name = advance.name.clone();
        self.send(&name.run_id, Job::Advance(advance, reply));
        answer.await.unwrap_or(Err(Refused::Gap(None)))
    }

    pub(crate) async fn finish_local(
        &self,
        name: &Arc<Name>,
        seq: u64,
        result: Result<Option<Payload>, Failure>,
    ) -> Result<AdvanceResult, Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(&name.run_id, Job::FinishLocal(name.clone(), seq, result, reply));
        answer.await.unwrap_or(Err(Refused::Gap(None)))
    }

    /// What a run answers after its local activities.
    pub(crate) async fn output(&self, name: &Arc<Name>) -> Result<Output, Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(&name.run_id, Job::Output(name.clone(), reply));
        answer.await.unwrap_or(Err(Refused::Gap(None))).map(|answer| answer.output)
    }

    pub(crate) fn evict(&self, run_id: &str) {
        self.send(run_id, Job::Evict(run_id.to_owned()));
    }

    pub(crate) fn roll_back(&self, run_id: &str, last_event: i64) {
        self.send(run_id, Job::RollBack(run_id.to_owned(), last_event));
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for index in 0..self.pool.lanes.len() {
            self.pool.lane(index).close();
        }
    }
}

struct Cached {
    execution: Execution,
    factory: Arc<dyn Factory>,
    /// The tick of its last use.
    used: u64,
    /// Local activities that run for it: it must not go.
    locals: usize,
    /// Of a strict worker.
    strict: Option<Strict>,
}

struct Cache {
    plan: Arc<Plan>,
    executions: HashMap<String, Cached>,
    tick: u64,
    pool: Weak<Pool>,
}

impl Cache {
    fn work(mut self, lane: &Lane) {
        while let Some(job) = lane.next() {
            self.tick += 1;
            let began = Instant::now();
            let running = job.running();
            match job {
                Job::Advance(advance, reply) => {
                    let name = advance.name.clone();
                    hush(advance.quiet);
                    let answer = self.guard(&name.run_id, |this| this.advance(advance));
                    hush(false);
                    let _ = reply.send(answer);
                }
                Job::FinishLocal(name, seq, result, reply) => {
                    let answer = self.guard(&name.run_id, |this| this.finish_local(&name.run_id, seq, result));
                    let _ = reply.send(answer);
                }
                Job::Output(name, reply) => {
                    let _ = reply.send(self.guard(&name.run_id, |this| this.output(&name.run_id)));
                }
                Job::RollBack(run_id, last_event) => {
                    if let Some(cached) = self.executions.get_mut(&run_id) {
                        cached.execution.roll_back(last_event);
                    }
                }
                Job::Evict(run_id) => self.remove(&run_id),
            }
            lane.done();
            if let Some(running) = running {
                self.unblocked(&running, began);
            }
        }
        // Another thread has taken its place, or the worker is at its end.
        for run_id in self.executions.keys().cloned().collect::<Vec<_>>() {
            self.remove(&run_id);
        }
    }

    /// Forgets that the run has blocked this thread, if it has.
    fn unblocked(&self, Running { name, workflow_type }: &Running, began: Instant) {
        if self.pool.upgrade().is_some_and(|pool| pool.blocked().remove(&name.run_id)) {
            let (workflow_id, run_id, after) = (&name.workflow_id, &name.run_id, began.elapsed());
            tracing::warn!(workflow_type, workflow_id, run_id, ?after, "workflow code that blocked its thread goes on");
        }
    }

    /// A run whose code blocks another thread must not block this one, too.
    fn check_blocked(&self, run_id: &str) -> Result<(), Refused> {
        if self.pool.upgrade().is_some_and(|pool| pool.blocked().contains(run_id)) {
            let message = "the workflow's code blocks a thread of its worker, since an earlier attempt of this task: it \
                           must come to an `.await` soon; put what takes long in an activity";
            let cause = WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure;
            return Err(Refused::Fails(TaskFailure::new(cause, "Deadlock", message.to_owned())));
        }
        Ok(())
    }

    /// An execution that got into trouble is of no more use, and a panic of any kind fails the task alone.
    fn guard(
        &mut self,
        run_id: &str,
        run: impl FnOnce(&mut Self) -> Result<AdvanceResult, Refused>,
    ) -> Result<AdvanceResult, Refused> {
        let answer = catch_unwind(AssertUnwindSafe(|| run(self))).unwrap_or_else(|panic| {
            let cause = WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure;
            Err(Refused::Fails(TaskFailure::new(cause, "Panic", message_of(&*panic))))
        });
        if answer.is_err() {
            self.remove(run_id);
        }
        answer
    }

    fn advance(&mut self, advance: Box<Advance>) -> Result<AdvanceResult, Refused> {
        let run_id = &advance.name.run_id;
        self.check_blocked(run_id)?;
        if advance.afresh {
            self.remove(run_id);
        }
        match self.executions.get(run_id) {
            Some(cached) if cached.execution.is_continued_by(&advance.task.events) => {
                self.plan.stats.hits.fetch_add(1, Ordering::Relaxed);
                self.plan.metrics.cache_hits.increment(1);
            }
            None if advance.task.events.first().is_some_and(|first| first.event_id == 1) => {
                if advance.task.events.iter().any(is_replay) {
                    self.plan.stats.misses.fetch_add(1, Ordering::Relaxed);
                    self.plan.metrics.cache_misses.increment(1);
                }
                self.insert(&advance)?;
            }
            _ => return Err(Refused::Gap(Some(advance))),
        }
        let Advance { name, task, queries, .. } = *advance;
        let Some(cached) = self.executions.get_mut(&name.run_id) else { return Err(Refused::Gap(None)) };
        cached.used = self.tick;
        let mut again = cached.strict.as_mut().and_then(|strict| strict.note(&task));
        let only_query = task.only_query;
        let output = match cached.execution.advance(task) {
            Ok(output) => output,
            Err(trouble) if only_query => return Err(trouble.into()),
            Err(trouble) => {
                again = None;
                cached.execution.end_with(trouble)?
            }
        };
        if let Some(again) = again {
            let Plan { converter, interceptors, .. } = &*self.plan;
            let factory = &cached.factory;
            strict::run_again(again, &cached.execution, factory, &name, converter, interceptors)
                .map_err(Refused::Fails)?;
        }
        let local = cached.execution.take_local();
        cached.locals += local.len();
        let answer = |query: &WorkflowQuery| {
            let headers = Headers::from_proto(query.header.clone());
            let queried = cached.execution.query(&query.query_type, query.query_args.as_ref(), &headers);
            answer(queried, &self.plan.converter)
        };
        let query_results = queries.iter().map(|(id, query)| (id.clone(), answer(query))).collect();
        let task_timeout = cached.execution.task_timeout();
        Ok(AdvanceResult { output, local, query_results, task_timeout, ..Default::default() })
    }

    fn insert(&mut self, advance: &Advance) -> Result<(), Refused> {
        let workflow_type = &advance.workflow_type;
        let factories = &self.plan.factories;
        let Some(factory) = factories.get(workflow_type).or_else(|| factories.get(DYNAMIC)).cloned() else {
            let known = factories.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let message = format!("this worker has no workflow {workflow_type:?}; it has: {known}");
            let cause = WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure;
            return Err(Refused::Fails(TaskFailure::new(cause, "UnknownWorkflow", message)));
        };
        self.make_room();
        let execution = Execution::new(&factory, (*advance.name).clone(), self.plan.converter.clone())
            .intercepted(&self.plan.interceptors);
        let strict = self.plan.strict.then(Strict::default);
        let cached = Cached { execution, factory, used: self.tick, locals: 0, strict };
        self.executions.insert(advance.name.run_id.clone(), cached);
        self.plan.metrics.cache_size.set(self.plan.stats.size.fetch_add(1, Ordering::Relaxed) as f64 + 1.0);
        Ok(())
    }

    fn finish_local(
        &mut self,
        run_id: &str,
        seq: u64,
        result: Result<Option<Payload>, Failure>,
    ) -> Result<AdvanceResult, Refused> {
        let cached = self.executions.get_mut(run_id).ok_or(Refused::Gap(None))?;
        cached.used = self.tick;
        let progress = cached.execution.finish_local(seq, result)?;
        let local = cached.execution.take_local();
        cached.locals = cached.locals.saturating_sub(1) + local.len();
        Ok(AdvanceResult { progress, local, ..Default::default() })
    }

    fn output(&mut self, run_id: &str) -> Result<AdvanceResult, Refused> {
        let cached = self.executions.get_mut(run_id).ok_or(Refused::Gap(None))?;
        Ok(AdvanceResult { output: cached.execution.output()?, ..Default::default() })
    }

    fn remove(&mut self, run_id: &str) {
        let Some(removed) = self.executions.remove(run_id) else { return };
        self.plan.metrics.cache_size.set(self.plan.stats.size.fetch_sub(1, Ordering::Relaxed) as f64 - 1.0);
        // What the code holds is dropped here.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(removed))) {
            tracing::warn!(run_id, panic = message_of(&*panic), "a workflow panicked while it left the cache");
        }
    }

    fn make_room(&mut self) {
        while self.executions.len() >= self.plan.bound {
            let idle = self.executions.iter().filter(|(_, cached)| cached.locals == 0);
            let oldest = idle.min_by_key(|(_, cached)| cached.used).map(|(run_id, _)| run_id.clone());
            let Some(oldest) = oldest else { return };
            self.remove(&oldest);
            self.plan.metrics.cache_evictions.increment(1);
        }
    }
}

/// Whether the task tells of more than the first workflow task.
fn is_replay(event: &HistoryEvent) -> bool {
    event.event_type() == EventType::WorkflowTaskCompleted
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
