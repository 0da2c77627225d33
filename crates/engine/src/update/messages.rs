//! The messages about updates that a worker sends with its completion: acceptances, rejections and responses, in the
//! order of the commands that name them, and the rest after all commands.

use super::{
    completed, drop_update, notify, request_message_id,
    state::{Accepted, CompletedUpdate, PendingUpdate, UpdatePhase, row},
    status::UpdateStatus,
};
use crate::{bad_command::BadCommand, codec, info::AttachedRequest, proto::Encoded, rows::Op, txn::Txn};
use prost::Message as _;
use std::{collections::BTreeSet, sync::Arc};
use tenure_api::{
    command::v1::ProtocolMessageCommandAttributes,
    enums::v1::{EventType, WorkflowTaskFailedCause as Cause},
    error::ApiError,
    history::v1::{
        WorkflowExecutionUpdateAcceptedEventAttributes, WorkflowExecutionUpdateCompletedEventAttributes,
        history_event::Attributes,
    },
    protocol::v1::Message,
    update::v1::{Acceptance, Outcome, Rejection, Request, Response, outcome},
};

/// The name of the one protocol.
const PROTOCOL: &str = "temporal.api.update.v1";

/// The messages of a completion that were not read yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    messages: Vec<Message>,
    /// The ids of the messages that a command named.
    named: BTreeSet<String>,
    /// The last event before those of the completion's commands and messages.
    since: i64,
    /// The updates that got their outcome, or were rejected, in this completion.
    settled: Vec<Arc<str>>,
}

fn bad(detail: impl Into<String>) -> BadCommand {
    BadCommand::new(Cause::BadUpdateWorkflowExecutionMessage, detail)
}

/// Checks that all messages are messages of a protocol. Others are refused without failing the task: it is not the
/// workflow's doing.
pub(crate) fn check_form(messages: &[Message]) -> Result<(), ApiError> {
    for message in messages {
        let Some(body) = &message.body else { return Err(ApiError::invalid_argument("nil message body")) };
        if !type_name(&body.type_url).contains('.') {
            let message = format!("failed to extract protocol type: no . found in {:?}", body.type_url);
            return Err(ApiError::invalid_argument(message));
        }
    }
    Ok(())
}

fn type_name(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or(type_url)
}

impl Inbox {
    pub(crate) fn new(messages: Vec<Message>, since: i64) -> Self {
        Inbox { messages, since, ..Inbox::default() }
    }

    /// Takes the message with an id, once. Of several, the last one is taken.
    fn take(&mut self, id: &str) -> Option<Message> {
        let at = self.messages.iter().rposition(|message| message.id == id)?;
        self.named.insert(id.to_owned()).then(|| self.messages.remove(at))
    }
}

/// Whether history shows nothing of the message, which is so for rejections alone.
pub(crate) fn leaves_no_trace(message: &Message) -> bool {
    message.body.as_ref().is_some_and(|body| body.type_url.ends_with(".Rejection"))
}

/// Applies the command `ProtocolMessage`: reads the message that it names.
pub(crate) fn command(
    txn: &mut Txn<'_, '_>,
    inbox: &mut Inbox,
    command: &ProtocolMessageCommandAttributes,
) -> Result<(), BadCommand> {
    if command.message_id.is_empty() {
        return Err(bad("MessageID is not set on ProtocolMessageCommand."));
    }
    let Some(message) = inbox.take(&command.message_id) else {
        return Err(bad(format!("ProtocolMessageCommand referenced absent message ID {}", command.message_id)));
    };
    read(txn, inbox, message)
}

/// Reads the messages that no command named. After the end of the run they have no meaning any more.
pub(crate) fn read_rest(txn: &mut Txn<'_, '_>, inbox: &mut Inbox) -> Result<(), BadCommand> {
    for message in std::mem::take(&mut inbox.messages) {
        if !txn.state.is_running() {
            break;
        }
        read(txn, inbox, message)?;
    }
    Ok(())
}

/// Reads the rejections before a command closes the run: they stand, whether a command named them or not.
pub(crate) fn read_rejections(txn: &mut Txn<'_, '_>, inbox: &mut Inbox) -> Result<(), BadCommand> {
    let (rejections, rest) = std::mem::take(&mut inbox.messages).into_iter().partition(leaves_no_trace);
    inbox.messages = rest;
    let rejections: Vec<Message> = rejections;
    rejections.into_iter().try_for_each(|message| read(txn, inbox, message))
}

