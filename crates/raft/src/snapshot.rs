//! Snapshots on their way: rows are exported while they are sent, and become files of a fresh incarnation as they
//! arrive.

use crate::{
    codec,
    entry::AppliedLog,
    group::Group,
    sending::{SILENCE, Transfer},
    state_machine::SnapshotRows,
    types::{Snapshot, TypeConfig, Vote},
};
use bytes::Bytes;
use openraft::raft::SnapshotResponse;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tenure_peer::{
    Pool,
    proto::{SnapshotChunk, SnapshotReply},
};
use tenure_storage::{ShardId, ShardRows, StateDb, StorageError};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Chunks between the disk and the network.
const CHUNKS_AHEAD: usize = 4;

/// How long a replica may take to have applied what the one has that is to be rebuilt.
const BEHIND: Duration = Duration::from_secs(10);

/// Sends all rows of this moment, on a connection of their own. The error is for people.
pub(crate) async fn send(
    pool: &Pool,
    to: u64,
    mut transfer: Transfer,
    vote: Vote,
    rows: ShardRows,
) -> Result<SnapshotResponse<TypeConfig>, String> {
    transfer.take_turn(size(&rows).await).await;
    let (begin, shard) = (Instant::now(), transfer.shard());
    // Until the rows are installed there: what follows them is needed then.
    let transfer = Arc::new(transfer);
    let exported = transfer.clone();
    let mut client = pool.connect(to).await.map_err(|status| status.message().to_owned())?;
    let (chunks, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let export = tokio::task::spawn_blocking(move || export(&rows, &exported, vote, &chunks));
    let reply = tokio::select! {
        reply = client.install_snapshot(ReceiverStream::new(receiver)) => reply,
        () = transfer.until_silent(SILENCE) => Err(Status::deadline_exceeded(format!("node {to} takes nothing"))),
    };
    // When the peer refuses, the export ends because nobody takes its chunks.
    export.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let reply = reply.map_err(|status| status.message().to_owned())?.into_inner();
    tracing::info!(shard, to, seconds = begin.elapsed().as_secs_f64(), "snapshot sent");
    metrics::histogram!("tenure_raft_snapshot_send_seconds").record(begin.elapsed());
    codec::decode(&reply.body).map_err(|e| e.to_string())
}

fn export(
    rows: &ShardRows,
    transfer: &Transfer,
    vote: Vote,
    chunks: &mpsc::Sender<SnapshotChunk>,
) -> Result<(), StorageError> {
    let shard = transfer.shard();
    let export = rows.export()?;
    let applied = AppliedLog::from_row(export.applied()?)?;
    let mut header = codec::encode(&(vote, applied));
    let mut send = |rows: Bytes, last: bool| {
        let crc32 = crc32fast::hash(&rows);
        let chunk = SnapshotChunk { shard, header: std::mem::take(&mut header), rows, crc32, last };
        chunks.blocking_send(chunk).is_ok()
    };
    for batch in export {
        let batch = batch?;
        let rest = transfer.sent(batch.len() as u64);
        if !send(batch, false) {
            return Ok(());
        }
        std::thread::sleep(rest);
    }
    send(Bytes::new(), true);
    Ok(())
}

/// Hands out the rows of a replica that has applied at least an entry, for one that is to be rebuilt.
pub(crate) async fn copy(
    group: &Group,
    mut transfer: Transfer,
    at_least: u64,
) -> Result<mpsc::Receiver<SnapshotChunk>, Status> {
    if let Some(damage) = group.damage() {
        return Err(Status::data_loss(format!("the replica here is damaged itself: {damage}")));
    }
    let mut applied = group.applied();
    let reached = tokio::time::timeout(BEHIND, applied.wait_for(|applied| *applied >= at_least)).await;
    reached.map_err(|_| Status::unavailable(format!("entry {at_least} is not applied here yet")))?.map_err(stopped)?;
    let rows = group.rows().current();
    let vote = group.log().vote().ok_or_else(|| Status::unavailable("the replica here has no rows yet"))?;
    transfer.take_turn(size(&rows).await).await;
    let (chunks, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let group = group.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = export(&rows, &transfer, vote, &chunks) {
            tracing::warn!(shard = group.id(), %error, "rows are not copied to the end");
        }
    });
    Ok(receiver)
}

