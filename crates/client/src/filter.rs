//! Filters of lists and counts, written in Rust.

use crate::{WorkflowExecutionStatus, search::SearchAttribute};
use std::{
    fmt,
    ops::{BitAnd, BitOr, Not},
    time::SystemTime,
};

/// What a list or a count looks for: made of search attributes, so that names and types are those of the attributes, or a
/// query as it is.
///
/// ```no_run
/// use tenure_client::{Client, ClientError, SearchAttribute, WorkflowExecutionStatus, attributes};
///
/// const CITY: SearchAttribute<String> = SearchAttribute::keyword("City");
/// const WEIGHT: SearchAttribute<f64> = SearchAttribute::double("Weight");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let heavy = CITY.is_in(["Lisbon", "Porto"]) & WEIGHT.gt(20.0);
/// assert_eq!(heavy.to_string(), "City IN ('Lisbon', 'Porto') AND Weight > 20.0");
/// let open = attributes::STATUS.eq(WorkflowExecutionStatus::Running);
/// println!("{} orders are on their way", client.count(heavy & open).await?);
/// // The same in the server's language.
/// client.count("City IN ('Lisbon', 'Porto') AND Weight > 20 AND ExecutionStatus = 'Running'").await?;
/// # Ok(()) }
/// ```
#[must_use = "finds nothing by itself"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    text: String,
    shape: Shape,
}

/// What a filter is on its outside: it says where parentheses are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Test,
    And,
    Or,
    /// A query that somebody wrote.
    Query,
}

impl Filter {
    fn test(text: String) -> Filter {
        Filter { text, shape: Shape::Test }
    }

    fn join(self, other: Filter, shape: Shape, word: &str) -> Filter {
        if self.text.trim().is_empty() || other.text.trim().is_empty() {
            let both = [self, other].into_iter().find(|filter| !filter.text.trim().is_empty());
            return match (shape, both) {
                // What finds all, and something: that. What finds all, or something: all.
                (Shape::And, Some(other)) => other,
                _ => Filter::from(""),
            };
        }
        let text = format!("{} {word} {}", self.within(shape), other.within(shape));
        Filter { text, shape }
    }

