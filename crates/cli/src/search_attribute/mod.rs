//! `tenure search-attribute ...`

mod add;
mod list;
mod remove;

use clap::Subcommand;
use tenure_api::enums::v1::IndexedValueType;

/// List, add and remove the search attributes that list filters can name.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    List(list::Args),
    Add(add::Args),
    Remove(remove::Args),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(args) => list::run(args).await,
        Verb::Add(args) => add::run(args).await,
        Verb::Remove(args) => remove::run(args).await,
    }
}

/// The types that an attribute can have.
const TYPES: [(IndexedValueType, &str); 7] = [
    (IndexedValueType::Keyword, "Keyword"),
    (IndexedValueType::Text, "Text"),
    (IndexedValueType::Int, "Int"),
    (IndexedValueType::Double, "Double"),
    (IndexedValueType::Bool, "Bool"),
    (IndexedValueType::Datetime, "Datetime"),
    (IndexedValueType::KeywordList, "KeywordList"),
];
