//! The memory of one leader: one value, built from rows at election and dropped when leadership goes.

use crate::{
    home::Home,
    leader::executions::{Engine, Executions, own},
    leader::heartbeats::Heartbeats,
    leader::outbox::Outbox,
    leader::queries::Queries,
    leader::timers::Timers,
    leader::updates::UpdateWaiters,
    leader::waiters::Waiters,
    node::context::NodeContext,
    node::polled::Served,
    options::Options,
    owner::dispatch::Dispatch,
    owner::starts::Starts,
    seam::error::CommandError,
    seam::messages::{Answer, Request},
    seam::query_token::QueryToken,
    seam::replica::{NotLeader, ProposeError, Replica, Rows, ShardId},
    time::clock::Clock,
};
use metrics::{gauge, histogram};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tenure_api::error::Code;
use tenure_engine::{QueueKey, RunKey, ShardCommand, Stamp, WriteSet, rows::ReadError};
use tokio_util::sync::CancellationToken;

const TICK: Duration = Duration::from_millis(500);

/// A leader of one shard in one term.
pub(crate) struct LeaderRuntime {
    pub(crate) shard: ShardId,
    pub(crate) term: u64,
    pub(crate) replica: Arc<dyn Replica>,
    pub(crate) rows: Arc<dyn Rows>,
    pub(crate) node: Arc<NodeContext>,
    pub(crate) options: Options,
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) executions: Executions,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) timers: Timers,
    pub(crate) dispatch: Dispatch,
    pub(crate) outbox: Outbox,
    pub(crate) home: Home,
    pub(crate) waiters: Waiters,
    pub(crate) updates: UpdateWaiters,
    pub(crate) queries: Queries,
    pub(crate) starts: Starts,
    /// System commands run one at a time.
    pub(crate) system: tokio::sync::Mutex<()>,
    /// No majority was heard for a while: what is proposed now may never be committed.
    pub(crate) without_quorum: AtomicBool,
    /// Cancelled when leadership goes; all calls and tasks end with it.
    pub(crate) ended: CancellationToken,
}

/// Why a leader could not come up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error(transparent)]
    Rows(#[from] ReadError),
}

impl LeaderRuntime {
    /// Passes a barrier in the new term, and builds the leader from rows.
    pub(crate) async fn build(
        node: Arc<NodeContext>,
        replica: Arc<dyn Replica>,
        term: u64,
    ) -> Result<Arc<LeaderRuntime>, BuildError> {
        let begin = std::time::Instant::now();
        replica.linearizable().await?;
        let rows = replica.rows();
        let clock = Clock::start(&*rows, node.options.virtual_time.as_ref())?;
        // The new leader's time is on record before anything is told by it; and the entry proves the leadership.
        replica.propose(term, &WriteSet { ops: clock.record().into_iter().collect() }).await?;
        let options = node.options.clone();
        let read = {
            let (rows, mesh, options) = (rows.clone(), node.router.mesh.clone(), options.clone());
            move || {
                if let Some(time) = &options.virtual_time {
                    time.load(&*rows)?;
                }
                let timers = Timers::load(&*rows, options.timer_window)?;
                let outbox = Outbox::load(&*rows, mesh.clone(), options.outbox_window, options.messages_in_flight)?;
                let home = |queue: &QueueKey| mesh.shard_of(queue.slot());
                Ok::<_, ReadError>((timers, outbox, Dispatch::load(&*rows, options.offer_window, home)?))
            }
        };
        let read = tokio::task::spawn_blocking(read).await;
        let (timers, outbox, dispatch) = read.map_err(|e| ReadError::Storage(e.to_string()))??;
        let runtime = LeaderRuntime {
            shard: replica.shard(),
            term,
            replica,
            rows,
            engine: node.engine,
            clock,
            executions: Executions::new(node.states.leader()),
            heartbeats: Heartbeats::default(),
            timers,
            dispatch,
            outbox,
            home: Home::new(),
            waiters: Waiters::default(),
            updates: UpdateWaiters::default(),
            queries: Queries::new(term),
            starts: Starts::default(),
            system: tokio::sync::Mutex::default(),
            without_quorum: AtomicBool::new(false),
            ended: CancellationToken::new(),
            options,
            node,
        };
        histogram!("tenure_shard_leader_build_seconds").record(begin.elapsed());
        Ok(Arc::new(runtime))
    }

