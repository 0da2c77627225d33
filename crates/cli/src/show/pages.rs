//! Lists, page by page: a table, or a line of JSON for each item.

use super::{
    json,
    table::{Cell, Column, Table},
};
use prost::{Message, Name, bytes::Bytes};

/// Prints what `call` answers, for no page token and then for that of each answer, until one has none.
pub(crate) async fn print<T: Message + Name>(
    json: bool,
    columns: &[Column],
    row: impl Fn(&T) -> Vec<Cell>,
    mut call: impl AsyncFnMut(Bytes) -> anyhow::Result<(Vec<T>, Bytes)>,
) -> anyhow::Result<()> {
    let mut table = Table::new(columns);
    let mut page_token = Bytes::new();
    loop {
        let (found, next_page_token) = call(page_token).await?;
        if json {
            found.iter().try_for_each(json::print_line)?;
        } else if !found.is_empty() {
            found.iter().for_each(|found| table.row(row(found)));
            table.print_page()?;
        }
        if next_page_token.is_empty() {
            return Ok(());
        }
        page_token = next_page_token;
    }
}
