//! A message as JSON, straight from its encoding and piece by piece: no tree is built, of messages or of JSON, so that a
//! response takes no more memory than its bytes and one piece, however large, deep or full of empty elements it is.
//!
//! Names are lowerCamelCase, enums by name, 64-bit numbers text, bytes base64, as the protocol buffers' JSON mapping has
//! it; payloads have a shorthand besides.

use super::{payloads, routes::POOL, text};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Buf, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use prost_types::{Duration, FieldMask, Timestamp};
use std::{collections::BTreeMap, vec};
use tenure_api::common::v1::Payload;

/// Bytes that are not a message of their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message that cannot be read")]
pub(super) struct Malformed;

impl From<DecodeError> for Malformed {
    fn from(_: DecodeError) -> Malformed {
        Malformed
    }
}

/// A message on its way to becoming JSON.
pub(super) struct Writer {
    /// What is begun and not ended, outermost first.
    open: Vec<Open>,
    shorthand: bool,
}

/// What a writer is in the middle of.
enum Open {
    Object {
        fields: vec::IntoIter<(FieldDescriptor, Held)>,
        first: bool,
    },
    /// A field that may be there many times; the rest of the message that holds it, and the rest of a packed one.
    List {
        element: Kind,
        number: u32,
        message: Bytes,
        packed: Bytes,
        first: bool,
        form: Form,
    },
    Map {
        key: Kind,
        value: Kind,
        number: u32,
        message: Bytes,
        first: bool,
    },
}

/// What elements of a list are written as.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Usual,
    /// Payloads that are known to have a shorthand.
    Shorthand,
}

/// What a field holds.
enum Held {
    Value(Value),
    /// It may be there many times, and is looked for when it is written.
    Repeated(Bytes),
}

/// A value as it is on the wire.
enum Value {
    Number(u64),
    Bytes(Bytes),
}

impl Writer {
    /// A writer of a message of a type. `shorthand`: payloads are shown as what they hold.
    pub(super) fn new(
        message: &MessageDescriptor,
        encoded: Bytes,
        shorthand: bool,
    ) -> Result<(Writer, Vec<u8>), Malformed> {
        let mut writer = Writer { open: Vec::new(), shorthand };
        let mut out = Vec::new();
        writer.message(message, encoded, &mut out)?;
        Ok((writer, out))
    }

