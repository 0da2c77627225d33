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

macro_rules! compared {
    ([$($command:ident $what:literal $part:ident $of_command:ident, $event:ident $of_event:ident;)+]
     nothing of $($nothing:ident)+) => {
        /// What can be compared of a command beside its name, and what that is.
        pub(super) fn of_command(made: &Made) -> Option<(&'static str, Part<'_>)> {
            match made {
                $(Made::$command(made) => Some(($what, Part::$part(&made.$of_command))),)+
                $(Made::$nothing(_))|+ => None,
            }
        }

        /// The same part of the event of such a command. `None`: nothing, or the event is of another one.
        pub(super) fn of_event<'a>(made: &Made, is: &'a Is) -> Option<Part<'a>> {
            match made {
                $(Made::$command(_) => {
                    let Is::$event(is) = is else { return None };
                    Some(Part::$part(&is.$of_event))
                })+
                $(Made::$nothing(_))|+ => None,
            }
        }
    };
}

compared! {
    [
        ScheduleActivityTaskCommandAttributes "input" Payloads input, ActivityTaskScheduledEventAttributes input;
        StartTimerCommandAttributes "time" Duration start_to_fire_timeout,
        TimerStartedEventAttributes start_to_fire_timeout;
        StartChildWorkflowExecutionCommandAttributes "input" Payloads input,
        StartChildWorkflowExecutionInitiatedEventAttributes input;
        SignalExternalWorkflowExecutionCommandAttributes "input" Payloads input,
        SignalExternalWorkflowExecutionInitiatedEventAttributes input;
        ContinueAsNewWorkflowExecutionCommandAttributes "input" Payloads input,
        WorkflowExecutionContinuedAsNewEventAttributes input;
        CompleteWorkflowExecutionCommandAttributes "result" Payloads result, WorkflowExecutionCompletedEventAttributes result;
        FailWorkflowExecutionCommandAttributes "failure" Failure failure, WorkflowExecutionFailedEventAttributes failure;
        ModifyWorkflowPropertiesCommandAttributes "memo" Memo upserted_memo,
        WorkflowPropertiesModifiedEventAttributes upserted_memo;
    ]
    nothing of
        RequestCancelActivityTaskCommandAttributes
        CancelTimerCommandAttributes
        CancelWorkflowExecutionCommandAttributes
        RequestCancelExternalWorkflowExecutionCommandAttributes
        RecordMarkerCommandAttributes
        UpsertWorkflowSearchAttributesCommandAttributes
        ProtocolMessageCommandAttributes
        ScheduleNexusOperationCommandAttributes
        RequestCancelNexusOperationCommandAttributes
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
