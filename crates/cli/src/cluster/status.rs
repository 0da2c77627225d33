//! `tenure cluster status`: nodes and shards, as each node sees itself.

use super::{Target, connect};
use crate::output;
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};
use tenure_peer::admin::{NodeStatus, ShardStatus, StatusReply, StatusRequest};

/// Show nodes, shards, leaders, terms, applied indexes and lag.
///
/// Asks the given node, and then all others it knows, so that each replica speaks for itself.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What all nodes together say.
#[derive(Serialize)]
struct View {
    cluster_id: String,
    /// Absent while the node that was asked does not know it.
    feature_level: Option<u32>,
    nodes: Vec<NodeView>,
    shards: Vec<ShardView>,
    snapshots: Vec<SnapshotView>,
}

/// A snapshot on its way.
#[derive(Serialize)]
struct SnapshotView {
    shard: u32,
    from: u64,
    to: u64,
    sent_bytes: u64,
    /// About; zero while it waits for others.
    total_bytes: u64,
    seconds: f64,
}

impl SnapshotView {
    /// How long it will take yet, at the pace so far.
    fn seconds_left(&self) -> Option<f64> {
        let left = self.total_bytes.checked_sub(self.sent_bytes)?;
        (self.sent_bytes > 0).then(|| left as f64 * self.seconds / self.sent_bytes as f64)
    }
}

impl fmt::Display for SnapshotView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SnapshotView { shard, from, to, .. } = self;
        write!(f, "Node {from} sends a snapshot of shard {shard} to node {to}: ")?;
        match (self.total_bytes, self.seconds_left()) {
            (0, _) => write!(f, "it waits for others."),
            (total, None) => write!(f, "{} of about {}.", size(Some(self.sent_bytes)), size(Some(total))),
            (total, Some(left)) => {
                write!(f, "{} of about {}, {left:.0} s left.", size(Some(self.sent_bytes)), size(Some(total)))
            }
        }
    }
}

#[derive(Serialize)]
struct NodeView {
    node: u64,
    address: String,
    /// joining, member or leaving; absent if the node that was asked does not say so.
    standing: Option<String>,
    ready: bool,
    /// Why not; absent if it is, and where that is not known.
    not_ready_because: Option<String>,
    /// Why it gives its leaderships away; empty if it does not.
    unfit_because: Vec<String>,
    /// Absent if the node did not answer.
    version: Option<String>,
    /// The highest level that its build knows; absent if the node did not answer.
    known_feature_level: Option<u32>,
    leads: usize,
    /// Processors that it used over the last ten seconds; absent if that is not known.
    cpu_cores: Option<f64>,
    /// Absent if that is not known, as the next two are.
    memory_bytes: Option<u64>,
    /// Of the data directory.
    disk_used_bytes: Option<u64>,
    /// On its disk.
    disk_free_bytes: Option<u64>,
    /// Why it did not answer.
    error: Option<String>,
}

#[derive(Serialize)]
struct ShardView {
    shard: u32,
    first_slot: u32,
    last_slot: u32,
    /// Zero: none is known.
    leader: u64,
    term: u64,
    committed: u64,
    /// How far the runs of before an upgrade are put into lists; absent if the shard has none.
    lists_filled_percent: Option<u32>,
    /// Runs of before an upgrade that could not be put into lists.
    lists_left_out: u64,
    replicas: Vec<ReplicaView>,
}

#[derive(Serialize)]
struct ReplicaView {
    node: u64,
    role: String,
    applied: u64,
    /// Entries that the leader has committed and this replica has not applied.
    lag: u64,
    /// What its rows take in files; absent if that is not known.
    bytes: Option<u64>,
    /// What the entries of its log take, about.
    log_bytes: Option<u64>,
    /// Why its rows cannot be read, with the file; absent if that has not been noticed.
    damage: Option<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let timeout = args.target.timeout();
    let first = args.target.connect().await?.status(StatusRequest {}).await;
    let first = first.map_err(|status| anyhow::anyhow!("{}: {}", args.target.address, status.message()))?.into_inner();
    let mut answers = BTreeMap::new();
    for node in first.nodes.iter().filter(|node| node.node_id != first.node_id) {
        let ask = ask(node.peer_address.clone(), timeout);
        answers.insert(node.node_id, tokio::spawn(ask));
    }
    let mut replies = BTreeMap::from([(first.node_id, Ok(first.clone()))]);
    for (node, answer) in answers {
        replies.insert(node, answer.await.unwrap_or_else(|panic| Err(panic.to_string())));
    }
    let view = view(&first, &replies);
    if args.json { output::line(serde_json::to_string_pretty(&view)?) } else { print(&view) }
}

