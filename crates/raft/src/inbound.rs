//! Messages from peers, on their way to the groups.

use crate::{
    codec, compare,
    group::Group,
    members::{self, Members},
    network::{Kind, decode_append, has_entries},
    room::{Room, SharedRoom},
    sending::Sending,
    snapshot,
    types::TypeConfig,
};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use openraft::raft::{AppendEntriesResponse, TransferLeaderRequest, VoteRequest};
use std::{
    collections::{BTreeMap, HashMap},
    pin::pin,
    task::Poll,
    time::Duration,
};
use tenure_peer::{
    RaftHandler, RaftSession, Replies, Ticket,
    proto::{
        CopyRowsRequest, DigestReply, DigestRequest, DistrustReply, DistrustRequest, RaftMessage, SnapshotChunk,
        SnapshotReply,
    },
};
use tenure_storage::{ShardId, Storage};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

/// A message for a group that is not open yet waits this long: while a cluster is founded or a node starts, peers
/// are a little ahead of each other.
const OPENING: Duration = Duration::from_millis(400);

/// The groups of this process. Clones share them.
#[derive(Clone)]
pub(crate) struct Groups(watch::Sender<BTreeMap<ShardId, Group>>);

impl Groups {
    pub(crate) fn new() -> Groups {
        Groups(watch::Sender::new(BTreeMap::new()))
    }

    pub(crate) fn add(&self, group: Group) {
        self.0.send_modify(|groups| {
            groups.insert(group.id(), group);
        });
    }

    pub(crate) fn get(&self, shard: ShardId) -> Option<Group> {
        self.0.borrow().get(&shard).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Group> {
        self.0.borrow().values().cloned().collect()
    }

    async fn opened(&self, shard: ShardId) -> Option<Group> {
        let mut groups = self.0.subscribe();
        let open = tokio::time::timeout(OPENING, groups.wait_for(|groups| groups.contains_key(&shard))).await;
        open.ok()?.ok()?.get(&shard).cloned()
    }
}

/// Serves the Raft messages of all peers.
pub(crate) struct Inbound {
    pub(crate) groups: Groups,
    pub(crate) storage: Storage,
    pub(crate) members: Members,
    pub(crate) room: SharedRoom,
    pub(crate) sending: Sending,
}

#[tonic::async_trait]
impl RaftHandler for Inbound {
    fn open(&self, _from: u64, replies: Replies) -> Box<dyn RaftSession> {
        let (groups, members) = (self.groups.clone(), self.members.clone());
        Box::new(Session { groups, members, room: self.room.clone(), replies, appends: HashMap::new() })
    }

    async fn install_snapshot(&self, from: u64, mut chunks: Streaming<SnapshotChunk>) -> Result<SnapshotReply, Status> {
        let first = chunks.message().await?.ok_or_else(|| Status::invalid_argument("a snapshot without chunks"))?;
        let shard = first.shard;
        if self.room.get() > Room::Enough {
            return Err(Status::resource_exhausted(DISK_FULL));
        }
        let group = self.groups.opened(shard).await.ok_or_else(|| Status::unavailable(no_group(shard)))?;
        // On a task of its own: what has arrived is installed, or removed, whether or not its sender is still there.
        let state = self.storage.state().clone();
        let receiving = tokio::spawn(async move { snapshot::receive(&group, state, first, chunks).await });
        let received = receiving.await.unwrap_or_else(|error| Err(Status::internal(error.to_string())));
        if let Err(status) = &received {
            tracing::warn!(shard, from, reason = status.message(), "snapshot not installed");
        }
        received
    }

    async fn digest(&self, request: DigestRequest) -> Result<DigestReply, Status> {
        compare::digest(&self.group(request.shard)?, request.index, request.bytes_per_second).await
    }

    async fn distrust(&self, request: DistrustRequest) -> Result<DistrustReply, Status> {
        self.group(request.shard)?.is_damaged(&request.cause);
        Ok(DistrustReply {})
    }

