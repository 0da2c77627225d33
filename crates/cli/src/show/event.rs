//! Events of histories: their names, and the main thing about each. The match names every kind of attributes, so that one
//! that is new does not compile until it is thought about.

use super::{
    failure,
    payload::{brief, brief_fields, brief_one},
    status::word,
    style::Tone,
    table::Cell,
    time,
};
use tenure_api::{
    common::v1::WorkflowExecution,
    enums::v1::EventType,
    history::v1::{HistoryEvent, history_event::Attributes},
    taskqueue::v1::TaskQueue,
    update::v1::{Outcome, Request, outcome},
};

/// The event's type, as SDKs and the web UI spell it, with a colour for what ends well or badly.
pub(crate) fn name(event: &HistoryEvent) -> Cell {
    let kind = event.event_type();
    let name = word(kind.as_str_name(), "EVENT_TYPE_");
    match tone(kind) {
        Some(tone) => Cell::toned(name, tone),
        None => name.into(),
    }
}

fn tone(kind: EventType) -> Option<Tone> {
    let name = kind.as_str_name();
    let step = name.contains("WORKFLOW_TASK_") && !name.ends_with("_FAILED") && !name.ends_with("_TIMED_OUT");
    match () {
        () if step => Some(Tone::Faint),
        () if name.ends_with("_FAILED") || name.ends_with("_TIMED_OUT") || name.ends_with("_TERMINATED") => {
            Some(Tone::Bad)
        }
        () if kind == EventType::WorkflowExecutionCompleted => Some(Tone::Good),
        () => None,
    }
}

/// The main thing about the event; `of N` is the event that began what this one is about.
pub(crate) fn what(event: &HistoryEvent) -> String {
    let Some(attributes) = &event.attributes else { return String::new() };
    let what = main(attributes);
    match (attributes.begun_by(), what.is_empty()) {
        (None, _) => what,
        (Some(began), true) => format!("of {began}"),
        (Some(began), false) => format!("of {began}: {what}"),
    }
}

