//! The API's shorthand for payloads: what is JSON stands as itself instead of in base64, as the reference server's HTTP
//! API has it. `{"metadata": {..}, "data": ".."}` is a payload in full, either way.

use super::{encode::base64, text};
use base64::{Engine, engine::general_purpose::GeneralPurpose};
use serde::{
    Deserialize,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap, fmt};
use tenure_api::common::v1::Payload;

const ENCODING: &str = "encoding";
const MESSAGE_TYPE: &str = "messageType";

const NULL: &[u8] = b"binary/null";
const JSON: &[u8] = b"json/plain";
const PROTOBUF: &[u8] = b"json/protobuf";

/// The name under which the shorthand of a protocol buffer in JSON says its type.
const TYPE_IN_SHORTHAND: &str = "_protoMessageType";

/// Base64 in either alphabet, padded or not.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    use base64::{alphabet, engine::DecodePaddingMode, engine::general_purpose::GeneralPurposeConfig};
    const ANY_PADDING: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    engine.decode(text).ok()
}

/// What of a payload is shown as itself.
enum Shown<'a> {
    /// It is empty, and shown in full: `null` would be JSON that it may also hold.
    Null,
    Json(&'a str),
    /// An object, and the type that it says.
    Protobuf {
        object: &'a str,
        r#type: &'a str,
    },
}

