//! The memory that a message takes once it is decoded, measured without decoding it.
//!
//! Two bytes on the wire, an empty element of a list, become a structure of a kilobyte: a message of four megabytes may
//! take gigabytes. Sizes are those that prost's types have, near enough for a limit; they are made from the API's
//! descriptors, so that no message is forgotten.

use prost::{
    Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use std::{collections::HashMap, sync::LazyLock};

/// The bytes of a `String` or a `Vec`.
const HEAP: usize = 24;
/// The bytes of a map.
const MAP: usize = 48;
/// The bytes of a scalar with what aligns it.
const SCALAR: usize = 8;

/// The factor by which the capacity of lists and maps may exceed what is in them.
const CAPACITY_FACTOR: usize = 2;

/// The depth up to which prost decodes; a message with more levels is refused there.
const MAX_DEPTH: usize = 100;

/// A type of message.
#[derive(Debug)]
struct Shape {
    /// The bytes of the structure itself, with those that lie in it.
    size: usize,
    /// The fields by their numbers.
    fields: HashMap<u32, Field>,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    kind: FieldKind,
    repeated: bool,
}

#[derive(Clone, Copy, Debug)]
enum FieldKind {
    Scalar,
    /// Text or bytes.
    Bytes,
    /// A message, by the index of its shape. The entries of a map are messages, too.
    Message(usize),
}

struct Shapes {
    shapes: Vec<Shape>,
    by_name: HashMap<String, usize>,
}

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let api = FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap_or_default();
    Shapes::new(&api)
});

/// A message of the API, to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured(usize);

impl Measured {
    /// Finds a message by its full name, such as `temporal.api.common.v1.Payload`.
    pub fn find(name: &str) -> Option<Measured> {
        SHAPES.by_name.get(name).copied().map(Measured)
    }

    /// The approximate number of bytes that the message takes once it is decoded. What cannot be decoded is measured as
    /// far as it can be, and what is larger than `enough` no further than to there: to measure it whole would take as
    /// long as to decode it.
    pub fn size(self, encoded: &[u8], enough: usize) -> usize {
        let structure = SHAPES.shapes[self.0].size;
        structure + SHAPES.contents(self.0, encoded, enough.saturating_sub(structure), 0)
    }
}

impl Shapes {
    fn new(api: &FileDescriptorSet) -> Shapes {
        let mut messages = Vec::new();
        for file in &api.file {
            for message in &file.message_type {
                collect(&format!(".{}", file.package()), message, &mut messages);
            }
        }
        let by_name: HashMap<String, usize> =
            messages.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
        let mut sizes = vec![None; messages.len()];
        for index in 0..messages.len() {
            size(index, &messages, &by_name, &mut sizes);
        }
        let shape = |(index, (_, message)): (usize, &(String, &DescriptorProto))| Shape {
            size: sizes[index].unwrap_or(SCALAR),
            fields: message.field.iter().map(|field| (field.number() as u32, kind(field, &by_name))).collect(),
        };
        let shapes = messages.iter().enumerate().map(shape).collect();
        let by_name = by_name.into_iter().map(|(name, index)| (name[1..].to_owned(), index)).collect();
        Shapes { shapes, by_name }
    }

    /// The bytes that lie outside of the structure itself.
    fn contents(&self, shape: usize, mut encoded: &[u8], enough: usize, depth: usize) -> usize {
        let mut total = 0;
        while !encoded.is_empty() && total <= enough {
            let Ok((number, wire)) = decode_key(&mut encoded) else { return total };
            let field = self.shapes[shape].fields.get(&number);
            let (Some(field), WireType::LengthDelimited) = (field, wire) else {
                if field.is_some_and(|field| field.repeated) {
                    total += CAPACITY_FACTOR * SCALAR;
                }
                if skip_field(wire, number, &mut encoded, DecodeContext::default()).is_err() {
                    return total;
                }
                continue;
            };
            let Ok(length) = decode_varint(&mut encoded) else { return total };
            let Some((content, rest)) = encoded.split_at_checked(length as usize) else { return total };
            encoded = rest;
            let capacity_factor = if field.repeated { CAPACITY_FACTOR } else { 0 };
            match field.kind {
                FieldKind::Message(inner) if depth < MAX_DEPTH => {
                    total += capacity_factor * self.shapes[inner].size;
                    total += self.contents(inner, content, enough.saturating_sub(total), depth + 1);
                }
                FieldKind::Message(_) => total += content.len(),
                FieldKind::Bytes => total += capacity_factor * HEAP + content.len(),
                // Packed: each byte may be a number.
                FieldKind::Scalar => total += capacity_factor * SCALAR * content.len(),
            }
        }
        total
    }
}

/// Collects a message and those that are declared in it, by full name.
fn collect<'a>(scope: &str, message: &'a DescriptorProto, found: &mut Vec<(String, &'a DescriptorProto)>) {
    let name = format!("{scope}.{}", message.name());
    message.nested_type.iter().for_each(|nested| collect(&name, nested, found));
    found.push((name, message));
}