    async fn copy_rows(&self, from: u64, request: CopyRowsRequest) -> Result<mpsc::Receiver<SnapshotChunk>, Status> {
        let group = self.group(request.shard)?;
        snapshot::copy(&group, self.sending.begin(request.shard, from), request.at_least).await
    }
}

impl Inbound {
    fn group(&self, shard: ShardId) -> Result<Group, Status> {
        self.groups.get(shard).ok_or_else(|| Status::unavailable(no_group(shard)))
    }
}

const DISK_FULL: &str = "the disk is full";

fn no_group(shard: ShardId) -> String {
    format!("shard {shard} is not open here")
}

/// One peer's stream.
struct Session {
    groups: Groups,
    members: Members,
    room: SharedRoom,
    replies: Replies,
    /// Append requests go through one task per group, because their order matters.
    appends: HashMap<ShardId, mpsc::UnboundedSender<RaftMessage>>,
}

impl RaftSession for Session {
    fn message(&mut self, message: RaftMessage) {
        match Kind::from_number(message.kind) {
            None => {
                let error = format!("a message of kind {}, unknown to this build", message.kind);
                self.replies.send(message.ticket(), Err(error));
            }
            Some(Kind::Append) => {
                // One that has panicked over a message must not keep back those that follow.
                self.appends.retain(|_, queue| !queue.is_closed());
                let queue = self.appends.entry(message.shard).or_insert_with(|| {
                    let (queue, waiting) = mpsc::unbounded_channel();
                    let (groups, room) = (self.groups.clone(), self.room.clone());
                    tokio::spawn(serve_appends(groups, message.shard, waiting, self.replies.clone(), room));
                    queue
                });
                // The task lives as long as the queue does.
                let _ = queue.send(message);
            }
            // Not worth a task: nothing is waited for.
            Some(Kind::VotedTerm) => {
                let group = self.groups.get(message.shard).ok_or_else(|| no_group(message.shard));
                self.replies.send(message.ticket(), group.map(|group| voted_term(&group)));
            }
            Some(Kind::Members) => {
                let group = self.groups.get(message.shard).ok_or_else(|| no_group(message.shard));
                let answer = group.and_then(|group| {
                    let wanted = codec::decode(&message.body).map_err(|error| error.to_string())?;
                    Ok(codec::encode(&members::drive(&group, &self.members, wanted)))
                });
                self.replies.send(message.ticket(), answer);
            }
            Some(kind) => {
                let (groups, replies) = (self.groups.clone(), self.replies.clone());
                tokio::spawn(async move {
                    let ticket = message.ticket();
                    let answer = match groups.opened(message.shard).await {
                        None => Err(no_group(message.shard)),
                        Some(group) => serve(&group, kind, message.body).await,
                    };
                    replies.send(ticket, answer);
                });
            }
        }
    }
}

async fn serve(group: &Group, kind: Kind, body: Bytes) -> Result<Bytes, String> {
    fn said<T: std::fmt::Display>(error: T) -> String {
        error.to_string()
    }
    let raft = group.raft();
    match kind {
        Kind::Append => {
            let request = decode_append(body).map_err(said)?;
            group.check_term(request.vote.leader_id.term)?;
            let answer = raft.append_entries(request).await.map_err(said)?;
            if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
                group.pulse().hear();
            }
            Ok(codec::encode(&answer))
        }
        Kind::Vote => {
            let request: VoteRequest<TypeConfig> = codec::decode(&body).map_err(said)?;
            group.check_term(request.vote.leader_id.term)?;
            raft.vote(request).await.map(|answer| codec::encode(&answer)).map_err(said)
        }
        Kind::PreVote => {
            let request: VoteRequest<TypeConfig> = codec::decode(&body).map_err(said)?;
            group.check_term(request.vote.leader_id.term)?;
            raft.pre_vote(request).await.map(|answer| codec::encode(&answer)).map_err(said)
        }
        Kind::TransferLeader => {
            let request: TransferLeaderRequest<TypeConfig> = codec::decode(&body).map_err(said)?;
            if *request.to_node_id() == group.node() {
                group.steps().reach(group.node(), || format!("shard {}: told to lead", group.id())).await;
            }
            raft.handle_transfer_leader(request).await.map(|answer| codec::encode(&answer)).map_err(said)
        }
        Kind::VotedTerm => Ok(voted_term(group)),
        Kind::Members => Err("asked of a group what its node knows".into()),
    }
}

fn voted_term(group: &Group) -> Bytes {
    codec::encode(&group.voted_term())
}

/// Hands append requests to the core in the order in which they came, without waiting for one before the next.
async fn serve_appends(
    groups: Groups,
    shard: ShardId,
    mut waiting: mpsc::UnboundedReceiver<RaftMessage>,
    replies: Replies,
    room: SharedRoom,
) {
    let mut under_way = FuturesUnordered::<BoxFuture<'static, (Ticket, Result<Bytes, String>)>>::new();
    loop {
        tokio::select! {
            biased;
            Some((ticket, answer)) = under_way.next() => replies.send(ticket, answer),
            message = waiting.recv() => {
                let Some(message) = message else { return };
                let ticket = message.ticket();
                let Some(group) = groups.opened(shard).await else {
                    replies.send(ticket, Err(no_group(shard)));
                    continue;
                };
                if room.get() == Room::None && has_entries(&message.body) {
                    // It would end the process; so the replica falls behind until there is room.
                    replies.send(ticket, Err(DISK_FULL.to_owned()));
                    continue;
                }
                // The first poll puts the request into the core's queue, and must not be put off by tokio's budget.
                let mut call: BoxFuture<'static, _> = Box::pin(tokio::task::unconstrained(async move {
                    (ticket, serve(&group, Kind::Append, message.body).await)
                }));
                match futures::poll!(pin!(&mut call)) {
                    Poll::Ready((ticket, answer)) => replies.send(ticket, answer),
                    Poll::Pending => under_way.push(call),
                }
            }
        }
    }
}