/// Bytes of rows in files, about.
async fn size(rows: &ShardRows) -> u64 {
    let rows = rows.clone();
    tokio::task::spawn_blocking(move || rows.file_bytes()).await.unwrap_or_default()
}

fn stopped(_: watch::error::RecvError) -> Status {
    Status::unavailable("the group has stopped")
}

/// Deletes rows that nothing points to.
pub(crate) async fn discard(shard: ShardId, rows: ShardRows) {
    let retired = tokio::task::spawn_blocking(move || rows.retire()).await;
    if let Ok(Err(error)) = retired {
        tracing::warn!(shard, %error, "the rows of an unused snapshot stay until the next start");
    }
}

/// Receives the chunks of one snapshot and installs it.
pub(crate) async fn receive(
    group: &Group,
    state: StateDb,
    first: SnapshotChunk,
    chunks: Streaming<SnapshotChunk>,
) -> Result<SnapshotReply, Status> {
    let shard = group.id();
    let _one = group
        .receiving()
        .try_lock()
        .map_err(|_| Status::aborted(format!("shard {shard} is already receiving a snapshot")))?;
    let (vote, log): (Vote, AppliedLog) =
        codec::decode(&first.header).map_err(|e| Status::invalid_argument(format!("snapshot header: {e}")))?;
    group.check_term(vote.leader_id.term).map_err(Status::invalid_argument)?;
    tracing::info!(shard, upto = log.index(), "receiving a snapshot");
    let rows = receive_rows(state, first, chunks).await?;
    let received = AppliedLog::from_row(rows.applied()).map_err(|e| Status::data_loss(e.to_string()))?;
    if received != log {
        discard(shard, rows).await;
        return Err(Status::data_loss("the rows are not those that the header announced"));
    }
    let snapshot = Snapshot { meta: log.snapshot_meta(), snapshot: SnapshotRows::Received(rows.clone()) };
    // After an error the rows may still become the shard's: the core ends, and what it has begun goes on. Rows that nothing
    // points to are deleted at the next start.
    let response = group.raft().install_full_snapshot(vote, snapshot).await;
    let response = response.map_err(|e| Status::internal(e.to_string()))?;
    if group.rows().current().incarnation() != rows.incarnation() {
        discard(shard, rows).await;
    }
    Ok(SnapshotReply { body: codec::encode(&response) })
}

/// Builds the files of a fresh incarnation. What is received in part leaves nothing behind.
pub(crate) async fn receive_rows(
    state: StateDb,
    first: SnapshotChunk,
    mut chunks: Streaming<SnapshotChunk>,
) -> Result<ShardRows, Status> {
    let (sender, mut receiver) = mpsc::channel::<SnapshotChunk>(CHUNKS_AHEAD);
    let ingest = tokio::task::spawn_blocking(move || {
        let mut ingest = state.ingest()?;
        while let Some(chunk) = receiver.blocking_recv() {
            if !chunk.rows.is_empty() {
                if crc32fast::hash(&chunk.rows) != chunk.crc32 {
                    return Err(StorageError::Corrupt("a snapshot chunk with a wrong checksum".into()));
                }
                ingest.add(&chunk.rows)?;
            }
            if chunk.last {
                return ingest.finish().map(Some);
            }
        }
        Ok(None)
    });
    let mut next = Some(first);
    while let Some(chunk) = next {
        // Fails when the other side stopped, and then says why below.
        if sender.send(chunk).await.is_err() {
            break;
        }
        next = chunks.message().await?;
    }
    drop(sender);
    let failed = |e: &dyn std::fmt::Display| Status::internal(format!("receiving a snapshot: {e}"));
    match ingest.await {
        Ok(Ok(Some(rows))) => Ok(rows),
        Ok(Ok(None)) => Err(failed(&io::Error::from(io::ErrorKind::UnexpectedEof))),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}
