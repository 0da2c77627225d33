//! What commands that change the members share: asking whichever node answers, and telling how it goes on.

use super::{Target, connect, refused};
use crate::output;
use anyhow::{anyhow, bail};
use std::time::{Duration, Instant};
use tenure_peer::admin::{
    ChangeMembersRequest, MembersEnd, MembersReply, MembersRequest, StatusRequest, admin_client::AdminClient,
};
use tonic::{Code, Status, transport::Channel};

/// Between two looks at how far it has come.
const LOOK: Duration = Duration::from_millis(200);

/// How long no node may answer: leaders change meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// The least time that a node has to begin a change: it asks others.
const BEGIN: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Change {
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Return when it has begun; the cluster goes on by itself.
    #[arg(long)]
    detach: bool,
}

/// The nodes that can be asked: the one that was named, and those that it knows.
pub(crate) struct Addresses {
    addresses: Vec<String>,
    timeout: Duration,
}

/// Begins a change and follows it to its end. The nodes: the one that comes, the one that goes; zero is none.
pub(crate) async fn change(target: &Target, change: &Change, (add, remove): (u64, u64)) -> anyhow::Result<()> {
    if add == 0 && remove == 0 || add == remove {
        return Err(crate::Usage("a node's id is 1 or more, and a node does not take its own place".into()).into());
    }
    let mut nodes = Addresses::of(target).await?;
    let request = ChangeMembersRequest { add, remove, dry_run: change.dry_run, ..Default::default() };
    let reply = nodes.change(request).await?;
    if change.dry_run {
        return plan(&reply, add);
    }
    if change.detach && reply.change.is_some() {
        return output::line(format_args!("begun: {}", words(add, remove, Tense::GoesOn)));
    }
    let end = follow(&mut nodes, (add, remove), reply).await?;
    if end.undone {
        bail!("taken back: the members are as they were before");
    }
    let seconds = end.ended_ms.saturating_sub(end.began_ms) as f64 / 1e3;
    output::line(format_args!("{} in {seconds:.1} s", words(add, remove, Tense::Done)))
}

/// Tells how a change goes on until it has ended.
pub(crate) async fn follow(
    nodes: &mut Addresses,
    (add, remove): (u64, u64),
    mut reply: MembersReply,
) -> anyhow::Result<MembersEnd> {
    let mut told = String::new();
    loop {
        let ours = reply.change.as_ref().filter(|change| (change.add, change.remove) == (add, remove));
        match (ours, &reply.last) {
            (Some(change), _) => {
                let now = progress(&change.phase, &reply);
                if now != told {
                    output::line(&now)?;
                    told = now;
                }
            }
            (None, Some(end)) if (end.add, end.remove) == (add, remove) => return Ok(*end),
            // The node that was asked may not have heard of it yet.
            (None, _) => {}
        }
        tokio::time::sleep(LOOK).await;
        reply = nodes.members().await?;
    }
}

fn progress(phase: &str, reply: &MembersReply) -> String {
    let done = reply.shards.iter().filter(|shard| shard.done).count();
    let next = reply.shards.iter().find(|shard| !shard.done && !shard.state.is_empty());
    let next = next.map(|shard| format!("; shard {}: {}", shard.shard, shard.state)).unwrap_or_default();
    match reply.shards.len() {
        0 => format!("{phase}: beginning"),
        all => format!("{phase}: {done} of {all} shards{next}"),
    }
}

fn plan(reply: &MembersReply, add: u64) -> anyhow::Result<()> {
    let bytes: u64 = reply.shards.iter().map(|shard| shard.bytes).sum();
    for shard in &reply.shards {
        let to = if add > 0 { format!(", {} bytes to node {add}", shard.bytes) } else { String::new() };
        output::line(format_args!("shard {}: voters would be {:?}{to}", shard.shard, shard.voters))?;
    }
    let sent = if add > 0 { format!(", {bytes} bytes would be sent") } else { String::new() };
    output::line(format_args!("{} shards would change{sent}; nothing was done", reply.shards.len()))
}

enum Tense {
    GoesOn,
    Done,
}

fn words(add: u64, remove: u64, tense: Tense) -> String {
    let is = match tense {
        Tense::GoesOn => "is being",
        Tense::Done => "was",
    };
    match (add, remove) {
        (add, 0) => format!("node {add} {is} added"),
        (0, remove) => format!("node {remove} {is} removed"),
        (add, remove) => format!("node {remove} {is} replaced by node {add}"),
    }
}

impl Addresses {
    /// # Errors
    /// If the node that is named does not answer.
    pub(crate) async fn of(target: &Target) -> anyhow::Result<Addresses> {
        let status = target.connect().await?.status(StatusRequest {}).await.map_err(refused)?.into_inner();
        let mut addresses = vec![target.address.clone()];
        addresses.extend(status.nodes.into_iter().map(|node| node.peer_address));
        Ok(Addresses { addresses, timeout: target.timeout() })
    }

    pub(crate) async fn change(&mut self, request: ChangeMembersRequest) -> anyhow::Result<MembersReply> {
        self.ask(self.timeout.max(BEGIN), |mut client| {
            let request = request.clone();
            async move { client.change_members(request).await }
        })
        .await
    }

    pub(crate) async fn members(&mut self) -> anyhow::Result<MembersReply> {
        self.ask(self.timeout, |mut client| async move { client.members(MembersRequest {}).await }).await
    }

    /// Asks the node that answered last, and the others while it does not. A request that may have been carried out is
    /// answered as the first time.
    async fn ask<F>(
        &mut self,
        timeout: Duration,
        ask: impl Fn(AdminClient<Channel>) -> F,
    ) -> anyhow::Result<MembersReply>
    where
        F: Future<Output = Result<tonic::Response<MembersReply>, Status>>,
    {
        let begin = Instant::now();
        loop {
            let cause = match connect(&self.addresses[0], timeout).await {
                Err(cause) => cause,
                Ok(client) => match ask(client).await {
                    Ok(reply) => return Ok(reply.into_inner()),
                    Err(status) if is_passing(&status) => refused(status),
                    Err(status) => return Err(refused(status)),
                },
            };
            if begin.elapsed() > PATIENCE {
                return Err(anyhow!("no node answers; the last one: {cause}"));
            }
            self.addresses.rotate_left(1);
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Another node may answer, or the same one soon.
fn is_passing(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown)
}
