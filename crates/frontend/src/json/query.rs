//! Fields that a request has in its path and its query, as pieces of its message's encoding. Put one behind the other
//! they are the message: encodings of one message that follow each other merge.

use super::{
    decode::{Given, put_scalar},
    encode::is_wrapper,
    routes::{BodyOf, Route},
};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::collections::{BTreeMap, BTreeSet};
use tenure_api::error::ApiError;

/// Query parameters that are about the form of the response, and no fields.
pub(super) const PRETTY: &str = "pretty";
pub(super) const NO_SHORTHAND: &str = "noPayloadShorthand";

/// Writes the fields that the variables of a path set.
pub(super) fn from_path(route: &Route, values: Vec<String>, out: &mut Vec<u8>) -> Result<(), ApiError> {
    for (fields, value) in route.template.variables().zip(values) {
        put(fields, &value, out)?;
    }
    Ok(())
}

/// Writes the fields that a query sets. What is in the path or in the body is not looked for, and what is no field is
/// left out, as the reference server does.
pub(super) fn from_query(route: &Route, query: &str, out: &mut Vec<u8>) -> Result<(), ApiError> {
    if route.body == BodyOf::Message {
        return Ok(());
    }
    let mut given: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        given.entry(name).or_default().push(value);
    }
    // Of a group only one field may be there.
    let mut groups = BTreeSet::new();
    for (name, values) in given {
        let Some(fields) = fields(&name, &route.input)? else { continue };
        let in_path = route.template.variables().any(|variable| fields.starts_with(variable));
        let in_body = matches!(&route.body, BodyOf::Field(body) if fields.first() == Some(body));
        if in_path || in_body {
            continue;
        }
        let last = &fields[fields.len() - 1];
        if let Some(group) = last.containing_oneof()
            && !groups.insert(group.full_name().to_owned())
        {
            return Err(ApiError::invalid_argument(format!("field already set for oneof {:?}", group.name())));
        }
        if values.len() > 1 && !last.is_list() {
            let refused = format!("too many values for field {:?}: {}", last.name(), values.join(", "));
            return Err(ApiError::invalid_argument(refused));
        }
        values.iter().try_for_each(|value| put(&fields, value, out))?;
    }
    Ok(())
}

/// The fields from the outermost to the one that a dotted name is of; `None`: there is none.
fn fields(name: &str, message: &MessageDescriptor) -> Result<Option<Vec<FieldDescriptor>>, ApiError> {
    let mut fields: Vec<FieldDescriptor> = Vec::new();
    for part in name.split('.') {
        let within = match fields.last() {
            None => message.clone(),
            Some(outer) => match outer.kind() {
                Kind::Message(inner) if !outer.is_list() && !outer.is_map() => inner,
                _ => {
                    let refused = format!("invalid path: {:?} is not a message", outer.name());
                    return Err(ApiError::invalid_argument(refused));
                }
            },
        };
        match within.get_field_by_name(part).or_else(|| within.get_field_by_json_name(part)) {
            Some(field) => fields.push(field),
            None => return Ok(None),
        }
    }
    Ok(Some(fields))
}

/// Writes a value of a field that lies in messages within each other.
fn put(fields: &[FieldDescriptor], value: &str, out: &mut Vec<u8>) -> Result<(), ApiError> {
    let Some((last, outer)) = fields.split_last() else { return Ok(()) };
    let refused = || {
        let kind = if last.is_list() { "list" } else { "field" };
        let value = tenure_api::text::prefix(value, 100);
        ApiError::invalid_argument(format!("parsing {kind} {:?}: invalid value {value:?}", last.name()))
    };
    let mut encoded = Vec::new();
    put_value(last, value, &mut encoded).ok_or_else(refused)?;
    for field in outer.iter().rev() {
        encoded = within(field, &encoded);
    }
    out.extend_from_slice(&encoded);
    Ok(())
}

fn within(field: &FieldDescriptor, encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len() + 8);
    encode_key(field.number(), WireType::LengthDelimited, &mut out);
    encode_varint(encoded.len() as u64, &mut out);
    out.extend_from_slice(encoded);
    out
}

/// Writes a value as a query spells it, with its field's key.
fn put_value(field: &FieldDescriptor, value: &str, out: &mut Vec<u8>) -> Option<()> {
    let given = match field.kind() {
        Kind::Bool => Given::Bool(boolean(value)?),
        Kind::Enum(names) => match value.parse() {
            Ok(number) => Given::Signed(names.get_value(number)?.number().into()),
            Err(_) => Given::Text(value.into()),
        },
        Kind::Message(message) if field.is_map() || message.full_name() == "google.protobuf.Any" => return None,
        Kind::Message(message) => {
            let encoded = match message.full_name() {
                "google.protobuf.Timestamp" => value.parse::<prost_types::Timestamp>().ok()?.encode_to_vec(),
                "google.protobuf.Duration" => value.parse::<prost_types::Duration>().ok()?.encode_to_vec(),
                "google.protobuf.FieldMask" => {
                    let paths = value.split(',').map(str::to_owned).collect();
                    prost_types::FieldMask { paths }.encode_to_vec()
                }
                name if is_wrapper(name) => {
                    let mut encoded = Vec::new();
                    put_value(&message.get_field(1)?, value, &mut encoded)?;
                    encoded
                }
                _ => return None,
            };
            out.extend_from_slice(&within(field, &encoded));
            return Some(());
        }
        _ => Given::Text(value.into()),
    };
    put_scalar(field, given, out)
}

/// A boolean in the spellings that queries have for it.
fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
