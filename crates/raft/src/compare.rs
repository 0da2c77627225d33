//! Replicas are compared: each tells a digest of its rows as they are right after the same entry. One that has others than a
//! majority is told so, and leads no more until it is rebuilt.

use crate::{group::Group, node::Core};
use futures::future::{join_all, try_join_all};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    time::{Duration, Instant},
};
use tenure_engine::rows::WriteSet;
use tenure_peer::{
    admin::{ReplicaDigest, VerifyReply},
    proto::{DigestReply, DigestRequest, DistrustRequest},
};
use tenure_storage::{ShardId, StorageError, write_set};
use tonic::{Code, Status};

/// So many entries ahead a replica is asked to stop, one after the other: under load more are applied while it is asked.
const AHEAD: [u64; 4] = [1, 32, 512, 8192];

/// How long the question is on its way before the log is brought to the entry.
const ASKING: Duration = Duration::from_millis(100);

/// How long a replica may take to get to the entry.
const PATIENCE: Duration = Duration::from_secs(20);

/// Entries that are proposed at once.
const TOGETHER: u64 = 256;

/// Between two looks whether it is time to compare.
const PERIOD: Duration = Duration::from_secs(30);

/// Bytes of rows that a replica reads in a second where nobody waits for it.
const IN_BACKGROUND: u64 = 16 << 20;

/// Compares what this node leads again and again.
pub(crate) async fn run(core: Core) -> Infallible {
    let mut compared = HashMap::<ShardId, Instant>::new();
    let every = core.options.compare_every;
    loop {
        let (groups, period) = (core.groups.all(), PERIOD.min(every.max(Duration::from_secs(1))));
        tokio::time::sleep(period).await;
        if every.is_zero() {
            continue;
        }
        for group in groups {
            let last = *compared.entry(group.id()).or_insert_with(Instant::now);
            if !group.leads() || last.elapsed() < every {
                continue;
            }
            compared.insert(group.id(), Instant::now());
            match compare(&core, &group, IN_BACKGROUND).await {
                Ok(_) => {}
                Err(status) => {
                    tracing::warn!(shard = group.id(), reason = status.message(), "replicas could not be compared");
                }
            }
        }
    }
}

/// Compares the replicas of a shard that this node leads, and tells those that differ from a majority. They are read at
/// `bytes_per_second` each; zero: as quickly as it goes.
pub(crate) async fn compare(core: &Core, group: &Group, bytes_per_second: u64) -> Result<VerifyReply, Status> {
    let _one = group.comparing().lock().await;
    for ahead in AHEAD {
        let status = group.status();
        if !status.leadership.is_leader {
            return Err(Status::failed_precondition(format!("this node does not lead shard {}", group.id())));
        }
        let index = status.last_log_index + ahead;
        let ask = |node| async move { (node, ask(core, group, node, index, bytes_per_second).await) };
        let (answers, pushed) = tokio::join!(
            join_all(status.voters.iter().map(|node| ask(*node))),
            push(group, status.leadership.term, index)
        );
        pushed?;
        if answers.iter().any(|(_, answer)| is_too_late(answer)) {
            continue;
        }
        let reply = judge(group.id(), index, answers);
        tell(core, group, &reply).await;
        return Ok(reply);
    }
    Err(Status::unavailable("replicas applied too much while they were asked; try again when there is less load"))
}

fn is_too_late(answer: &Result<DigestReply, Status>) -> bool {
    answer.as_ref().is_err_and(|status| status.code() == Code::OutOfRange)
}

/// Asks a replica for its digest.
async fn ask(core: &Core, group: &Group, node: u64, index: u64, bytes_per_second: u64) -> Result<DigestReply, Status> {
    if node == core.node {
        return digest(group, index, bytes_per_second).await;
    }
    if !core.is_alive(node) {
        return Err(Status::unavailable("it is not there"));
    }
    let request = DigestRequest { shard: group.id(), index, bytes_per_second };
    let asked = async { core.pool.connect(node).await?.digest(request).await };
    Ok(asked.await?.into_inner())
}

/// Brings the log to an entry, once the others have had time to hear of it.
async fn push(group: &Group, term: u64, index: u64) -> Result<(), Status> {
    tokio::time::sleep(ASKING).await;
    loop {
        let last = group.status().last_log_index;
        if last >= index {
            return Ok(());
        }
        let nothing = write_set::encode([&WriteSet::default()]);
        let proposals = (last..index).take(TOGETHER as usize).map(|_| group.propose(term, nothing.clone()));
        let proposed = try_join_all(proposals).await;
        proposed.map_err(|error| Status::unavailable(error.to_string()))?;
    }
}