fn read(txn: &mut Txn<'_, '_>, inbox: &mut Inbox, message: Message) -> Result<(), BadCommand> {
    let Message { protocol_instance_id: update_id, body, .. } = message;
    let body = body.unwrap_or_default();
    let name = type_name(&body.type_url);
    if body.value.len() > txn.limits().blob_size {
        return Err(bad(format!("Message type {name} exceeds size limit.")).terminating());
    }
    let (protocol, kind) = name.rsplit_once('.').unwrap_or(("", name));
    if protocol != PROTOCOL {
        return Err(bad(format!("unsupported protocol type {protocol}")));
    }
    let malformed = |error: prost::DecodeError| bad(format!("unable to unmarshal request: {error}"));
    let value = &*body.value;
    match kind {
        "Acceptance" => accept(txn, inbox, &update_id, Acceptance::decode(value).map_err(malformed)?),
        "Rejection" => reject(txn, inbox, &update_id, Rejection::decode(value).map_err(malformed)?),
        "Response" => respond(txn, inbox, &update_id, Response::decode(value).map_err(malformed)?),
        _ => Err(bad(format!("Message type *update.{kind} not supported"))),
    }
}

/// The update that a message is about, in a phase that allows the message.
enum MessageTarget {
    /// An update that is not accepted yet.
    Open {
        admission: i64,
        request_id: Arc<str>,
        request: Option<Request>,
    },
    Accepted(i64, Accepted),
}

impl MessageTarget {
    fn open(admission: i64, request: Request) -> Self {
        MessageTarget::Open { admission, request_id: request.request_id.as_str().into(), request: Some(request) }
    }
}

/// Finds the update that the message is about. One that the server does not know (any more) is taken from the request
/// that the worker repeats in the message. `None`: the message is ignored, because the update was aborted, or because
/// it is not known and rejected.
fn find_target(
    txn: &mut Txn<'_, '_>,
    inbox: &Inbox,
    update_id: &str,
    kind: &str,
    repeated: Option<Request>,
) -> Result<Option<MessageTarget>, BadCommand> {
    let wrong = |state: &str| {
        bad(format!(
            "invalid state transition attempted for Update {update_id}: received *update.{kind} message while in \
             state {state}"
        ))
    };
    if inbox.settled.iter().any(|settled| &**settled == update_id) {
        return Err(wrong("ProvisionallyCompleted"));
    }
    let provisional =
        |accepted: &Accepted| if accepted.event_id > inbox.since { "ProvisionallyAccepted" } else { "Accepted" };
    let response = kind == "Response";
    match txn.state.updates.find(update_id).map(|(admission, update)| (admission, &update.phase)) {
        Some((_, UpdatePhase::Admitted(_))) if response => Err(wrong("Admitted")),
        Some((_, UpdatePhase::Sent(..))) if response => Err(wrong("Sent")),
        Some((_, UpdatePhase::Reapplied { .. })) if response => Err(wrong("Sent")),
        Some((admission, UpdatePhase::Admitted(request) | UpdatePhase::Sent(request, _))) => {
            Ok(Some(MessageTarget::open(admission, request.decode())))
        }
        // History has its request already.
        Some((admission, UpdatePhase::Reapplied { request_id })) => {
            Ok(Some(MessageTarget::Open { admission, request_id: request_id.clone(), request: None }))
        }
        Some((admission, UpdatePhase::Accepted(accepted))) if response => {
            Ok(Some(MessageTarget::Accepted(admission, accepted.clone())))
        }
        Some((_, UpdatePhase::Accepted(accepted))) => Err(wrong(provisional(accepted))),
        Some((_, UpdatePhase::Aborted { .. })) => Ok(None),
        None => match (completed(txn.rows, &txn.run, update_id), repeated) {
            (Ok(Some(_)), _) => Err(wrong("Completed")),
            (_, Some(_)) if kind == "Rejection" => Ok(None),
            (_, Some(request)) => Ok(Some(MessageTarget::open(admit_again(txn, update_id, &request), request))),
            (_, None) => Err(bad(format!(
                "update {update_id} wasn't found on the server. This is most likely a transient error which will be \
                 resolved automatically by retries"
            ))),
        },
    }
}

