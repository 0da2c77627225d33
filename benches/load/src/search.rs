//! What lists and counts look for: a catalogue of workflows of several types, with an attribute of many values.

use clap::Args;
use tenure_api::common::v1::{Payload, SearchAttributes};

/// Types of workflows in a catalogue, and values of their attribute.
const TYPES: u64 = 20;
const CUSTOMERS: u64 = 5_000;

#[derive(Args, Clone, Default)]
pub struct Search {
    /// The query of `list` and `count`; `{n}` in it stands for the number of the unit, `{t}` and `{c}` for its type and its
    /// customer in a catalogue
    #[arg(long, default_value = "")]
    query: String,
    /// Runs on the page of a `list`
    #[arg(long, default_value_t = 20)]
    pub page_size: i32,
    /// Pages of a `list` that are read one after the other, as one unit
    #[arg(long, default_value_t = 1)]
    pub pages: u32,
    /// When each `schedule` acts, in seconds since 1970
    #[arg(long, default_value_t = 0)]
    pub at: i64,
}

impl Search {
    pub fn query(&self, number: u64) -> String {
        // Numbers that follow each other are not neighbours in any order.
        let number = number.wrapping_mul(7919) % 100_000;
        let (kind, customer) = ((number % TYPES).to_string(), (number % CUSTOMERS).to_string());
        self.query.replace("{n}", &number.to_string()).replace("{t}", &kind).replace("{c}", &customer)
    }
}

/// The type and the attributes of a workflow in a catalogue.
pub fn described(number: u64) -> (String, SearchAttributes) {
    let metadata = [("encoding", "json/plain"), ("type", "Keyword")].map(|(key, value)| (key.to_owned(), value.into()));
    let data = format!("\"c{}\"", number % CUSTOMERS).into();
    let payload = Payload { metadata: metadata.into(), data, ..Default::default() };
    let indexed_fields = [("Customer".to_owned(), payload)].into();
    (format!("load{}", number % TYPES), SearchAttributes { indexed_fields })
}

/// Whether a workflow of a catalogue stays open.
pub fn stays_open(number: u64) -> bool {
    number.is_multiple_of(10)
}
