//! One command at a time per workflow id, or whatever else commands are for: a lane for each that is busy. The commands
//! that queue up while an entry is on its way are run together into the next one. Different lanes never wait for each
//! other.

use crate::{
    leader::{
        cache::LeaderStates,
        context::LeaderContext,
        entries::{Entries, Part},
        overlay::Overlay,
    },
    node::idle_polls::TakenPoll,
    seam::{error::CommandError, messages::new_proposal_id},
    time::virtual_time::InFlight,
};
use futures::future::join_all;
use parking_lot::Mutex;
use rand::Rng;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use tenure_api::error::ApiError;
use tenure_engine::{
    Effect, Envelope, HistoryCopy, Ids, Lane, Process, QueueKey, Reply, ShardCommand, Stamp, TaskKind, Transition,
    WriteSet,
    command::StartTask,
    rows::ReadyTask,
    search_attributes::Registry,
    subject::WrittenState,
    transition::{Context, Refused, answer_of_reclaimed},
};
use tenure_limits::{BATCH_COMMANDS, ENTRY};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use uuid::Uuid;

/// What a command is answered with.
type CommandResult = Result<Reply, CommandError>;

/// Stamps that one entry may draw.
const STAMPS: u64 = 1 << 20;

/// Runs the commands of one leader.
pub(crate) struct Executions {
    context: Arc<LeaderContext>,
    entries: Arc<Entries>,
    effects: Weak<dyn Effects>,
    lanes: Mutex<Lanes>,
    cache: LeaderStates,
    stamps: AtomicU64,
}

/// Acts on what an entry brought about, after it was applied and before its commands are answered. Nothing is lost when
/// nobody does.
pub(crate) trait Effects: Send + Sync {
    /// Acts on a hint of the engine.
    fn act(&self, effect: Effect);

    /// A task was started for a poll in the entry that made it: the poll is to be answered.
    fn started(&self, reply: Reply, queue: &QueueKey, poll: TakenPoll);
}

type Lanes = HashMap<Lane, VecDeque<Waiting>>;

struct Waiting {
    envelope: Envelope,
    reply: oneshot::Sender<CommandResult>,
    in_flight: Option<InFlight>,
}

/// The commands of one entry, before it is applied.
#[derive(Default)]
struct Evaluated {
    writes: WriteSet,
    /// What they take in the entry, at the most.
    bytes: usize,
    /// True if a command other than a heartbeat is among them.
    urgent: bool,
    states: Vec<WrittenState>,
    effects: Vec<Effect>,
    replies: Vec<(oneshot::Sender<CommandResult>, CommandResult)>,
    /// Tasks that the entry makes and starts, with their queues and the polls that get them.
    started: Vec<(Reply, QueueKey, TakenPoll)>,
    /// Keep time from skipping until the commands are answered.
    in_flight: Vec<InFlight>,
    /// History to be copied first.
    copy: Option<HistoryCopy>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Evaluated {
    fn has_no_room_for(&self, transition: &Transition) -> bool {
        self.bytes > 0 && self.bytes + transition.writes.size() > ENTRY
    }

    /// Puts a transition behind the others, and gives its reply.
    fn take_in(&mut self, transition: Transition, overlay: &mut Overlay<'_>) -> Reply {
        self.bytes += transition.writes.size();
        overlay.put(&transition);
        self.writes.ops.extend(transition.writes.ops);
        self.states.extend(transition.states);
        self.effects.extend(transition.effects);
        self.copy = transition.copy;
        transition.reply
    }

    /// The tasks that are ready once all is applied, of those that were made.
    fn ready_tasks(&self) -> Vec<ReadyTask> {
        let gone = self.gone_tasks();
        let made = self.effects.iter().filter_map(|effect| match effect {
            Effect::TaskReady(task) if !gone.contains(&task.stamp) => Some(task.clone()),
            _ => None,
        });
        made.collect()
    }

    fn gone_tasks(&self) -> HashSet<Stamp> {
        let gone = self.effects.iter().filter_map(|effect| match effect {
            Effect::TaskGone { stamp, .. } => Some(*stamp),
            _ => None,
        });
        gone.collect()
    }

    /// Of a task that comes and goes within the entry nobody has to hear, and rows that are written twice are written once.
    fn forget_what_comes_and_goes(&mut self) {
        if self.replies.len() + self.started.len() < 2 {
            return;
        }
        let mut gone = self.gone_tasks();
        let made: HashSet<Stamp> = self
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::TaskReady(task) => Some(task.stamp),
                _ => None,
            })
            .collect();
        gone.retain(|stamp| made.contains(stamp));
        self.effects.retain(|effect| match effect {
            Effect::TaskReady(ReadyTask { stamp, .. }) | Effect::TaskGone { stamp, .. } => !gone.contains(stamp),
            _ => true,
        });
        self.writes.squash();
    }
}

