//! What this crate makes of any bytes that come as a query, for the fuzz target.

use crate::{Attributes, Filter, Type};

/// A query over attributes of all types; if it is one, what it is printed as is read as the same.
pub fn filter(bytes: &[u8]) {
    let kinds = [
        ("CustomBool", Type::Bool),
        ("CustomDatetime", Type::Datetime),
        ("CustomDouble", Type::Double),
        ("CustomInt", Type::Int),
        ("CustomKeyword", Type::Keyword),
        ("CustomList", Type::KeywordList),
        ("CustomText", Type::Text),
    ];
    let attributes = Attributes::new(kinds.map(|(name, kind)| (name.to_owned(), name.to_owned(), kind)));
    if let Ok(filter) = Filter::parse(&String::from_utf8_lossy(bytes), &attributes) {
        // What is printed may be longer than a query may be.
        if let Ok(read) = Filter::parse(&filter.to_string(), &attributes) {
            assert_eq!(read, filter);
        }
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::{corpus::replay, *};

    #[test]
    fn the_corpus_of_filters_is_replayed() {
        replay("filters", filter);
    }
}
