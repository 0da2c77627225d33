//! What one unit of work is.

use crate::{
    calls::{Calls, Start},
    search::{self, Search},
    shape::{Plan, Shape},
    worker::{Completions, Worker},
};
use clap::ValueEnum;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::task::JoinSet;
use tonic::Code;

/// Workflow ids whose runs replace each other.
const REPLACED: u64 = 20_000;

/// Signals that go to one workflow; servers refuse some more.
const SIGNALS: u64 = 5_000;

/// Signals a second for which there are workflows enough.
const SIGNALS_A_SECOND: f64 = 20_000.0;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Targets that are started at the same time.
const STARTED_AT_ONCE: u64 = 64;

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Kind {
    /// A workflow with activities, from its start to its end; the worker is in this process
    Workflow,
    /// A workflow with a timer; what counts is how much later than due its worker, in this process, has the task
    Timer,
    /// The start of a workflow, and its first task; then it stays open
    Open,
    /// A task of one of the workflows that were started on the queue of this `--name` without a worker
    Drain,
    /// The start of a workflow that no worker takes up
    Start,
    /// The start of a workflow whose first task comes in a month: one that is open and does nothing
    Asleep,
    /// The start of a workflow that ends the one before it under the same id: closed runs without a worker
    Replace,
    /// A signal to one of several workflows that no worker takes up
    Signal,
    /// An update of one of several workflows, until it is complete
    Update,
    /// A query of one of several workflows
    Query,
    /// The start of a workflow of one of 20 types with one of 5,000 values of the attribute `Customer`, and for nine of ten
    /// its end: what `list` and `count` look for
    Catalogue,
    /// A page of the list of a query
    List,
    /// The count of a query
    Count,
    /// A schedule that acts once, at `--at`: it starts a workflow of the type `burst` that no worker takes up
    Schedule,
}

pub struct Work {
    kind: Kind,
    /// Unlike any other load's, unless it was told.
    name: String,
    calls: Calls,
    search: Search,
    targets: u64,
    next: AtomicU64,
    eager: bool,
    worker: Worker,
    completions: Arc<Completions>,
}

impl Work {
    pub fn new(kind: Kind, name: Option<String>, calls: Calls, shape: Shape, search: Search, targets: u64) -> Work {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let name = name.unwrap_or_else(|| format!("load-{}", now.as_millis()));
        let completions = Arc::new(Completions::default());
        let plan = match kind {
            Kind::Timer => shape.timer(),
            Kind::Open | Kind::Update | Kind::Query => Plan::Open,
            Kind::Drain => Plan::Sequence(0),
            _ => shape.plan(),
        };
        let worker = Worker::new(&calls, &name, plan, &shape, completions.clone());
        let next = AtomicU64::new(0);
        Work { kind, name, calls, search, targets: targets.max(1), next, eager: shape.eager, worker, completions }
    }

    /// Starts what the units of so many seconds need: a worker, and the workflows that are called.
    pub async fn prepare(self: &Arc<Self>, pollers: usize, seconds: f64) -> anyhow::Result<()> {
        match self.kind {
            Kind::Workflow | Kind::Timer | Kind::Open | Kind::Drain => self.worker.spawn(&self.calls, pollers),
            Kind::Signal => {
                let generations = (seconds * SIGNALS_A_SECOND / (SIGNALS * self.targets) as f64).ceil() as u64;
                self.start_targets(generations.max(1) * self.targets).await?;
            }
            Kind::Update | Kind::Query => {
                self.worker.spawn(&self.calls, pollers);
                self.start_targets(self.targets).await?;
            }
            Kind::Start
            | Kind::Asleep
            | Kind::Replace
            | Kind::Catalogue
            | Kind::List
            | Kind::Count
            | Kind::Schedule => {}
        }
        Ok(())
    }

    /// Does one unit; answers how long it took, where that is not the time from its beginning to its end.
    pub async fn unit(&self) -> Result<Option<Duration>, Code> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", self.name);
        let nothing_special = Start::default();
        match self.kind {
            Kind::Workflow | Kind::Open => self.workflow(number, id).await.map(drop),
            Kind::Timer => return self.workflow(number, id).await.map(Some),
            Kind::Drain => self.completions.unexpected(self.calls.deadline).await,
            Kind::Start => self.calls.start(number, id, &self.name, nothing_special).await.map(drop),
            Kind::Asleep => self
                .calls
                .start(number, id, &self.name, Start { delay: Some(MONTH), ..nothing_special })
                .await
                .map(drop),
            Kind::Replace => self.replace(number).await,
            Kind::Signal => self.calls.signal(number, self.signaled(number), id).await,
            Kind::Update => self.calls.update(number, self.target(number % self.targets), id).await,
            Kind::Query => self.calls.query(number, self.target(number % self.targets)).await,
            Kind::Catalogue => self.catalogue(number, id).await,
            Kind::List => self.calls.list(number, &self.search).await,
            Kind::Count => self.calls.count(number, &self.search).await,
            Kind::Schedule => self.calls.schedule(number, id, self.search.at).await,
        }
        .map(|()| None)
    }

    /// Answers how late its timer was, if it had one.
    async fn workflow(&self, number: u64, id: String) -> Result<Duration, Code> {
        let ended = self.completions.expect(&id);
        let start = Start { eager: self.eager, ..Default::default() };
        let started = self.calls.start(number, id, &self.name, start).await?;
        if let Some(task) = started.eager_workflow_task {
            self.worker.take_up(task);
        }
        ended.within(self.calls.deadline).await
    }

    async fn replace(&self, number: u64) -> Result<(), Code> {
        let id = format!("{}-{}", self.name, number % REPLACED);
        let start = Start { replace: true, ..Default::default() };
        self.calls.start(number, id, &self.name, start).await.map(drop)
    }

    async fn catalogue(&self, number: u64, id: String) -> Result<(), Code> {
        let start = Start { catalogued: true, ..Default::default() };
        self.calls.start(number, id.clone(), &self.name, start).await?;
        if search::stays_open(number) { Ok(()) } else { self.calls.terminate(number, id).await }
    }

    async fn start_targets(self: &Arc<Self>, count: u64) -> anyhow::Result<()> {
        let mut loops = JoinSet::new();
        for first in 0..STARTED_AT_ONCE.min(count) {
            let work = self.clone();
            loops.spawn(async move {
                for number in (first..count).step_by(STARTED_AT_ONCE as usize) {
                    work.start_target(number).await?;
                }
                Ok(())
            });
        }
        loops
            .join_all()
            .await
            .into_iter()
            .collect::<Result<(), Code>>()
            .map_err(|code| anyhow::anyhow!("a start failed: {code:?}"))
    }

    async fn start_target(&self, number: u64) -> Result<(), Code> {
        let id = self.target(number);
        if self.kind == Kind::Signal {
            return self.calls.start(number, id, &self.name, Start::default()).await.map(drop);
        }
        let opened = self.completions.expect(&id);
        self.calls.start(number, id, &self.name, Start::default()).await?;
        opened.within(self.calls.deadline).await.map(drop)
    }

    fn target(&self, number: u64) -> String {
        format!("{}-target-{number}", self.name)
    }

    /// The targets take turns until they have had their fill; then there are others.
    fn signaled(&self, number: u64) -> String {
        let generation = number / (SIGNALS * self.targets);
        self.target(generation * self.targets + number % self.targets)
    }
}