/// The digest of the rows here right after an entry.
pub(crate) async fn digest(group: &Group, index: u64, bytes_per_second: u64) -> Result<DigestReply, Status> {
    let mut applied = group.applied();
    let held = group.rows().mark().set(index);
    let passed = async { _ = applied.wait_for(|applied| *applied >= index).await };
    let hold = tokio::select! {
        biased;
        hold = held => hold.map_err(|_| Status::aborted("another comparison has begun")),
        () = passed => Err(Status::out_of_range(format!("entry {index} is applied already"))),
        () = tokio::time::sleep(PATIENCE) => Err(Status::deadline_exceeded(format!("entry {index} is not applied"))),
    }?;
    let rows = group.rows().current();
    let read = tokio::task::spawn_blocking(move || rows.checksum(bytes_per_second, || drop(hold)));
    match read.await.map_err(|error| Status::internal(error.to_string()))? {
        Ok(sum) if sum.applied == index => Ok(DigestReply { rows: sum.rows, checksum: sum.checksum }),
        Ok(sum) => Err(Status::aborted(format!("the rows are those after entry {}", sum.applied))),
        Err(error) => {
            if let StorageError::Database(cause) = &error {
                group.is_damaged(cause.as_ref());
            }
            Err(Status::data_loss(error.to_string()))
        }
    }
}

/// Whose rows are not those of a majority.
fn judge(shard: ShardId, index: u64, answers: Vec<(u64, Result<DigestReply, Status>)>) -> VerifyReply {
    let mut votes = BTreeMap::<(u64, u64), usize>::new();
    for digest in answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()) {
        *votes.entry((digest.rows, digest.checksum)).or_default() += 1;
    }
    let right = votes.iter().find(|(_, count)| **count > answers.len() / 2).map(|(digest, _)| *digest);
    let replica = |(node, answer): (u64, Result<DigestReply, Status>)| match answer {
        Ok(DigestReply { rows, checksum }) => ReplicaDigest {
            node,
            rows,
            checksum,
            differs: right.map_or(votes.len() > 1, |right| right != (rows, checksum)),
            error: String::new(),
        },
        Err(status) => ReplicaDigest { node, error: status.message().to_owned(), ..ReplicaDigest::default() },
    };
    VerifyReply { shard, index, majority: right.is_some(), replicas: answers.into_iter().map(replica).collect() }
}

/// Tells the replicas that a majority contradicts.
async fn tell(core: &Core, group: &Group, verdict: &VerifyReply) {
    for replica in verdict.replicas.iter().filter(|replica| verdict.majority && replica.differs) {
        let (shard, node) = (group.id(), replica.node);
        let cause = format!("after entry {} its rows are not those of the other replicas", verdict.index);
        tracing::error!(shard, node, cause, "a replica differs");
        if node == core.node {
            group.is_damaged(&cause);
            continue;
        }
        let told = async { core.pool.connect(node).await?.distrust(DistrustRequest { shard, cause }).await };
        if let Err(status) = told.await {
            tracing::error!(shard, node, reason = status.message(), "it could not be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minority_is_named() {
        let digest = |checksum| Ok(DigestReply { rows: 5, checksum });
        let gone = || Err(Status::unavailable("it is not there"));
        for (answers, majority, differ) in [
            (vec![digest(1), digest(1), digest(1)], true, vec![]),
            (vec![digest(1), digest(2), digest(1)], true, vec![2]),
            (vec![digest(1), gone(), digest(1)], true, vec![]),
            // Nobody can say which is right.
            (vec![digest(1), gone(), digest(2)], false, vec![1, 3]),
            (vec![digest(1), digest(2), digest(3)], false, vec![1, 2, 3]),
            (vec![digest(1), gone(), gone()], false, vec![]),
            (vec![digest(1), digest(2), digest(2), digest(2), digest(3)], true, vec![1, 5]),
            (vec![digest(1)], true, vec![]),
        ] {
            let verdict = judge(1, 9, (1..).zip(answers).collect());
            let told: Vec<u64> = verdict.replicas.iter().filter(|it| it.differs).map(|it| it.node).collect();
            assert_eq!((verdict.majority, told), (majority, differ));
        }
    }
}
