//! A shard's leader takes a step when the coordinator asks for it, and tells how its replicas stand.

use super::{
    Members,
    step::{Replicas, Step},
};
use crate::group::Group;
use futures::future::BoxFuture;
use openraft::{ChangeMembers, EmptyNode, async_runtime::WatchReceiver};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tenure_storage::ShardId;

/// A step that takes longer is begun again.
const STEP: Duration = Duration::from_secs(10);

/// What the coordinator wants of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// The revision of the map that wants it.
    pub(crate) revision: u64,
    pub(crate) voters: BTreeSet<u64>,
    pub(crate) learners: BTreeSet<u64>,
}

/// How a shard's replicas stand, as its leader tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Whoever tells it leads the shard.
    pub(crate) leads: bool,
    /// The revision of the map that it goes by.
    pub(crate) revision: u64,
    pub(crate) voters: Vec<BTreeSet<u64>>,
    pub(crate) learners: BTreeSet<u64>,
    pub(crate) lag: BTreeMap<u64, Option<u64>>,
    pub(crate) settled: bool,
}

impl Report {
    pub(crate) fn replicas(&self) -> Replicas {
        let Report { voters, learners, lag, settled, .. } = self.clone();
        Replicas { voters, learners, lag, settled }
    }
}

/// Has a group that is led here take its next step, if none is on its way, and tells how it stands now. A leader that
/// knows another map than the coordinator takes none: the older one is not to be followed.
pub(crate) fn drive(group: &Group, members: &Members, wanted: Wanted) -> Report {
    let revision = members.map().members.revision;
    let report = Report { revision, ..look(group) };
    if !report.leads || revision != wanted.revision {
        return report;
    }
    let step = report.replicas().next(group.node(), &wanted.voters, &wanted.learners);
    if matches!(step, Step::Done | Step::Wait) {
        return report;
    }
    if let Ok(changing) = group.changing().clone().try_lock_owned() {
        let (group, shard) = (group.clone(), group.id());
        tracing::info!(shard, ?step, "changing replicas");
        tokio::spawn(async move {
            let _changing = changing;
            let node = group.node();
            let place = format!("shard {shard}: {}", step.name());
            group.steps().reach(node, || format!("{place} begins")).await;
            let taken = tokio::time::timeout(STEP, take(&group, step)).await;
            group.steps().reach(node, || format!("{place} has ended")).await;
            match taken {
                Ok(Ok(())) => {}
                Ok(Err(cause)) => tracing::warn!(shard, cause, "replicas not changed yet"),
                Err(_) => tracing::warn!(shard, "replicas not changed within {STEP:?}"),
            }
        });
    }
    report
}

fn look(group: &Group) -> Report {
    let metrics = group.raft().metrics().borrow_watched().clone();
    let membership = metrics.membership_config.membership();
    let last = metrics.last_log_index.unwrap_or(0);
    let changed_at = metrics.membership_config.log_id().as_ref().map_or(0, |id| id.index);
    let lag = metrics.replication.iter().flatten().filter(|(node, _)| **node != group.node());
    Report {
        leads: group.leadership().borrow().is_leader,
        revision: 0,
        voters: membership.get_joint_config().clone(),
        learners: membership.learner_ids().collect(),
        lag: lag.map(|(node, at)| (*node, at.map(|id| last.saturating_sub(id.index)))).collect(),
        settled: metrics.local_committed.is_some_and(|id| id.index >= changed_at),
    }
}

/// Boxed, as what leads into openraft is.
fn take(group: &Group, step: Step) -> BoxFuture<'_, Result<(), String>> {
    Box::pin(async move {
        fn changed<T, E: std::fmt::Display>(outcome: Result<T, E>) -> Result<(), String> {
            outcome.map(drop).map_err(|error| error.to_string())
        }
        let raft = group.raft();
        match step {
            Step::Done | Step::Wait => Ok(()),
            Step::AddLearner(node) => changed(raft.add_learner(node, EmptyNode::new(), false).await),
            Step::RemoveLearners(nodes) => {
                changed(raft.change_membership(ChangeMembers::RemoveNodes(nodes), false).await)
            }
            Step::ChangeVoters(voters) => {
                changed(raft.change_membership(ChangeMembers::ReplaceAllVoters(voters), false).await)
            }
            Step::HandOver(heirs) => hand_over(group, heirs).await,
        }
    })
}

async fn hand_over(group: &Group, heirs: Vec<u64>) -> Result<(), String> {
    let shard: ShardId = group.id();
    let mut cause = format!("no other replica of shard {shard} can lead");
    for heir in heirs {
        match group.transfer_leader(heir).await {
            Ok(()) => return Ok(()),
            Err(error) => cause = error.to_string(),
        }
    }
    Err(cause)
}
