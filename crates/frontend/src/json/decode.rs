//! JSON as a message, straight into its encoding: no tree is built, of JSON or of messages, and what comes out is held to
//! the size of a request while it is written.
//!
//! Names are taken as lowerCamelCase and as the API has them, enums by name, with or without the prefix that all names
//! of one share, or by number. What is no field is refused, and so is a field that is there twice.

use super::payloads;
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, cell::Cell, collections::BTreeSet, fmt};
use tenure_api::error::{ApiError, Code};

/// What a body is taken for.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Payloads may be in shorthand.
    pub(super) shorthand: bool,
    /// Bytes that the message may have.
    pub(super) limit: usize,
}

impl Reading {
    /// The encoding of a message from its JSON.
    pub(super) fn message(self, message: &MessageDescriptor, json: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.read(json, |context, json, out| MessageSeed { context, message, out }.deserialize(json))
    }

    /// The encoding of one field of a message from the field's JSON.
    pub(super) fn field(self, field: &FieldDescriptor, json: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.read(json, |context, json, out| FieldSeed { context, field, out }.deserialize(json))
    }

    fn read(
        self,
        json: &[u8],
        read: impl FnOnce(
            &Context,
            &mut serde_json::Deserializer<serde_json::de::SliceRead<'_>>,
            &mut Vec<u8>,
        ) -> Result<(), serde_json::Error>,
    ) -> Result<Vec<u8>, ApiError> {
        let context =
            Context { shorthand: self.shorthand, left: Cell::new(Some(self.limit)), in_any: Cell::new(false) };
        let mut out = Vec::new();
        let mut json = serde_json::Deserializer::from_slice(json);
        match read(&context, &mut json, &mut out).and_then(|()| json.end()) {
            Ok(()) => Ok(out),
            Err(_) if context.left.get().is_none() => {
                let message = format!("the request would have more than {} bytes as a message", self.limit);
                Err(ApiError::new(Code::ResourceExhausted, message))
            }
            Err(error) => Err(ApiError::invalid_argument(format!("the body cannot be read: {error}"))),
        }
    }
}

struct Context {
    shorthand: bool,
    /// Bytes that may still be written; `None` once there were too few.
    left: Cell<Option<usize>>,
    /// Within an `Any`, which holds none itself: each would begin to count depth anew.
    in_any: Cell<bool>,
}

impl Context {
    fn take<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self.left.get().and_then(|left| left.checked_sub(bytes));
        self.left.set(left);
        left.map(drop).ok_or_else(|| E::custom("too large"))
    }
}

/// Bytes of the key and the length of a value, about: the least that a value adds.
const FRAME: usize = 2;

fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Writes what a message holds.
struct MessageSeed<'a> {
    context: &'a Context,
    message: &'a MessageDescriptor,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.message.full_name() {
            "temporal.api.common.v1.Payload" if self.context.shorthand => {
                let json: &RawValue = serde::Deserialize::deserialize(json)?;
                let payload = payloads::read(json).map_err(D::Error::custom)?;
                self.context.take(payload.encoded_len())?;
                payload.encode(self.out).map_err(D::Error::custom)
            }
            "temporal.api.common.v1.Payloads" if self.context.shorthand => json.deserialize_any(self),
            "google.protobuf.Any" => {
                let json: &RawValue = serde::Deserialize::deserialize(json)?;
                any(json.get(), self.context, self.out).map_err(D::Error::custom)
            }
            name if name.starts_with("google.protobuf.") && name != "google.protobuf.Empty" => {
                // Types with a JSON of their own, all of them small.
                let message = prost_reflect::DynamicMessage::deserialize(self.message.clone(), json)?;
                self.context.take(message.encoded_len())?;
                message.encode(self.out).map_err(D::Error::custom)
            }
            _ => json.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as an object", self.message.name())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        object(self.context, self.message, map, |_| false, self.out)
    }

    /// Payloads in shorthand: a list of them.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some(field) = self.message.get_field(1).filter(|field| field.is_list()) else {
            return Err(A::Error::custom(format!("{} is no list", self.message.name())));
        };
        while list.next_element_seed(ElementSeed { context: self.context, field: &field, out: self.out })?.is_some() {}
        Ok(())
    }

    /// Only of payloads: there are none.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Writes the fields of an object, but those that are left out by name.
