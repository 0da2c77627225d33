//! `tenure schedule ...`

mod action;
mod backfill;
mod change;
mod count;
mod create;
mod delete;
mod describe;
mod list;
mod matching_times;
mod moment;
mod pause;
mod policies;
mod preview;
mod times;
mod trigger;
mod update;

use clap::Subcommand;

/// Create, look at, change, pause and trigger schedules, which start workflows at the times of a specification.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    List(list::Args),
    Count(count::Args),
    Describe(describe::Args),
    MatchingTimes(matching_times::Args),
    Create(Box<create::Args>),
    Update(Box<update::Args>),
    Pause(pause::Pause),
    Unpause(pause::Unpause),
    Trigger(trigger::Args),
    Backfill(backfill::Args),
    Delete(delete::Args),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(args) => list::run(args).await,
        Verb::Count(args) => count::run(args).await,
        Verb::Describe(args) => describe::run(args).await,
        Verb::MatchingTimes(args) => matching_times::run(args).await,
        Verb::Create(args) => create::run(*args).await,
        Verb::Update(args) => update::run(*args).await,
        Verb::Pause(args) => pause::pause(args).await,
        Verb::Unpause(args) => pause::unpause(args).await,
        Verb::Trigger(args) => trigger::run(args).await,
        Verb::Backfill(args) => backfill::run(args).await,
        Verb::Delete(args) => delete::run(args).await,
    }
}

/// One schedule.
#[derive(clap::Args)]
struct One {
    /// The schedule's id.
    #[arg(value_name = "SCHEDULE_ID", required_unless_present = "schedule_id")]
    id: Option<String>,
    /// The schedule's id, for ids that begin with a dash.
    #[arg(long, short, value_name = "SCHEDULE_ID", conflicts_with = "id", allow_hyphen_values = true)]
    schedule_id: Option<String>,
}

impl One {
    fn id(&self) -> String {
        self.id.as_ref().or(self.schedule_id.as_ref()).cloned().unwrap_or_default()
    }
}
