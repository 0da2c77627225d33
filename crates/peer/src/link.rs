//! The requesting end of the one stream that carries all Raft messages of all groups to one peer.
//!
//! Messages that wait while a frame is being sent share the next frame, so heartbeats of many groups travel together.

use crate::{
    Pool,
    proto::{RaftFrame, RaftMessage},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tenure_vital::FatalHook;
use tokio::sync::{mpsc, oneshot};
use tonic::Code;

/// A frame is closed when it holds this many messages or bytes.
const FRAME_MESSAGES: usize = 512;
const FRAME_BYTES: usize = 2 << 20;

/// Between attempts to connect. A peer that was restarted is found again at once.
const RECONNECT_MIN: Duration = Duration::from_millis(20);
const RECONNECT_MAX: Duration = Duration::from_millis(250);

/// Between attempts to a peer that refuses us.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Why a message got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("no connection to node {0}")]
    Down(u64),
    #[error("the connection to node {0} broke")]
    Broken(u64),
    /// The peer has the message but cannot serve it.
    #[error("node {node}: {message}")]
    Refused { node: u64, message: String },
}

/// The stream to one peer; it connects, and connects again, as long as the link lives.
pub struct Link {
    to: u64,
    pool: Pool,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<Infallible>,
}

type Waiter = oneshot::Sender<Result<Bytes, LinkError>>;

#[derive(Default)]
struct State {
    /// `None` while there is no connection.
    queue: Option<mpsc::UnboundedSender<RaftMessage>>,
    waiting: HashMap<u64, Waiter>,
    last_correlation: u64,
}

/// The answer to a message, when it comes. Dropping it forgets the message.
pub struct Call {
    node: u64,
    correlation: u64,
    answer: oneshot::Receiver<Result<Bytes, LinkError>>,
    state: Arc<Mutex<State>>,
}

impl Link {
    /// Starts to connect at once. Must be called inside a tokio runtime.
    pub fn open(pool: Pool, to: u64, on_fatal: &FatalHook) -> Link {
        let state = Arc::<Mutex<State>>::default();
        let task = on_fatal.spawn("a link to a peer", keep_connected(pool.clone(), to, state.clone()));
        Link { to, pool, state, task }
    }

    /// Sends a message behind those sent before. Fails at once while there is no connection.
    pub fn call(&self, shard: u32, kind: u32, body: Bytes) -> Result<Call, LinkError> {
        if self.pool.faults().is_cut(self.to) {
            return Err(LinkError::Down(self.to));
        }
        let mut state = self.state.lock();
        let State { queue, waiting, last_correlation } = &mut *state;
        let queue = queue.as_ref().ok_or(LinkError::Down(self.to))?;
        *last_correlation += 1;
        let correlation = *last_correlation;
        let message = RaftMessage { shard, correlation, reply: false, kind, body, error: String::new() };
        queue.send(message).map_err(|_| LinkError::Down(self.to))?;
        let (waiter, answer) = oneshot::channel();
        waiting.insert(correlation, waiter);
        Ok(Call { node: self.to, correlation, answer, state: self.state.clone() })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Future for Call {
    type Output = Result<Bytes, LinkError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let node = self.node;
        Pin::new(&mut self.answer).poll(cx).map(|answer| answer.unwrap_or(Err(LinkError::Broken(node))))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.state.lock().waiting.remove(&self.correlation);
    }
}

async fn keep_connected(pool: Pool, to: u64, state: Arc<Mutex<State>>) -> Infallible {
    let delays = || {
        ExponentialBuilder::default()
            .with_min_delay(RECONNECT_MIN)
            .with_max_delay(RECONNECT_MAX)
            .without_max_times()
            .with_jitter()
            .build()
    };
    let mut delay = delays();
    let mut complaint = String::new();
    loop {
        let connected = run_connection(&pool, to, &state).await;
        {
            let mut state = state.lock();
            state.queue = None;
            state.waiting.clear();
        }
        match connected {
            Ok(()) => {
                tracing::info!(peer = to, "connection ended");
                complaint.clear();
                delay = delays();
            }
            Err(status) => {
                if complaint != status.message() {
                    complaint = status.message().to_owned();
                    tracing::warn!(peer = to, reason = complaint, "cannot connect");
                }
                if status.code() == Code::PermissionDenied {
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
            }
        }
        tokio::time::sleep(delay.next().unwrap_or(RECONNECT_MAX)).await;
    }
}

/// `Ok` once a connection that was up has ended.
async fn run_connection(pool: &Pool, to: u64, state: &Mutex<State>) -> Result<(), tonic::Status> {
    pool.faults().wait_healed(to).await;
    let mut client = pool.connect(to).await?;
    let (queue, waiting) = mpsc::unbounded_channel();
    let mut replies = client.raft(frames(waiting)).await?.into_inner();
    tracing::info!(peer = to, "connected");
    pool.heard(to);
    state.lock().queue = Some(queue);
    while let Ok(Some(frame)) = replies.message().await {
        if pool.faults().is_cut(to) {
            return Ok(());
        }
        pool.heard(to);
        for message in frame.messages {
            let waiter = state.lock().waiting.remove(&message.correlation);
            let Some(waiter) = waiter else { continue };
            let answer = match message.error.is_empty() {
                true => Ok(message.body),
                false => Err(LinkError::Refused { node: to, message: message.error }),
            };
            // The caller may have given up meanwhile.
            let _ = waiter.send(answer);
        }
    }
    Ok(())
}

/// Puts whatever waits into frames.
pub(crate) fn frames(queue: mpsc::UnboundedReceiver<RaftMessage>) -> impl Stream<Item = RaftFrame> + Send + 'static {
    stream::unfold(queue, |mut queue| async move {
        let first = queue.recv().await?;
        let mut bytes = first.body.len();
        let mut messages = vec![first];
        while messages.len() < FRAME_MESSAGES && bytes < FRAME_BYTES {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.body.len();
            messages.push(next);
        }
        metrics::histogram!("tenure_peer_frame_messages").record(messages.len() as f64);
        Some((RaftFrame { messages }, queue))
    })
    .boxed()
}