fn main(attributes: &Attributes) -> String {
    use Attributes::*;
    match attributes {
        WorkflowExecutionStartedEventAttributes(a) => {
            let attempt = if a.attempt > 1 { format!("attempt {}", a.attempt) } else { String::new() };
            words([call(a.workflow_type.as_ref().map(|it| &it.name), &brief(a.input.as_ref())), attempt])
        }
        WorkflowExecutionCompletedEventAttributes(a) => brief(a.result.as_ref()),
        WorkflowExecutionFailedEventAttributes(a) => failure::line(a.failure.as_ref()),
        WorkflowExecutionTimedOutEventAttributes(a) => run("goes on as the run", &a.new_execution_run_id),
        WorkflowExecutionTerminatedEventAttributes(a) => words([a.reason.clone(), by(&a.identity)]),
        WorkflowExecutionCanceledEventAttributes(a) => brief(a.details.as_ref()),
        WorkflowExecutionContinuedAsNewEventAttributes(a) => run("run", &a.new_execution_run_id),
        WorkflowExecutionCancelRequestedEventAttributes(a) => words([a.cause.clone(), by(&a.identity)]),
        WorkflowExecutionSignaledEventAttributes(a) => call(Some(&a.signal_name), &brief(a.input.as_ref())),
        WorkflowExecutionOptionsUpdatedEventAttributes(a) => by(&a.identity),
        WorkflowExecutionPausedEventAttributes(a) => words([a.reason.clone(), by(&a.identity)]),
        WorkflowExecutionUnpausedEventAttributes(a) => words([a.reason.clone(), by(&a.identity)]),
        WorkflowExecutionTimeSkippingTransitionedEventAttributes(a) => time::exact(a.target_time),
        WorkflowPropertiesModifiedEventAttributes(a) => brief_fields(a.upserted_memo.as_ref().map(|memo| &memo.fields)),
        WorkflowPropertiesModifiedExternallyEventAttributes(a) => {
            brief_fields(a.upserted_memo.as_ref().map(|memo| &memo.fields))
        }
        UpsertWorkflowSearchAttributesEventAttributes(a) => {
            brief_fields(a.search_attributes.as_ref().map(|it| &it.indexed_fields))
        }
        MarkerRecordedEventAttributes(a) => words([a.marker_name.clone(), failure::line(a.failure.as_ref())]),

        WorkflowTaskScheduledEventAttributes(a) => {
            let attempt = if a.attempt > 1 { format!("attempt {}", a.attempt) } else { String::new() };
            words([queue(a.task_queue.as_ref()), attempt])
        }
        WorkflowTaskStartedEventAttributes(a) => by(&a.identity),
        WorkflowTaskCompletedEventAttributes(a) => by(&a.identity),
        WorkflowTaskFailedEventAttributes(a) => {
            let cause = word(a.cause().as_str_name(), "WORKFLOW_TASK_FAILED_CAUSE_");
            words([cause, failure::line(a.failure.as_ref()), run("goes on as the run", &a.new_run_id)])
        }
        WorkflowTaskTimedOutEventAttributes(a) => word(a.timeout_type().as_str_name(), "TIMEOUT_TYPE_"),

        ActivityTaskScheduledEventAttributes(a) => {
            call(a.activity_type.as_ref().map(|it| &it.name), &brief(a.input.as_ref()))
        }
        ActivityTaskStartedEventAttributes(a) => {
            let before = a.last_failure.as_ref().map(|failure| format!("after: {}", failure::line(Some(failure))));
            words([format!("attempt {}", a.attempt), by(&a.identity), before.unwrap_or_default()])
        }
        ActivityTaskCompletedEventAttributes(a) => brief(a.result.as_ref()),
        ActivityTaskFailedEventAttributes(a) => failure::line(a.failure.as_ref()),
        ActivityTaskTimedOutEventAttributes(a) => failure::line(a.failure.as_ref()),
        ActivityTaskCanceledEventAttributes(a) => brief(a.details.as_ref()),
        ActivityTaskCancelRequestedEventAttributes(_) | ActivityPropertiesModifiedExternallyEventAttributes(_) => {
            String::new()
        }

        TimerStartedEventAttributes(a) => {
            words([format!("timer {}", a.timer_id), time::optional(a.start_to_fire_timeout)])
        }
        TimerFiredEventAttributes(a) => format!("timer {}", a.timer_id),
        TimerCanceledEventAttributes(a) => format!("timer {}", a.timer_id),

        StartChildWorkflowExecutionInitiatedEventAttributes(a) => {
            let kind = a.workflow_type.as_ref().map(|it| &it.name);
            words([a.workflow_id.clone(), call(kind, &brief(a.input.as_ref()))])
        }
        StartChildWorkflowExecutionFailedEventAttributes(a) => {
            let cause = word(a.cause().as_str_name(), "START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_");
            words([a.workflow_id.clone(), cause])
        }
        ChildWorkflowExecutionStartedEventAttributes(a) => id(a.workflow_execution.as_ref()),
        ChildWorkflowExecutionCompletedEventAttributes(a) => {
            words([id(a.workflow_execution.as_ref()), brief(a.result.as_ref())])
        }
        ChildWorkflowExecutionFailedEventAttributes(a) => {
            words([id(a.workflow_execution.as_ref()), failure::line(a.failure.as_ref())])
        }
        ChildWorkflowExecutionCanceledEventAttributes(a) => id(a.workflow_execution.as_ref()),
        ChildWorkflowExecutionTimedOutEventAttributes(a) => id(a.workflow_execution.as_ref()),
        ChildWorkflowExecutionTerminatedEventAttributes(a) => id(a.workflow_execution.as_ref()),

        SignalExternalWorkflowExecutionInitiatedEventAttributes(a) => {
            words([id(a.workflow_execution.as_ref()), call(Some(&a.signal_name), &brief(a.input.as_ref()))])
        }
        SignalExternalWorkflowExecutionFailedEventAttributes(a) => {
            let cause = word(a.cause().as_str_name(), "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_");
            words([id(a.workflow_execution.as_ref()), cause])
        }
        ExternalWorkflowExecutionSignaledEventAttributes(a) => id(a.workflow_execution.as_ref()),
        RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a) => {
            words([id(a.workflow_execution.as_ref()), a.reason.clone()])
        }
        RequestCancelExternalWorkflowExecutionFailedEventAttributes(a) => {
            let cause = word(a.cause().as_str_name(), "CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_");
            words([id(a.workflow_execution.as_ref()), cause])
        }
        ExternalWorkflowExecutionCancelRequestedEventAttributes(a) => id(a.workflow_execution.as_ref()),

        WorkflowExecutionUpdateAdmittedEventAttributes(a) => update(a.request.as_ref()),
        WorkflowExecutionUpdateAcceptedEventAttributes(a) => update(a.accepted_request.as_ref()),
        WorkflowExecutionUpdateRejectedEventAttributes(a) => {
            words([update(a.rejected_request.as_ref()), failure::line(a.failure.as_ref())])
        }
        WorkflowExecutionUpdateCompletedEventAttributes(a) => {
            words([format!("of {}:", a.accepted_event_id), result(a.outcome.as_ref())])
        }

        NexusOperationScheduledEventAttributes(a) => words([
            a.endpoint.clone(),
            a.service.clone(),
            call(Some(&a.operation), &a.input.as_ref().map(brief_one).unwrap_or_default()),
        ]),
        NexusOperationStartedEventAttributes(_)
        | NexusOperationCancelRequestedEventAttributes(_)
        | NexusOperationCancelRequestCompletedEventAttributes(_) => String::new(),
        NexusOperationCompletedEventAttributes(a) => a.result.as_ref().map(brief_one).unwrap_or_default(),
        NexusOperationFailedEventAttributes(a) => failure::line(a.failure.as_ref()),
        NexusOperationTimedOutEventAttributes(a) => failure::line(a.failure.as_ref()),
        NexusOperationCanceledEventAttributes(a) => failure::line(a.failure.as_ref()),
        NexusOperationCancelRequestFailedEventAttributes(a) => failure::line(a.failure.as_ref()),
    }
}