async fn ask(address: String, timeout: Duration) -> Result<StatusReply, String> {
    let mut client = connect(&address, timeout).await.map_err(|error| error.to_string())?;
    client.status(StatusRequest {}).await.map(tonic::Response::into_inner).map_err(|s| s.message().to_owned())
}

fn view(first: &StatusReply, replies: &BTreeMap<u64, Result<StatusReply, String>>) -> View {
    let mut by_shard: BTreeMap<u32, Vec<(u64, &ShardStatus)>> = BTreeMap::new();
    for (node, reply) in replies {
        for shard in reply.iter().flat_map(|reply| &reply.shards) {
            by_shard.entry(shard.shard).or_default().push((*node, shard));
        }
    }
    let shards: Vec<ShardView> = by_shard.into_values().map(|replicas| shard_view(&replicas)).collect();
    let nodes = first.nodes.iter().map(|node| node_view(node, replies.get(&node.node_id), &shards)).collect();
    let feature_level = (first.feature_level > 0).then_some(first.feature_level);
    let snapshots = replies.iter().flat_map(|(from, reply)| {
        let sent = reply.iter().flat_map(|reply| &reply.snapshots);
        sent.map(|it| SnapshotView {
            shard: it.shard,
            from: *from,
            to: it.to,
            sent_bytes: it.sent_bytes,
            total_bytes: it.total_bytes,
            seconds: it.seconds,
        })
    });
    View { cluster_id: first.cluster_id.clone(), feature_level, nodes, shards, snapshots: snapshots.collect() }
}

fn node_view(node: &NodeStatus, reply: Option<&Result<StatusReply, String>>, shards: &[ShardView]) -> NodeView {
    let answered = reply.and_then(|reply| reply.as_ref().ok());
    let vitals = answered.and_then(|reply| reply.vitals.as_ref());
    NodeView {
        node: node.node_id,
        address: node.peer_address.clone(),
        standing: Some(node.standing.clone()).filter(|standing| !standing.is_empty()),
        ready: answered.is_some_and(|reply| reply.ready),
        not_ready_because: answered.map(|reply| reply.not_ready_because.clone()).filter(|reason| !reason.is_empty()),
        unfit_because: answered.map(|reply| reply.unfit_because.clone()).unwrap_or_default(),
        version: answered.map(|reply| reply.version.clone()),
        known_feature_level: answered.map(|reply| reply.known_feature_level),
        leads: shards.iter().filter(|shard| shard.leader == node.node_id).count(),
        cpu_cores: vitals.and_then(|vitals| vitals.cpu_cores),
        memory_bytes: vitals.and_then(|vitals| vitals.memory_bytes),
        disk_used_bytes: vitals.and_then(|vitals| vitals.disk_used_bytes),
        disk_free_bytes: vitals.and_then(|vitals| vitals.disk_free_bytes),
        error: reply.and_then(|reply| reply.as_ref().err().cloned()),
    }
}

/// The leader of the highest term that a replica claims for itself is believed; else what a majority could have elected
/// is not known.
fn shard_view(replicas: &[(u64, &ShardStatus)]) -> ShardView {
    let (_, any) = replicas[0];
    let leading = replicas.iter().filter(|(node, r)| r.leader == *node).max_by_key(|(_, r)| r.term);
    let newest = replicas.iter().max_by_key(|(_, r)| r.term).map_or(any, |(_, r)| r);
    let (leader, source) = match leading {
        Some((node, status)) if status.term == newest.term => (*node, *status),
        _ => (0, newest),
    };
    let replicas = replicas
        .iter()
        .map(|(node, r)| ReplicaView {
            node: *node,
            role: r.role.clone(),
            applied: r.applied_index,
            lag: source.committed_index.saturating_sub(r.applied_index),
            bytes: r.bytes,
            log_bytes: r.log_bytes,
            damage: Some(r.damage.clone()).filter(|damage| !damage.is_empty()),
        })
        .collect();
    ShardView {
        shard: any.shard,
        first_slot: any.first_slot,
        last_slot: any.last_slot,
        leader,
        term: source.term,
        committed: source.committed_index,
        lists_filled_percent: source.lists_filled_percent,
        lists_left_out: source.lists_left_out,
        replicas,
    }
}

