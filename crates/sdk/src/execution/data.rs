//! What commands and events carry beside their names: inputs, results, times. The same code makes the same again.

use serde_json::Value;
use std::{fmt, time::Duration};
use tenure_api::{
    command::v1::command::Attributes as Made,
    common::v1::{Memo, Payload, Payloads},
    failure::v1::Failure,
    history::v1::history_event::Attributes as Is,
    time::duration_from_proto,
};
use tenure_client::DataConverter;

/// A part, as the API has it.
pub(super) enum Part<'a> {
    Payloads(&'a Option<Payloads>),
    Memo(&'a Option<Memo>),
    Duration(&'a Option<prost_types::Duration>),
    Failure(&'a Option<Failure>),
}

/// A part that can be compared.
#[derive(PartialEq)]
pub(super) enum Data {
    Values(Vec<Value>),
    Duration(Option<Duration>),
    Text(String),
}

/// What a command carries beside its name, and the event that it made.
pub(super) struct Carried<'a> {
    pub(super) what: &'static str,
    pub(super) code: Part<'a>,
    pub(super) history: Part<'a>,
}

/// What can be compared of a command and the event of that command. `None`: nothing, or the event is of another one.
pub(super) fn carried<'a>(made: &'a Made, is: &'a Is) -> Option<Carried<'a>> {
    use Part as P;
    macro_rules! both {
        ($event:ident, $what:literal, $part:expr, $made:ident.$of_command:ident, $of_event:ident) => {{
            let Is::$event(is) = is else { return None };
            Some(Carried { what: $what, code: $part(&$made.$of_command), history: $part(&is.$of_event) })
        }};
    }
    match made {
        Made::ScheduleActivityTaskCommandAttributes(made) => {
            both!(ActivityTaskScheduledEventAttributes, "input", P::Payloads, made.input, input)
        }
        Made::StartTimerCommandAttributes(made) => {
            both!(TimerStartedEventAttributes, "time", P::Duration, made.start_to_fire_timeout, start_to_fire_timeout)
        }
        Made::StartChildWorkflowExecutionCommandAttributes(made) => {
            both!(StartChildWorkflowExecutionInitiatedEventAttributes, "input", P::Payloads, made.input, input)
        }
        Made::SignalExternalWorkflowExecutionCommandAttributes(made) => {
            both!(SignalExternalWorkflowExecutionInitiatedEventAttributes, "input", P::Payloads, made.input, input)
        }
        Made::ContinueAsNewWorkflowExecutionCommandAttributes(made) => {
            both!(WorkflowExecutionContinuedAsNewEventAttributes, "input", P::Payloads, made.input, input)
        }
        Made::CompleteWorkflowExecutionCommandAttributes(made) => {
            both!(WorkflowExecutionCompletedEventAttributes, "result", P::Payloads, made.result, result)
        }
        Made::FailWorkflowExecutionCommandAttributes(made) => {
            both!(WorkflowExecutionFailedEventAttributes, "failure", P::Failure, made.failure, failure)
        }
        Made::ModifyWorkflowPropertiesCommandAttributes(made) => {
            both!(WorkflowPropertiesModifiedEventAttributes, "memo", P::Memo, made.upserted_memo, upserted_memo)
        }
        Made::RequestCancelActivityTaskCommandAttributes(_)
        | Made::CancelTimerCommandAttributes(_)
        | Made::CancelWorkflowExecutionCommandAttributes(_)
        | Made::RequestCancelExternalWorkflowExecutionCommandAttributes(_)
        | Made::RecordMarkerCommandAttributes(_)
        | Made::UpsertWorkflowSearchAttributesCommandAttributes(_)
        | Made::ProtocolMessageCommandAttributes(_)
        | Made::ScheduleNexusOperationCommandAttributes(_)
        | Made::RequestCancelNexusOperationCommandAttributes(_) => None,
    }
}

impl Part<'_> {
    pub(super) fn read(&self, converter: &DataConverter) -> Data {
        let value = |payload: &Payload| value(payload, converter);
        match self {
            Part::Payloads(payloads) => Data::Values(payloads.iter().flat_map(|it| &it.payloads).map(value).collect()),
            Part::Memo(memo) => {
                let fields = memo.iter().flat_map(|memo| &memo.fields);
                Data::Values(fields.map(|(key, payload)| serde_json::json!({ key: value(payload) })).collect())
            }
            Part::Duration(time) => Data::Duration(duration_from_proto(**time)),
            Part::Failure(failure) => Data::Text(failure.as_ref().map_or(String::new(), |it| it.message.clone())),
        }
    }
}

/// Behind the codec, which may write the same in many ways. The fields of JSON objects have no order.
fn value(payload: &Payload, converter: &DataConverter) -> Value {
    let payload = converter.open(payload.clone()).unwrap_or_else(|_| payload.clone());
    serde_json::from_slice(&payload.data).unwrap_or_else(|_| Value::from(payload.data.to_vec()))
}

/// What a person can look through.
const SHOWN: usize = 300;

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Data::Values(values) => values.iter().map(Value::to_string).collect::<Vec<_>>().join(", "),
            Data::Duration(time) => time.map_or("no time".to_owned(), |time| format!("{time:?}")),
            Data::Text(text) => text.clone(),
        };
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{}...", &text[..end]),
            None if text.is_empty() => f.write_str("nothing"),
            None => f.write_str(&text),
        }
    }
}