fn shown(payload: &Payload) -> Option<Shown<'_>> {
    let metadata = |name: &str| payload.metadata.get(name).map(|value| value.as_ref());
    if !payload.external_payloads.is_empty() {
        return None;
    }
    match (metadata(ENCODING)?, payload.metadata.len()) {
        (NULL, 1) => Some(Shown::Null),
        (JSON, 1) => json(&payload.data).map(Shown::Json),
        (PROTOBUF, 2) => {
            let r#type = std::str::from_utf8(metadata(MESSAGE_TYPE)?).ok().filter(|name| !name.is_empty())?;
            let object = json(&payload.data).filter(|object| object.starts_with('{'))?;
            Some(Shown::Protobuf { object, r#type })
        }
        _ => None,
    }
}

/// Bytes that are JSON and nothing else, without what surrounds them.
fn json(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    // Skips without recursion, so that any depth is known for what it is.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Some(text.trim_matches([' ', '\n', '\r', '\t']))
}

/// Whether a payload has a shorthand.
pub(super) fn has_shorthand(payload: &Payload) -> bool {
    shown(payload).is_some()
}

/// Writes a payload in shorthand, or in full if it has none.
pub(super) fn write(payload: &Payload, out: &mut Vec<u8>) {
    match shown(payload) {
        Some(Shown::Json(json)) => text::raw(json, out),
        Some(Shown::Protobuf { object, r#type }) => {
            let fields = object.strip_suffix('}').unwrap_or(object);
            text::raw(fields, out);
            // Behind the others: of two with one name the last one holds.
            if !fields[1..].trim().is_empty() {
                out.push(b',');
            }
            text::string(TYPE_IN_SHORTHAND, out);
            out.push(b':');
            text::string(r#type, out);
            out.push(b'}');
        }
        Some(Shown::Null) | None => in_full(payload, out),
    }
}

fn in_full(payload: &Payload, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"metadata":{"#);
    for (number, (name, value)) in payload.metadata.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        text::string(name, out);
        out.push(b':');
        base64(value, out);
    }
    out.push(b'}');
    if !payload.data.is_empty() {
        out.extend_from_slice(br#","data":"#);
        base64(&payload.data, out);
    }
    out.push(b'}');
}

/// A payload from JSON: in full, if it says how it is encoded and has data (or is said to be nothing), or in shorthand.
pub(super) fn read(json: &RawValue) -> Result<Payload, serde_json::Error> {
    let json = json.get();
    if json == "null" {
        return Ok(payload([(ENCODING, NULL)], Vec::new()));
    }
    if json.starts_with('{') {
        if let Some(payload) = read_in_full(json) {
            return Ok(payload);
        }
        // Names are rarely written with escapes; who does so means JSON.
        if json.contains(TYPE_IN_SHORTHAND)
            && let Typed { r#type: Some(name), fields } = serde_json::from_str(json)?
        {
            return Ok(payload([(ENCODING, PROTOBUF), (MESSAGE_TYPE, name.as_bytes())], fields));
        }
    }
    Ok(payload([(ENCODING, JSON)], json.as_bytes().to_vec()))
}

fn payload<const N: usize>(metadata: [(&str, &[u8]); N], data: Vec<u8>) -> Payload {
    let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_vec().into()));
    Payload { metadata: metadata.into(), data: data.into(), ..Default::default() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InFull<'a> {
    #[serde(borrow)]
    metadata: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
}

fn read_in_full(json: &str) -> Option<Payload> {
    let InFull { metadata, data } = serde_json::from_str(json).ok()?;
    let metadata: Option<BTreeMap<_, _>> =
        metadata.into_iter().map(|(name, value)| Some((name.into_owned(), from_base64(&value)?.into()))).collect();
    let metadata: BTreeMap<String, bytes::Bytes> = metadata?;
    let encoding = metadata.get(ENCODING)?;
    let data = match data {
        Some(data) => from_base64(&data)?,
        None if encoding == NULL => Vec::new(),
        None => return None,
    };
    Some(Payload { metadata, data: data.into(), ..Default::default() })
}

/// An object with the type that it says taken out.
struct Typed {
    r#type: Option<String>,
    fields: Vec<u8>,
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Typed, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Typed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Typed, A::Error> {
                let mut typed = Typed { r#type: None, fields: vec![b'{'] };
                while let Some(name) = map.next_key::<Cow<'_, str>>()? {
                    let value = map.next_value::<&RawValue>()?;
                    if name == TYPE_IN_SHORTHAND {
                        let name = serde_json::from_str(value.get());
                        typed.r#type = name.map_err(|_| A::Error::custom("`_protoMessageType` must be text"))?;
                        continue;
                    }
                    if typed.fields.len() > 1 {
                        typed.fields.push(b',');
                    }
                    serde_json::to_writer(&mut typed.fields, &name).map_err(A::Error::custom)?;
                    typed.fields.push(b':');
                    typed.fields.extend_from_slice(value.get().as_bytes());
                }
                typed.fields.push(b'}');
                Ok(typed)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn shorthand(encoding: &str, more: &[(&str, &str)], data: &[u8]) -> String {
        let encoding = [(ENCODING, encoding)];
        let metadata = encoding.iter().chain(more).map(|(name, value)| ((*name).to_owned(), value.to_string().into()));
        let payload = Payload { metadata: metadata.collect(), data: data.to_vec().into(), ..Default::default() };
        let mut out = Vec::new();
        write(&payload, &mut out);
        let written = String::from_utf8(out).unwrap();
        let again = read(&serde_json::from_str::<Box<RawValue>>(&written).unwrap()).unwrap();
        assert_eq!(again.metadata, payload.metadata, "{written}");
        written
    }

    fn check(encoding: &str, more: &[(&str, &str)], data: &[u8], expected: Expect) {
        expected.assert_eq(&shorthand(encoding, more, data));
    }

    #[test]
    fn json_stands_as_itself() {
        check("json/plain", &[], b" {\"a\": [1.0, null]}\n", expect![[r#"{"a": [1.0, null]}"#]]);
        check("json/plain", &[], b"\"<b>\"", expect![[r#""\u003cb\u003e""#]]);
        check(
            "json/protobuf",
            &[("messageType", "a.B")],
            br#"{"x": 1}"#,
            expect![[r#"{"x": 1,"_protoMessageType":"a.B"}"#]],
        );
        check("json/protobuf", &[("messageType", "a.B")], b"{ }", expect![[r#"{ "_protoMessageType":"a.B"}"#]]);
    }

    #[test]
    fn all_else_is_in_full() {
        check("binary/null", &[], b"", expect![[r#"{"metadata":{"encoding":"YmluYXJ5L251bGw="}}"#]]);
        check(
            "binary/plain",
            &[],
            b"\xff\xfe",
            expect![[r#"{"metadata":{"encoding":"YmluYXJ5L3BsYWlu"},"data":"//4="}"#]],
        );
        check(
            "json/plain",
            &[("x", "y")],
            b"1",
            expect![[r#"{"metadata":{"encoding":"anNvbi9wbGFpbg==","x":"eQ=="},"data":"MQ=="}"#]],
        );
        // It says that it is JSON, and is not.
        check("json/plain", &[], b"\xff", expect![[r#"{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"/w=="}"#]]);
        check("json/plain", &[], b"1 2", expect![[r#"{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"MSAy"}"#]]);
        check(
            "json/protobuf",
            &[("messageType", "a.B")],
            b"[]",
            expect![[r#"{"metadata":{"encoding":"anNvbi9wcm90b2J1Zg==","messageType":"YS5C"},"data":"W10="}"#]],
        );
    }

    #[test]
    fn what_is_read_is_a_payload_or_means_itself() {
        let read = |json: &str| {
            let payload = read(&serde_json::from_str::<Box<RawValue>>(json).unwrap()).unwrap();
            let encoding = String::from_utf8_lossy(payload.metadata.get(ENCODING).unwrap()).into_owned();
            (encoding, String::from_utf8_lossy(&payload.data).into_owned())
        };
        let json = |text: &str| ("json/plain".to_owned(), text.to_owned());
        for (given, expected) in [
            ("null", ("binary/null".to_owned(), String::new())),
            ("true", json("true")),
            (r#"{"metadata":{"encoding":"YQ"},"data":"Yg"}"#, ("a".to_owned(), "b".to_owned())),
            (r#"{"metadata":{"encoding":"YmluYXJ5L251bGw="}}"#, ("binary/null".to_owned(), String::new())),
            // Not in full: no encoding, no data, not base64, something besides.
            (r#"{"metadata":{},"data":"Yg"}"#, json(r#"{"metadata":{},"data":"Yg"}"#)),
            (r#"{"metadata":{"encoding":"YQ"}}"#, json(r#"{"metadata":{"encoding":"YQ"}}"#)),
            (r#"{"metadata":{"encoding":"!"},"data":""}"#, json(r#"{"metadata":{"encoding":"!"},"data":""}"#)),
            (r#"{"data":1,"metadata":{},"x":2}"#, json(r#"{"data":1,"metadata":{},"x":2}"#)),
            (r#"{"_protoMessageType":"a.B","x":[1 ]}"#, ("json/protobuf".to_owned(), r#"{"x":[1 ]}"#.to_owned())),
        ] {
            assert_eq!(read(given), expected, "{given}");
        }
    }

    #[test]
    fn any_depth_and_size_is_taken() {
        let deep = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let raw = serde_json::from_str::<Box<RawValue>>(&deep).unwrap();
        let payload = read(&raw).unwrap();
        assert_eq!(payload.data, deep);
        let mut out = Vec::new();
        write(&payload, &mut out);
        assert_eq!(out, deep.as_bytes());
    }
}
