//! `tenure cluster token`: makes a join token.

use super::{Target, refused};
use crate::output;
use std::time::{Duration, Instant, SystemTime};
use tenure_peer::admin::{TokenReply, TokenRequest};
use tonic::Code;

/// Between two questions to a node that is starting.
const LOOK: Duration = Duration::from_millis(200);

/// How long a node may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Make a join token: a node that is started with it (`cluster.token`) finds the cluster and is let in.
///
/// Whoever has the token can join until it expires. It cannot be taken back.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long it is good.
    #[arg(long, value_name = "DURATION", default_value = "1day", value_parser = humantime::parse_duration)]
    valid_for: Duration,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    output::line(make(&args.target, args.valid_for).await?.token)
}

/// Asks until the node has started.
pub(crate) async fn make(target: &Target, valid_for: Duration) -> anyhow::Result<TokenReply> {
    let begin = Instant::now();
    let request = TokenRequest { valid_for_ms: u64::try_from(valid_for.as_millis()).unwrap_or(u64::MAX) };
    loop {
        match target.connect().await?.token(request).await {
            Ok(reply) => return Ok(reply.into_inner()),
            Err(status) if status.code() == Code::Unavailable && begin.elapsed() < PATIENCE => {}
            Err(status) => return Err(refused(status)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The time until which a token is good, for people.
pub(crate) fn until(made: &TokenReply) -> String {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(made.expires_ms));
    at.map_or_else(|| "the end of time".to_owned(), |at| humantime::format_rfc3339_seconds(at).to_string())
}
