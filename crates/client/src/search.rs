//! Search attributes: names and values that list filters find.

use crate::{DataConverter, WorkflowExecutionStatus, data::DataError};
use std::time::SystemTime;
use tenure_api::common::v1 as common;

/// A search attribute, with the type that the namespace knows it by: so that what is set is of that type.
///
/// ```no_run
/// use std::time::SystemTime;
/// use tenure_client::{Client, ClientError, SearchAttribute, WorkflowRef};
///
/// const CITY: SearchAttribute<String> = SearchAttribute::keyword("City");
/// const DUE: SearchAttribute<SystemTime> = SearchAttribute::datetime("Due");
/// # const ORDER: WorkflowRef<(), ()> = WorkflowRef::new("Order");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let start = client.start(ORDER, ()).id("order-1").task_queue("orders");
/// start.search_attribute(CITY, "Lisbon").search_attribute(DUE, SystemTime::now()).await?;
/// # Ok(()) }
/// ```
pub struct SearchAttribute<T> {
    name: &'static str,
    value: fn(T) -> SearchValue,
}

impl<T> SearchAttribute<T> {
    /// The name that the namespace knows it by.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl SearchAttribute<WorkflowExecutionStatus> {
    pub(crate) const fn status(name: &'static str) -> Self {
        SearchAttribute { name, value: |status| SearchValue::Keyword(status.as_str_name().to_owned()) }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($ty:ty) = $variant:ident;)+) => {
        $(impl SearchAttribute<$ty> {
            $(#[$doc])*
            pub const fn $name(name: &'static str) -> Self {
                SearchAttribute { name, value: SearchValue::$variant }
            }
        })+
    };
}

kinds! {
    /// Searched word by word.
    text(String) = Text;
    /// Searched as a whole.
    keyword(String) = Keyword;
    /// Several keywords.
    keyword_list(Vec<String>) = KeywordList;
    /// A whole number.
    int(i64) = Int;
    /// A number.
    double(f64) = Double;
    /// Yes or no.
    bool(bool) = Bool;
    /// A point in time.
    datetime(SystemTime) = Datetime;
}

/// What names a search attribute whose value is given as a `V`: a [`SearchAttribute`], or a name, and then the value
/// says the type.
#[diagnostic::on_unimplemented(
    message = "the search attribute `{Self}` takes no `{V}`",
    note = "a `SearchAttribute` takes values of its own type, a plain name takes a `SearchValue` or what turns into one"
)]
pub trait SearchKey<V> {
    /// Name and value.
    fn with(self, value: V) -> (String, SearchValue);
}

impl<T, V: Into<T>> SearchKey<V> for SearchAttribute<T> {
    fn with(self, value: V) -> (String, SearchValue) {
        (self.name.to_owned(), (self.value)(value.into()))
    }
}

impl<V: Into<SearchValue>> SearchKey<V> for &str {
    fn with(self, value: V) -> (String, SearchValue) {
        (self.to_owned(), value.into())
    }
}

impl<V: Into<SearchValue>> SearchKey<V> for String {
    fn with(self, value: V) -> (String, SearchValue) {
        (self, value.into())
    }
}

/// A value of a search attribute, with the type that the namespace knows the attribute by.
///
/// ```no_run
/// # use tenure_client::{Client, ClientError, SearchValue, WorkflowRef};
/// # const ORDER: WorkflowRef<(), ()> = WorkflowRef::new("Order");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let start = client.start(ORDER, ()).id("order-1").task_queue("orders");
/// // What is not said is guessed of the value: a keyword, a number, a truth, a time.
/// start.search_attribute("City", "Lisbon").search_attribute("Notes", SearchValue::Text("ring twice".to_owned())).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SearchValue {
    /// Searched word by word.
    Text(String),
    /// Searched as a whole.
    Keyword(String),
    /// Several keywords.
    KeywordList(Vec<String>),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Yes or no.
    Bool(bool),
    /// A point in time.
    Datetime(SystemTime),
    /// Removes the attribute.
    None,
}

impl SearchValue {
    #[doc(hidden)]
    pub fn into_payload(self) -> Result<common::Payload, DataError> {
        use serde_json::json;
        let (kind, value) = match self {
            SearchValue::Text(text) => ("Text", json!(text)),
            SearchValue::Keyword(word) => ("Keyword", json!(word)),
            SearchValue::KeywordList(words) => ("KeywordList", json!(words)),
            SearchValue::Int(number) => ("Int", json!(number)),
            SearchValue::Double(number) => ("Double", json!(number)),
            SearchValue::Bool(truth) => ("Bool", json!(truth)),
            // Timestamps are written as RFC 3339.
            SearchValue::Datetime(time) => ("Datetime", json!(prost_types::Timestamp::from(time).to_string())),
            SearchValue::None => return DataConverter::default().encode(&()),
        };
        let mut payload = DataConverter::default().encode(&value)?;
        payload.metadata.insert("type".to_owned(), kind.into());
        Ok(payload)
    }
}

macro_rules! from {
    ($($ty:ty: $value:ident => $made:expr;)+) => {
        $(impl From<$ty> for SearchValue {
            fn from($value: $ty) -> Self {
                $made
            }
        })+
    };
}

from! {
    &str: word => SearchValue::Keyword(word.to_owned());
    String: word => SearchValue::Keyword(word);
    Vec<String>: words => SearchValue::KeywordList(words);
    i64: number => SearchValue::Int(number);
    f64: number => SearchValue::Double(number);
    bool: truth => SearchValue::Bool(truth);
    SystemTime: time => SearchValue::Datetime(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_says_the_type() {
        const NOTES: SearchAttribute<String> = SearchAttribute::text("Notes");
        assert_eq!(NOTES.with("ring twice"), ("Notes".to_owned(), SearchValue::Text("ring twice".to_owned())));
        let payload = NOTES.with("ring twice").1.into_payload().unwrap();
        assert_eq!(payload.metadata["type"], "Text");
        assert_eq!("Notes".with("x"), ("Notes".to_owned(), SearchValue::Keyword("x".to_owned())));
        let datetime = SearchAttribute::datetime("Due").with(SystemTime::UNIX_EPOCH).1.into_payload().unwrap();
        assert_eq!(datetime.data, "\"1970-01-01T00:00:00Z\"");
    }
}
