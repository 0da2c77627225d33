//! Handlers that are ready when the workflow's function returns.

use super::*;
use tenure_api::update::v1::{Input, Meta, Request};

#[derive(Default)]
struct Meeting {
    over: bool,
}

#[handlers]
impl Meeting {
    #[signal]
    fn end(&mut self) {
        self.over = true;
    }

    #[update]
    async fn minutes(cx: WorkflowContext<Self>) -> Result<()> {
        cx.wait_until(|it| it.over).await
    }
}

#[workflow]
async fn meeting(cx: WorkflowContext<Meeting>) -> Result<()> {
    cx.wait_until(|it| it.over).await
}

#[test]
fn histories_in_which_a_ready_handler_was_cut_off_replay() {
    let mut story = Story::begin(meeting, ());
    assert!(story.task().is_empty());
    let meta = Some(Meta { update_id: "minutes".to_owned(), ..Default::default() });
    let input = Some(Input { name: "minutes".to_owned(), ..Default::default() });
    let accepted = events::WorkflowExecutionUpdateAcceptedEventAttributes {
        protocol_instance_id: "minutes".to_owned(),
        accepted_request_message_id: "minutes/request".to_owned(),
        accepted_request_sequencing_event_id: 2,
        accepted_request: Some(Request { meta, input, ..Default::default() }),
    };
    story.push(
        EventType::WorkflowExecutionUpdateAccepted,
        Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted),
    );
    story.signal(Meeting::END, ());
    for (kind, attributes) in [
        (EventType::WorkflowTaskScheduled, Attributes::WorkflowTaskScheduledEventAttributes(Default::default())),
        (EventType::WorkflowTaskStarted, Attributes::WorkflowTaskStartedEventAttributes(Default::default())),
        (EventType::WorkflowTaskCompleted, Attributes::WorkflowTaskCompletedEventAttributes(Default::default())),
    ] {
        story.push(kind, attributes);
    }
    let answered = story.history.clone();
    let (end, completed) = (
        EventType::WorkflowExecutionCompleted,
        Attributes::WorkflowExecutionCompletedEventAttributes(Default::default()),
    );
    story.push(end, completed.clone());
    Replayer::new().workflow(meeting).replay(&story.history).unwrap();

    // As it is now, and not with another's answer.
    for (update_id, replays) in [("minutes", true), ("other", false)] {
        story.history = answered.clone();
        let meta = Some(Meta { update_id: update_id.to_owned(), ..Default::default() });
        let outcome = events::WorkflowExecutionUpdateCompletedEventAttributes { meta, ..Default::default() };
        story.push(
            EventType::WorkflowExecutionUpdateCompleted,
            Attributes::WorkflowExecutionUpdateCompletedEventAttributes(outcome),
        );
        story.push(end, completed.clone());
        assert_eq!(Replayer::new().workflow(meeting).replay(&story.history).is_ok(), replays, "{update_id}");
    }
}
