//! On the node that holds the workers' connections: what became of the started tasks that came here.

use crate::{
    node::polled::Taken,
    node::shared::Shared,
    owner::starts::LAST_QUESTION,
    seam::messages::{DeliveryState, Request},
    seam::replica::ShardId,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tenure_engine::{Process, Stamp, TaskKind, token::TaskToken};
use tokio::{sync::mpsc, time::Instant};

/// What must not be sent is remembered for longer than any poll lives.
const REMEMBERED: Duration = Duration::from_secs(180);
/// What was sent is asked after by owners that did not hear so, or that lead since.
const SENT_REMEMBERED: Duration = Duration::from_secs(60);
/// What is old is forgotten this often.
const FORGET_EVERY: Duration = Duration::from_secs(15);

// A start that is still asked after is known: forgotten, it would be taken for one that never came, and be sent again.
const _: () =
    assert!(LAST_QUESTION.as_secs() <= SENT_REMEMBERED.as_secs() && SENT_REMEMBERED.as_secs() <= REMEMBERED.as_secs());

/// Confirmations are gathered for this long.
const GATHER: Duration = Duration::from_millis(100);
/// A confirmation that cannot be told in this time is left to the owner's question.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

type StartName = (ShardId, Stamp);

/// What is known of starts, by name.
pub(crate) struct Deliveries {
    known: Mutex<HashMap<StartName, (DeliveryState, Instant)>>,
    confirm: mpsc::UnboundedSender<StartName>,
}

/// A started task that is being handed to its worker. On the node that holds the worker's connection.
///
/// Dropped without word, the task is returned: no byte of it was sent.
#[must_use]
pub struct Delivery {
    shared: Arc<Shared>,
    token: Option<TaskToken>,
}

impl Deliveries {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<StartName>) {
        let (confirm, confirmed) = mpsc::unbounded_channel();
        (Deliveries { known: Mutex::default(), confirm }, confirmed)
    }

    /// An owner asks. What was not seen yet is not sent from now on.
    pub(crate) fn ask(&self, name: StartName) -> DeliveryState {
        let mut known = self.known.lock();
        known.entry(name).or_insert((DeliveryState::Unseen, Instant::now())).0
    }

    fn begin(&self, name: StartName, again: bool) -> bool {
        let mut known = self.known.lock();
        match known.get(&name) {
            None => {}
            // The same caller asks for the same answer, which it did not get whole.
            Some((DeliveryState::Sent, _)) if again => {}
            // Refused before, or handed out twice by a retry: once is enough.
            Some(_) => return false,
        }
        known.insert(name, (DeliveryState::Sending, Instant::now()));
        true
    }

    fn set(&self, name: StartName, state: DeliveryState) {
        self.known.lock().insert(name, (state, Instant::now()));
    }

    fn forget_old(&self) {
        let now = Instant::now();
        self.known.lock().retain(|_, (state, at)| {
            let age = now.duration_since(*at);
            match state {
                DeliveryState::Sending => true,
                DeliveryState::Sent => age < SENT_REMEMBERED,
                DeliveryState::Broken | DeliveryState::Unseen => age < REMEMBERED,
            }
        });
    }
}

impl Shared {
    fn start_name(&self, token: &TaskToken) -> StartName {
        (self.mesh.shard_of(token.run.workflow.slot()), token.stamp)
    }

    /// What became of a start that was made for a process of this node. Of an earlier one nothing is known: it may have
    /// sent it.
    pub(crate) fn ask_delivery(&self, token: &TaskToken, process: Process) -> DeliveryState {
        if process != self.mesh.process() {
            return DeliveryState::Broken;
        }
        self.deliveries.ask(self.start_name(token))
    }

    pub(crate) fn deliver(self: &Arc<Self>, token: TaskToken, again: bool) -> Option<Delivery> {
        let begun = self.deliveries.begin(self.start_name(&token), again);
        begun.then(|| Delivery { shared: self.clone(), token: Some(token) })
    }
}

impl Delivery {
    /// The response was handed over whole.
    pub fn sent(mut self) {
        if let Some(token) = self.token.take() {
            let name = self.shared.start_name(&token);
            self.shared.deliveries.set(name, DeliveryState::Sent);
            // Nobody listens when the process ends; the owner finds out by itself.
            _ = self.shared.deliveries.confirm.send(name);
        }
    }

    /// Some bytes may have gone out, but not all: a workflow task is returned, an activity is left to its timeouts.
    pub fn broken(mut self) {
        if let Some(token) = self.token.take() {
            self.shared.deliveries.set(self.shared.start_name(&token), DeliveryState::Broken);
            if token.kind == TaskKind::Workflow {
                self.shared.give_back(Taken::Task(token));
            }
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.shared.deliveries.set(self.shared.start_name(&token), DeliveryState::Unseen);
            self.shared.give_back(Taken::Task(token));
        }
    }
}

/// Tells owners of deliveries, many at once.
pub(crate) async fn confirm_deliveries(shared: Weak<Shared>, mut confirmed: mpsc::UnboundedReceiver<StartName>) {
    let mut forget = tokio::time::interval(FORGET_EVERY);
    loop {
        let first = tokio::select! {
            first = confirmed.recv() => first,
            _ = forget.tick() => {
                let Some(shared) = shared.upgrade() else { return };
                shared.deliveries.forget_old();
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
        let Some(shared) = shared.upgrade() else { return };
        for (owner, starts) in by_owner {
            let shared = shared.clone();
            tokio::spawn(async move {
                let request = Request::Delivered { owner, starts };
                // An owner that does not hear of it asks.
                _ = shared.ask_leader(owner, request, Instant::now() + CONFIRM_WITHIN).await;
            });
        }
    }
}
