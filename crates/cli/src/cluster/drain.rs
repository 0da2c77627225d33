//! `tenure cluster drain`: has a node hand over all that it leads.

use super::{Target, refused};
use crate::output;
use anyhow::bail;
use std::time::{Duration, Instant};
use tenure_peer::admin::{DrainReply, DrainRequest};

/// Between two looks at how far it has come.
const LOOK: Duration = Duration::from_millis(100);

/// Have a node hand over all that it leads, and lead nothing until it has started again.
///
/// For work on its machine: no call notices when it stops. (A node that is asked to stop by SIGTERM does the same by
/// itself.) It keeps its replicas and its votes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The node.
    node: u64,
    /// Let it lead again; it gets its leaderships back within some ten seconds.
    #[arg(long, conflicts_with = "dry_run")]
    undo: bool,
    /// Only show what would be handed over, and to whom.
    #[arg(long)]
    dry_run: bool,
    /// Seconds to wait until it leads nothing.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    wait: f64,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Args { node, undo, dry_run, .. } = args;
    if node == 0 {
        return Err(crate::Usage("a node's id is 1 or more".into()).into());
    }
    let mut any = args.target.connect().await?;
    let request = DrainRequest { node, undo, look: dry_run };
    let mut reply = any.drain(request).await.map_err(refused)?.into_inner();
    if undo {
        return output::line(format_args!("node {node} may lead again"));
    }
    if dry_run {
        return plan(&reply);
    }
    let (begin, wait) = (Instant::now(), Duration::try_from_secs_f64(args.wait).unwrap_or(Duration::MAX));
    let mut told = String::new();
    while !reply.led.is_empty() {
        let now = progress(&reply);
        if now != told {
            output::line(&now)?;
            told = now;
        }
        if begin.elapsed() > wait {
            bail!("node {node} still leads {} shards after {wait:?}, and goes on handing them over", reply.led.len());
        }
        tokio::time::sleep(LOOK).await;
        reply = any.drain(DrainRequest { look: true, ..request }).await.map_err(refused)?.into_inner();
        if !reply.draining {
            bail!("node {node} is not drained any more: it has started again, or somebody has undone it");
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    output::line(format_args!(
        "node {node} leads nothing after {seconds:.1} s, and will not until it starts again or `tenure cluster drain {node} --undo`"
    ))
}

fn plan(reply: &DrainReply) -> anyhow::Result<()> {
    for led in &reply.led {
        let to = match (led.to, led.waits_for.as_str()) {
            (0, why) => format!("would stay: {why}"),
            (to, "") => format!("would be led by node {to}"),
            (to, why) => format!("would be led by node {to} as soon as it can: {why}"),
        };
        output::line(format_args!("shard {}: {to}", led.shard))?;
    }
    let leads = reply.led.len();
    output::line(format_args!("node {} leads {leads} shards; no rows would be sent; nothing was done", reply.node))
}

fn progress(reply: &DrainReply) -> String {
    let waits = reply.led.iter().find(|led| !led.waits_for.is_empty());
    let waits = waits.map(|led| format!("; shard {}: {}", led.shard, led.waits_for)).unwrap_or_default();
    format!("node {} leads {} shards{waits}", reply.node, reply.led.len())
}
