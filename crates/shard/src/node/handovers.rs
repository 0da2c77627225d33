//! On the node that holds the workers' connections: what became of the started tasks that came here.
//!
//! An owner hears of a handover by a confirmation, which is repeated until it is heard; what an owner hears of nothing,
//! it asks after (`owner/starts.rs`). What was not heard is remembered, so that an owner that asks late is not told of an
//! activity, which must not be sent twice, that it was never seen.

use crate::{
    node::polled::{Served, Taken},
    node::router::Router,
    owner::starts::OLDEST_CHECKED,
    seam::messages::{Answer, HandoverState, Request},
    seam::replica::ShardId,
};
use metrics::counter;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tenure_engine::{Process, Stamp, TaskKind, token::TaskToken};
use tenure_limits::UNTOLD;
use tokio::{sync::mpsc, time::Instant};

/// What must not be sent is remembered for longer than any poll lives.
const REMEMBERED: Duration = Duration::from_secs(180);
/// What was sent, and heard of, is checked by owners that lead since.
const SENT_REMEMBERED: Duration = Duration::from_secs(60);
/// What is old is forgotten, and what owners have not heard of is told again, this often.
const LOOK_EVERY: Duration = Duration::from_secs(15);

// A start that is still checked, and that its owner may have heard of, is known: forgotten, it would be taken for one that
// never came, and be sent again.
const _: () =
    assert!(OLDEST_CHECKED.as_secs() <= SENT_REMEMBERED.as_secs() && SENT_REMEMBERED.as_secs() <= REMEMBERED.as_secs());

/// Confirmations are gathered for this long.
const GATHER: Duration = Duration::from_millis(100);
/// A confirmation that cannot be told in this time is told again later, or left to the owner's question.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

/// A start: its owner, and its stamp.
pub(crate) type StartName = (ShardId, Stamp);

/// What this process knows of starts that were made for it.
pub(crate) struct Handovers {
    router: Arc<Router>,
    known: Mutex<Known>,
    confirm: mpsc::UnboundedSender<StartName>,
}

#[derive(Default)]
struct Known {
    starts: HashMap<StartName, Start>,
    /// The last start, of each owner, that was forgotten although the owner has not heard of it.
    forgotten: HashMap<ShardId, Stamp>,
}

struct Start {
    state: HandoverState,
    at: Instant,
    /// The owner is to hear of it, and has not answered yet.
    untold: bool,
}

impl Start {
    fn new(state: HandoverState, untold: bool) -> Start {
        Start { state, at: Instant::now(), untold }
    }

    fn is_to_be_kept(&self, now: Instant) -> bool {
        let age = now.duration_since(self.at);
        match self.state {
            _ if self.untold => true,
            HandoverState::Sending => true,
            HandoverState::Sent => age < SENT_REMEMBERED,
            HandoverState::Broken | HandoverState::Unseen => age < REMEMBERED,
        }
    }
}

impl Known {
    fn state(&self, name: &StartName) -> Option<HandoverState> {
        self.starts.get(name).map(|start| start.state)
    }

    /// Forgets what is old, and of what owners have not heard the oldest beyond so many. Gives what is to be told again.
    fn look(&mut self, now: Instant) -> Vec<StartName> {
        self.starts.retain(|_, start| start.is_to_be_kept(now));
        let untold = self.starts.iter().filter(|(_, start)| start.untold);
        let mut untold: Vec<_> = untold.map(|(name, start)| (start.at, *name)).collect();
        untold.sort_unstable();
        for (_, name) in untold.drain(..untold.len().saturating_sub(UNTOLD)) {
            self.starts.remove(&name);
            let last = self.forgotten.entry(name.0).or_insert(name.1);
            *last = name.1.max(*last);
        }
        let old = untold.into_iter().filter(|(at, _)| now.duration_since(*at) >= LOOK_EVERY);
        old.map(|(_, name)| name).collect()
    }
}

/// A started task that is being handed to its worker, on the node that holds the worker's connection.
///
/// Dropped otherwise, the task is returned: no byte of it was sent.
#[must_use]
pub struct Handover {
    handovers: Arc<Handovers>,
    token: Option<TaskToken>,
}

impl Handovers {
    /// What was sent goes to `confirm`, for [`confirm_handovers`].
    pub(crate) fn new(router: Arc<Router>, confirm: mpsc::UnboundedSender<StartName>) -> Self {
        Handovers { router, known: Mutex::default(), confirm }
    }

    fn name(&self, token: &TaskToken) -> StartName {
        (self.router.mesh.shard_of(token.run.workflow.slot()), token.stamp)
    }

    /// An owner asks what became of a start that was made for a process of this node. What was not seen yet is not sent
    /// from now on. Of an earlier process nothing is known: it may have sent it.
    pub(crate) fn check(&self, token: &TaskToken, process: Process) -> HandoverState {
        if process != self.router.mesh.process() {
            return HandoverState::Broken;
        }
        let name = self.name(token);
        let mut known = self.known.lock();
        if let Some(state) = known.state(&name) {
            return state;
        }
        if known.forgotten.get(&name.0).is_some_and(|last| name.1 <= *last) {
            return HandoverState::Broken;
        }
        known.starts.insert(name, Start::new(HandoverState::Unseen, false));
        HandoverState::Unseen
    }

