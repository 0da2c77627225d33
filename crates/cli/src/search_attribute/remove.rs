//! `tenure search-attribute remove`

use crate::{
    api::{Target, ask},
    output,
    show::{json, text::clean},
};
use tenure_api::operatorservice::v1::RemoveSearchAttributesRequest;

/// Remove search attributes from a namespace; filters can no longer name them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The names.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let names = args.names.iter().map(|name| clean(name)).collect::<Vec<_>>().join(", ");
    let request = RemoveSearchAttributesRequest { search_attributes: args.names.clone(), namespace: api.namespace() };
    let done = ask!(operate api, "removing", remove_search_attributes, request).await?;
    if args.json { json::print(&done) } else { output::line(format_args!("removed {names}")) }
}
