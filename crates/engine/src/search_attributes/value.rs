//! The check of a payload against its search attribute's type, and how errors show a value that does not fit.

use serde_json::Value;
use std::fmt::Write;
use tenure_api::{common::v1::Payload, enums::v1::IndexedValueType as Type};

/// Checks a value. The error is the value as the reference server shows it.
pub(super) fn check(kind: Type, payload: &Payload) -> Result<(), String> {
    let value = match payload.metadata.get("encoding").map(|encoding| &encoding[..]) {
        Some(b"binary/null") => Value::Null,
        Some(b"binary/plain") => return Err(shown_bytes(&payload.data)),
        Some(b"json/plain") => {
            serde_json::from_slice(&payload.data).map_err(|_| format!("value from <{}>", shown_payload(payload)))?
        }
        _ => return Err(format!("value from <{}>", shown_payload(payload))),
    };
    if fits(kind, &value) { Ok(()) } else { Err(shown(&value)) }
}

/// Whether a value fits the type. A list of one value stands for that value, an empty one for none.
fn fits(kind: Type, value: &Value) -> bool {
    match (kind, value) {
        (_, Value::Null) => true,
        (Type::KeywordList, Value::Array(values)) => values.iter().all(|value| value.is_string() || value.is_null()),
        (Type::KeywordList, _) => false,
        (_, Value::Array(values)) => match values.as_slice() {
            [] => true,
            [value] => value.is_null() || is_one(kind, value),
            _ => false,
        },
        (_, value) => is_one(kind, value),
    }
}

fn is_one(kind: Type, value: &Value) -> bool {
    match kind {
        Type::Text | Type::Keyword => value.is_string(),
        Type::Int => value.is_i64(),
        Type::Double => value.is_number(),
        Type::Bool => value.is_boolean(),
        Type::Datetime => value.as_str().is_some_and(is_datetime),
        Type::Unspecified | Type::KeywordList => false,
    }
}

/// Whether the text is a time of RFC 3339, which is narrower than what the parser accepts.
fn is_datetime(text: &str) -> bool {
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let separated = separators.into_iter().all(|(at, separator)| text.as_bytes().get(at) == Some(&separator));
    separated && text.is_ascii() && !text.contains(['[', ',', 'z']) && text.parse::<jiff::Timestamp>().is_ok()
}

/// The value in the format of Go's `%v`.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), shown_number),
        Value::String(text) => text.clone(),
        Value::Array(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key}:{}", shown(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// The number in its shortest form, with an exponent where that is below -4 or above 5.
fn shown_number(number: f64) -> String {
    let scientific = format!("{number:e}");
    match scientific.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?))) {
        Some((digits, exponent)) if number != 0.0 && !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

fn shown_bytes(bytes: &[u8]) -> String {
    format!("[{}]", bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(" "))
}

fn shown_payload(payload: &Payload) -> String {
    let mut fields: Vec<_> = payload
        .metadata
        .iter()
        .map(|(key, value)| format!("metadata:{{key:{}  value:{}}}", quoted(key.as_bytes()), quoted(value)))
        .collect();
    if !payload.data.is_empty() {
        fields.push(format!("data:{}", quoted(&payload.data)));
    }
    fields.join("  ")
}

/// Bytes in Protobuf's text form.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => _ = write!(text, "\\x{byte:02x}"),
        }
    }
    text.push('"');
    text
}
