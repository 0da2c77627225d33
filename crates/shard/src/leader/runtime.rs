//! The memory of one leader: one value, built from rows at election and dropped when leadership goes.

use crate::{
    home::{Home, workers::Workers},
    leader::{
        activities::Activities,
        admission::Admission,
        batches::{Batches, Operations},
        context::{BuildError, LeaderContext},
        executions::{Effects, Executions},
        fill::Fill,
        forget::Forget,
        history::Histories,
        outbox::{Outbox, OutboxWindow},
        questions::Questions,
        reclaim::Reclaims,
        system::System,
        timers::{TimerWindow, Timers},
        updates::Updates,
        waiters::Waiters,
    },
    node::{context::NodeContext, idle_polls::TakenPoll, polled::Served},
    owner::{
        Owner,
        windows::{ReadyWindows, WindowSize},
    },
    seam::{
        messages::{Answer, Request},
        replica::{Replica, SYSTEM_SHARD},
    },
};
use metrics::{counter, gauge, histogram};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tenure_api::error::Code;
use tenure_engine::{
    Effect, QueueKey, Reply,
    rows::{ReadError, TimerTable},
    transition::Acted,
};

const TICK: Duration = Duration::from_millis(500);

/// A leader of one shard in one term.
pub(crate) struct LeaderRuntime {
    pub(crate) context: Arc<LeaderContext>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) system: Arc<System>,
    pub(crate) histories: Histories,
    pub(crate) activities: Activities,
    pub(crate) updates: Updates,
    pub(crate) owner: Owner,
    pub(crate) home: Arc<Home>,
    workers: Arc<Workers>,
    fill: Arc<Fill>,
    pub(crate) batches: Arc<Batches>,
    operations: Operations,
    reclaims: Arc<Reclaims>,
    forget: Arc<Forget>,
    questions: Arc<Questions>,
    timers: Arc<Timers>,
    schedules: Arc<Timers>,
    outbox: Arc<Outbox>,
    waiters: Arc<Waiters>,
}

/// What a leader holds of its rows from the beginning.
struct Loaded {
    timers: TimerWindow,
    schedules: TimerWindow,
    outbox: OutboxWindow,
    ready: ReadyWindows,
}

impl Loaded {
    fn load(context: &LeaderContext) -> Result<Loaded, ReadError> {
        let (rows, options, mesh) = (&*context.rows, context.options(), &context.router().mesh);
        context.clock.load(rows)?;
        let home = |queue: &QueueKey| mesh.shard_of(queue.slot());
        let share = |total| context.node.leaders.share(total);
        let ready = WindowSize { queue: options.queue_window, all: share(options.offer_window) };
        Ok(Loaded {
            timers: TimerWindow::load(rows, TimerTable::Others, share(options.timer_window))?,
            schedules: TimerWindow::load(rows, TimerTable::Schedules, share(options.timer_window))?,
            outbox: OutboxWindow::load(rows, mesh.clone(), share(options.outbox_window), options.messages_in_flight)?,
            ready: ReadyWindows::load(rows, ready, home)?,
        })
    }
}

impl LeaderRuntime {
    /// Passes a barrier in the new term, and builds the leader from rows.
    pub(crate) async fn build(
        node: Arc<NodeContext>,
        replica: Arc<dyn Replica>,
        term: u64,
    ) -> Result<Arc<LeaderRuntime>, BuildError> {
        let begin = std::time::Instant::now();
        let context = LeaderContext::establish(node, replica, term).await?;
        let reading = context.clone();
        let loaded = tokio::task::spawn_blocking(move || Loaded::load(&reading)).await;
        let loaded = loaded.map_err(|e| ReadError::Storage(e.to_string()))??;
        let runtime = Arc::new_cyclic(|leader| LeaderRuntime::new(context, loaded, leader));
        histogram!("tenure_shard_leader_build_seconds").record(begin.elapsed());
        Ok(runtime)
    }

