//! What commands and events carry beside their names: inputs, results, times. The same code makes the same again.

use serde_json::Value;
use std::{fmt, time::Duration};
use tenure_api::{
    command::v1::command::Attributes as Made,
    common::v1::{Memo, Payload, Payloads},
    failure::v1::Failure,
    history::v1::history_event::Attributes as Is,
};
use tenure_client::DataConverter;

/// A part, as the API has it.
pub(super) enum Part<'a> {
    Payloads(&'a Option<Payloads>),
    Memo(&'a Option<Memo>),
    Duration(Option<prost_types::Duration>),
    Failure(&'a Option<Failure>),
}

/// A part that can be compared.
#[derive(PartialEq)]
pub(super) enum Data {
    Values(Vec<Value>),
    Duration(Option<Duration>),
    Text(String),
}

type Parts<'a> = Vec<(&'static str, Part<'a>)>;

/// What a command carries, in the order of [`of_event`] for the event that it makes.
pub(super) fn of_command(made: &Made) -> Parts<'_> {
    use Part as P;
    match made {
        Made::ScheduleActivityTaskCommandAttributes(it) => vec![("input", P::Payloads(&it.input))],
        Made::StartTimerCommandAttributes(it) => vec![("time", P::Duration(it.start_to_fire_timeout))],
        Made::StartChildWorkflowExecutionCommandAttributes(it) => vec![("input", P::Payloads(&it.input))],
        Made::SignalExternalWorkflowExecutionCommandAttributes(it) => vec![("input", P::Payloads(&it.input))],
        Made::ContinueAsNewWorkflowExecutionCommandAttributes(it) => vec![("input", P::Payloads(&it.input))],
        Made::CompleteWorkflowExecutionCommandAttributes(it) => vec![("result", P::Payloads(&it.result))],
        Made::FailWorkflowExecutionCommandAttributes(it) => vec![("failure", P::Failure(&it.failure))],
        Made::ModifyWorkflowPropertiesCommandAttributes(it) => vec![("memo", P::Memo(&it.upserted_memo))],
        _ => Vec::new(),
    }
}

pub(super) fn of_event(is: &Is) -> Parts<'_> {
    use Part as P;
    match is {
        Is::ActivityTaskScheduledEventAttributes(it) => vec![("input", P::Payloads(&it.input))],
        Is::TimerStartedEventAttributes(it) => vec![("time", P::Duration(it.start_to_fire_timeout))],
        Is::StartChildWorkflowExecutionInitiatedEventAttributes(it) => vec![("input", P::Payloads(&it.input))],
        Is::SignalExternalWorkflowExecutionInitiatedEventAttributes(it) => vec![("input", P::Payloads(&it.input))],
        Is::WorkflowExecutionContinuedAsNewEventAttributes(it) => vec![("input", P::Payloads(&it.input))],
        Is::WorkflowExecutionCompletedEventAttributes(it) => vec![("result", P::Payloads(&it.result))],
        Is::WorkflowExecutionFailedEventAttributes(it) => vec![("failure", P::Failure(&it.failure))],
        Is::WorkflowPropertiesModifiedEventAttributes(it) => vec![("memo", P::Memo(&it.upserted_memo))],
        _ => Vec::new(),
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
            Part::Duration(time) => Data::Duration(time.and_then(|time| time.try_into().ok())),
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