fn print(view: &View) -> anyhow::Result<()> {
    let level = view.feature_level.map_or(String::new(), |level| format!(", feature level {level}"));
    output::line(format_args!("Cluster {}{level}", view.cluster_id))?;
    let mut nodes = table(&["NODE", "ADDRESS", "STATE", "LEADS", "CPU", "MEMORY", "DISK", "FREE", "VERSION"]);
    for node in &view.nodes {
        let state = match (&node.error, &node.not_ready_because, node.ready) {
            (Some(error), ..) => format!("down: {error}"),
            (None, _, true) => "ready".to_owned(),
            (None, Some(reason), false) => format!("not ready: {reason}"),
            (None, None, false) => "not ready".to_owned(),
        };
        let state = match node.standing.as_deref() {
            None | Some("member") => state,
            Some(standing) => format!("{state}, {standing}"),
        };
        let leads = node.leads.to_string();
        let cpu = node.cpu_cores.map_or("-".to_owned(), |cores| format!("{cores:.2}"));
        let [memory, used, free] = [node.memory_bytes, node.disk_used_bytes, node.disk_free_bytes].map(size);
        let version = node.version.as_deref().unwrap_or("-");
        let id = node.node.to_string();
        row(&mut nodes, [&id, &node.address, &state, &leads, &cpu, &memory, &used, &free, version]);
    }
    output::line(format_args!("{nodes}\n"))?;

    for node in &view.nodes {
        for because in &node.unfit_because {
            output::line(format_args!("Node {} gives its leaderships away: {because}.\n", node.node))?;
        }
    }

    let ids: Vec<u64> = view.nodes.iter().map(|node| node.node).collect();
    let mut header = vec!["SHARD".to_owned(), "SLOTS".to_owned(), "LEADER".to_owned(), "TERM".to_owned()];
    header.extend(ids.iter().map(|id| format!("APPLIED {id}")));
    header.extend(["LAG", "SIZE", "LOG"].map(str::to_owned));
    let mut shards = table(&header);
    for shard in &view.shards {
        let slots = match shard.shard {
            0 => "system".to_owned(),
            _ => format!("{}-{}", shard.first_slot, shard.last_slot),
        };
        let leader = match shard.leader {
            0 => "none".to_owned(),
            node => node.to_string(),
        };
        let mut cells = vec![shard.shard.to_string(), slots, leader, shard.term.to_string()];
        let replica = |id: &u64| shard.replicas.iter().find(|r| r.node == *id);
        cells.extend(ids.iter().map(|id| replica(id).map_or("-".to_owned(), |r| r.applied.to_string())));
        cells.push(shard.replicas.iter().map(|r| r.lag).max().unwrap_or(0).to_string());
        cells.push(size(shard.replicas.iter().filter_map(|r| r.bytes).max()));
        cells.push(size(shard.replicas.iter().filter_map(|r| r.log_bytes).max()));
        row(&mut shards, cells);
    }
    output::line(shards)?;
    view.snapshots.iter().try_for_each(|snapshot| output::line(format_args!("\n{snapshot}")))?;
    for shard in &view.shards {
        for (replica, damage) in shard.replicas.iter().filter_map(|it| Some((it, it.damage.as_ref()?))) {
            let (shard, node) = (shard.shard, replica.node);
            output::line(format_args!("\nThe replica of shard {shard} on node {node} is damaged: {damage}."))?;
        }
    }
    filling(&view.shards).iter().try_for_each(|line| output::line(format_args!("\n{line}")))?;
    let known = view.nodes.iter().map(|node| node.known_feature_level).min().flatten();
    match (view.feature_level, known) {
        (Some(level), Some(known)) if level < known => output::line(format_args!(
            "\nAll nodes know feature level {known}: `tenure cluster upgrade` lets them use it."
        )),
        _ => Ok(()),
    }
}