    fn new(context: Arc<LeaderContext>, loaded: Loaded, leader: &Weak<LeaderRuntime>) -> LeaderRuntime {
        let effects: Weak<dyn Effects> = leader.clone();
        let executions = Arc::new(Executions::new(context.clone(), effects));
        let admission = Arc::new(Admission::new(context.clone(), executions.clone()));
        let waiters = Arc::new(Waiters::default());
        let fill = Arc::new(Fill::new(context.clone(), executions.clone()));
        let owner = Owner::new(context.clone(), executions.clone(), loaded.ready, waiters.clone());
        let system = Arc::new(System::new(context.clone(), executions.clone()));
        let workers = Arc::new(Workers::new(&context));
        let timers = |of, window| Arc::new(Timers::new(context.clone(), executions.clone(), of, window));
        LeaderRuntime {
            forget: Arc::new(Forget::new(context.clone(), system.clone())),
            reclaims: Arc::new(Reclaims::new(context.clone(), executions.clone())),
            system,
            histories: Histories::new(context.clone(), waiters.clone()),
            activities: Activities::new(context.clone(), waiters.clone()),
            updates: Updates::new(context.clone(), admission.clone()),
            questions: Arc::new(Questions::new(context.clone(), owner.dispatch.clone(), fill.clone(), workers.clone())),
            fill,
            batches: Arc::new(Batches::new(context.clone(), executions.clone())),
            operations: Operations::new(context.clone(), admission.clone()),
            owner,
            home: Arc::new(Home::new(context.clone())),
            workers,
            timers: timers(TimerTable::Others, loaded.timers),
            schedules: timers(TimerTable::Schedules, loaded.schedules),
            outbox: Arc::new(Outbox::new(context.clone(), executions, loaded.outbox)),
            admission,
            waiters,
            context,
        }
    }

    /// Begins to act.
    pub(crate) fn start(self: &Arc<Self>) {
        let on_fatal = &self.context.options().on_fatal;
        on_fatal.spawn("a leader's timers", self.timers.clone().run());
        on_fatal.spawn("a leader's schedules", self.schedules.clone().run());
        on_fatal.spawn("a leader's outbox", self.outbox.clone().run());
        on_fatal.spawn("a leader's ticks", self.clone().run_ticks());
        if self.context.shard == SYSTEM_SHARD {
            on_fatal.spawn("the end of namespaces", self.forget.clone().run());
        } else {
            on_fatal.spawn("a leader's filling of lists", self.fill.clone().run());
            on_fatal.spawn("a leader's removal of namespaces", self.reclaims.clone().run());
        }
        self.context.node.homes.open(self.context.shard, self.context.term, self.home.clone());
        self.owner.start();
    }

    /// Leadership went: everything that waits fails with `NotLeader`.
    pub(crate) fn end(&self) {
        self.context.ended.cancel();
        self.context.node.homes.close(self.context.shard, self.context.term);
        self.home.give_back();
    }

