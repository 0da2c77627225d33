//! `tenure search-attribute list`

use super::TYPES;
use crate::{
    api::{Target, ask},
    show::{
        json,
        table::{Column, Table},
    },
};
use std::collections::BTreeMap;
use tenure_api::operatorservice::v1::ListSearchAttributesRequest;

/// List the search attributes of a namespace: its own, and those that every workflow has.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let request = ListSearchAttributesRequest { namespace: api.namespace() };
    let found = ask!(operate api, "listing", list_search_attributes, request).await?;
    if args.json {
        return json::print(&found);
    }
    let mut table = Table::new(&[Column::long("NAME"), Column::new("TYPE"), Column::new("OF")]);
    add(&mut table, &found.custom_attributes, "namespace");
    add(&mut table, &found.system_attributes, "system");
    table.print_page()
}

fn add(table: &mut Table, attributes: &BTreeMap<String, i32>, of: &str) {
    for (name, &kind) in attributes {
        let kind = TYPES.iter().find(|(it, _)| i32::from(*it) == kind).map_or("?", |(_, name)| name);
        table.row([name.into(), kind.into(), of.into()]);
    }
}
