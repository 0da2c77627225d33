//! Payloads: as JSON where they are JSON, else in a few words.

use super::text::shorten;
use serde_json::Value;
use tenure_api::common::v1::{Payload, Payloads};

/// The key of a payload's metadata that says how its data is encoded.
pub(crate) const ENCODING: &str = "encoding";

/// The value of a payload that is JSON or null; `None` for any other.
pub(crate) fn value(payload: &Payload) -> Option<Value> {
    json(payload.metadata.get(ENCODING).map_or(&[], |encoding| encoding), &payload.data)
}

/// The value of data in an encoding of JSON or null; `None` for any other.
pub(crate) fn json(encoding: &[u8], data: &[u8]) -> Option<Value> {
    match encoding {
        b"json/plain" | b"json/protobuf" => serde_json::from_slice(data).ok(),
        b"binary/null" => Some(Value::Null),
        _ => None,
    }
}

/// A payload for people, of any length.
pub(crate) fn full(payload: &Payload) -> String {
    value(payload).map_or_else(|| described(payload), |value| value.to_string())
}

/// What there is to say of a payload that is not JSON.
pub(crate) fn described(payload: &Payload) -> String {
    let encoding = payload.metadata.get(ENCODING).map(|encoding| String::from_utf8_lossy(encoding));
    let encoding = encoding.as_deref().unwrap_or("no encoding");
    format!("<{encoding}, {} bytes>", payload.data.len())
}

/// Payloads for a cell of a table, cut where they are long.
pub(crate) fn brief(payloads: Option<&Payloads>) -> String {
    let payloads = payloads.map_or(&[][..], |payloads| &payloads.payloads);
    brief_list(payloads)
}

/// One payload for a cell of a table, cut where it is long.
pub(crate) fn brief_one(payload: &Payload) -> String {
    brief_list(std::slice::from_ref(payload))
}

fn brief_list(payloads: &[Payload]) -> String {
    let all = payloads.iter().map(full).collect::<Vec<_>>().join(", ");
    shorten(&all, BRIEF).into_owned()
}

/// How many characters of payloads a table shows.
const BRIEF: usize = 120;

/// Payloads by their names, each cut where it is long.
pub(crate) fn brief_fields<'a>(fields: Option<impl IntoIterator<Item = (&'a String, &'a Payload)>>) -> String {
    let field = |(name, payload)| format!("{name} = {}", brief_one(payload));
    fields.into_iter().flatten().map(field).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(encoding: &str, data: &str) -> Payload {
        let metadata = [(ENCODING.to_owned(), encoding.to_owned().into())].into();
        Payload { metadata, data: data.to_owned().into(), ..Default::default() }
    }

    #[test]
    fn json_is_shown_and_the_rest_described() {
        let shown = [
            full(&payload("json/plain", r#"{"b": 1, "a": "x"}"#)),
            full(&payload("binary/null", "")),
            full(&payload("binary/encrypted", "secret")),
            full(&payload("json/plain", "{")),
            full(&Payload::default()),
        ];
        let expected = [
            r#"{"a":"x","b":1}"#,
            "null",
            "<binary/encrypted, 6 bytes>",
            "<json/plain, 1 bytes>",
            "<no encoding, 0 bytes>",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn several_are_shown_in_a_row_and_cut() {
        let payloads = vec![payload("json/plain", "1"), payload("json/plain", &format!("{:?}", "x".repeat(500)))];
        let shown = brief(Some(&Payloads { payloads }));
        assert!(shown.starts_with("1, \"xxx") && shown.chars().count() == BRIEF + 1, "{shown}");
    }
}