fn kind(field: &FieldDescriptorProto, by_name: &HashMap<String, usize>) -> Field {
    let kind = match (field.r#type(), by_name.get(field.type_name())) {
        (Type::String | Type::Bytes, _) => FieldKind::Bytes,
        (Type::Message, Some(inner)) => FieldKind::Message(*inner),
        _ => FieldKind::Scalar,
    };
    Field { kind, repeated: field.label() == Label::Repeated }
}

/// The bytes of a structure: the sum of its fields, of which those of a `oneof` share one place. A message that
/// contains itself is boxed.
fn size(
    index: usize,
    messages: &[(String, &DescriptorProto)],
    by_name: &HashMap<String, usize>,
    sizes: &mut [Option<usize>],
) -> usize {
    if let Some(size) = sizes[index] {
        return size;
    }
    sizes[index] = Some(SCALAR);
    let message = messages[index].1;
    let mut apart = 0;
    let mut shared = vec![0; message.oneof_decl.len()];
    for field in &message.field {
        let of_field = match kind(field, by_name) {
            Field { kind: FieldKind::Message(inner), repeated: true } => {
                let entry = messages[inner].1.options.as_ref().is_some_and(|options| options.map_entry());
                if entry { MAP } else { HEAP }
            }
            Field { repeated: true, .. } | Field { kind: FieldKind::Bytes, .. } => HEAP,
            Field { kind: FieldKind::Message(inner), .. } => size(inner, messages, by_name, sizes),
            Field { kind: FieldKind::Scalar, .. } => SCALAR,
        };
        match field.oneof_index.and_then(|group| shared.get_mut(group as usize)) {
            Some(group) => *group = of_field.max(*group),
            None => apart += of_field,
        }
    }
    let total = apart + shared.iter().sum::<usize>();
    sizes[index] = Some(total);
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::v1::Command,
        common::v1::{Payload, Payloads},
        failure::v1::Failure,
        nested::Cause,
        workflowservice::v1::{
            PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest, SignalWorkflowExecutionRequest,
            StartWorkflowExecutionRequest,
        },
    };
    use prost::Name;

    fn measured<M: Message + Name>(message: &M) -> usize {
        Measured::find(&M::full_name()).unwrap().size(&message.encode_to_vec(), usize::MAX)
    }

    #[test]
    fn structures_have_the_sizes_that_they_have() {
        fn check<M: Name + Default>() {
            let (ours, real) = (measured(&M::default()), size_of::<M>());
            assert!(real / 2 < ours && ours < 2 * real, "{}: {ours}, in truth {real}", M::full_name());
        }
        check::<Command>();
        check::<Failure>();
        check::<Payload>();
        check::<Payloads>();
        check::<PollWorkflowTaskQueueRequest>();
        check::<RespondWorkflowTaskCompletedRequest>();
        check::<StartWorkflowExecutionRequest>();
    }

    #[test]
    fn what_is_plain_takes_what_it_has_on_the_wire() {
        let payload = Payload { data: vec![7; 1 << 20].into(), ..Default::default() };
        let size = measured(&payload);
        assert!((1 << 20..(1 << 20) + 1000).contains(&size), "{size}");
    }

    #[test]
    fn empty_elements_take_what_they_become() {
        let commands = vec![Command::default(); 100_000];
        let message = RespondWorkflowTaskCompletedRequest { commands, ..Default::default() };
        assert!(message.encoded_len() < 300_000);
        let least = 100_000 * size_of::<Command>();
        assert!(measured(&message) > least, "{} of at least {least}", measured(&message));
    }

    #[test]
    fn what_is_too_large_is_not_measured_to_its_end() {
        let payloads = vec![Payload::default(); 100_000];
        let message = SignalWorkflowExecutionRequest { input: Some(Payloads { payloads }), ..Default::default() };
        let name = SignalWorkflowExecutionRequest::full_name();
        let measured = Measured::find(&name).unwrap().size(&message.encode_to_vec(), 1 << 20);
        assert!((1 << 20..2 << 20).contains(&measured), "{measured}");
    }

    #[test]
    fn any_depth_is_measured_and_any_bytes() {
        let mut failure = Failure { message: "x".repeat(100), ..Default::default() };
        for _ in 0..4_000 {
            failure = Failure { cause: Some(Cause::new(&failure)), ..Default::default() };
        }
        assert!(measured(&failure) > 4_000);
        let commands = Measured::find(&RespondWorkflowTaskCompletedRequest::full_name()).unwrap();
        // Cut off, a length beyond the end, an unknown wire type.
        for bytes in [&[0x22][..], &[0x22, 0xff, 0x01], &[0x27, 0], &[0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]] {
            commands.size(bytes, usize::MAX);
        }
    }
}
