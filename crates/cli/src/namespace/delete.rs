//! `tenure namespace delete`

use crate::{
    Usage,
    api::{Server, ask},
    output,
    show::{json, text::clean},
};
use anyhow::bail;
use std::io::{self, IsTerminal, Write};
use tenure_api::operatorservice::v1::DeleteNamespaceRequest;

/// Delete a namespace with all of its workflows.
///
/// The namespace is hidden and its name is free at once; the workflows are removed in the background.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(value_name = "NAMESPACE")]
    name: String,
    /// Do not ask whether it shall be done.
    #[arg(long, short)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    if !args.yes {
        confirm(&args.name)?;
    }
    let api = args.server.reach_at(&args.name).await?;
    let request = DeleteNamespaceRequest { namespace: args.name.clone(), ..Default::default() };
    let done = ask!(operate api, "deleting", delete_namespace, request).await?;
    if args.json {
        return json::print(&done);
    }
    let (name, now) = (clean(&args.name), clean(&done.deleted_namespace));
    output::line(format_args!("deleted {name}; until its workflows are removed it is called {now}"))
}

/// Has the name typed again.
fn confirm(name: &str) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Usage("this deletes all workflows of the namespace: confirm it with --yes".to_owned()).into());
    }
    write!(io::stderr(), "Delete the namespace and all of its workflows? Type its name: ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == name { Ok(()) } else { bail!("nothing was done") }
}
