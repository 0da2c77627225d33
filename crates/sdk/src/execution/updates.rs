//! The update protocol: requests come as messages, acceptance and outcome go back as messages with a command each.

use super::Execution;
use crate::{interceptor::InboundKind, runtime::Rt};
use prost::{Message as _, Name};
use std::{collections::BTreeMap, panic::Location};
use tenure_api::{
    command::v1::{ProtocolMessageCommandAttributes, command::Attributes},
    common::v1::{Payload, Payloads},
    history::v1::WorkflowExecutionUpdateAcceptedEventAttributes as Accepted,
    protocol::v1::{Message, message::SequencingId},
    update::v1::{Acceptance, Meta, Outcome, Rejection, Request, Response, outcome},
};
use tenure_client::{Failure, Headers};

/// Requests that a reset brought along as events, by update id.
#[derive(Default)]
pub(super) struct Admitted(BTreeMap<String, Request>);

impl Admitted {
    pub(super) fn note(&mut self, request: Option<Request>) {
        if let Some((update_id, request)) = request.and_then(|it| Some((it.meta.as_ref()?.update_id.clone(), it))) {
            self.0.insert(update_id, request);
        }
    }

    fn request(&self, update_id: &str) -> Option<Request> {
        self.0.get(update_id).cloned()
    }

    /// The message that was accepted, made of its event.
    pub(super) fn accepted(&self, event: &Accepted) -> Message {
        let request = event.accepted_request.clone().or_else(|| self.request(&event.protocol_instance_id));
        Message {
            id: event.accepted_request_message_id.clone(),
            protocol_instance_id: event.protocol_instance_id.clone(),
            body: request.map(|request| any(&request)),
            sequencing_id: Some(SequencingId::EventId(event.accepted_request_sequencing_event_id)),
        }
    }
}

/// The event after which a message is delivered.
pub(super) fn after(message: &Message) -> i64 {
    match message.sequencing_id {
        Some(SequencingId::EventId(id)) => id,
        Some(SequencingId::CommandIndex(_)) | None => i64::MAX,
    }
}

fn any<M: prost::Message + Name>(message: &M) -> prost_types::Any {
    prost_types::Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
}

/// An update that was accepted: where its outcome goes.
pub(crate) struct Reply {
    rt: Rt,
    instance: String,
    meta: Meta,
}

impl Reply {
    pub(crate) fn finish(self, result: Result<Payload, Failure>) {
        let value = match result {
            Ok(value) => outcome::Value::Success(Payloads { payloads: vec![value] }),
            Err(failure) => outcome::Value::Failure(failure.to_proto(&self.rt.converter)),
        };
        let outcome = Some(Outcome { value: Some(value) });
        let response = Response { meta: Some(self.meta), outcome };
        send(&self.rt, &self.instance, "complete", any(&response));
    }
}

fn send(rt: &Rt, instance: &str, step: &str, body: prost_types::Any) {
    if rt.is_over() {
        return;
    }
    let id = format!("{instance}/{step}");
    let command = ProtocolMessageCommandAttributes { message_id: id.clone() };
    rt.command(Attributes::ProtocolMessageCommandAttributes(command), Location::caller());
    let message = Message { id, protocol_instance_id: instance.to_owned(), body: Some(body), sequencing_id: None };
    rt.messages.borrow_mut().push(message);
}

impl Execution {
    /// Validates (unless history says that it was accepted), accepts and starts an update.
    pub(super) fn deliver(&mut self, message: Message, live: bool) {
        if self.rt.is_over() {
            return;
        }
        let decoded = message.body.as_ref().and_then(|body| Request::decode(body.value.as_slice()).ok());
        let request = decoded.or_else(|| self.admitted.request(&message.protocol_instance_id)).unwrap_or_default();
        let input = request.input.clone().unwrap_or_default();
        let sequencing = match message.sequencing_id {
            Some(SequencingId::EventId(id)) => id,
            Some(SequencingId::CommandIndex(_)) | None => 0,
        };
        let reply = Reply {
            rt: self.rt.clone(),
            instance: message.protocol_instance_id.clone(),
            meta: request.meta.clone().unwrap_or_default(),
        };
        let accept = || {
            let acceptance = Acceptance {
                accepted_request_message_id: message.id.clone(),
                accepted_request_sequencing_event_id: sequencing,
                accepted_request: Some(request.clone()),
            };
            send(&self.rt, &message.protocol_instance_id, "accept", any(&acceptance));
        };
        let seen = self.rt.inbound(InboundKind::Update, &input.name, &Headers::from_proto(input.header));
        let taken = match seen {
            // What history says was accepted stays so.
            Err(failure) if live => Err(failure),
            Ok(()) | Err(_) => self.instance.update(&input.name, input.args.as_ref(), live, &accept, reply),
        };
        self.rt.progressed();
        if let Err(failure) = taken {
            let rejection = Rejection {
                rejected_request_message_id: message.id.clone(),
                rejected_request_sequencing_event_id: sequencing,
                rejected_request: Some(request.clone()),
                failure: Some(failure.to_proto(&self.rt.converter)),
            };
            self.rt.messages.borrow_mut().push(Message {
                id: format!("{}/reject", message.protocol_instance_id),
                protocol_instance_id: message.protocol_instance_id.clone(),
                body: Some(any(&rejection)),
                sequencing_id: None,
            });
        }
    }
}