fn admit_again(txn: &mut Txn<'_, '_>, update_id: &str, request: &Request) -> i64 {
    let updates = &mut txn.state.updates;
    updates.admissions += 1;
    let phase = UpdatePhase::Admitted(Encoded::of(request));
    updates.in_flight.insert(updates.admissions, PendingUpdate { update_id: update_id.into(), phase });
    updates.admissions
}

fn accept(txn: &mut Txn<'_, '_>, inbox: &Inbox, update_id: &str, message: Acceptance) -> Result<(), BadCommand> {
    let missing = |field: &str| bad(format!("invalid *update.Acceptance: {field} is not set"));
    let sequencing_event_id = message.accepted_request_sequencing_event_id;
    if sequencing_event_id == 0 {
        return Err(missing("accepted_request_sequencing_event_id"));
    }
    if message.accepted_request_message_id.is_empty() {
        return Err(missing("accepted_request_message_id"));
    }
    let repeated = message.accepted_request;
    let Some(MessageTarget::Open { admission, request_id, request }) =
        find_target(txn, inbox, update_id, "Acceptance", repeated)?
    else {
        return Ok(());
    };
    let event_id = txn.add_event(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(
        WorkflowExecutionUpdateAcceptedEventAttributes {
            protocol_instance_id: update_id.to_owned(),
            accepted_request_message_id: request_message_id(update_id),
            accepted_request_sequencing_event_id: sequencing_event_id,
            accepted_request: request,
        },
    ));
    if !request_id.is_empty() {
        let event_type = EventType::WorkflowExecutionUpdateAccepted.into();
        let attached = AttachedRequest { request_id: request_id.clone(), event_id, event_type };
        txn.state.info.request_ids.push(attached);
    }
    let accepted = Accepted { event_id, request_id };
    let status = UpdateStatus::accepted(&accepted);
    txn.state.updates.set(admission, UpdatePhase::Accepted(accepted));
    notify(txn, &update_id.into(), admission, Ok(status));
    Ok(())
}

fn reject(txn: &mut Txn<'_, '_>, inbox: &mut Inbox, update_id: &str, message: Rejection) -> Result<(), BadCommand> {
    let repeated = message.rejected_request;
    let Some(MessageTarget::Open { admission, request_id, .. }) =
        find_target(txn, inbox, update_id, "Rejection", repeated)?
    else {
        return Ok(());
    };
    let outcome = Outcome { value: Some(outcome::Value::Failure(message.failure.unwrap_or_default())) };
    drop_update(txn, admission, Ok(UpdateStatus::completed(&outcome, &request_id)));
    inbox.settled.push(update_id.into());
    Ok(())
}

fn respond(txn: &mut Txn<'_, '_>, inbox: &mut Inbox, update_id: &str, message: Response) -> Result<(), BadCommand> {
    let invalid = |what: &str| bad(format!("invalid *update.Response: {what}"));
    let Some(outcome) = message.outcome else { return Err(invalid("outcome is not set")) };
    let Some(meta) = message.meta else { return Err(invalid("meta is not set")) };
    if meta.update_id != update_id {
        return Err(invalid(&format!("meta.update_id != {update_id}")));
    }
    let Some(MessageTarget::Accepted(admission, accepted)) = find_target(txn, inbox, update_id, "Response", None)?
    else {
        return Ok(());
    };
    let status = UpdateStatus::completed(&outcome, &accepted.request_id);
    let completed_event_id = txn.add_event(Attributes::WorkflowExecutionUpdateCompletedEventAttributes(
        WorkflowExecutionUpdateCompletedEventAttributes {
            meta: Some(meta),
            accepted_event_id: accepted.event_id,
            outcome: Some(outcome),
        },
    ));
    let completed = CompletedUpdate { accepted, completed_event_id };
    txn.write(Op::Put(row(&txn.run, update_id), codec::encode(&completed)));
    txn.state.updates.completed += 1;
    drop_update(txn, admission, Ok(status));
    inbox.settled.push(update_id.into());
    Ok(())
}
