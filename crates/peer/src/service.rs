//! The serving end of the peer port: checks who calls and passes the message on.

use crate::{
    Caller, Door, Pool,
    admin::UpgradeReply,
    frames::{Incoming, Unruly},
    proto::{
        AskReply, AskRequest, CopyRowsRequest, DigestReply, DigestRequest, DistrustReply, DistrustRequest,
        ForwardReply, ForwardRequest, HelloReply, HelloRequest, RaftFrame, RaftMessage, SnapshotChunk, SnapshotReply,
        peer_server::{Peer, PeerServer},
    },
};
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Answers that share a frame, and bytes of one: far more than any has, and a full frame of them still fits.
const FRAME_REPLIES: usize = 512;
const REPLY: usize = 64 << 10;

const _: () = assert!(FRAME_REPLIES * (REPLY + 1024) < tenure_limits::FRAME);

/// Serves Raft messages.
#[tonic::async_trait]
pub trait RaftHandler: Send + Sync + 'static {
    /// A peer opened its stream; the session ends with it.
    fn open(&self, from: u64, replies: Replies) -> Box<dyn RaftSession>;

    async fn install_snapshot(&self, from: u64, chunks: Streaming<SnapshotChunk>) -> Result<SnapshotReply, Status>;

    async fn digest(&self, request: DigestRequest) -> Result<DigestReply, Status>;

    async fn distrust(&self, request: DistrustRequest) -> Result<DistrustReply, Status>;

    async fn copy_rows(&self, from: u64, request: CopyRowsRequest) -> Result<mpsc::Receiver<SnapshotChunk>, Status>;
}

/// One stream of messages from one peer.
pub trait RaftSession: Send {
    /// Called in the order in which the messages were sent; must not block.
    fn message(&mut self, message: RaftMessage);
}

/// Takes an API request that another node received.
#[tonic::async_trait]
pub trait ForwardHandler: Send + Sync + 'static {
    async fn forward(&self, from: u64, request: ForwardRequest) -> Result<ForwardReply, Status>;
}

/// Answers what leaders and nodes ask of each other.
#[tonic::async_trait]
pub trait AskHandler: Send + Sync + 'static {
    async fn ask(&self, from: u64, request: AskRequest) -> Result<AskReply, Status>;
}

/// Raises the cluster's feature level when an operator asks for it.
#[tonic::async_trait]
pub trait UpgradeHandler: Send + Sync + 'static {
    async fn upgrade(&self) -> Result<UpgradeReply, Status>;
}

/// Sees to it that the cluster has a secret. Join tokens are made with it.
#[tonic::async_trait]
pub trait SecretHandler: Send + Sync + 'static {
    async fn ensure_secret(&self) -> Result<(), Status>;
}

/// The way of the answers to a stream's messages.
#[derive(Clone)]
pub struct Replies(mpsc::UnboundedSender<RaftMessage>);

impl Replies {
    /// Answers a message; nobody listens any more if the stream ended.
    pub fn send(&self, request: Ticket, answer: Result<Bytes, String>) {
        let (body, error) = match answer {
            Ok(body) if body.len() > REPLY => (Bytes::new(), format!("an answer of {} bytes is too large", body.len())),
            Ok(body) => (body, String::new()),
            Err(error) => (Bytes::new(), error.chars().take(REPLY / 4).collect()),
        };
        let Ticket { shard, correlation, kind } = request;
        let _ = self.0.send(RaftMessage { shard, correlation, reply: true, kind, body, error, more: false });
    }
}

/// What an answer has to repeat of its request.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    shard: u32,
    correlation: u64,
    kind: u32,
}

impl RaftMessage {
    pub fn ticket(&self) -> Ticket {
        Ticket { shard: self.shard, correlation: self.correlation, kind: self.kind }
    }
}

/// The peer service of this node. Handlers are put in place as the node comes up; until then calls are answered
/// with UNAVAILABLE.
#[derive(Clone)]
pub struct PeerService(Arc<Inner>);

struct Inner {
    pool: Pool,
    raft: Slot<dyn RaftHandler>,
    forward: Slot<dyn ForwardHandler>,
    ask: Slot<dyn AskHandler>,
    closed: watch::Sender<bool>,
}

impl PeerService {
    pub fn new(pool: Pool) -> PeerService {
        PeerService(Arc::new(Inner {
            pool,
            raft: Slot::default(),
            forward: Slot::default(),
            ask: Slot::default(),
            closed: watch::Sender::new(false),
        }))
    }

    /// Ends the streams of all peers, which otherwise last as long as the peers do, and lets go of the handlers.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
        self.0.raft.clear();
        self.0.forward.clear();
        self.0.ask.clear();
    }

    /// # Panics
    /// If there is one already; so do the others.
    pub fn set_raft(&self, handler: Arc<dyn RaftHandler>) {
        assert!(self.0.raft.set(handler), "one raft handler");
    }

    pub fn set_forward(&self, handler: Arc<dyn ForwardHandler>) {
        assert!(self.0.forward.set(handler), "one forward handler");
    }

    pub fn set_ask(&self, handler: Arc<dyn AskHandler>) {
        assert!(self.0.ask.set(handler), "one ask handler");
    }

    /// The service for a tonic router.
    pub fn into_server(self) -> Door<PeerServer<PeerService>> {
        let pool = self.0.pool.clone();
        let server = PeerServer::new(self)
            .max_decoding_message_size(tenure_limits::FRAME)
            .max_encoding_message_size(tenure_limits::FRAME);
        Door::new(server, pool)
    }

    /// Who calls, if it is let in. While a test keeps the peer's packets off, it does not arrive.
    async fn admit<T>(&self, request: &Request<T>) -> Result<u64, Status> {
        Ok(self.admit_caller(request).await?.node_id)
    }

    async fn admit_caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let caller = self.0.pool.gate().admit(request.metadata(), self.0.pool.local())?;
        self.0.pool.faults().until_heard(caller.node_id).await;
        self.0.pool.heard(caller.node_id);
        Ok(caller)
    }
}

