//! On the node that holds the workers' connections: what became of the started tasks that came here.

use crate::{
    node::polled::Taken,
    node::router::Router,
    owner::starts::OLDEST_CHECKED,
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
/// What was sent is checked by owners that did not hear so, or that lead since.
const SENT_REMEMBERED: Duration = Duration::from_secs(60);
/// What is old is forgotten this often.
const FORGET_EVERY: Duration = Duration::from_secs(15);

// A start that is still checked is known: forgotten, it would be taken for one that never came, and be sent again.
const _: () =
    assert!(OLDEST_CHECKED.as_secs() <= SENT_REMEMBERED.as_secs() && SENT_REMEMBERED.as_secs() <= REMEMBERED.as_secs());

/// Confirmations are gathered for this long.
const GATHER: Duration = Duration::from_millis(100);
/// A confirmation that cannot be told in this time is left to the owner's question.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

/// A start: its owner, and its stamp.
pub(crate) type StartName = (ShardId, Stamp);

/// What this process knows of starts that were made for it.
pub(crate) struct Deliveries {
    router: Arc<Router>,
    known: Mutex<HashMap<StartName, (DeliveryState, Instant)>>,
    confirm: mpsc::UnboundedSender<StartName>,
}

/// A started task that is being handed to its worker, on the node that holds the worker's connection.
///
/// Dropped otherwise, the task is returned: no byte of it was sent.
#[must_use]
pub struct Delivery {
    deliveries: Arc<Deliveries>,
    token: Option<TaskToken>,
}

impl Deliveries {
    /// What was sent goes to `confirm`, for [`confirm_deliveries`].
    pub(crate) fn new(router: Arc<Router>, confirm: mpsc::UnboundedSender<StartName>) -> Self {
        Deliveries { router, known: Mutex::default(), confirm }
    }

    fn name(&self, token: &TaskToken) -> StartName {
        (self.router.mesh.shard_of(token.run.workflow.slot()), token.stamp)
    }

    /// An owner asks what became of a start that was made for a process of this node. What was not seen yet is not sent
    /// from now on. Of an earlier process nothing is known: it may have sent it.
    pub(crate) fn check(&self, token: &TaskToken, process: Process) -> DeliveryState {
        if process != self.router.mesh.process() {
            return DeliveryState::Broken;
        }
        let mut known = self.known.lock();
        known.entry(self.name(token)).or_insert((DeliveryState::Unseen, Instant::now())).0
    }

    /// Begins to hand a task out. `None`: it was refused before, or handed out by a retry already; once is enough.
    pub(crate) fn deliver(self: &Arc<Self>, token: TaskToken) -> Option<Delivery> {
        self.deliver_if(token, |known| known.is_none())
    }

    /// As [`Deliveries::deliver`], for a caller that asks again for what it did not get whole: the task may have been
    /// sent.
    pub(crate) fn deliver_again(self: &Arc<Self>, token: TaskToken) -> Option<Delivery> {
        self.deliver_if(token, |known| matches!(known, None | Some(DeliveryState::Sent)))
    }

    fn deliver_if(
        self: &Arc<Self>,
        token: TaskToken,
        may: impl FnOnce(Option<DeliveryState>) -> bool,
    ) -> Option<Delivery> {
        let name = self.name(&token);
        let mut known = self.known.lock();
        if !may(known.get(&name).map(|(state, _)| *state)) {
            return None;
        }
        known.insert(name, (DeliveryState::Sending, Instant::now()));
        Some(Delivery { deliveries: self.clone(), token: Some(token) })
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

impl Delivery {
    /// The response was handed over whole.
    pub fn sent(mut self) {
        if let Some(token) = self.token.take() {
            let name = self.deliveries.name(&token);
            self.deliveries.set(name, DeliveryState::Sent);
            // Nobody listens when the process ends; the owner finds out by itself.
            _ = self.deliveries.confirm.send(name);
        }
    }

    /// Some bytes may have gone out, but not all: a workflow task is returned, an activity is left to its timeouts.
    pub fn broken(mut self) {
        if let Some(token) = self.token.take() {
            self.deliveries.set(self.deliveries.name(&token), DeliveryState::Broken);
            if token.kind == TaskKind::Workflow {
                self.deliveries.router.give_back(Taken::Task(token));
            }
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.deliveries.set(self.deliveries.name(&token), DeliveryState::Unseen);
            self.deliveries.router.give_back(Taken::Task(token));
        }
    }
}

/// Tells owners of deliveries, many at once.
pub(crate) async fn confirm_deliveries(
    deliveries: Weak<Deliveries>,
    mut confirmed: mpsc::UnboundedReceiver<StartName>,
) {
    let mut forget = tokio::time::interval(FORGET_EVERY);
    loop {
        let first = tokio::select! {
            first = confirmed.recv() => first,
            _ = forget.tick() => {
                let Some(deliveries) = deliveries.upgrade() else { return };
                deliveries.forget_old();
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
        let Some(deliveries) = deliveries.upgrade() else { return };
        for (owner, starts) in by_owner {
            let router = deliveries.router.clone();
            tokio::spawn(async move {
                let request = Request::Delivered { owner, starts };
                // An owner that does not hear of it asks.
                _ = router.ask_leader(owner, request, Instant::now() + CONFIRM_WITHIN).await;
            });
        }
    }
}