fn object<'de, A: MapAccess<'de>>(
    context: &Context,
    message: &MessageDescriptor,
    mut map: A,
    is_left_out: impl Fn(&str) -> bool,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    // What is there already: the fields, and the groups of which only one field may be.
    let (mut fields, mut groups) = (BTreeSet::new(), BTreeSet::new());
    while let Some(name) = map.next_key::<Cow<'_, str>>()? {
        if is_left_out(&name) {
            map.next_value::<serde::de::IgnoredAny>()?;
            continue;
        }
        let field = message.get_field_by_json_name(&name).or_else(|| message.get_field_by_name(&name));
        let field = field.ok_or_else(|| A::Error::custom(format!("unknown field {name:?} of {}", message.name())))?;
        if !fields.insert(field.number()) {
            return Err(A::Error::custom(format!("field {name:?} is there twice")));
        }
        let begin = out.len();
        map.next_value_seed(FieldSeed { context, field: &field, out })?;
        let group = field.containing_oneof().filter(|_| out.len() > begin);
        if let Some(group) = group
            && !groups.insert(group.name().to_owned())
        {
            return Err(A::Error::custom(format!("more than one field of {:?} of {}", group.name(), message.name())));
        }
    }
    Ok(())
}

/// A message with its type, which may stand at any place of the object.
fn any(json: &str, context: &Context, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    struct AnySeed<'a>(&'a Context, &'a MessageDescriptor, &'a mut Vec<u8>);
    impl<'de> Visitor<'de> for AnySeed<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with `@type`")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
            object(self.0, self.1, map, |name| name == "@type", self.2)
        }
    }
    #[derive(serde::Deserialize)]
    struct Type {
        #[serde(rename = "@type")]
        url: String,
    }
    if context.in_any.replace(true) {
        return Err(serde_json::Error::custom("an `Any` within another"));
    }
    let Type { url } = serde_json::from_str(json)?;
    let name = url.rsplit('/').next().unwrap_or_default();
    let message = super::routes::POOL.get_message_by_name(name);
    let message = message.filter(|message| message.package_name() != "google.protobuf");
    let message = message.ok_or_else(|| serde_json::Error::custom(format!("unknown type {url:?}")))?;
    let mut value = Vec::new();
    serde_json::Deserializer::from_str(json).deserialize_map(AnySeed(context, &message, &mut value))?;
    context.in_any.set(false);
    context.take::<serde_json::Error>(url.len() + 2 * FRAME)?;
    put_bytes(1, url.as_bytes(), out);
    put_bytes(2, &value, out);
    Ok(())
}

/// Writes a field with its key, as often as it is there. `null` is a field that is not there.
struct FieldSeed<'a> {
    context: &'a Context,
    field: &'a FieldDescriptor,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.field.is_list() {
            "a list"
        } else if self.field.is_map() {
            "an object"
        } else {
            "a value"
        };
        write!(f, "{form} for {:?}", self.field.json_name())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.field.is_list() {
            return json.deserialize_seq(self);
        }
        if self.field.is_map() {
            return json.deserialize_map(self);
        }
        let FieldSeed { context, field, out } = self;
        ElementSeed { context, field, out }.deserialize(json)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(ElementSeed { context: self.context, field: self.field, out: self.out })?.is_some()
        {
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Kind::Message(entry) = self.field.kind() else { return Err(A::Error::custom("not a map")) };
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let mut keys = BTreeSet::new();
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            let mut encoded = Vec::new();
            let written = key_value(&key, &name).and_then(|given| put_scalar(&key, given, &mut encoded));
            written.ok_or_else(|| A::Error::custom(format!("invalid key {name:?} of {:?}", self.field.json_name())))?;
            self.context.take(encoded.len() + FRAME)?;
            map.next_value_seed(ElementSeed { context: self.context, field: &value, out: &mut encoded })?;
            put_bytes(self.field.number(), &encoded, self.out);
            if !keys.insert(name.clone()) {
                return Err(A::Error::custom(format!("key {name:?} is there twice")));
            }
        }
        Ok(())
    }
}