/// The place of a handler. It is emptied when the service closes: a handler holds the node, and the node this service.
pub struct Slot<T: ?Sized>(RwLock<Option<Arc<T>>>);

impl<T: ?Sized> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(RwLock::new(None))
    }
}

impl<T: ?Sized> Slot<T> {
    /// False if there was one already.
    pub fn set(&self, handler: Arc<T>) -> bool {
        self.0.write().replace(handler).is_none()
    }

    /// The handler; UNAVAILABLE while there is none.
    pub fn get(&self) -> Result<Arc<T>, Status> {
        self.0.read().clone().ok_or_else(|| Status::unavailable("the node is starting or stopping"))
    }

    /// Lets go of the handler.
    pub fn clear(&self) {
        self.0.write().take();
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        self.0.pool.answer_hello(request.into_inner()).await.map(Response::new)
    }

    type RaftStream = BoxStream<'static, Result<RaftFrame, Status>>;

    async fn raft(&self, request: Request<Streaming<RaftFrame>>) -> Result<Response<Self::RaftStream>, Status> {
        let caller = self.admit_caller(&request).await?;
        let from = caller.node_id;
        let raft = self.0.raft.get()?;
        let mut inbound = request.into_inner();
        let (replies, outbound) = mpsc::unbounded_channel();
        let (pool, gate) = (self.0.pool.clone(), self.0.pool.gate().clone());
        let mut closed = self.0.closed.subscribe();
        let serve = async move {
            let mut session = raft.open(from, Replies(replies));
            let mut incoming = Incoming::default();
            while let Ok(Some(frame)) = inbound.message().await {
                if !pool.faults().hears(from) {
                    break;
                }
                pool.heard(from);
                for message in frame.messages {
                    match incoming.take(message) {
                        Ok(Some(message)) => session.message(message),
                        Ok(None) => {}
                        Err(Unruly) => {
                            tracing::error!(peer = from, "more or larger messages than a node sends; connection ended");
                            return;
                        }
                    }
                }
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = serve => {}
                _ = closed.wait_for(|closed| *closed) => {}
                () = gate.until_refused(&caller) => tracing::info!(peer = from, "is a member no more; stream ended"),
            }
        });
        self.0.pool.faults().until_reached(from).await;
        let frames = stream::unfold((outbound, self.0.pool.clone()), move |(mut outbound, pool)| async move {
            let mut messages = Vec::new();
            outbound.recv_many(&mut messages, FRAME_REPLIES).await;
            pool.faults().until_reached(from).await;
            (!messages.is_empty()).then_some((Ok(RaftFrame { messages }), (outbound, pool)))
        });
        Ok(Response::new(frames.boxed()))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<SnapshotChunk>>,
    ) -> Result<Response<SnapshotReply>, Status> {
        let from = self.admit(&request).await?;
        let reply = self.0.raft.get()?.install_snapshot(from, request.into_inner()).await;
        self.0.pool.faults().until_reached(from).await;
        reply.map(Response::new)
    }

    async fn digest(&self, request: Request<DigestRequest>) -> Result<Response<DigestReply>, Status> {
        let from = self.admit(&request).await?;
        let reply = self.0.raft.get()?.digest(request.into_inner()).await;
        self.0.pool.faults().until_reached(from).await;
        reply.map(Response::new)
    }

    async fn distrust(&self, request: Request<DistrustRequest>) -> Result<Response<DistrustReply>, Status> {
        self.admit(&request).await?;
        self.0.raft.get()?.distrust(request.into_inner()).await.map(Response::new)
    }

    type CopyRowsStream = BoxStream<'static, Result<SnapshotChunk, Status>>;

    async fn copy_rows(&self, request: Request<CopyRowsRequest>) -> Result<Response<Self::CopyRowsStream>, Status> {
        let from = self.admit(&request).await?;
        let chunks = self.0.raft.get()?.copy_rows(from, request.into_inner()).await?;
        self.0.pool.faults().until_reached(from).await;
        Ok(Response::new(ReceiverStream::new(chunks).map(Ok).boxed()))
    }

    async fn forward(&self, request: Request<ForwardRequest>) -> Result<Response<ForwardReply>, Status> {
        let from = self.admit(&request).await?;
        let reply = self.0.forward.get()?.forward(from, request.into_inner()).await;
        self.0.pool.faults().until_reached(from).await;
        reply.map(Response::new)
    }

    async fn ask(&self, request: Request<AskRequest>) -> Result<Response<AskReply>, Status> {
        let from = self.admit(&request).await?;
        let reply = self.0.ask.get()?.ask(from, request.into_inner()).await;
        self.0.pool.faults().until_reached(from).await;
        reply.map(Response::new)
    }
}