    /// Writes on until there are so many bytes, or a value more, or the end. `false`: that was the end.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, enough: usize) -> Result<bool, Malformed> {
        while out.len() < enough {
            let Some(open) = self.open.pop() else { return Ok(false) };
            self.step(open, out)?;
        }
        Ok(!self.open.is_empty())
    }

    /// Writes the next of what is in the middle of being written, and puts it back unless that was its end.
    fn step(&mut self, open: Open, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match open {
            Open::Object { mut fields, first } => {
                let Some((field, held)) = fields.next() else {
                    out.push(b'}');
                    return Ok(());
                };
                self.open.push(Open::Object { fields, first: false });
                name(field.json_name(), first, out);
                self.field(&field, held, out)
            }
            Open::List { element, number, mut message, mut packed, first, form } => {
                let value = match packed.has_remaining() {
                    true => Some(scalar(&element, &mut packed)?),
                    false => loop {
                        match next(number, &mut message)? {
                            Some(Value::Bytes(bytes)) if is_packable(&element) => {
                                packed = bytes;
                                if packed.has_remaining() {
                                    break Some(scalar(&element, &mut packed)?);
                                }
                            }
                            found => break found,
                        }
                    },
                };
                let Some(value) = value else {
                    out.push(b']');
                    return Ok(());
                };
                comma(first, out);
                let again = Open::List { element: element.clone(), number, message, packed, first: false, form };
                self.open.push(again);
                if form == Form::Shorthand
                    && let Value::Bytes(payload) = value
                {
                    payloads::write(&Payload::decode(payload)?, out);
                    return Ok(());
                }
                self.value(&element, value, out)
            }
            Open::Map { key, value, number, mut message, first } => {
                let Some(entry) = next(number, &mut message)? else {
                    out.push(b'}');
                    return Ok(());
                };
                let (value_kind, again) =
                    (value.clone(), Open::Map { key: key.clone(), value, number, message, first: false });
                self.open.push(again);
                let Value::Bytes(entry) = entry else { return Err(Malformed) };
                let held = next_last(2, entry.clone())?.unwrap_or_else(|| nothing(&value_kind));
                comma(first, out);
                match next_last(1, entry)?.unwrap_or_else(|| nothing(&key)) {
                    Value::Bytes(key) => text::string(utf8(&key)?, out),
                    Value::Number(number) => text::string(&key_text(&key, number), out),
                }
                out.push(b':');
                self.value(&value_kind, held, out)
            }
        }
    }

    fn field(&mut self, field: &FieldDescriptor, held: Held, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let message = match held {
            Held::Value(value) => return self.value(&field.kind(), value, out),
            Held::Repeated(message) => message,
        };
        let (number, first) = (field.number(), true);
        if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            out.push(b'{');
            self.open.push(Open::Map { key, value, number, message, first });
        } else {
            self.list(field.kind(), number, message, Form::Usual, out);
        }
        Ok(())
    }

    fn list(&mut self, element: Kind, number: u32, message: Bytes, form: Form, out: &mut Vec<u8>) {
        out.push(b'[');
        self.open.push(Open::List { element, number, message, packed: Bytes::new(), first: true, form });
    }

    fn value(&mut self, kind: &Kind, value: Value, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match (kind, value) {
            (Kind::Message(message), Value::Bytes(encoded)) => self.message(message, encoded, out)?,
            (Kind::String, Value::Bytes(bytes)) => text::string(utf8(&bytes)?, out),
            (Kind::Bytes, Value::Bytes(bytes)) => base64(&bytes, out),
            (Kind::Message(_) | Kind::String | Kind::Bytes, Value::Number(_)) | (_, Value::Bytes(_)) => {
                return Err(Malformed);
            }
            (Kind::Enum(names), Value::Number(number)) => match names.get_value(number as i32) {
                Some(value) => text::string(value.name(), out),
                None => out.extend_from_slice((number as i32).to_string().as_bytes()),
            },
            (Kind::Float, Value::Number(bits)) => double(f32::from_bits(bits as u32), out),
            (Kind::Double, Value::Number(bits)) => double(f64::from_bits(bits), out),
            (
                Kind::Bool | Kind::Int32 | Kind::Sint32 | Kind::Uint32 | Kind::Fixed32 | Kind::Sfixed32,
                Value::Number(n),
            ) => {
                out.extend_from_slice(key_text(kind, n).as_bytes());
            }
            (Kind::Int64 | Kind::Sint64 | Kind::Uint64 | Kind::Fixed64 | Kind::Sfixed64, Value::Number(n)) => {
                text::string(&key_text(kind, n), out);
            }
        }
        Ok(())
    }

    /// Begins an object for a message; those that have a JSON of their own are written whole.
    fn message(&mut self, message: &MessageDescriptor, encoded: Bytes, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match message.full_name() {
            "temporal.api.common.v1.Payload" if self.shorthand => {
                let payload = Payload::decode(encoded.clone())?;
                if payloads::has_shorthand(&payload) {
                    payloads::write(&payload, out);
                    return Ok(());
                }
            }
            "temporal.api.common.v1.Payloads" if self.shorthand && have_shorthand(encoded.clone())? => {
                let payload = message.get_field(PAYLOADS).map(|field| field.kind()).ok_or(Malformed)?;
                self.list(payload, PAYLOADS, encoded, Form::Shorthand, out);
                return Ok(());
            }
            "google.protobuf.Timestamp" => {
                text::string(&Timestamp::decode(encoded)?.to_string(), out);
                return Ok(());
            }
            "google.protobuf.Duration" => {
                text::string(&Duration::decode(encoded)?.to_string(), out);
                return Ok(());
            }
            "google.protobuf.FieldMask" => {
                let paths: Vec<_> = FieldMask::decode(encoded)?.paths.iter().map(|path| camel_case(path)).collect();
                text::string(&paths.join(","), out);
                return Ok(());
            }
            "google.protobuf.Any" => return self.any(encoded, out),
            name if is_wrapper(name) => {
                let kind = message.get_field(1).map(|field| field.kind()).ok_or(Malformed)?;
                let value = next_last(1, encoded)?.unwrap_or_else(|| nothing(&kind));
                return self.value(&kind, value, out);
            }
            _ => {}
        }
        let fields = fields(message, encoded)?;
        out.push(b'{');
        self.open.push(Open::Object { fields: fields.into_iter(), first: true });
        Ok(())
    }

    /// A message with its type. One that is not known here is shown in its encoding.
    fn any(&mut self, encoded: Bytes, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let any = prost_types::Any::decode(encoded)?;
        let name = any.type_url.rsplit('/').next().unwrap_or_default();
        out.extend_from_slice(br#"{"@type":"#);
        text::string(&any.type_url, out);
        match POOL.get_message_by_name(name).filter(|message| message.package_name() != "google.protobuf") {
            Some(message) => {
                let fields = fields(&message, any.value.into())?.into_iter();
                self.open.push(Open::Object { fields, first: false });
            }
            None => {
                out.extend_from_slice(br#","value":"#);
                base64(&any.value, out);
                out.push(b'}');
            }
        }
        Ok(())
    }
}

/// Whether a type holds a single value as which it is written.
pub(super) fn is_wrapper(name: &str) -> bool {
    const OF: [&str; 9] = ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"];
    let of = name.strip_prefix("google.protobuf.").and_then(|name| name.strip_suffix("Value"));
    of.is_some_and(|of| OF.contains(&of))
}

/// The number of the field of `Payloads` that holds them.
const PAYLOADS: u32 = 1;

/// Whether all of some payloads have a shorthand: a list with one that does not is written in full.
fn have_shorthand(mut payloads: Bytes) -> Result<bool, Malformed> {
    while let Some(payload) = next(PAYLOADS, &mut payloads)? {
        let Value::Bytes(payload) = payload else { return Err(Malformed) };
        if !payloads::has_shorthand(&Payload::decode(payload)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The fields that a message has, by number. What is not known is left out, and so is what is as if it were not there.
fn fields(message: &MessageDescriptor, encoded: Bytes) -> Result<Vec<(FieldDescriptor, Held)>, Malformed> {
    let mut found: BTreeMap<u32, (FieldDescriptor, Held)> = BTreeMap::new();
    // Messages that come in parts are their sums, each made once.
    let mut further: BTreeMap<u32, Vec<Bytes>> = BTreeMap::new();
    let mut rest = encoded.clone();
    while rest.has_remaining() {
        let (number, wire) = decode_key(&mut rest)?;
        let known = match found.get(&number) {
            Some((field, _)) => Some(field.clone()),
            None => message.get_field(number),
        };
        let Some(field) = known else {
            skip_field(wire, number, &mut rest, DecodeContext::default())?;
            continue;
        };
        if field.cardinality() == Cardinality::Repeated {
            skip_field(wire, number, &mut rest, DecodeContext::default())?;
            found.entry(number).or_insert_with(|| (field, Held::Repeated(encoded.clone())));
            continue;
        }
        let value = take(wire, &mut rest)?;
        if let (Some(_), Value::Bytes(more), Some(_)) = (found.get(&number), &value, field.kind().as_message()) {
            further.entry(number).or_default().push(more.clone());
            continue;
        }
        if let Some(oneof) = field.containing_oneof() {
            found.retain(|other, (held, _)| {
                let stays = held.containing_oneof().as_ref() != Some(&oneof);
                if !stays {
                    further.remove(other);
                }
                stays
            });
        }
        found.insert(number, (field, Held::Value(value)));
    }
    for (number, parts) in further {
        if let Some((_, Held::Value(Value::Bytes(first)))) = found.get_mut(&number) {
            let whole: Vec<_> = std::iter::once(&*first).chain(&parts).map(|part| &part[..]).collect();
            *first = whole.concat().into();
        }
    }
    found.retain(|_, (field, held)| match held {
        Held::Value(value) => field.supports_presence() || !is_nothing(value),
        Held::Repeated(_) => true,
    });
    Ok(found.into_values().collect())
}

/// The next value of a field in the rest of a message.
fn next(number: u32, message: &mut Bytes) -> Result<Option<Value>, Malformed> {
    while message.has_remaining() {
        let (found, wire) = decode_key(message)?;
        if found == number {
            return take(wire, message).map(Some);
        }
        skip_field(wire, found, message, DecodeContext::default())?;
    }
    Ok(None)
}

/// The last value of a field in a message: the one that holds.
fn next_last(number: u32, mut message: Bytes) -> Result<Option<Value>, Malformed> {
    let mut last = None;
    while let Some(value) = next(number, &mut message)? {
        last = Some(value);
    }
    Ok(last)
}

fn take(wire: WireType, message: &mut Bytes) -> Result<Value, Malformed> {
    let enough = |message: &Bytes, bytes: usize| if message.len() < bytes { Err(Malformed) } else { Ok(()) };
    Ok(match wire {
        WireType::Varint => Value::Number(decode_varint(message)?),
        WireType::SixtyFourBit => {
            enough(message, 8)?;
            Value::Number(message.get_u64_le())
        }
        WireType::ThirtyTwoBit => {
            enough(message, 4)?;
            Value::Number(message.get_u32_le().into())
        }
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(message)?).map_err(|_| Malformed)?;
            enough(message, length)?;
            Value::Bytes(message.split_to(length))
        }
        WireType::StartGroup | WireType::EndGroup => return Err(Malformed),
    })
}

/// The next of the numbers that share one value.
fn scalar(kind: &Kind, packed: &mut Bytes) -> Result<Value, Malformed> {
    take(kind.wire_type(), packed)
}

fn is_packable(kind: &Kind) -> bool {
    !matches!(kind, Kind::Message(_) | Kind::String | Kind::Bytes)
}

/// What a field has that is not on the wire.
fn nothing(kind: &Kind) -> Value {
    if is_packable(kind) { Value::Number(0) } else { Value::Bytes(Bytes::new()) }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Number(number) => *number == 0,
        Value::Bytes(bytes) => bytes.is_empty(),
    }
}

/// A number or a boolean as its type has it, as in the key of a map.
fn key_text(kind: &Kind, number: u64) -> String {
    let zigzag = |n: u64| (n >> 1) as i64 ^ -((n & 1) as i64);
    match kind {
        Kind::Bool => (number != 0).to_string(),
        Kind::Int32 | Kind::Sfixed32 => (number as i32).to_string(),
        Kind::Sint32 => (zigzag(number) as i32).to_string(),
        Kind::Uint32 | Kind::Fixed32 => (number as u32).to_string(),
        Kind::Sint64 => zigzag(number).to_string(),
        Kind::Int64 | Kind::Sfixed64 => (number as i64).to_string(),
        _ => number.to_string(),
    }
}

fn double<F: Into<f64> + Copy + serde::Serialize>(number: F, out: &mut Vec<u8>) {
    let whole: f64 = number.into();
    if whole.is_finite() {
        // Floats print as such, with as many digits as they need.
        serde_json::to_writer(out, &number).expect("a vector takes everything");
    } else if whole.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else {
        out.extend_from_slice(if whole > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    }
}

pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let begin = out.len();
    out.resize(begin + base64::encoded_len(bytes.len(), true).unwrap_or_default(), 0);
    BASE64_STANDARD.encode_slice(bytes, &mut out[begin..]).expect("there is room for it");
    out.push(b'"');
}

fn name(name: &str, first: bool, out: &mut Vec<u8>) {
    comma(first, out);
    text::string(name, out);
    out.push(b':');
}

fn comma(first: bool, out: &mut Vec<u8>) {
    if !first {
        out.push(b',');
    }
}

fn camel_case(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut upper = false;
    for letter in path.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                camel.extend(letter.to_uppercase());
                upper = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}
