//! `tenure server start-dev`: a cluster of one, for development.

use super::run::until_stopped;
use crate::output;
use anyhow::Context;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tenure_server::config::{Config, Listen, LogFormat, TimeSkipping};

/// Run a single node for development: nothing to configure, ready in under a second.
///
/// It is the same server as a node of a cluster. Without --data-dir everything is forgotten when it stops.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Keep everything in this directory; without it, in a temporary one.
    #[arg(long, value_name = "DIR", alias = "db-dir")]
    data_dir: Option<PathBuf>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    ip: IpAddr,
    /// Port of the gRPC API. 0 takes free ones.
    #[arg(long, short, default_value_t = 7233)]
    port: u16,
    /// Port for `tenure cluster`; by default the gRPC port plus 1.
    #[arg(long)]
    peer_port: Option<u16>,
    /// Port of metrics and health; by default the gRPC port plus 1000.
    #[arg(long)]
    http_port: Option<u16>,
    /// A namespace to begin with, beside `default`; may be given several times.
    #[arg(long, short)]
    namespace: Vec<String>,
    /// Let tests of workflows skip time, through the API's TestService: where nothing but timers is left to wait for,
    /// time jumps to the next one. It begins locked, as SDKs expect, or `unlocked`.
    #[arg(long, value_name = "BEGIN", num_args = 0..=1, require_equals = true, default_missing_value = "locked",
        value_parser = parse_skipping, overrides_with = "time_skipping")]
    time_skipping: Option<TimeSkipping>,
    /// What to log: a level, or directives such as `info,tenure_raft=debug`.
    #[arg(long, default_value = "warn")]
    log_level: String,
    /// How to log: text or json.
    #[arg(long, default_value = "text", value_parser = parse_format)]
    log_format: LogFormat,
}

fn parse_format(name: &str) -> Result<LogFormat, &'static str> {
    match name {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json"),
    }
}

fn parse_skipping(begin: &str) -> Result<TimeSkipping, &'static str> {
    match begin {
        "locked" => Ok(TimeSkipping::Locked),
        "unlocked" => Ok(TimeSkipping::Unlocked),
        _ => Err("must be locked or unlocked"),
    }
}

/// The first namespaces: `default`, and those that were asked for.
fn namespaces(asked: Vec<String>) -> Vec<String> {
    let mut namespaces = vec!["default".to_owned()];
    for name in asked {
        if !namespaces.contains(&name) {
            namespaces.push(name);
        }
    }
    namespaces
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let mut config = Config::load(None, &Config::environment())?;
    let beside = |offset: u16| if args.port == 0 { 0 } else { args.port.saturating_add(offset) };
    config.node.id = 1;
    config.cluster.members.clear();
    config.cluster.namespaces = namespaces(args.namespace);
    config.listen = Listen {
        grpc: SocketAddr::new(args.ip, args.port),
        peer: SocketAddr::new(args.ip, args.peer_port.unwrap_or(beside(1))),
        http: SocketAddr::new(args.ip, args.http_port.unwrap_or(beside(1000))),
    };
    config.time_skipping = args.time_skipping;
    config.log.filter = args.log_level;
    config.log.format = args.log_format;
    // Removed when this goes out of scope, after the server has stopped.
    let temporary = match args.data_dir {
        Some(dir) => {
            config.node.data_dir = dir;
            None
        }
        None => {
            let dir = tempfile::Builder::new().prefix("tenure-").tempdir().context("no temporary directory")?;
            config.node.data_dir = dir.path().to_owned();
            // It does not come up a second time.
            config.disk.reserve_bytes = 0;
            Some(dir)
        }
    };
    config.validate()?;
    let (data, namespaces) = (config.node.data_dir.clone(), config.cluster.namespaces.join(", "));
    until_stopped(config, |server| {
        let at = server.addresses();
        let kept = if temporary.is_some() { "forgotten on exit" } else { "kept" };
        let banner = [
            format!("Tenure {}", env!("CARGO_PKG_VERSION")),
            format!("  gRPC API    {}   (namespaces: {namespaces})", at.grpc),
            format!("  Cluster     tenure cluster status --address {}", at.peer),
            format!("  Metrics     http://{}/metrics", at.http),
            format!("  Data        {} ({kept})", data.display()),
        ];
        // Nobody has to read it; the server runs on.
        let _ = output::line(banner.join("\n"));
    })
}
