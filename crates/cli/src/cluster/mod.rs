//! `tenure cluster ...`

mod add_node;
mod cancel_change;
mod drain;
mod init;
mod locate;
mod members;
mod partition;
mod rebuild;
mod remove_node;
mod replace_node;
mod status;
mod token;
mod transfer_leader;
mod upgrade;
mod verify;

use crate::api::root_cause;
use anyhow::Context;
use clap::Subcommand;
use std::time::Duration;
use tenure_peer::admin::admin_client::AdminClient;
use tonic::transport::{Channel, Endpoint};

/// Look at a cluster, change its nodes, move its leaders, let it use what a new build brings.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Status(status::Args),
    Init(init::Args),
    Token(token::Args),
    AddNode(add_node::Args),
    RemoveNode(remove_node::Args),
    ReplaceNode(replace_node::Args),
    CancelChange(cancel_change::Args),
    Drain(drain::Args),
    #[command(visible_alias = "move-leader")]
    TransferLeader(transfer_leader::Args),
    Verify(verify::Args),
    Rebuild(rebuild::Args),
    Partition(partition::Args),
    Locate(locate::Args),
    Upgrade(upgrade::Args),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::Status(args) => status::run(args).await,
        Verb::Init(args) => init::run(args).await,
        Verb::Token(args) => token::run(args).await,
        Verb::AddNode(args) => add_node::run(args).await,
        Verb::RemoveNode(args) => remove_node::run(args).await,
        Verb::ReplaceNode(args) => replace_node::run(args).await,
        Verb::CancelChange(args) => cancel_change::run(args).await,
        Verb::Drain(args) => drain::run(args).await,
        Verb::TransferLeader(args) => transfer_leader::run(args).await,
        Verb::Verify(args) => verify::run(args).await,
        Verb::Rebuild(args) => rebuild::run(args).await,
        Verb::Partition(args) => partition::run(args).await,
        Verb::Locate(args) => locate::run(args).await,
        Verb::Upgrade(args) => upgrade::run(args).await,
    }
}

/// Which node to ask.
#[derive(clap::Args)]
struct Target {
    /// Peer address of any node of the cluster.
    #[arg(long, short, value_name = "HOST:PORT", default_value = "127.0.0.1:7234", env = "TENURE_PEER_ADDRESS")]
    address: String,
    /// Seconds that a node has for its answer.
    #[arg(long, default_value_t = 3.0)]
    timeout: f64,
}

impl Target {
    fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout).unwrap_or(Duration::from_secs(3))
    }

    async fn connect(&self) -> anyhow::Result<AdminClient<Channel>> {
        connect(&self.address, self.timeout()).await
    }
}

/// A node that is there takes a connection sooner than this.
const CONNECT: Duration = Duration::from_secs(10);

async fn connect(address: &str, timeout: Duration) -> anyhow::Result<AdminClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .with_context(|| format!("{address} is not HOST:PORT"))?
        .connect_timeout(timeout.min(CONNECT))
        .timeout(timeout);
    let channel = endpoint.connect().await.map_err(|error| anyhow::anyhow!("{address}: {}", root_cause(&error)))?;
    Ok(AdminClient::new(channel))
}

/// What a node answered when it refused.
fn refused(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message())
}
