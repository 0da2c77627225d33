//! openraft's network: messages of one group to one peer, over the stream that all groups share.

use crate::{
    codec, commit_alone, entry,
    links::Links,
    sending::Sending,
    snapshot,
    state_machine::{Rows, SnapshotRows},
    types::{Entry, LogId, Snapshot, TypeConfig, Vote},
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream, FuturesOrdered},
};
use openraft::{
    EmptyNode, OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable},
    network::{Backoff, RPCOption},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{io, time::Duration};
use tenure_engine::system::cluster::SYSTEM_SHARD;
use tenure_limits::UNANSWERED;
use tenure_peer::{Call, LinkError, Order, Pool};
use tenure_storage::ShardId;

/// What a message asks for; the number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Append = 1,
    Vote = 2,
    PreVote = 3,
    TransferLeader = 4,
    /// Asks for the term in which the replica has voted last; the body is empty.
    VotedTerm = 5,
    /// Has the leader take a step towards other replicas, and tell how they stand.
    Members = 6,
}

impl Kind {
    pub(crate) fn from_number(number: u32) -> Option<Kind> {
        let all = [Kind::Append, Kind::Vote, Kind::PreVote, Kind::TransferLeader, Kind::VotedTerm, Kind::Members];
        all.into_iter().find(|kind| *kind as u32 == number)
    }
}

/// Append requests of one group that may be under way to one follower: with as many no further one is begun.
const PIPELINE: usize = 8;

/// How long followers of a shard may not hear that an entry is committed.
const COMMIT_ALONE: Duration = Duration::from_millis(20);

/// A follower that does not answer an append request within this time of its having been sent is tried again. Far
/// longer than a sync takes.
const APPEND_TIMEOUT: Duration = Duration::from_secs(4);

/// Pauses after failures. The link itself reconnects on its own; this is how soon a group looks again.
const BACKOFF: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(50), Duration::from_millis(100)];

/// Makes the networks of one group.
pub(crate) struct Network {
    pub(crate) shard: ShardId,
    pub(crate) node: u64,
    pub(crate) pool: Pool,
    pub(crate) links: Links,
    pub(crate) rows: Rows,
    pub(crate) sending: Sending,
}

/// One group's way to one peer.
pub(crate) struct Route {
    shard: ShardId,
    from: u64,
    to: u64,
    pool: Pool,
    links: Links,
    rows: Rows,
    sending: Sending,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Route;

    async fn new_client(&mut self, to: u64, _node: &EmptyNode) -> Route {
        Route {
            shard: self.shard,
            from: self.node,
            to,
            pool: self.pool.clone(),
            links: self.links.clone(),
            rows: self.rows.clone(),
            sending: self.sending.clone(),
        }
    }
}

impl Route {
    fn send(&self, kind: Kind, body: Bytes, order: Order) -> Result<Call, RPCError<TypeConfig>> {
        let link = self.links.get(self.to).ok_or_else(|| unreachable(format!("node {} is not a member", self.to)))?;
        link.call(self.shard, kind as u32, body, order).map_err(rpc_error)
    }

    async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        (kind, action, order): (Kind, RPCTypes, Order),
        request: &Q,
        option: RPCOption,
    ) -> Result<A, RPCError<TypeConfig>> {
        let call = self.send(kind, codec::encode(request), order)?;
        // All of the time that openraft gives it: a vote is answered after a sync.
        self.answer(call, action, option.hard_ttl()).await
    }

    fn answer<A: DeserializeOwned>(
        &self,
        call: Call,
        action: RPCTypes,
        timeout: Duration,
    ) -> impl Future<Output = Result<A, RPCError<TypeConfig>>> + Send + 'static {
        let (id, target) = (self.from, self.to);
        async move {
            match call.patiently(timeout).await {
                Err(LinkError::Silent(_)) => Err(RPCError::Timeout(Timeout { action, id, target, timeout })),
                Err(error) => Err(rpc_error(error)),
                Ok(body) => codec::decode(&body).map_err(|e| RPCError::Network(NetworkError::new(&e))),
            }
        }
    }
}

fn unreachable(cause: String) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::from_string(cause))
}