fn words<const N: usize>(words: [String; N]) -> String {
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `charge("card", 3)`.
fn call(name: Option<&String>, args: &str) -> String {
    format!("{}({args})", name.map_or("", String::as_str))
}

/// A queue by the name that users gave it: a sticky one's own is made up.
fn queue(queue: Option<&TaskQueue>) -> String {
    match queue {
        None => String::new(),
        Some(queue) if queue.normal_name.is_empty() => format!("on {}", queue.name),
        Some(queue) => format!("on {}, sticky", queue.normal_name),
    }
}

fn by(identity: &str) -> String {
    if identity.is_empty() { String::new() } else { format!("by {identity}") }
}

fn run(what: &str, run_id: &str) -> String {
    if run_id.is_empty() { String::new() } else { format!("{what} {run_id}") }
}

fn id(execution: Option<&WorkflowExecution>) -> String {
    execution.map(|execution| execution.workflow_id.clone()).unwrap_or_default()
}

fn update(request: Option<&Request>) -> String {
    let input = request.and_then(|request| request.input.as_ref());
    input.map(|input| call(Some(&input.name), &brief(input.args.as_ref()))).unwrap_or_default()
}

fn result(outcome: Option<&Outcome>) -> String {
    match outcome.and_then(|outcome| outcome.value.as_ref()) {
        Some(outcome::Value::Success(result)) => brief(Some(result)),
        Some(outcome::Value::Failure(failed)) => failure::line(Some(failed)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use tenure_api::{
        common::v1::{ActivityType, Payload, Payloads},
        history::v1 as api,
    };
    use tenure_client::{DataConverter, Failure};

    fn check(attributes: Attributes, expected: Expect) {
        let event = HistoryEvent {
            event_type: attributes.event_type().into(),
            attributes: Some(attributes),
            ..Default::default()
        };
        expected.assert_eq(&format!("{} {}", name(&event).painted(false), what(&event)));
    }

    fn input(data: &str) -> Option<Payloads> {
        let metadata = [("encoding".to_owned(), "json/plain".into())].into();
        Some(Payloads { payloads: vec![Payload { metadata, data: data.to_owned().into(), ..Default::default() }] })
    }

    #[test]
    fn events_say_the_main_thing() {
        use Attributes::*;
        check(
            ActivityTaskScheduledEventAttributes(api::ActivityTaskScheduledEventAttributes {
                activity_type: Some(ActivityType { name: "charge".to_owned() }),
                input: input(r#"{"card": "4711"}"#),
                ..Default::default()
            }),
            expect![[r#"ActivityTaskScheduled charge({"card":"4711"})"#]],
        );
        let declined = Failure::application("Declined", "no money").to_proto(&DataConverter::default());
        check(
            ActivityTaskStartedEventAttributes(api::ActivityTaskStartedEventAttributes {
                scheduled_event_id: 5,
                attempt: 3,
                identity: "me".to_owned(),
                last_failure: Some(declined.clone()),
                ..Default::default()
            }),
            expect!["ActivityTaskStarted of 5: attempt 3 by me after: no money (Declined)"],
        );
        check(
            ActivityTaskFailedEventAttributes(api::ActivityTaskFailedEventAttributes {
                scheduled_event_id: 5,
                failure: Some(declined),
                ..Default::default()
            }),
            expect!["ActivityTaskFailed of 5: no money (Declined)"],
        );
        check(
            WorkflowTaskScheduledEventAttributes(api::WorkflowTaskScheduledEventAttributes {
                task_queue: Some(TaskQueue { name: "orders".to_owned(), ..Default::default() }),
                attempt: 1,
                ..Default::default()
            }),
            expect!["WorkflowTaskScheduled on orders"],
        );
        check(
            WorkflowExecutionSignaledEventAttributes(api::WorkflowExecutionSignaledEventAttributes {
                signal_name: "pickedUp".to_owned(),
                ..Default::default()
            }),
            expect!["WorkflowExecutionSignaled pickedUp()"],
        );
    }
}
