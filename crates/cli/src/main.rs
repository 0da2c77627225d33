//! The `tenure` binary. A command `tenure <noun> <verb>` lives in `<noun>/<verb>.rs`.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod api;
mod batch;
mod cluster;
mod namespace;
mod output;
mod schedule;
mod search_attribute;
mod server;
mod show;
mod task_queue;
mod worker;
mod workflow;

use clap::{Parser, Subcommand};
use std::io::Write;
use tikv_jemallocator::Jemalloc;

/// The allocator of the process, RocksDB included. Under load a node takes a fifth less CPU with it than with the C
/// library's, and less memory.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Durable workflow execution: one binary, three nodes, no database.
#[derive(Parser)]
#[command(name = "tenure", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "\
Try it:        tenure server start-dev
A cluster:     tenure server --config node.toml     on each node
Look at it:    tenure cluster status
What it does:  tenure workflow list, tenure workflow show WORKFLOW_ID

All but `server` and `cluster` ask the gRPC API, of Tenure or of any server that speaks it, at
--address or TENURE_ADDRESS; TENURE_NAMESPACE names the namespace. `tenure cluster` asks a node at
its peer address, --address or TENURE_PEER_ADDRESS. Tables and colours are for terminals (NO_COLOR
turns colours off), --json is for programs.

Exit codes: 0 done; 1 failed, with the reason on standard error; 2 wrong usage or configuration;
3 (server) this node was removed from its cluster: do not start it again.")]
struct Cli {
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Subcommand)]
enum Noun {
    Server(server::Args),
    Cluster(cluster::Args),
    Workflow(workflow::Args),
    Batch(batch::Args),
    Schedule(schedule::Args),
    Namespace(namespace::Args),
    TaskQueue(task_queue::Args),
    Worker(worker::Args),
    SearchAttribute(search_attribute::Args),
}

fn main() {
    let done = match Cli::parse().noun {
        Noun::Server(args) => server::run(args),
        Noun::Cluster(args) => block_on(cluster::run(args)),
        Noun::Workflow(args) => block_on(workflow::run(args)),
        Noun::Batch(args) => block_on(batch::run(args)),
        Noun::Schedule(args) => block_on(schedule::run(args)),
        Noun::Namespace(args) => block_on(namespace::run(args)),
        Noun::TaskQueue(args) => block_on(task_queue::run(args)),
        Noun::Worker(args) => block_on(worker::run(args)),
        Noun::SearchAttribute(args) => block_on(search_attribute::run(args)),
    };
    let code = match done {
        Ok(()) => 0,
        Err(error) if error.is::<output::Closed>() => 0,
        Err(error) => {
            // Standard error may be closed as well; then there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "tenure: {error:#}");
            let callers_fault = error.is::<Usage>() || error.is::<tenure_server::config::ConfigError>();
            if callers_fault {
                2
            } else if error.is::<server::Removed>() {
                3
            } else {
                1
            }
        }
    };
    let _ = std::io::stdout().flush();
    // Not a return: that runs the destructors of RocksDB's globals, and a thread that still closes a database then
    // aborts the process over a mutex that is gone.
    signal_hook::low_level::exit(code)
}

/// Runs a command that talks to servers.
fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// The caller has to change how it calls.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);