    /// Begins to act.
    pub(crate) fn start(self: &Arc<Self>) {
        let on_fatal = &self.options.on_fatal;
        on_fatal.spawn("a leader's timers", self.clone().run_timers());
        on_fatal.spawn("a leader's outbox", self.clone().run_outbox());
        on_fatal.spawn("a leader's ticks", self.clone().run_ticks());
        self.offer_all();
        let runtime = self.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = runtime.expect_recent_starts() {
                tracing::error!(shard = runtime.shard, %error, "recent starts cannot be read; time-outs find the lost");
            }
        });
    }

    /// Leadership went: everything that waits fails with `NotLeader`.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        self.home.give_back();
    }

    pub(crate) fn not_leader(&self) -> NotLeader {
        self.node.router.not_leader(self.shard)
    }

    /// Rows read afterwards show all that was acknowledged before the call.
    pub(crate) async fn barrier(&self) -> Result<(), NotLeader> {
        tokio::select! {
            biased;
            () = self.ended.cancelled() => Err(self.not_leader()),
            passed = self.replica.linearizable() => passed,
        }
    }

    async fn run_ticks(self: Arc<Self>) {
        let shard = self.shard.to_string();
        let backlog = gauge!("tenure_tasks_backlog", "shard" => shard);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.ended.cancelled() => break,
                _ = ticks.tick() => {}
            }
            self.without_quorum.store(!self.replica.has_quorum(), Ordering::Relaxed);
            backlog.set(self.dispatch.len() as f64);
            gauge!("tenure_shard_state_cache_bytes").set(self.node.states.bytes() as f64);
            // Looked at, it tells timers where it has jumped.
            self.clock.now();
            self.tick_starts();
            self.tick_home();
        }
        backlog.set(0.0);
    }

    /// The home of a sticky queue says that nobody polls it.
    pub(crate) async fn sticky_unavailable(
        self: &Arc<Self>,
        tasks: Vec<(RunKey, Stamp)>,
        queries: Vec<QueryToken>,
    ) -> Served {
        for query in queries {
            self.query_sticky_unavailable(&query);
        }
        let moves = tasks.into_iter().map(|(run, stamp)| {
            let command = ShardCommand::StickyUnavailable { run_id: run.run_id, stamp };
            self.execute(own(run.workflow, command))
        });
        for moved in futures::future::join_all(moves).await {
            match moved {
                Ok(_) => {}
                Err(CommandError::NotLeader(not_leader)) => return Served::Answer(Answer::NotLeader(not_leader)),
                Err(CommandError::Api(error)) => tracing::debug!(%error, "a sticky task was not moved"),
            }
        }
        Served::Answer(Answer::Done)
    }
}

impl LeaderRuntime {
    /// Answers what another part of the cluster asks of this leader.
    pub(crate) async fn serve(self: Arc<Self>, request: Request) -> Served {
        match request {
            Request::Offer { owner, offered, revoked, .. } => match self.take_offers(owner, offered, revoked) {
                Ok(()) => Served::Answer(Answer::Done),
                Err(error) => Served::refused(Code::DataLoss, error.to_string()),
            },
            Request::LastPoll { queue, .. } => Served::Answer(Answer::LastPoll(self.home.last_poll(&queue))),
            // The start goes on if its caller dies; then the task finds nobody, and returns.
            Request::Start(start) => match tokio::spawn(async move { self.serve_start(start).await }).await {
                Ok(served) => served,
                Err(error) => Served::refused(Code::Internal, format!("the start ended early: {error}")),
            },
            Request::StartQuery { token, sticky } => self.serve_query_start(token, sticky).await,
            Request::ReturnQuery { token } => self.query_returned(&token),
            Request::StickyUnavailable { tasks, queries, .. } => self.sticky_unavailable(tasks, queries).await,
            Request::Delivered { starts, .. } => {
                self.starts.confirmed(&starts);
                Served::Answer(Answer::Done)
            }
            Request::Return { token, proposal, .. } => self.return_task(token, proposal).await,
            Request::Deliver { from, message, .. } => self.receive(from, message).await,
            Request::Backlog { queue, .. } => match self.dispatch.backlog(&queue, &*self.rows) {
                Ok(tasks) => Served::Answer(Answer::Backlog(tasks)),
                Err(error) => Served::refused(Code::DataLoss, error.to_string()),
            },
            Request::ReadIndex { .. } => match self.replica.linearizable().await {
                Ok(()) => Served::Answer(Answer::ReadIndex(*self.replica.applied().borrow())),
                Err(not_leader) => Served::Answer(Answer::NotLeader(not_leader)),
            },
            Request::AskDelivery { .. } | Request::EndPolls { .. } => {
                Served::refused(Code::Internal, "asked of a leader what a node knows")
            }
            Request::CreateTokenSecret => self.create_token_secret().await,
        }
    }
}