    fn within(self, shape: Shape) -> String {
        if self.shape == Shape::Test || self.shape == shape { self.text } else { format!("({})", self.text) }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<&str> for Filter {
    fn from(query: &str) -> Filter {
        query.to_owned().into()
    }
}

impl From<String> for Filter {
    fn from(query: String) -> Filter {
        Filter { text: query, shape: Shape::Query }
    }
}

impl From<&String> for Filter {
    fn from(query: &String) -> Filter {
        query.clone().into()
    }
}

/// Both.
impl BitAnd for Filter {
    type Output = Filter;

    fn bitand(self, other: Filter) -> Filter {
        self.join(other, Shape::And, "AND")
    }
}

/// Either.
impl BitOr for Filter {
    type Output = Filter;

    fn bitor(self, other: Filter) -> Filter {
        self.join(other, Shape::Or, "OR")
    }
}

/// The opposite. It does not find what has no value, either.
impl Not for Filter {
    type Output = Filter;

    fn not(self) -> Filter {
        Filter::test(format!("NOT ({})", self.text))
    }
}

/// A value as queries write it.
pub trait FilterValue {
    #[doc(hidden)]
    fn literal(&self) -> String;
}

impl FilterValue for String {
    fn literal(&self) -> String {
        quoted(self)
    }
}

impl FilterValue for i64 {
    fn literal(&self) -> String {
        self.to_string()
    }
}

impl FilterValue for f64 {
    fn literal(&self) -> String {
        format!("{self:?}")
    }
}

impl FilterValue for bool {
    fn literal(&self) -> String {
        self.to_string()
    }
}

impl FilterValue for SystemTime {
    fn literal(&self) -> String {
        quoted(&prost_types::Timestamp::from(*self).to_string())
    }
}

impl FilterValue for WorkflowExecutionStatus {
    fn literal(&self) -> String {
        quoted(self.as_str_name())
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn name(name: &str) -> String {
    let is_plain =
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    if is_plain { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

impl<T> SearchAttribute<T> {
    /// Whether it has no value.
    pub fn is_null(&self) -> Filter {
        Filter::test(format!("{} IS NULL", name(self.name())))
    }

    /// Whether it has a value.
    pub fn is_set(&self) -> Filter {
        Filter::test(format!("{} IS NOT NULL", name(self.name())))
    }
}

impl<T: FilterValue> SearchAttribute<T> {
    fn compared(&self, operator: &str, value: impl Into<T>) -> Filter {
        Filter::test(format!("{} {operator} {}", name(self.name()), value.into().literal()))
    }

    /// Equal. A text has one of the words.
    pub fn eq(&self, value: impl Into<T>) -> Filter {
        self.compared("=", value)
    }

    /// Another value; what has none is not found, except by texts.
    pub fn ne(&self, value: impl Into<T>) -> Filter {
        self.compared("!=", value)
    }

    /// Less.
    pub fn lt(&self, value: impl Into<T>) -> Filter {
        self.compared("<", value)
    }

    /// Less or equal.
    pub fn le(&self, value: impl Into<T>) -> Filter {
        self.compared("<=", value)
    }

    /// Greater.
    pub fn gt(&self, value: impl Into<T>) -> Filter {
        self.compared(">", value)
    }

    /// Greater or equal.
    pub fn ge(&self, value: impl Into<T>) -> Filter {
        self.compared(">=", value)
    }

    /// From the first up to the second, and these two.
    pub fn between(&self, low: impl Into<T>, high: impl Into<T>) -> Filter {
        let (low, high) = (low.into().literal(), high.into().literal());
        Filter::test(format!("{} BETWEEN {low} AND {high}", name(self.name())))
    }

    /// One of these; of none, nothing is found.
    pub fn is_in(&self, values: impl IntoIterator<Item = impl Into<T>>) -> Filter {
        one_of(self.name(), values.into_iter().map(|value| value.into().literal()))
    }
}

impl SearchAttribute<String> {
    /// Begins so; only of keywords.
    pub fn starts_with(&self, prefix: &str) -> Filter {
        Filter::test(format!("{} STARTS_WITH {}", name(self.name()), quoted(prefix)))
    }
}

impl SearchAttribute<Vec<String>> {
    /// The list has it.
    pub fn contains(&self, keyword: &str) -> Filter {
        Filter::test(format!("{} = {}", name(self.name()), quoted(keyword)))
    }

    /// The list has one of these; of none, nothing is found.
    pub fn contains_any<'a>(&self, keywords: impl IntoIterator<Item = &'a str>) -> Filter {
        one_of(self.name(), keywords.into_iter().map(quoted))
    }
}

fn one_of(attribute: &str, literals: impl Iterator<Item = String>) -> Filter {
    let literals: Vec<_> = literals.collect();
    if literals.is_empty() {
        // The language has no empty list.
        return attributes::WORKFLOW_ID.is_null();
    }
    Filter::test(format!("{} IN ({})", name(attribute), literals.join(", ")))
}

/// Attributes that the server gives each run, and each schedule.
pub mod attributes {
    use super::*;

    /// When it was closed; open runs have no value.
    pub const CLOSE_TIME: SearchAttribute<SystemTime> = SearchAttribute::datetime("CloseTime");
    /// Its status.
    pub const STATUS: SearchAttribute<WorkflowExecutionStatus> = SearchAttribute::status("ExecutionStatus");
    /// The schedule that started it.
    pub const SCHEDULED_BY: SearchAttribute<String> = SearchAttribute::keyword("TemporalScheduledById");
    /// The time for which its schedule started it.
    pub const SCHEDULED_TIME: SearchAttribute<SystemTime> = SearchAttribute::datetime("TemporalScheduledStartTime");
    /// A schedule's id.
    pub const SCHEDULE_ID: SearchAttribute<String> = SearchAttribute::keyword("ScheduleId");
    /// Whether a schedule is paused.
    pub const SCHEDULE_PAUSED: SearchAttribute<bool> = SearchAttribute::bool("TemporalSchedulePaused");
    /// When it was started.
    pub const START_TIME: SearchAttribute<SystemTime> = SearchAttribute::datetime("StartTime");
    /// The queue on which its workers poll.
    pub const TASK_QUEUE: SearchAttribute<String> = SearchAttribute::keyword("TaskQueue");
    /// Its workflow id.
    pub const WORKFLOW_ID: SearchAttribute<String> = SearchAttribute::keyword("WorkflowId");
    /// The name of its workflow type.
    pub const WORKFLOW_TYPE: SearchAttribute<String> = SearchAttribute::keyword("WorkflowType");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn filters_are_written_as_queries() {
        const CITY: SearchAttribute<String> = SearchAttribute::keyword("City");
        const WEIGHT: SearchAttribute<f64> = SearchAttribute::double("net weight");
        const TAGS: SearchAttribute<Vec<String>> = SearchAttribute::keyword_list("Tags");
        let check = |filter: Filter, query: &str| assert_eq!(filter.to_string(), query);
        check(CITY.eq("Land's \\ End"), r"City = 'Land''s \\ End'");
        check(WEIGHT.between(1.0, 2.5), "`net weight` BETWEEN 1.0 AND 2.5");
        check(TAGS.contains("x") | TAGS.contains_any(["y", "z"]), "Tags = 'x' OR Tags IN ('y', 'z')");
        check(
            attributes::STATUS.ne(WorkflowExecutionStatus::TimedOut),
            "ExecutionStatus != 'WORKFLOW_EXECUTION_STATUS_TIMED_OUT'",
        );
        check(
            attributes::START_TIME.ge(SystemTime::UNIX_EPOCH + Duration::from_millis(1500)),
            "StartTime >= '1970-01-01T00:00:01.500Z'",
        );
        let (a, b, c) = (CITY.eq("a"), CITY.is_null(), CITY.starts_with("c"));
        check(a.clone() & b.clone() & c.clone(), "City = 'a' AND City IS NULL AND City STARTS_WITH 'c'");
        check((a.clone() | b.clone()) & c.clone(), "(City = 'a' OR City IS NULL) AND City STARTS_WITH 'c'");
        check(!(a.clone() & b) | c, "NOT (City = 'a' AND City IS NULL) OR City STARTS_WITH 'c'");
        check(Filter::from("A = 1 OR B = 2") & a.clone(), "(A = 1 OR B = 2) AND City = 'a'");
        check(Filter::from("") & a.clone(), "City = 'a'");
        check(a | Filter::from(""), "");
        check(CITY.is_in(Vec::<String>::new()), "WorkflowId IS NULL");
    }
}