    async fn run_ticks(self: Arc<Self>) {
        let shard = self.context.shard.to_string();
        let backlog = gauge!("tenure_tasks_backlog", "shard" => shard);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.context.ended.cancelled() => break,
                _ = ticks.tick() => {}
            }
            self.admission.tick();
            backlog.set(self.owner.dispatch.ready.len() as f64);
            gauge!("tenure_shard_state_cache_bytes").set(self.context.node.states.bytes() as f64);
            // Looked at, it tells timers where it has jumped.
            self.context.clock.now();
            self.owner.starts.tick();
            self.home.tick();
            self.workers.tick();
        }
        self.workers.end();
        backlog.set(0.0);
    }

    /// Answers what another part of the cluster asks of this leader.
    pub(crate) async fn serve(self: Arc<Self>, request: Request) -> Served {
        match request {
            Request::Offer { owner, offered, revoked, .. } => match self.home.take_offers(owner, offered, revoked) {
                Ok(()) => Served::Answer(Answer::Done),
                Err(error) => Served::refused(Code::DataLoss, error.to_string()),
            },
            Request::CheckOffers { offers, .. } => Served::Answer(Answer::Missing(self.home.missing(offers))),
            Request::WorkersSaid { namespace, heartbeats, .. } => {
                self.workers.heard(namespace, &heartbeats);
                Served::Answer(Answer::Done)
            }
            Request::Dispatched { tasks, .. } => {
                self.home.dispatched(tasks);
                Served::Answer(Answer::Done)
            }
            Request::LastPoll { queue, .. } => Served::Answer(self.home.last_poll(&queue).into()),
            // The start goes on if its caller dies; then the task finds nobody, and returns.
            Request::Start(start) => match tokio::spawn(async move { self.owner.starts.serve(start).await }).await {
                Ok(served) => served,
                Err(error) => Served::refused(Code::Internal, format!("the start ended early: {error}")),
            },
            Request::StartQuery { token, sticky } => self.owner.queries.serve_start(token, sticky).await,
            Request::ReturnQuery { token } => self.owner.queries.returned(&token),
            Request::StickyUnavailable { tasks, queries, .. } => self.owner.sticky_unavailable(tasks, queries).await,
            Request::Confirm { starts, .. } => {
                self.owner.starts.confirmed(&starts);
                Served::Answer(Answer::Done)
            }
            Request::Return { token, proposal, .. } => self.owner.starts.return_task(token, proposal).await,
            Request::Receive { from, message, .. } => self.outbox.receive(from, message).await,
            Request::Backlog { queue, .. } => self.questions.serve_backlog(queue).await,
            Request::Step(request) => self.questions.serve(request).await,
            Request::Operate(request) => self.operations.serve(request).await,
            Request::CurrentRun { workflow, of, .. } => {
                self.operations.serve_current_run(&workflow, of.unwrap_or_default()).await
            }
            Request::ReadIndex { .. } => match self.context.replica.linearizable().await {
                Ok(()) => Served::Answer(Answer::ReadIndex(*self.context.replica.applied().borrow())),
                Err(not_leader) => Served::Answer(Answer::NotLeader(not_leader)),
            },
            Request::Steps(_)
            | Request::CheckHandover { .. }
            | Request::EndPolls { .. }
            | Request::LendPolls { .. }
            | Request::RecallPolls { .. }
            | Request::KnownLevel
            | Request::FollowSystem { .. } => Served::refused(Code::Internal, "asked of a leader what a node knows"),
            Request::CreateTokenSecret => self.system.create_token_secret().await,
            Request::RaiseLevel => self.system.raise_level().await,
        }
    }
}

impl Effects for LeaderRuntime {
    fn started(&self, reply: Reply, queue: &QueueKey, poll: TakenPoll) {
        self.owner.starts.started_for(reply, queue, poll);
    }

    fn act(&self, effect: Effect) {
        match effect {
            Effect::TimerArmed { subject, due } => match TimerTable::of(&subject) {
                TimerTable::Schedules => self.schedules.armed(subject, due),
                TimerTable::Others => self.timers.armed(subject, due),
            },
            Effect::TaskReady(task) => self.owner.dispatch.task_ready(task),
            Effect::TaskGone { queue, stamp } => self.owner.dispatch.task_gone(&queue, stamp),
            Effect::HistoryGrew { run, next_event_id, closed } => self.waiters.grew(&run.into(), next_event_id, closed),
            Effect::ActivityAdvanced { run, transitions, ended } => self.waiters.grew(&run, transitions, ended),
            Effect::OutboxReady(entry) => self.outbox.ready(entry),
            Effect::QueriesAnswered { run, results } => self.owner.queries.workflow_task_completed(&run, results),
            Effect::WorkflowTaskEnded { run } => self.owner.queries.workflow_task_ended(&run),
            Effect::UpdateAdvanced { run, update_id, admission, status } => {
                self.updates.advanced(run, update_id, admission, status);
            }
            Effect::BatchChanged { job, running } => self.batches.changed(job, running),
            Effect::ScheduleActed(Acted { late, missed }) => {
                counter!("tenure_schedule_times_missed_total").increment(missed);
                for late in late {
                    histogram!("tenure_schedule_start_lateness_seconds").record(late);
                }
            }
            Effect::QueueConfigured { queue, config } => self.home.configured(&queue, &config),
        }
    }
}