/// What there is to say of the filling of lists: which shards still fill theirs, and in which runs are lacking.
fn filling(shards: &[ShardView]) -> Vec<String> {
    let of_shards = |told: &dyn Fn(&ShardView) -> Option<String>| {
        let each = shards.iter().filter_map(|shard| Some(format!("{} ({})", shard.shard, told(shard)?)));
        Some(each.collect::<Vec<_>>().join(", ")).filter(|each| !each.is_empty())
    };
    let filled =
        |shard: &ShardView| Some(format!("{} %", shard.lists_filled_percent.filter(|percent| *percent < 100)?));
    let left_out = |shard: &ShardView| (shard.lists_left_out > 0).then(|| shard.lists_left_out.to_string());
    let unfilled = of_shards(&filled).map(|each| {
        format!("Runs of before are being put into the lists of shard {each}: until then, it lists nothing.")
    });
    let lacking = of_shards(&left_out)
        .map(|each| format!("Runs of before could not be put into the lists of shard {each}: the log names them."));
    unfilled.into_iter().chain(lacking).collect()
}

/// Bytes as a person reads them.
fn size(bytes: Option<u64>) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let Some(bytes) = bytes else { return "-".to_owned() };
    let unit = (bytes.max(1).ilog2() / 10).min(4);
    let value = bytes as f64 / (1_u64 << (10 * unit)) as f64;
    let digits = usize::from(unit > 0 && value < 10.0);
    format!("{value:.digits$} {}", UNITS[unit as usize])
}

fn table<S: ToString>(header: &[S]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.iter().map(|h| Cell::new(h.to_string())));
    table
}

fn row<S: ToString>(table: &mut Table, cells: impl IntoIterator<Item = S>) {
    let align = |text: &str| match text.parse::<u64>() {
        Ok(_) => CellAlignment::Right,
        Err(_) => CellAlignment::Left,
    };
    table.add_row(cells.into_iter().map(|cell| {
        let text = cell.to_string();
        let alignment = align(&text);
        Cell::new(text).set_alignment(alignment)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(shard: u32, lists_filled_percent: Option<u32>, lists_left_out: u64) -> ShardView {
        let status = ShardStatus { shard, lists_filled_percent, lists_left_out, ..Default::default() };
        shard_view(&[(1, &status)])
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (300 << 20, "300 MiB"), (1 << 62, "4194304 TiB")]
        {
            assert_eq!(size(Some(bytes)), text);
        }
        assert_eq!(size(None), "-");
    }

    #[test]
    fn a_snapshot_tells_how_long_it_takes_yet() {
        let mut snapshot = SnapshotView { shard: 3, from: 1, to: 2, sent_bytes: 0, total_bytes: 0, seconds: 0.0 };
        let begin = "Node 1 sends a snapshot of shard 3 to node 2: ";
        assert_eq!(snapshot.to_string(), format!("{begin}it waits for others."));
        snapshot.total_bytes = 100 << 20;
        assert_eq!(snapshot.to_string(), format!("{begin}0 B of about 100 MiB."));
        (snapshot.sent_bytes, snapshot.seconds) = (25 << 20, 10.0);
        assert_eq!(snapshot.to_string(), format!("{begin}25 MiB of about 100 MiB, 30 s left."));
        snapshot.sent_bytes = 101 << 20;
        assert_eq!(snapshot.to_string(), format!("{begin}101 MiB of about 100 MiB."));
    }

    #[test]
    fn filling_is_told_while_it_lasts_and_what_it_left_out_for_good() {
        assert!(filling(&[shard(0, None, 0), shard(1, Some(100), 0)]).is_empty());
        let shards = [shard(1, Some(7), 0), shard(2, Some(0), 3), shard(3, Some(100), 1)];
        let lines = [
            "Runs of before are being put into the lists of shard 1 (7 %), 2 (0 %): until then, it lists nothing.",
            "Runs of before could not be put into the lists of shard 2 (3), 3 (1): the log names them.",
        ];
        assert_eq!(filling(&shards), lines);
    }
}
