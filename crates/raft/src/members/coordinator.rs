//! The coordinator of a change of the members, on whatever node leads the system shard: it asks the leaders of the shards,
//! in order and a few at a time, for their next step, and writes the next map when all are where this one wants them.
//!
//! It remembers nothing that must be saved. Whoever leads the system shard next reads the rows and asks again.

use super::{Progress, Report, ShardProgress, Wanted, drive};
use crate::{codec, group::Group, network::Kind, node::Core};
use futures::future::join_all;
use std::{
    convert::Infallible,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tenure_engine::system::{
    change::{Change, Phase},
    cluster::{ClusterMap, SYSTEM_SHARD},
};
use tenure_peer::Order;
use tenure_storage::{ShardId, write_set};

/// Between two looks at the shards while something is changing.
const ROUND: Duration = Duration::from_millis(50);

/// Between two looks at the rows when nothing is.
const IDLE: Duration = Duration::from_secs(1);

/// How long a leader may take to tell how its replicas stand.
const ANSWER: Duration = Duration::from_secs(1);

/// Shards that are changed at the same time: all rows of a shard may have to be sent, and the others have work to do.
const AT_ONCE: usize = 2;

/// A node that comes and is silent for so long before it has a vote is given up.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// Coordinates whenever this node leads the system shard.
pub(crate) async fn run(core: Core) -> Infallible {
    let Some(system) = core.groups.get(SYSTEM_SHARD) else { return std::future::pending().await };
    let mut leadership = system.leadership();
    // Since when the node that comes is silent.
    let mut silent: Option<(u64, Instant)> = None;
    loop {
        leadership.mark_unchanged();
        match round(&core, &system, &mut silent).await {
            Ok(true) => tokio::time::sleep(ROUND).await,
            Ok(false) => {
                core.members.progress().lock().shards.clear();
                tokio::select! {
                    () = core.members.woken() => {}
                    changed = leadership.changed() => if changed.is_err() { return std::future::pending().await },
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
            Err(cause) => {
                tracing::debug!(cause, "changing the members: looking again");
                tokio::time::sleep(ROUND).await;
            }
        }
    }
}

/// True while something is changing, and this node is to see to it.
async fn round(core: &Core, system: &Group, silent: &mut Option<(u64, Instant)>) -> Result<bool, String> {
    let now = *system.leadership().borrow();
    if !now.is_leader || core.members.map().members.change.is_none() {
        return Ok(false);
    }
    let _turn = core.members.turn().await;
    system.linearizable().await.map_err(|error| error.to_string())?;
    let map = ClusterMap::read(&system.reader()).map_err(|error| error.to_string())?.unwrap_or_default();
    let Some(change) = map.members.change.clone() else { return Ok(false) };
    let shards = ask_all(core, &map, &change).await;
    let done = shards.iter().all(|shard| shard.done);
    *core.members.progress().lock() = Progress { revision: map.members.revision, shards };
    let next = if done {
        map.advance(unix_millis())
    } else if is_given_up(core, &change, silent) {
        tracing::warn!(change = %change.nodes, "the node that comes is silent for {GIVEN_UP:?}: taking it back");
        map.undo().map_err(|error| error.to_string())?
    } else {
        return Ok(true);
    };
    let steps = &core.options.steps;
    steps.reach(core.node, || format!("{:?} is over, and not written", change.phase)).await;
    let writes = write_set::encode([&next.writes_since(&map)]);
    system.propose(now.term, writes).await.map_err(|error| error.to_string())?;
    tracing::info!(change = %change.nodes, phase = ?change.phase, revision = next.members.revision, "a phase is over");
    steps.reach(core.node, || format!("{:?} is over, and written", change.phase)).await;
    Ok(true)
}

/// Asks the shards in order; those behind the first few that are not done wait.
async fn ask_all(core: &Core, map: &ClusterMap, change: &Change) -> Vec<ShardProgress> {
    let shards: Vec<ShardId> = map.all_shards().collect();
    let (mut seen, mut unfinished) = (Vec::with_capacity(shards.len()), 0);
    let mut rest = shards.as_slice();
    while !rest.is_empty() && unfinished < AT_ONCE {
        let (some, others) = rest.split_at(rest.len().min(AT_ONCE - unfinished));
        let answers = join_all(some.iter().map(|shard| ask(core, map, change, *shard))).await;
        unfinished += answers.iter().filter(|answer| !answer.done).count();
        seen.extend(answers);
        rest = others;
    }
    seen.extend(rest.iter().map(|shard| ShardProgress::not_asked(*shard, "waits for others")));
    seen
}

async fn ask(core: &Core, map: &ClusterMap, change: &Change, shard: ShardId) -> ShardProgress {
    let (voters, learners) = (map.replicas(shard).into_iter().collect(), map.learners(shard));
    let revision = map.members.revision;
    let wanted = Wanted { revision, voters, learners };
    match report(core, shard, &wanted).await {
        Ok(report) => ShardProgress::of(shard, &report, (revision, change.phase), (&wanted.voters, &wanted.learners)),
        Err(cause) => ShardProgress::not_asked(shard, cause),
    }
}

async fn report(core: &Core, shard: ShardId, wanted: &Wanted) -> Result<Report, String> {
    let group = core.groups.get(shard).ok_or_else(|| format!("there is no replica of shard {shard} here"))?;
    let leader = group.leadership().borrow().leader.ok_or("it has no leader")?;
    if leader == core.node {
        return Ok(drive(&group, &core.members, wanted.clone()));
    }
    let link = core.links.get(leader).ok_or_else(|| format!("node {leader}, its leader, is not known"))?;
    let call = link.call(shard, Kind::Members as u32, codec::encode(wanted), Order::Ahead);
    let answer = call.map_err(|error| error.to_string())?.patiently(ANSWER).await.map_err(|error| error.to_string())?;
    codec::decode(&answer).map_err(|error| error.to_string())
}

/// Whether the node that comes was not heard for so long that it is not waited for any more.
fn is_given_up(core: &Core, change: &Change, silent: &mut Option<(u64, Instant)>) -> bool {
    let Some(add) = change.nodes.add.filter(|_| change.phase == Phase::Learning) else { return false };
    if core.is_alive(add) {
        *silent = None;
        return false;
    }
    let since = silent.filter(|(node, _)| *node == add).unwrap_or((add, Instant::now()));
    *silent = Some(since);
    since.1.elapsed() > GIVEN_UP
}

pub(super) fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