/// Wraps a command of the leader's own.
pub(crate) fn own(lane: impl Into<Lane>, command: ShardCommand) -> Envelope {
    Envelope { lane: lane.into(), proposal: new_proposal_id(), origin: Process::default(), command }
}

impl Executions {
    pub(crate) fn new(context: Arc<LeaderContext>, effects: Weak<dyn Effects>) -> Self {
        Executions {
            entries: Arc::new(Entries::new(context.clone())),
            effects,
            lanes: Mutex::default(),
            cache: context.node.states.leader(),
            stamps: AtomicU64::new(0),
            context,
        }
    }

    /// Commands of a lane that wait for those before them.
    pub(crate) fn waiting(&self, lane: &Lane) -> usize {
        self.lanes.lock().get(lane).map_or(0, VecDeque::len)
    }

    /// Waits for the commands that are in such lanes now.
    pub(crate) async fn drain(self: &Arc<Self>, such: impl Fn(&Lane) -> bool) {
        let lanes: Vec<Lane> = self.lanes.lock().keys().filter(|lane| such(lane)).cloned().collect();
        // A command of nothing, behind them.
        let last = |lane| self.execute(own(lane, ShardCommand::ListRun { run_id: Uuid::nil() }));
        join_all(lanes.into_iter().map(last)).await;
    }

    /// Commands that nobody waits for any more, and that did not run yet, never do.
    pub(crate) fn forget_abandoned(&self, lane: &Lane) {
        if let Some(lane) = self.lanes.lock().get_mut(lane) {
            lane.retain(|waiting| !waiting.reply.is_closed());
        }
    }

    /// Ids for the commands of one entry.
    pub(crate) fn ids(&self) -> Ids {
        let counter = self.stamps.fetch_add(STAMPS, Ordering::Relaxed);
        Ids::new(rand::rng().random(), Stamp { term: self.context.term, counter })
    }

    /// Runs a command after those of the same lane that came before it, and answers once its entry is
    /// applied. The command goes on if the future is dropped; one of a client only if it has begun.
    pub(crate) async fn execute(self: &Arc<Self>, envelope: Envelope) -> Result<Reply, CommandError> {
        let (reply, answer) = oneshot::channel();
        let in_flight = self.context.clock.command();
        self.enqueue(Waiting { envelope, reply, in_flight });
        tokio::select! {
            biased;
            answer = answer => answer.unwrap_or_else(|_| Err(ApiError::internal("the command was dropped").into())),
            () = self.context.ended.cancelled() => Err(self.context.not_leader().into()),
        }
    }

    fn enqueue(self: &Arc<Self>, command: Waiting) {
        use std::collections::hash_map::Entry;
        let lane = command.envelope.lane.clone();
        match self.lanes.lock().entry(lane.clone()) {
            Entry::Occupied(mut waiting) => waiting.get_mut().push_back(command),
            Entry::Vacant(place) => {
                place.insert(VecDeque::from([command]));
                tokio::spawn(self.clone().run_lane(lane));
            }
        }
    }

    async fn run_lane(self: Arc<Self>, lane: Lane) {
        let end = LaneEnd { executions: &self, lane: &lane };
        loop {
            let evaluated = self.clone().evaluate_next(&lane).await;
            if evaluated.replies.is_empty() {
                let mut lanes = self.lanes.lock();
                if lanes.get(&lane).is_none_or(VecDeque::is_empty) {
                    lanes.remove(&lane);
                    // The lane is closed under the lock; the next command opens a new one, which is not ours to end.
                    std::mem::forget(end);
                    return;
                }
                continue;
            }
            self.commit(evaluated).await;
        }
    }

