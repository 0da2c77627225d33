//! The messages by which a worker answers updates.

use prost_types::Any;
use tenure_api::{
    command::v1::{Command, ProtocolMessageCommandAttributes, command::Attributes},
    common::v1::Payloads,
    enums::v1::CommandType,
    protocol::v1::{Message, message::SequencingId},
    update::v1::{Acceptance, Meta, Outcome, Response, outcome},
};

/// Accepts and completes the updates that the messages ask for.
pub fn answers(requests: &[Message], result: Option<Payloads>) -> Vec<Message> {
    requests.iter().flat_map(|request| [accept(request), respond(request, result.clone())]).collect()
}

/// The commands that say where in history the messages belong.
pub fn commands(messages: &[Message]) -> impl Iterator<Item = Command> {
    messages.iter().map(|message| {
        let attributes = ProtocolMessageCommandAttributes { message_id: message.id.clone() };
        Command {
            command_type: CommandType::ProtocolMessage as i32,
            attributes: Some(Attributes::ProtocolMessageCommandAttributes(attributes)),
            ..Default::default()
        }
    })
}

fn accept(request: &Message) -> Message {
    let after = match request.sequencing_id {
        Some(SequencingId::EventId(event)) => event,
        Some(SequencingId::CommandIndex(_)) | None => 0,
    };
    let body = Acceptance {
        accepted_request_message_id: request.id.clone(),
        accepted_request_sequencing_event_id: after,
        ..Default::default()
    };
    message(request, "accept", Any::from_msg(&body))
}

fn respond(request: &Message, result: Option<Payloads>) -> Message {
    let update_id = request.protocol_instance_id.clone();
    let outcome = Outcome { value: Some(outcome::Value::Success(result.unwrap_or_default())) };
    let body = Response { meta: Some(Meta { update_id, identity: "load".to_owned() }), outcome: Some(outcome) };
    message(request, "respond", Any::from_msg(&body))
}

fn message(request: &Message, what: &str, body: Result<Any, impl std::error::Error>) -> Message {
    let instance = &request.protocol_instance_id;
    let body = body.unwrap_or_else(|_| unreachable!("a vector has room"));
    Message {
        id: format!("{instance}/{what}"),
        protocol_instance_id: instance.clone(),
        body: Some(body),
        ..Default::default()
    }
}