fn rpc_error(error: LinkError) -> RPCError<TypeConfig> {
    match error {
        // The connection is being made anew: try again at once.
        LinkError::Broken(_) | LinkError::Silent(_) => RPCError::Network(NetworkError::new(&error)),
        LinkError::Down(_) | LinkError::Refused { .. } | LinkError::Busy(_) | LinkError::TooLarge(_) => {
            RPCError::Unreachable(Unreachable::new(&error))
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Route {
    type SnapshotData = SnapshotRows;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let call = self.send(Kind::Append, encode_append(&request), Order::Group)?;
        self.answer(call, RPCTypes::AppendEntries, option.soft_ttl()).await
    }

    /// Sends on while answers are outstanding; the stream and the receiver keep the order.
    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<AppendStream<'s>, RPCError<TypeConfig>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        // The system shard's rows are followed on all nodes.
        let patience = if self.shard == SYSTEM_SHARD { Duration::ZERO } else { COMMIT_ALONE };
        let pipeline = Pipeline {
            route: self,
            requests: Some(commit_alone::with_entries(requests, patience)),
            under_way: FuturesOrdered::new(),
            bytes: 0,
            broken: false,
        };
        async move { Ok(stream::unfold(pipeline, Pipeline::next).boxed()) }.boxed()
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask((Kind::Vote, RPCTypes::Vote, Order::Ahead), &request, option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask((Kind::PreVote, RPCTypes::Vote, Order::Ahead), &request, option).await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask((Kind::TransferLeader, RPCTypes::TransferLeader, Order::Group), &request, option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        _snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let transfer = self.sending.begin(self.shard, self.to);
        let sent = snapshot::send(&self.pool, self.to, transfer, vote, self.rows.current());
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sent => sent.map_err(|cause| StreamingError::Unreachable(Unreachable::from_string(cause))),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        let last = BACKOFF[BACKOFF.len() - 1];
        Some(Backoff::new(BACKOFF.into_iter().chain(std::iter::repeat(last))))
    }
}

type AppendStream<'s> = BoxStream<'s, AppendOutcome>;
type AppendOutcome = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

struct Pipeline<'s, S> {
    route: &'s mut Route,
    /// `None` when all are sent.
    requests: Option<S>,
    under_way: FuturesOrdered<BoxFuture<'static, (AppendOutcome, usize)>>,
    /// Bytes that are under way.
    bytes: usize,
    /// A request failed: what was sent behind it means nothing any more.
    broken: bool,
}

impl<S> Pipeline<'_, S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
{
    async fn next(mut self) -> Option<(AppendOutcome, Self)> {
        if self.broken {
            return None;
        }
        loop {
            let Pipeline { route, requests, under_way, bytes, .. } = &mut self;
            let may_send = requests.is_some() && under_way.len() < PIPELINE && *bytes < UNANSWERED;
            let alone = under_way.is_empty();
            let request = async {
                match requests {
                    Some(requests) => requests.next().await,
                    None => None,
                }
            };
            tokio::select! {
                biased;
                Some((outcome, size)) = under_way.next() => {
                    *bytes -= size;
                    self.broken = !matches!(outcome, Ok(Ok(_)));
                    return Some((outcome, self));
                }
                request = request, if may_send => match request.map(|request| route.start_append(&request, alone)) {
                    Some(Ok((answer, size))) => {
                        *bytes += size;
                        under_way.push_back(answer.map(move |outcome| (outcome, size)).boxed());
                    }
                    Some(Err(error)) => {
                        self.requests = None;
                        self.under_way.push_back(std::future::ready((Err(error), 0)).boxed());
                    }
                    None => self.requests = None,
                },
                else => return None,
            }
        }
    }
}

impl Route {
    /// The answer to come, and the bytes of the request. One without entries that is sent `alone` is about what the
    /// follower has acknowledged (a heartbeat), and needs not wait for the bulk of others.
    fn start_append(
        &self,
        request: &AppendEntriesRequest<TypeConfig>,
        alone: bool,
    ) -> Result<(BoxFuture<'static, AppendOutcome>, usize), RPCError<TypeConfig>> {
        let previous = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        let order = if alone && request.entries.is_empty() { Order::Ahead } else { Order::Group };
        let body = encode_append(request);
        let size = body.len();
        let call = self.send(Kind::Append, body, order)?;
        let answer = self.answer::<AppendEntriesResponse<TypeConfig>>(call, RPCTypes::AppendEntries, APPEND_TIMEOUT);
        Ok((answer.map(move |answer| Ok(answer?.into_stream_result(previous, last))).boxed(), size))
    }
}

/// All of an append request but its entries.
#[derive(Serialize, Deserialize)]
struct AppendHead {
    vote: Vote,
    previous: Option<LogId>,
    committed: Option<LogId>,
    /// Index of the first entry; the others follow without gap.
    first: u64,
}

/// Header length (u32), header, then each entry as length (u32) and the bytes that the log keeps.
pub(crate) fn encode_append(request: &AppendEntriesRequest<TypeConfig>) -> Bytes {
    let head = codec::encode(&AppendHead {
        vote: request.vote,
        previous: request.prev_log_id,
        committed: request.leader_commit,
        first: request.entries.first().map_or(0, |entry| entry.log_id.index),
    });
    let entries: usize = request.entries.iter().map(|e| entry::size(e) + 4).sum();
    let mut message = BytesMut::with_capacity(4 + head.len() + entries);
    message.put_u32_le(head.len() as u32);
    message.put(head);
    for entry in &request.entries {
        let row = entry::encode(entry);
        message.put_u32_le(row.len() as u32);
        message.put(row);
    }
    message.freeze()
}

/// Whether an encoded append request has entries; one that is malformed has none.
pub(crate) fn has_entries(mut message: &[u8]) -> bool {
    message.try_get_u32_le().is_ok_and(|head| message.len() > head as usize)
}

pub(crate) fn decode_append(mut message: Bytes) -> io::Result<AppendEntriesRequest<TypeConfig>> {
    fn part(message: &mut Bytes) -> io::Result<Bytes> {
        let length = message.try_get_u32_le().map_err(entry::malformed)? as usize;
        if length > message.len() {
            return Err(entry::malformed("an append request that ends early"));
        }
        Ok(message.split_to(length))
    }
    let head: AppendHead = codec::decode(&part(&mut message)?)?;
    let mut entries: Vec<Entry> = Vec::new();
    while !message.is_empty() {
        // A copy, so that an entry in the cache does not hold on to the whole frame.
        let row = Bytes::copy_from_slice(&part(&mut message)?);
        let index = head.first.checked_add(entries.len() as u64);
        let index = index.ok_or_else(|| entry::malformed("an append request beyond the last index"))?;
        entries.push(entry::decode(index, row)?);
    }
    Ok(AppendEntriesRequest { vote: head.vote, prev_log_id: head.previous, entries, leader_commit: head.committed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{EntryPayload, Payload, log_id};

    #[test]
    fn an_index_beyond_the_last_is_refused() {
        let entry = Entry { log_id: log_id(2, u64::MAX), payload: EntryPayload::Blank };
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: Vote::new_committed(3, 1),
            prev_log_id: None,
            entries: vec![entry.clone(), entry],
            leader_commit: None,
        };
        assert!(decode_append(encode_append(&request)).is_err());
    }

    #[test]
    fn append_requests_come_back() {
        let entries = (5..8).map(|index| Entry {
            log_id: log_id(2, index),
            payload: EntryPayload::Normal(Payload(Bytes::from(vec![index as u8; 100]))),
        });
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: Vote::new_committed(3, 1),
            prev_log_id: Some(log_id(2, 4)),
            entries: entries.collect(),
            leader_commit: None,
        };
        let message = encode_append(&request);
        let got = decode_append(message.clone()).unwrap();
        assert_eq!(format!("{got:?}"), format!("{request:?}"));
        assert_eq!(got.entries, request.entries);
        assert!(has_entries(&message) && !has_entries(&message[..2]));
        let heartbeat = AppendEntriesRequest::<TypeConfig> { entries: Vec::new(), ..request.clone() };
        assert!(!has_entries(&encode_append(&heartbeat)));
        for end in 0..message.len() - 1 {
            // Wherever it is cut, it is refused or shorter; nothing panics.
            if let Ok(got) = decode_append(message.slice(..end)) {
                assert!(got.entries.len() < request.entries.len());
            }
        }
    }
}
