//! The requesting end of the one stream that carries all Raft messages of all groups to one peer.
//!
//! Messages that wait while a frame is being sent share the next frame, so heartbeats of many groups travel together.

use crate::{
    Pool,
    frames::{Order, Outgoing, Refused},
    proto::{RaftFrame, RaftMessage},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use futures::{Stream, stream};
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
use tokio::sync::{Notify, oneshot};
use tonic::Code;

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
    /// Too much waits for the connection already.
    #[error("too much waits to be sent to node {0}")]
    Busy(u64),
    /// The message is larger than any may be.
    #[error("a message of {0} bytes is too large")]
    TooLarge(usize),
    /// The message has gone, or nothing at all goes any more, and there was no answer in time.
    #[error("no answer from node {0} in time")]
    Silent(u64),
}

/// The stream to one peer; it connects, and connects again, as long as the link lives.
pub struct Link {
    to: u64,
    pool: Pool,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<Infallible>,
}

struct Waiter {
    answer: oneshot::Sender<Result<Bytes, LinkError>>,
    /// All of the message was put into frames.
    sent: bool,
}

#[derive(Default)]
struct State {
    /// `None` while there is no connection.
    connection: Option<Connection>,
    waiting: HashMap<u64, Waiter>,
    last_correlation: u64,
    /// Frames that were handed to connections.
    frames: u64,
}

#[derive(Default)]
struct Connection {
    outgoing: Outgoing,
    /// Told when something waits, or the connection has ended.
    wake: Arc<Notify>,
}

/// The answer to a message, when it comes. Dropping it withdraws the message.
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

    /// Puts a message in line. Fails at once while there is no connection.
    pub fn call(&self, shard: u32, kind: u32, body: Bytes, order: Order) -> Result<Call, LinkError> {
        if !self.pool.faults().reaches(self.to) {
            return Err(LinkError::Down(self.to));
        }
        let mut state = self.state.lock();
        let State { connection, waiting, last_correlation, .. } = &mut *state;
        let Connection { outgoing, wake } = connection.as_mut().ok_or(LinkError::Down(self.to))?;
        let correlation = *last_correlation + 1;
        let size = body.len();
        let message = RaftMessage { shard, correlation, kind, body, ..Default::default() };
        outgoing.push(message, order).map_err(|refused| match refused {
            Refused::TooLarge => LinkError::TooLarge(size),
            Refused::Full => LinkError::Busy(self.to),
        })?;
        wake.notify_one();
        *last_correlation = correlation;
        let (told, answer) = oneshot::channel();
        waiting.insert(correlation, Waiter { answer: told, sent: false });
        Ok(Call { node: self.to, correlation, answer, state: self.state.clone() })
    }
}

impl State {
    /// `None` when the connection that `wake` belongs to is no more, `Some(None)` while nothing waits.
    fn next_frame(&mut self, wake: &Arc<Notify>) -> Option<Option<RaftFrame>> {
        let State { connection, waiting, frames, .. } = self;
        let connection = connection.as_mut().filter(|now| Arc::ptr_eq(&now.wake, wake))?;
        let frame = connection.outgoing.next_frame(|correlation| waiting.contains_key(&correlation));
        *frames += u64::from(frame.is_some());
        for message in frame.iter().flat_map(|frame| &frame.messages).filter(|message| !message.more) {
            if let Some(waiter) = waiting.get_mut(&message.correlation) {
                waiter.sent = true;
            }
        }
        Some(frame)
    }

    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.wake.notify_one();
        }
        self.waiting.clear();
    }
}

impl Call {
    /// The answer, if it comes within `patience` of the moment when the message was sent. Waiting for its turn does not
    /// count, as long as there is any progress: a large message on a slow connection takes as long as it takes.
    pub async fn patiently(mut self, patience: Duration) -> Result<Bytes, LinkError> {
        let mut before = self.progress();
        loop {
            if let Ok(answer) = tokio::time::timeout(patience, &mut self).await {
                return answer;
            }
            let now = self.progress();
            let (sent, frames) = now;
            if before.0 || (!sent && frames == before.1) {
                return Err(LinkError::Silent(self.node));
            }
            before = now;
        }
    }

    /// Whether the message is sent, and the number of frames so far.
    fn progress(&self) -> (bool, u64) {
        let state = self.state.lock();
        (state.waiting.get(&self.correlation).is_none_or(|waiter| waiter.sent), state.frames)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        self.state.lock().disconnect();
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
        state.lock().disconnect();
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
async fn run_connection(pool: &Pool, to: u64, state: &Arc<Mutex<State>>) -> Result<(), tonic::Status> {
    pool.faults().until_reached(to).await;
    let mut client = pool.connect(to).await?;
    let connection = Connection::default();
    let frames = frames(state.clone(), connection.wake.clone());
    let mut replies = client.raft(frames).await?.into_inner();
    tracing::info!(peer = to, "connected");
    pool.heard(to);
    state.lock().connection = Some(connection);
    while let Ok(Some(frame)) = replies.message().await {
        if !pool.faults().hears(to) {
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
            let _ = waiter.answer.send(answer);
        }
    }
    Ok(())
}

/// Puts whatever waits into frames, until the connection that `wake` belongs to is no more.
fn frames(state: Arc<Mutex<State>>, wake: Arc<Notify>) -> impl Stream<Item = RaftFrame> + Send + 'static {
    stream::unfold((state, wake, false), |(state, wake, mut connected)| async move {
        loop {
            // The connection is put in place after its stream was opened, and before it is woken.
            if connected {
                let next = state.lock().next_frame(&wake)?;
                if let Some(frame) = next {
                    metrics::histogram!("tenure_peer_frame_messages").record(frame.messages.len() as f64);
                    return Some((frame, (state, wake, connected)));
                }
            }
            wake.notified().await;
            connected = true;
        }
    })
}