    /// [`Executions::evaluate`], off the async workers where it may take long.
    async fn evaluate_next(self: Arc<Self>, lane: &Lane) -> Evaluated {
        let next = |lanes: &Lanes| lanes.get(lane)?.front().map(|waiting| reads_all(&waiting.envelope.command));
        if next(&self.lanes.lock()) != Some(true) {
            return self.evaluate(lane);
        }
        // A few at once on a node: each may hold much in memory.
        let permit = self.context.node.long_commands.clone().acquire_owned().await.ok();
        let (executions, lane) = (self.clone(), lane.clone());
        match tokio::task::spawn_blocking(move || executions.evaluate(&lane)).await {
            Ok(evaluated) => Evaluated { _permit: permit, ..evaluated },
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process is ending.
                Err(_) => Evaluated::default(),
            },
        }
    }

    /// The next command of the lane, if it may share an entry with `before` others.
    fn next_command(&self, lane: &Lane, before: usize) -> Option<Waiting> {
        let mut lanes = self.lanes.lock();
        let waiting = lanes.get_mut(lane)?;
        let waits = before > 0 && waiting.front().is_some_and(|next| reads_all(&next.envelope.command));
        if waits { None } else { waiting.pop_front() }
    }

    /// Runs commands one after the other over a common overlay, and starts what they made for a poll that waits on this
    /// node. They are taken one by one, so that a large entry leaves the rest for the next.
    fn evaluate(&self, lane: &Lane) -> Evaluated {
        let mut evaluated = Evaluated::default();
        let mut overlay = Overlay::new(&*self.context.rows, &self.cache);
        let mut ids = self.ids();
        while evaluated.bytes < self.context.options().batch_bytes
            && evaluated.replies.len() < BATCH_COMMANDS
            && evaluated.copy.is_none()
            && let Some(Waiting { envelope, reply, in_flight }) = self.next_command(lane, evaluated.replies.len())
        {
            let outcome = match self.answer_of_reclaimed(&envelope) {
                Some(answer) => answer.map(unchanged).map_err(Refused::from),
                None => self.transition(&overlay, &envelope, &mut ids),
            };
            let result = match outcome {
                Ok(transition) if evaluated.has_no_room_for(&transition) => {
                    // It is run again as the first of the next entry: nothing of it has happened.
                    let waiting = Waiting { envelope, reply, in_flight };
                    if let Some(lane) = self.lanes.lock().get_mut(lane) {
                        lane.push_front(waiting);
                    }
                    break;
                }
                Ok(transition) => match evaluated.take_in(transition, &mut overlay) {
                    Reply::Failed(error) => Err(error.into()),
                    reply => Ok(reply),
                },
                Err(refused) => Err(refused.into()),
            };
            evaluated.in_flight.extend(in_flight);
            evaluated.urgent |= is_urgent(&envelope.command);
            evaluated.replies.push((reply, result));
        }
        self.start_at_once(lane, &mut evaluated, &mut overlay, &mut ids);
        evaluated
    }

    fn transition(&self, overlay: &Overlay<'_>, envelope: &Envelope, ids: &mut Ids) -> Result<Transition, Refused> {
        let namespace = self.context.node.system.by_id(envelope.lane.namespace);
        let unknown = Registry::default();
        let mut context = Context {
            now: self.context.clock.now(),
            ids,
            limits: &self.context.options().limits,
            level: self.context.level(),
            retention: namespace.as_ref().and_then(|namespace| namespace.retention()),
            search_attributes: namespace.as_ref().map_or(&unknown, |namespace| &namespace.search_attributes),
            origin: envelope.origin,
        };
        (self.context.node.engine)(overlay, envelope, &mut context)
    }

    /// Starts the tasks that the entry makes, where a poll waits for them on this node: they need no entry of their own for
    /// that, and nobody is asked.
    fn start_at_once(&self, lane: &Lane, evaluated: &mut Evaluated, overlay: &mut Overlay<'_>, ids: &mut Ids) {
        if evaluated.copy.is_some() || self.context.node.known_token_key().is_none() {
            return;
        }
        for task in evaluated.ready_tasks() {
            if task.lane() != *lane {
                continue;
            }
            let Some(poll) = self.context.node.take_idle_poll(&task.queue) else { continue };
            let start = StartTask::of(&task, poll.poll.clone());
            let command = match task.queue.kind {
                TaskKind::Workflow => ShardCommand::StartWorkflowTask(start),
                TaskKind::Activity => ShardCommand::StartActivityTask(start),
            };
            // What is refused, or has no room, waits for a start as any other task, and the poll as any other poll.
            match self.transition(overlay, &own(lane.clone(), command), ids) {
                Ok(started) if !evaluated.has_no_room_for(&started) && !matches!(started.reply, Reply::Failed(_)) => {
                    let reply = evaluated.take_in(started, overlay);
                    evaluated.started.push((reply, task.queue, poll));
                }
                _ => {}
            }
        }
        evaluated.forget_what_comes_and_goes();
    }

    /// The answer to a command in a namespace that was deleted, if it comes to nothing there.
    fn answer_of_reclaimed(&self, envelope: &Envelope) -> Option<Result<Reply, ApiError>> {
        self.context.reclaimed.get(envelope.lane.namespace)?;
        answer_of_reclaimed(&envelope.command)
    }

    /// Replicates what the commands wrote; then acts on the effects, and answers.
    async fn commit(self: &Arc<Self>, evaluated: Evaluated) {
        let Evaluated { writes, urgent, states, effects, replies, started, in_flight: _in_flight, copy, .. } =
            evaluated;
        let copied = match &copy {
            Some(copy) => self.copy_history(copy).await,
            None => Ok(()),
        };
        let committed = if copied.is_err() {
            copied
        } else if writes.ops.is_empty() {
            // Nothing to replicate, but the answers rest on rows: they hold if this node still leads.
            self.context.replica.linearizable().await.map_err(CommandError::from)
        } else {
            let part = Part { writes: writes.clone(), commands: replies.len(), urgent };
            self.entries.propose(part).await.map_err(CommandError::from)
        };
        if let Err(error) = committed {
            let error = match error {
                CommandError::NotLeader(_) => self.context.not_leader().into(),
                error => error,
            };
            if let Some(copy) = copy {
                // What was copied is removed by and by.
                let removal = Effect::TimerArmed { subject: (&copy.to).into(), due: Some(copy.expires()) };
                self.act_on([removal]);
            }
            for (reply, _) in replies {
                _ = reply.send(Err(error.clone()));
            }
            return;
        }
        self.context.clock.committed(&writes, &states);
        self.cache.applied(&writes, states);
        self.context.changes.seen(&writes);
        self.act_on(effects);
        if let Some(leader) = self.effects.upgrade() {
            for (reply, queue, poll) in started {
                leader.started(reply, &queue, poll);
            }
        }
        for (reply, result) in replies {
            _ = reply.send(result);
        }
    }

    /// Replicates what a new run begins with, piece by piece; nobody knows of the rows yet.
    async fn copy_history(&self, copy: &HistoryCopy) -> Result<(), CommandError> {
        let mut begin = HistoryCopy::BEGIN;
        while let Some((mut writes, next)) = copy.piece(&*self.context.rows, begin)? {
            self.context.propose(&mut writes).await?;
            begin = next;
        }
        Ok(())
    }

    /// Has what an entry brought about acted on, while the leader is there.
    fn act_on(&self, effects: impl IntoIterator<Item = Effect>) {
        let Some(leader) = self.effects.upgrade() else { return };
        for effect in effects {
            leader.act(effect);
        }
    }
}

/// Ends a lane, however its task ends; what still waits in it is answered by the drop of its sender.
struct LaneEnd<'a> {
    executions: &'a Executions,
    lane: &'a Lane,
}

impl Drop for LaneEnd<'_> {
    fn drop(&mut self) {
        if let Some(left) = self.executions.lanes.lock().remove(self.lane)
            && !left.is_empty()
        {
            tracing::error!(lane = %self.lane, commands = left.len(), "a lane ended early");
        }
    }
}

fn unchanged(reply: Reply) -> Transition {
    Transition { reply, writes: WriteSet::default(), states: Vec::new(), effects: Vec::new(), copy: None }
}

/// The command reads whole histories. It runs alone, because what it has others read is copied ahead of its entry.
fn reads_all(command: &ShardCommand) -> bool {
    matches!(command, ShardCommand::ResetWorkflow(_))
}

/// Heartbeats may wait for an entry that is on its way.
fn is_urgent(command: &ShardCommand) -> bool {
    !matches!(command, ShardCommand::HeartbeatActivity { .. })
}
