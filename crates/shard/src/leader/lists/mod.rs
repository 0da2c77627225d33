//! A leader's part of a list or a count: which rows it reads for a query, one bounded step after the other. All that a step
//! reads is of one moment.
//!
//! The places of a list are in its order, whatever rows a step reads for it, so that each step may go another way: by an
//! index whose rows are in that order, through all records, or by rows that it has to sort.

mod count;
mod cursor;
mod page;
mod reading;
mod walk;

pub(crate) use count::count;
pub(crate) use page::page;

use crate::seam::{
    error::CommandError,
    question::{ListQuery, Part, Step},
    replica::ListRows,
};
use reading::Reading;

/// Tells how a query is answered here.
pub(crate) fn explain(rows: &dyn ListRows, query: &ListQuery) -> Result<Step, CommandError> {
    let reading = Reading::new(rows, query)?;
    let plan = reading.filter.plan(&reading.indexes());
    Ok(Step { part: Part::Text(plan.explain()), next: None })
}
