//! `tenure search-attribute add`

use super::TYPES;
use crate::{
    api::{Target, ask, key_value},
    output,
    show::{json, text::clean},
};
use tenure_api::operatorservice::v1::AddSearchAttributesRequest;

/// Add search attributes to a namespace.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  tenure search-attribute add CustomerId=Keyword Total=Double --namespace shop

Types: Keyword, Text (found by its words), Int, Double, Bool, Datetime, KeywordList.")]
pub(crate) struct Args {
    /// Name and type of each.
    #[arg(value_name = "NAME=TYPE", required = true, value_parser = parse)]
    attributes: Vec<(String, i32)>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

fn parse(text: &str) -> Result<(String, i32), String> {
    let (name, kind) = key_value(text).map_err(|_| "must be NAME=TYPE".to_owned())?;
    let found = TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(&kind));
    let known = || TYPES.map(|(_, name)| name).join(", ");
    let (kind, _) = found.ok_or_else(|| format!("there is no type {kind:?}; there are {}", known()))?;
    Ok((name, (*kind).into()))
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let names = args.attributes.iter().map(|(name, _)| clean(name)).collect::<Vec<_>>().join(", ");
    let search_attributes = args.attributes.iter().cloned().collect();
    let request = AddSearchAttributesRequest { search_attributes, namespace: api.namespace() };
    let done = ask!(operate api, "adding", add_search_attributes, request).await?;
    if args.json { json::print(&done) } else { output::line(format_args!("added {names}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_api::enums::v1::IndexedValueType;

    #[test]
    fn attributes_have_a_name_and_a_type() {
        assert_eq!(parse("A=keywordlist"), Ok(("A".to_owned(), IndexedValueType::KeywordList.into())));
        assert!(parse("A=Number").unwrap_err().contains("KeywordList"));
        assert!(parse("A").is_err() && parse("=Int").is_err());
    }
}
