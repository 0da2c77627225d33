//! The query language of lists and counts: what a query says, whether a record fits it, and which index serves it. Nothing
//! here reads or writes: records and indexes are the caller's.
//!
//! ```
//! use tenure_filter::{Attributes, Filter, Type};
//!
//! let attributes = Attributes::new([("Color".to_owned(), "Keyword01".to_owned(), Type::Keyword)]);
//! let filter = Filter::parse("Color IN ('red', 'blue') AND CloseTime IS NULL ORDER BY StartTime", &attributes).unwrap();
//! assert_eq!(filter.to_string(), "Color IN ('red', 'blue') AND CloseTime IS NULL ORDER BY StartTime");
//! let error = Filter::parse("Colour = 'red'", &attributes).unwrap_err();
//! assert_eq!(error.to_string(), "invalid query: invalid search attribute: Colour (at column 1)");
//! ```
//!
//! A list goes so: [`Filter::parse`] once; on each shard [`Filter::plan`] over what there is ([`Indexes`]); read the rows
//! of [`Plan::access`], drop the records that [`Plan::fits`] refuses; sort by [`Filter::sort_key`] what
//! [`Plan::is_sorted`] does not promise, and merge the shards by the same keys. Who writes index rows takes
//! [`encode::keys`] of each value and appends [`encode::position`]; the rows that a scan reads are the positions alone.
//! [`Filter::matches`] is the whole truth about one record, without any index.

mod check;
mod condition;
pub mod encode;
mod error;
mod evaluate;
mod filter;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod names;
mod plan;
mod ranges;
mod syntax;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod times;
mod types;
mod words;

#[cfg(test)]
mod tests;

pub use condition::{Comparison, Condition, Literal, Predicate, Test, Words};
pub use encode::KeyRange;
pub use error::{FilterError, Position};
pub use filter::Filter;
pub use names::{Attribute, Attributes, is_fixed, status_name, system};
pub use plan::{Access, Index, Indexes, Order, Part, Plan};
pub use types::{Record, Type, Value};
pub use words::words;