/// Writes one value of a field, with the field's key.
struct ElementSeed<'a> {
    context: &'a Context,
    field: &'a FieldDescriptor,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let ElementSeed { context, field, out } = self;
        let kind = field.kind();
        if let Kind::Message(message) = &kind {
            context.take(FRAME)?;
            let mut encoded = Vec::new();
            MessageSeed { context, message, out: &mut encoded }.deserialize(json)?;
            put_bytes(field.number(), &encoded, out);
            return Ok(());
        }
        let given = json.deserialize_any(GivenVisitor(field))?;
        let begin = out.len();
        let refused =
            |given: &Given<'_>| D::Error::custom(format!("invalid value for {:?}: {given}", field.json_name()));
        let shown = given.clone();
        put_scalar(field, given, out).ok_or_else(|| refused(&shown))?;
        context.take(out.len() - begin)
    }
}

/// A value of JSON that is neither a list nor an object.
#[derive(Clone)]
pub(super) enum Given<'a> {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Given::Bool(value) => write!(f, "{value}"),
            Given::Unsigned(number) => write!(f, "{number}"),
            Given::Signed(number) => write!(f, "{number}"),
            Given::Float(number) => write!(f, "{number}"),
            Given::Text(text) => write!(f, "{:?}", tenure_api::text::prefix(text, 100)),
        }
    }
}

struct GivenVisitor<'a>(&'a FieldDescriptor);

