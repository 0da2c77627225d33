//! On the node that holds workers' connections: the polls of each worker instance, which end when it says that it goes.

use crate::{node::router::Router, seam::messages::Request};
use futures::future::join_all;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tenure_limits::WORKERS;
use tokio_util::sync::CancellationToken;

/// How long a worker that has gone is remembered, for polls that were on their way when it said so.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The name of a worker instance: its namespace, and the key that it gave itself.
type Name = (String, String);

#[derive(Default)]
pub(crate) struct Workers {
    known: Mutex<HashMap<Name, Worker>>,
}

#[derive(Default)]
struct Worker {
    /// Cancelled when the worker goes.
    gone: CancellationToken,
    /// When it said so; `None` if that is not remembered.
    gone_at: Option<Instant>,
    /// Its polls that wait here.
    polls: usize,
}

/// A poll of a worker instance that waits on this node.
pub struct WorkerPoll {
    workers: Arc<Workers>,
    name: Name,
    gone: CancellationToken,
}

impl WorkerPoll {
    /// Resolves when the worker goes.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

impl Drop for WorkerPoll {
    fn drop(&mut self) {
        let mut known = self.workers.known.lock();
        let Some(worker) = known.get_mut(&self.name) else { return };
        worker.polls = worker.polls.saturating_sub(1);
        if worker.polls == 0 && worker.gone_at.is_none() {
            known.remove(&self.name);
        }
    }
}

impl Worker {
    fn is_to_be_kept(&self, now: Instant) -> bool {
        self.polls > 0 || self.gone_at.is_some_and(|at| now.duration_since(at) < REMEMBERED)
    }
}

impl Workers {
    pub(crate) fn polling(self: &Arc<Self>, namespace: &str, worker: &str) -> WorkerPoll {
        let name = (namespace.to_owned(), worker.to_owned());
        let mut known = self.known.lock();
        let worker = known.entry(name.clone()).or_default();
        worker.polls += 1;
        WorkerPoll { workers: self.clone(), gone: worker.gone.clone(), name }
    }

    pub(crate) fn end_polls(&self, namespace: &str, worker: &str) {
        let now = Instant::now();
        let mut known = self.known.lock();
        known.retain(|_, worker| worker.is_to_be_kept(now));
        let remembered = known.values().filter(|worker| worker.gone_at.is_some()).count();
        let name = (namespace.to_owned(), worker.to_owned());
        if remembered < WORKERS {
            let worker = known.entry(name).or_default();
            worker.gone_at = Some(now);
            worker.gone.cancel();
        } else if let Some(worker) = known.get_mut(&name) {
            std::mem::take(&mut worker.gone).cancel();
        }
    }
}

/// Ends the polls of a worker instance on all nodes.
pub(crate) async fn end_polls_everywhere(router: &Arc<Router>, namespace: &str, worker: &str) {
    let asked = router.mesh.nodes().into_iter().map(|node| async move {
        let request = Request::EndPolls { namespace: namespace.to_owned(), worker: worker.to_owned() };
        if let Err(error) = router.ask(node, request).await {
            tracing::debug!(%error, "polls of a worker that goes may wait on");
        }
    });
    join_all(asked).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn has_ended(poll: &WorkerPoll) -> bool {
        poll.gone().now_or_never().is_some()
    }

    #[test]
    fn f81_polls_of_a_worker_that_goes_end_and_those_that_come_later_too() {
        let workers = Arc::new(Workers::default());
        let (first, second) = (workers.polling("n", "w"), workers.polling("n", "w"));
        let others = [workers.polling("n", "x"), workers.polling("m", "w")];
        assert!(!has_ended(&first));
        workers.end_polls("n", "w");
        assert!(has_ended(&first) && has_ended(&second));
        assert!(has_ended(&workers.polling("n", "w")), "one that was on its way");
        assert!(others.iter().all(|poll| !has_ended(poll)));
    }

    #[test]
    fn f81_no_more_workers_are_remembered_than_there_is_room_for() {
        let workers = Arc::new(Workers::default());
        drop(workers.polling("n", "w"));
        assert!(workers.known.lock().is_empty());
        for n in 0..WORKERS + 10 {
            workers.end_polls("n", &n.to_string());
        }
        assert_eq!(workers.known.lock().len(), WORKERS);
        let poll = workers.polling("n", "one more");
        workers.end_polls("n", "one more");
        assert!(has_ended(&poll), "it is not remembered, but its polls end");
    }
}
