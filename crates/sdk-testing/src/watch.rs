//! What happened in an environment: which runs there were, what went wrong, and whether all of it can be replayed.

use crate::time::Time;
use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};
use tenure_client::{Client, ClientError, Raw, WorkflowRef};
use tenure_sdk::Replayer;
use tokio::sync::watch;

/// Prefixes of a history that are replayed, at most.
const PREFIXES: usize = 200;

/// Workflow id and run id.
type Run = (String, String);

pub(crate) struct Watch {
    runs: Mutex<BTreeMap<Run, Arc<Replayer>>>,
    /// The first workflow task that failed.
    broken: watch::Sender<Option<String>>,
    breaks: bool,
}

impl Watch {
    /// `breaks`: a workflow task that fails ends the waits for results.
    pub(crate) fn new(breaks: bool) -> Arc<Self> {
        Arc::new(Watch { runs: Mutex::default(), broken: watch::Sender::new(None), breaks })
    }

    pub(crate) fn saw(&self, workflow_id: &str, run_id: &str, replayer: &Arc<Replayer>) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.entry((workflow_id.to_owned(), run_id.to_owned())).or_insert_with(|| replayer.clone());
    }

    pub(crate) fn failed(&self, workflow_id: &str, message: &str) {
        if self.breaks {
            self.broken.send_if_modified(|broken| {
                let first = broken.is_none();
                broken.get_or_insert_with(|| format!("a task of workflow {workflow_id:?} fails: {message}"));
                first
            });
        }
    }

    /// Beside the wait for a result: lets time skip, and ends when there will be no result.
    pub(crate) async fn beside_wait(self: Arc<Self>, time: Time) -> ClientError {
        let _skipping = time.skipped().map(|time| time.skip());
        let mut broken = self.broken.subscribe();
        // The sender is here, too: an error cannot be.
        let _ = broken.wait_for(Option::is_some).await;
        ClientError::Invalid(self.broken.borrow().clone().unwrap_or_default())
    }

    /// Replays all runs that were seen; what differs, as one text.
    pub(crate) async fn replay_all(&self, client: &Client) -> Result<(), String> {
        let runs = std::mem::take(&mut *self.runs.lock().unwrap_or_else(PoisonError::into_inner));
        let mut text = String::new();
        for ((workflow_id, run_id), replayer) in runs {
            let any: WorkflowRef<Vec<Raw>, Raw> = WorkflowRef::new("");
            let problem = match client.handle(any, &workflow_id).of_run(&run_id).history().await {
                Ok(history) => replayer.replay_prefixes(&history, PREFIXES).err().map(|error| error.to_string()),
                Err(error) if error.is_not_found() => None,
                Err(error) => Some(format!("its history cannot be read: {error}")),
            };
            if let Some(problem) = problem {
                let _ = write!(text, "\nworkflow {workflow_id:?} cannot be replayed: {problem}");
            }
        }
        if text.is_empty() { Ok(()) } else { Err(text) }
    }
}
