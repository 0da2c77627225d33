//! `tenure cluster cancel-change`: takes a change of the members back.

use super::{
    Target,
    members::{Addresses, follow},
};
use crate::output;
use anyhow::bail;
use tenure_peer::admin::ChangeMembersRequest;

/// Take back that a node is added or replaced, as long as the new one has no vote yet.
///
/// The new node's id is used up by that: it joins with another one and an empty data directory.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut nodes = Addresses::of(&args.target).await?;
    let request = ChangeMembersRequest { undo: true, ..Default::default() };
    let reply = nodes.change(request).await?;
    let Some(change) = &reply.change else { bail!("nothing is being changed") };
    let ids = (change.add, change.remove);
    match follow(&mut nodes, ids, reply).await? {
        end if end.undone => output::line("taken back; the members are as they were"),
        _ => bail!("it was finished before it could be taken back"),
    }
}
