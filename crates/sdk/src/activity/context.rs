//! The context of an activity.

use crate::Failure;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};
use tenure_api::common::v1::Payload;
use tenure_client::{Client, Data, DataConverter, Encode, Headers};
use tokio::sync::{Notify, watch};

/// Which attempt of which activity this is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ActivityInfo {
    /// The activity's id.
    pub activity_id: String,
    /// The activity's name.
    pub activity_type: String,
    /// Counts from 1.
    pub attempt: u32,
    /// The workflow that called it; empty if none did ([`Client::start_activity`]).
    pub workflow_id: String,
    /// The run that called it, or that it is itself.
    pub run_id: String,
    /// The type of the workflow that called it; empty if none did.
    pub workflow_type: String,
    /// The queue that it came through.
    pub task_queue: String,
    /// The token by which [`Client::complete_activity`] finishes it from elsewhere.
    pub task_token: Vec<u8>,
    /// When it was called.
    pub scheduled: Option<SystemTime>,
    /// When this attempt began.
    pub started: Option<SystemTime>,
    /// Limit for this attempt.
    pub start_to_close: Option<Duration>,
    /// Without a heartbeat for so long, the attempt has failed.
    pub heartbeat_timeout: Option<Duration>,
    /// Run beside its workflow's task.
    pub is_local: bool,
    /// What travelled along with its call.
    pub headers: Headers,
}

/// What an activity can ask and tell. Cheap to clone.
///
/// ```
/// use tenure_sdk::prelude::*;
///
/// #[activity]
/// async fn copy(cx: ActivityContext, parts: u32) -> Result<()> {
///     // The next attempt goes on where the last one stood.
///     for part in cx.last_heartbeat().unwrap_or(0)..parts {
///         if cx.is_cancelled() {
///             return Err(Failure::cancelled("asked to stop"));
///         }
///         // ... copy the part ...
///         cx.heartbeat(part + 1);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct ActivityContext {
    shared: Arc<ContextShared>,
}

struct ContextShared {
    info: ActivityInfo,
    client: Option<Client>,
    converter: DataConverter,
    last_heartbeat: Vec<Payload>,
    recorded: Option<Recorded>,
    heartbeat: Mutex<Option<Vec<Payload>>>,
    heartbeats: Notify,
    cancelled: watch::Sender<bool>,
    elsewhere: AtomicBool,
}

/// All heartbeats, where nobody sends them.
#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) heartbeats: Mutex<Vec<Payload>>,
    /// The attempt is cancelled with this heartbeat, counted from 1.
    pub(crate) cancel_at: Option<usize>,
}

impl ActivityContext {
    pub(crate) fn new(info: ActivityInfo, client: Client, last_heartbeat: Vec<Payload>) -> (Self, Control) {
        let converter = client.converter().clone();
        Self::make(info, Some(client), converter, last_heartbeat, None)
    }

    pub(crate) fn make(
        info: ActivityInfo,
        client: Option<Client>,
        converter: DataConverter,
        last_heartbeat: Vec<Payload>,
        recorded: Option<Recorded>,
    ) -> (Self, Control) {
        let shared = Arc::new(ContextShared {
            info,
            client,
            converter,
            last_heartbeat,
            recorded,
            heartbeat: Mutex::default(),
            heartbeats: Notify::new(),
            cancelled: watch::Sender::new(false),
            elsewhere: AtomicBool::new(false),
        });
        (ActivityContext { shared: shared.clone() }, Control { shared })
    }

    pub(crate) fn converter(&self) -> &DataConverter {
        &self.shared.converter
    }

    /// Which attempt of which activity this is.
    pub fn info(&self) -> &ActivityInfo {
        &self.shared.info
    }

    /// The worker's client: for activities that start or signal workflows.
    ///
    /// # Panics
    /// In an [`ActivityEnv`](crate::testing::ActivityEnv) that was given no client.
    pub fn client(&self) -> &Client {
        self.shared.client.as_ref().expect("give the ActivityEnv a client: ActivityEnv::new().client(..)")
    }

    /// Says that the attempt is alive, and how far it is. Returns at once; only some are sent. The server's answer may
    /// be a cancellation.
    pub fn heartbeat<T: Encode>(&self, details: T) {
        match self.converter().encode(&details) {
            Ok(payload) => {
                if let Some(recorded) = &self.shared.recorded {
                    let mut heartbeats = recorded.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
                    heartbeats.push(payload.clone());
                    if Some(heartbeats.len()) == recorded.cancel_at {
                        self.shared.cancelled.send_replace(true);
                    }
                }
                *self.shared.heartbeat.lock().unwrap_or_else(PoisonError::into_inner) = Some(vec![payload]);
                self.shared.heartbeats.notify_one();
            }
            Err(error) => tracing::warn!(%error, "a heartbeat's details cannot be written"),
        }
    }

    /// What the last attempt's last heartbeat said. One that is no `T` is told in the log, and is none.
    pub fn last_heartbeat<T: Data>(&self) -> Option<T> {
        let read = self.converter().decode(self.shared.last_heartbeat.first()?);
        read.inspect_err(|error| tracing::warn!(%error, "the last heartbeat cannot be read, the activity begins anew"))
            .ok()
    }

    /// Whether the attempt should stop: it was cancelled, its time is up, or the worker ends.
    pub fn is_cancelled(&self) -> bool {
        *self.shared.cancelled.borrow()
    }

    /// Waits until [`Self::is_cancelled`].
    pub async fn cancelled(&self) {
        let _ = self.shared.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }

    /// `return Err(cx.complete_elsewhere())`: the attempt goes on outside of this function, until somebody
    /// finishes it: [`Client::async_activity`], with its token, or its id.
    pub fn complete_elsewhere(&self) -> Failure {
        self.shared.elsewhere.store(true, Ordering::Release);
        Failure::msg("completed elsewhere")
    }
}

/// The worker's end of a context.
#[derive(Clone)]
pub(crate) struct Control {
    shared: Arc<ContextShared>,
}

impl Control {
    pub(crate) fn cancel(&self) {
        self.shared.cancelled.send_replace(true);
    }

    /// What [`Recorded`] has.
    pub(crate) fn heartbeats(&self) -> Vec<Payload> {
        let recorded = self.shared.recorded.as_ref();
        recorded.map(|it| it.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }

    pub(crate) fn is_elsewhere(&self) -> bool {
        self.shared.elsewhere.load(Ordering::Acquire)
    }

    /// The last heartbeat, unless it was taken.
    pub(crate) fn unsent_heartbeat(&self) -> Option<Vec<Payload>> {
        self.shared.heartbeat.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for a heartbeat; the last one is what counts.
    pub(crate) async fn next_heartbeat(&self) -> Vec<Payload> {
        loop {
            if let Some(details) = self.unsent_heartbeat() {
                return details;
            }
            self.shared.heartbeats.notified().await;
        }
    }
}
