//! How far a change of the members has come, shard by shard, for people.

use super::{drive::Report, step::Replicas};
use std::collections::BTreeSet;
use tenure_engine::system::change::Phase;
use tenure_storage::ShardId;

/// What the coordinator saw last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The revision of the map that the shards are driven to.
    pub(crate) revision: u64,
    pub(crate) shards: Vec<ShardProgress>,
}

/// How far a shard has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardProgress {
    pub(crate) shard: ShardId,
    pub(crate) done: bool,
    pub(crate) state: String,
    pub(crate) voters: BTreeSet<u64>,
}

impl ShardProgress {
    /// A shard that was not asked, and why.
    pub(crate) fn not_asked(shard: ShardId, why: impl Into<String>) -> ShardProgress {
        ShardProgress { shard, done: false, state: why.into(), voters: BTreeSet::new() }
    }

    /// What a shard's leader reports; `revision`, `voters` and `learners` are what the coordinator wants.
    pub(crate) fn of(
        shard: ShardId,
        report: &Report,
        (revision, phase): (u64, Phase),
        (voters, learners): (&BTreeSet<u64>, &BTreeSet<u64>),
    ) -> ShardProgress {
        let replicas = report.replicas();
        let progress = |done: bool, state: String| ShardProgress {
            shard,
            done,
            state,
            voters: replicas.voters.iter().flatten().copied().collect(),
        };
        if !report.leads {
            return progress(false, "the leader is changing".into());
        }
        if report.revision != revision {
            return progress(false, "the leader has not heard of it yet".into());
        }
        if !replicas.are(voters, learners) {
            return progress(false, moving(&replicas, voters, learners));
        }
        let behind = learners.iter().find(|node| !replicas.has_caught_up(**node));
        match (phase, behind) {
            (Phase::Learning, Some(node)) => progress(false, lacks(&replicas, *node)),
            (Phase::Learning, None) => progress(true, "caught up".into()),
            (Phase::Voting | Phase::Undoing, _) => progress(true, "done".into()),
        }
    }
}

fn lacks(replicas: &Replicas, node: u64) -> String {
    match replicas.lag.get(&node).copied().flatten() {
        Some(entries) => format!("node {node} lacks {entries} entries"),
        None => format!("node {node} has not answered yet"),
    }
}

fn moving(replicas: &Replicas, voters: &BTreeSet<u64>, learners: &BTreeSet<u64>) -> String {
    let now: BTreeSet<u64> = replicas.voters.iter().flatten().copied().collect();
    if let Some(new) = voters.union(learners).find(|node| !now.contains(node) && !replicas.learners.contains(node)) {
        return format!("node {new} gets its first entries");
    }
    match voters.difference(&now).find(|node| !replicas.has_caught_up(**node)) {
        Some(node) => lacks(replicas, *node),
        None => "votes are changing".into(),
    }
}
