//! Load for any server that speaks the API: raw calls and a worker that does the least, so that no SDK's cost is in
//! what is measured; and a server that does the least, so that what the load itself costs can be seen.

mod calls;
mod measure;
mod mock;
mod offer;
mod pace;
mod payload;
mod search;
mod shape;
mod updates;
mod work;
mod worker;

use clap::Parser;
use std::net::SocketAddr;

#[derive(Parser)]
#[command(about = "Puts load on a server that speaks the Temporal API, and tells what became of it")]
enum Command {
    /// Offers load, and prints a line of JSON when what is measured begins, one each so many seconds, and one at the end
    Offer(offer::Offer),
    /// Serves the part of the API that load calls, from memory
    Mock {
        #[arg(long)]
        listen: SocketAddr,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Offer(offer) => offer.run().await,
        Command::Mock { listen } => mock::serve(listen).await,
    }
}
