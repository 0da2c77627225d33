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

pub(crate) use count::{count, explain_count};
pub(crate) use page::page;
pub(crate) use reading::Reading;

use crate::seam::question::{Part, Step};

/// Tells how a list is answered here.
pub(crate) fn explain_list(reading: &Reading<'_>) -> Step {
    let plan = reading.filter.plan(&*reading.indexes);
    let order = if plan.is_sorted { "in the order asked for" } else { "sort" };
    Step { part: Part::Plan { text: format!("{}\n{order}", plan.explain()), rows: plan.rows }, next: None }
}