impl<'de> Visitor<'de> for GivenVisitor<'_> {
    type Value = Given<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value for {:?}", self.0.json_name())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Given<'de>, E> {
        Ok(Given::Bool(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Given<'de>, E> {
        Ok(Given::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Given<'de>, E> {
        Ok(Given::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Given<'de>, E> {
        Ok(Given::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Given<'de>, E> {
        Ok(Given::Text(text.to_owned().into()))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Given<'de>, E> {
        Ok(Given::Text(text.into()))
    }
}

/// The value that a key of a map is, which JSON has as text.
fn key_value<'a>(key: &FieldDescriptor, text: &'a str) -> Option<Given<'a>> {
    match key.kind() {
        Kind::Bool => text.parse().ok().map(Given::Bool),
        _ => Some(Given::Text(text.into())),
    }
}

/// Writes a value with its field's key; `None` if it is no value of the field.
pub(super) fn put_scalar(field: &FieldDescriptor, given: Given<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (number, kind) = (field.number(), field.kind());
    let varint = |value: u64, out: &mut Vec<u8>| {
        encode_key(number, WireType::Varint, out);
        encode_varint(value, out);
    };
    let fixed32 = |bits: [u8; 4], out: &mut Vec<u8>| {
        encode_key(number, WireType::ThirtyTwoBit, out);
        out.extend_from_slice(&bits);
    };
    let fixed64 = |bits: [u8; 8], out: &mut Vec<u8>| {
        encode_key(number, WireType::SixtyFourBit, out);
        out.extend_from_slice(&bits);
    };
    match kind {
        Kind::String => match given {
            Given::Text(text) => put_bytes(number, text.as_bytes(), out),
            _ => return None,
        },
        Kind::Bytes => match given {
            Given::Text(text) => put_bytes(number, &payloads::from_base64(&text)?, out),
            _ => return None,
        },
        Kind::Bool => match given {
            Given::Bool(value) => varint(value.into(), out),
            _ => return None,
        },
        Kind::Enum(names) => varint(i64::from(enum_number(&names, &given)?) as u64, out),
        Kind::Int32 => varint(i64::from(i32::try_from(integer(&given)?).ok()?) as u64, out),
        Kind::Int64 => varint(i64::try_from(integer(&given)?).ok()? as u64, out),
        Kind::Uint32 => varint(u32::try_from(integer(&given)?).ok()?.into(), out),
        Kind::Uint64 => varint(u64::try_from(integer(&given)?).ok()?, out),
        Kind::Sint32 => {
            let value = i32::try_from(integer(&given)?).ok()?;
            varint((((value << 1) ^ (value >> 31)) as u32).into(), out);
        }
        Kind::Sint64 => {
            let value = i64::try_from(integer(&given)?).ok()?;
            varint(((value << 1) ^ (value >> 63)) as u64, out);
        }
        Kind::Fixed32 => fixed32(u32::try_from(integer(&given)?).ok()?.to_le_bytes(), out),
        Kind::Sfixed32 => fixed32(i32::try_from(integer(&given)?).ok()?.to_le_bytes(), out),
        Kind::Fixed64 => fixed64(u64::try_from(integer(&given)?).ok()?.to_le_bytes(), out),
        Kind::Sfixed64 => fixed64(i64::try_from(integer(&given)?).ok()?.to_le_bytes(), out),
        Kind::Float => {
            let value = float(&given)?;
            let narrow = value as f32;
            if value.is_finite() && narrow.is_infinite() {
                return None;
            }
            fixed32(narrow.to_le_bytes(), out);
        }
        Kind::Double => fixed64(float(&given)?.to_le_bytes(), out),
        Kind::Message(_) => return None,
    }
    Some(())
}

/// A whole number, also as text, and in any spelling of it.
fn integer(given: &Given<'_>) -> Option<i128> {
    match given {
        Given::Unsigned(number) => Some((*number).into()),
        Given::Signed(number) => Some((*number).into()),
        // Beyond that a float does not know each whole number.
        Given::Float(number) if number.fract() == 0.0 && number.abs() < 2f64.powi(53) => Some(*number as i128),
        Given::Text(text) => match text.parse::<i128>() {
            Ok(number) if !text.starts_with('+') => Some(number),
            _ => integer(&Given::Float(number(text)?)),
        },
        Given::Float(_) | Given::Bool(_) => None,
    }
}

fn float(given: &Given<'_>) -> Option<f64> {
    match given {
        Given::Unsigned(number) => Some(*number as f64),
        Given::Signed(number) => Some(*number as f64),
        Given::Float(number) => Some(*number),
        Given::Text(text) => match text.as_ref() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => number(text),
        },
        Given::Bool(_) => None,
    }
}

/// A number as JSON spells it.
fn number(text: &str) -> Option<f64> {
    serde_json::from_str(text)
        .ok()
        .filter(|_| !text.starts_with([' ', '\n', '\r', '\t']) && !text.ends_with([' ', '\n', '\r', '\t']))
}

fn enum_number(names: &EnumDescriptor, given: &Given<'_>) -> Option<i32> {
    let Given::Text(text) = given else { return i32::try_from(integer(given)?).ok() };
    let value = names.get_value_by_name(text).or_else(|| names.get_value_by_name(&prefixed(names.name(), text)));
    Some(value?.number())
}

/// The name of a value of an enum from its short form: `Running` of `WorkflowExecutionStatus`.
fn prefixed(names: &str, short: &str) -> String {
    fn screaming(text: &str, out: &mut String) {
        let mut before = None;
        for letter in text.chars() {
            if letter.is_uppercase() && before.is_some_and(|before: char| before.is_lowercase() || before.is_numeric())
            {
                out.push('_');
            }
            out.extend(letter.to_uppercase());
            before = Some(letter);
        }
    }
    let mut name = String::with_capacity(names.len() + short.len() + 8);
    screaming(names, &mut name);
    name.push('_');
    screaming(short, &mut name);
    name
}
