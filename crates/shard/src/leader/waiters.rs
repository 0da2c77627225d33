//! Who waits for a run's history to grow, or for news of an activity without a workflow. In memory only: when leadership goes, frontends wait at the new leader.
//!
//! The notice is the engine's effect. The sweep is the end of the wait, after which clients ask again, from rows.

use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use tenure_engine::Subject;
use tokio::sync::watch;

/// How far a run's history goes. Of an activity, which has none, this counts what has become of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grown {
    pub(crate) next_event_id: i64,
    pub(crate) closed: bool,
}

#[derive(Default)]
pub(crate) struct Waiters {
    by_run: Arc<Mutex<HashMap<Subject, watch::Sender<Grown>>>>,
}

/// Sees the growth of a run from when it was made on.
pub(crate) struct Waiter {
    by_run: Arc<Mutex<HashMap<Subject, watch::Sender<Grown>>>>,
    run: Subject,
    grown: Option<watch::Receiver<Grown>>,
}

impl Waiters {
    /// To be made before rows are read, so that no growth is missed.
    pub(crate) fn wait(&self, run: Subject) -> Waiter {
        let mut by_run = self.by_run.lock();
        let sender = by_run.entry(run.clone()).or_insert_with(|| watch::Sender::new(Grown::default()));
        let grown = Some(sender.subscribe());
        Waiter { by_run: self.by_run.clone(), run, grown }
    }

    pub(crate) fn grew(&self, run: &Subject, next_event_id: i64, closed: bool) {
        if let Some(sender) = self.by_run.lock().get(run) {
            sender.send_replace(Grown { next_event_id, closed });
        }
    }
}

impl Waiter {
    /// Resolves when the history grew.
    pub(crate) async fn grown(&mut self) -> Grown {
        let grown = self.grown.as_mut().expect("present until dropped");
        if grown.changed().await.is_err() {
            // The sender lives as long as a waiter does.
            std::future::pending::<()>().await;
        }
        *grown.borrow_and_update()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.grown = None;
        let mut by_run = self.by_run.lock();
        if by_run.get(&self.run).is_some_and(|sender| sender.receiver_count() == 0) {
            by_run.remove(&self.run);
        }
    }
}