    /// Begins to hand a task out. `None`: it was refused before, or handed out by a retry already; once is enough.
    pub(crate) fn hand_over(self: &Arc<Self>, token: TaskToken) -> Option<Handover> {
        self.hand_over_if(token, |known| known.is_none())
    }

    /// As [`Handovers::hand_over`], for a caller that asks again for what it did not get whole: the task may have been
    /// sent.
    pub(crate) fn hand_over_again(self: &Arc<Self>, token: TaskToken) -> Option<Handover> {
        self.hand_over_if(token, |known| matches!(known, None | Some(HandoverState::Sent)))
    }

    fn hand_over_if(
        self: &Arc<Self>,
        token: TaskToken,
        may: impl FnOnce(Option<HandoverState>) -> bool,
    ) -> Option<Handover> {
        let name = self.name(&token);
        let mut known = self.known.lock();
        if !may(known.state(&name)) {
            return None;
        }
        known.starts.insert(name, Start::new(HandoverState::Sending, false));
        Some(Handover { handovers: self.clone(), token: Some(token) })
    }

    fn set(&self, name: StartName, state: HandoverState) {
        self.known.lock().starts.insert(name, Start::new(state, false));
    }

    /// Keeps what became of a start in mind until its owner has heard that it need not be returned.
    fn tell(&self, name: StartName, state: HandoverState) {
        self.known.lock().starts.insert(name, Start::new(state, true));
        // Nobody listens when the process ends; the owner finds out by itself.
        _ = self.confirm.send(name);
    }

    /// An owner has heard of these.
    fn told(&self, names: &[StartName]) {
        let mut known = self.known.lock();
        for name in names {
            if let Some(start) = known.starts.get_mut(name) {
                start.untold = false;
            }
        }
    }

    fn look(&self) {
        let again = self.known.lock().look(Instant::now());
        counter!("tenure_sweep_found_total", "what" => "delivery").increment(again.len() as u64);
        for name in again {
            _ = self.confirm.send(name);
        }
    }
}

impl Handover {
    /// The response was handed over whole.
    pub fn sent(mut self) {
        if let Some(token) = self.token.take() {
            self.handovers.tell(self.handovers.name(&token), HandoverState::Sent);
        }
    }

    /// Some bytes may have gone out, but not all: a workflow task is returned, an activity is left to its timeouts.
    pub fn broken(mut self) {
        if let Some(token) = self.token.take() {
            let name = self.handovers.name(&token);
            match token.kind {
                TaskKind::Workflow => {
                    self.handovers.set(name, HandoverState::Broken);
                    self.handovers.router.give_back(Taken::Task(token));
                }
                TaskKind::Activity => self.handovers.tell(name, HandoverState::Broken),
            }
        }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.handovers.set(self.handovers.name(&token), HandoverState::Unseen);
            self.handovers.router.give_back(Taken::Task(token));
        }
    }
}

/// Tells owners of handovers, many at once.
pub(crate) async fn confirm_handovers(handovers: Weak<Handovers>, mut confirmed: mpsc::UnboundedReceiver<StartName>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        let first = tokio::select! {
            first = confirmed.recv() => first,
            _ = looks.tick() => {
                let Some(handovers) = handovers.upgrade() else { return };
                handovers.look();
                continue;
            }
        };
        let Some(first) = first else { return };
        tokio::time::sleep(GATHER).await;
        let mut by_owner: HashMap<ShardId, Vec<Stamp>> = HashMap::new();
        by_owner.entry(first.0).or_default().push(first.1);
        while let Ok((owner, stamp)) = confirmed.try_recv() {
            by_owner.entry(owner).or_default().push(stamp);
        }
        let Some(handovers) = handovers.upgrade() else { return };
        for (owner, starts) in by_owner {
            let handovers = handovers.clone();
            tokio::spawn(async move {
                let names: Vec<StartName> = starts.iter().map(|stamp| (owner, *stamp)).collect();
                let request = Request::Confirm { owner, starts };
                let asked = handovers.router.ask_leader(owner, request, Instant::now() + CONFIRM_WITHIN).await;
                if matches!(asked, Ok(Served::Answer(Answer::Done))) {
                    handovers.told(&names);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn name(counter: u64) -> StartName {
        (1, Stamp { term: 1, counter })
    }

    /// F20.
    #[test]
    fn what_an_owner_has_not_heard_of_is_kept_and_told_again_up_to_a_limit() {
        let now = Instant::now() + HOUR;
        let most = UNTOLD as u64;
        let mut known = Known::default();
        for counter in 0..=most + 1 {
            let at = now - HOUR + Duration::from_millis(counter);
            // The first was heard of.
            let start = Start { at, ..Start::new(HandoverState::Sent, counter > 0) };
            known.starts.insert(name(counter), start);
        }
        let again = known.look(now);
        assert_eq!(again, (2..=most + 1).map(name).collect::<Vec<_>>(), "the oldest is one too many");
        assert_eq!(known.starts.len(), UNTOLD);
        assert_eq!(known.forgotten[&1], name(1).1);
    }
}
