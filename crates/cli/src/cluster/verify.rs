//! `tenure cluster verify`: compares the replicas of shards.

use super::{Target, connect, refused, transfer_leader::address_of};
use crate::output;
use anyhow::bail;
use serde::Serialize;
use std::time::{Duration, Instant};
use tenure_peer::admin::{StatusRequest, VerifyReply, VerifyRequest, admin_client::AdminClient};
use tonic::{Code, Status, transport::Channel};

/// The rows of a whole shard are read.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// How long a shard may be without a leader that compares, and between two looks for one.
const LEADER_PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);

/// Compare the replicas of each shard: the rows that they have after the same entry of the log.
///
/// All of them are read, so this takes a while. A replica that differs from a majority, or cannot be read, leads no more until it
/// is rebuilt. Ends with 1 if there is one.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this shard; 0 is the system shard.
    #[arg(long)]
    shard: Option<u32>,
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct View {
    shards: Vec<ShardView>,
}

/// What the replicas of a shard have.
#[derive(Serialize)]
struct ShardView {
    shard: u32,
    /// The entry after which they were compared; zero if they were not.
    index: u64,
    replicas: Vec<ReplicaView>,
    /// What is wrong, a sentence each.
    troubles: Vec<String>,
}

#[derive(Serialize)]
struct ReplicaView {
    node: u64,
    rows: u64,
    checksum: String,
    differs: bool,
    error: Option<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.target.connect().await?;
    let status = admin.status(StatusRequest {}).await.map_err(refused)?.into_inner();
    let wanted = |shard: u32| args.shard.is_none_or(|wanted| wanted == shard);
    let mut view = View { shards: Vec::new() };
    for shard in status.shards.iter().filter(|it| wanted(it.shard)) {
        let compared = compare(&mut admin, shard.shard).await;
        view.shards.push(compared.map_or_else(|error| failed(shard.shard, &error), |reply| shard_view(&reply)));
    }
    if view.shards.is_empty() {
        bail!("there is no such shard");
    }
    let troubles: Vec<&String> = view.shards.iter().flat_map(|shard| &shard.troubles).collect();
    if args.json {
        output::line(serde_json::to_string_pretty(&view)?)?;
    } else {
        for shard in view.shards.iter().filter(|shard| shard.troubles.is_empty()) {
            let ShardView { shard, index, replicas, .. } = shard;
            let rows = replicas.first().map_or(0, |it| it.rows);
            let count = replicas.len();
            output::line(format_args!(
                "Shard {shard}: {count} replicas have the same {rows} rows after entry {index}."
            ))?;
        }
        troubles.iter().try_for_each(output::line)?;
    }
    if !troubles.is_empty() {
        bail!("not all replicas are known to be the same");
    }
    Ok(())
}

/// Has the leader compare the replicas, whoever that is by then.
async fn compare(admin: &mut AdminClient<Channel>, shard: u32) -> anyhow::Result<VerifyReply> {
    let begin = Instant::now();
    loop {
        let status = admin.status(StatusRequest {}).await.map_err(refused)?.into_inner();
        let leader = status.shards.iter().find(|it| it.shard == shard).map_or(0, |it| it.leader);
        let compared = match leader {
            0 => Err(Status::unavailable("it has no leader now")),
            leader => match connect(&address_of(&status, leader)?, PATIENCE).await {
                Ok(mut leader) => leader.verify(VerifyRequest { shard }).await,
                Err(error) => Err(Status::unavailable(error.to_string())),
            },
        };
        match compared {
            Ok(reply) => return Ok(reply.into_inner()),
            Err(status)
                if matches!(status.code(), Code::Unavailable | Code::FailedPrecondition)
                    && begin.elapsed() < LEADER_PATIENCE => {}
            Err(status) => return Err(refused(status)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn failed(shard: u32, error: &anyhow::Error) -> ShardView {
    let troubles = vec![format!("The replicas of shard {shard} were not compared: {error}.")];
    ShardView { shard, index: 0, replicas: Vec::new(), troubles }
}

fn shard_view(reply: &VerifyReply) -> ShardView {
    let VerifyReply { shard, index, majority, replicas } = reply;
    let mut troubles = Vec::new();
    for replica in replicas {
        let node = replica.node;
        if !replica.error.is_empty() {
            troubles.push(format!("The replica of shard {shard} on node {node} was not compared: {}.", replica.error));
        } else if replica.differs && *majority {
            troubles.push(format!(
                "The replica of shard {shard} on node {node} has other rows than the others: `tenure cluster rebuild {node} {shard}`."
            ));
        }
    }
    if replicas.iter().any(|replica| replica.differs) && !majority {
        troubles
            .push(format!("The replicas of shard {shard} have different rows, and no majority of them has the same."));
    }
    let replicas = replicas.iter().map(|replica| ReplicaView {
        node: replica.node,
        rows: replica.rows,
        checksum: format!("{:016x}", replica.checksum),
        differs: replica.differs,
        error: Some(replica.error.clone()).filter(|error| !error.is_empty()),
    });
    ShardView { shard: *shard, index: *index, replicas: replicas.collect(), troubles }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_peer::admin::ReplicaDigest;

    #[test]
    fn the_minority_is_named() {
        let replica =
            |node, checksum, differs| ReplicaDigest { node, rows: 5, checksum, differs, error: String::new() };
        let told = |majority, replicas| shard_view(&VerifyReply { shard: 3, index: 9, majority, replicas }).troubles;
        assert!(told(true, vec![replica(1, 7, false), replica(2, 7, false)]).is_empty());
        assert_eq!(
            told(true, vec![replica(1, 7, false), replica(2, 8, true), replica(3, 7, false)]),
            ["The replica of shard 3 on node 2 has other rows than the others: `tenure cluster rebuild 2 3`."]
        );
        assert_eq!(
            told(false, vec![replica(1, 7, true), replica(2, 8, true)]),
            ["The replicas of shard 3 have different rows, and no majority of them has the same."]
        );
        let gone = ReplicaDigest { node: 3, error: "it is not there".into(), ..ReplicaDigest::default() };
        assert_eq!(told(true, vec![gone]), ["The replica of shard 3 on node 3 was not compared: it is not there."]);
    }
}
