//! Code that takes whatever has no taker of its own.

use super::*;
use crate::Raw;

#[derive(Default)]
struct Anything {
    seen: Vec<String>,
}

#[handlers]
impl Anything {
    #[signal]
    fn known(&mut self, number: u32) {
        self.seen.push(format!("known {number}"));
    }

    #[signal(dynamic)]
    fn other(&mut self, name: String, args: Vec<Raw>) -> Result<()> {
        self.seen.push(format!("{name} {}", args[0].read::<u32>()?));
        Ok(())
    }

    #[query(dynamic)]
    fn asked(&self, name: String, args: Vec<Raw>) -> String {
        format!("{name} with {} arguments: {}", args.len(), self.seen.join(", "))
    }
}

#[workflow(dynamic)]
async fn anything(cx: WorkflowContext<Anything>, args: Vec<Raw>) -> Result<String> {
    const ANY: ActivityRef<(String,), String> = ActivityRef::new("any");
    cx.wait_until(|it| it.seen.len() == 2).await?;
    let first: String = args[0].read()?;
    cx.activity(ANY, first).await
}

#[test]
fn what_is_dynamic_takes_what_has_no_other_taker() {
    let mut story = Story::begin(anything, vec![Raw(DataConverter::default().encode(&"Ann".to_owned()).unwrap())]);
    if let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = &mut story.history.events[0].attributes
    {
        started.workflow_type = Some(tenure_api::common::v1::WorkflowType { name: "unheard".to_owned() });
    }
    const KNOWN: Signal<Anything, (u32,)> = Anything::KNOWN;
    const UNKNOWN: Signal<Anything, (u32,)> = Signal::new("unknown");
    story.signal(UNKNOWN, 1u32);
    story.signal(KNOWN, 2u32);
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    let ask = |name: &str| -> serde_json::Value {
        let answer = story.execution.query(name, None, &Headers::default()).unwrap();
        DataConverter::default().decode(&answer).unwrap()
    };
    assert_eq!(ask("how"), "how with 0 arguments: unknown 1, known 2");
    let metadata = ask("__temporal_workflow_metadata");
    assert_eq!(metadata["definition"]["type"], "unheard");
    assert_eq!(story.called(), "any Ann");
    story.complete(story.last(EventType::ActivityTaskScheduled), "done".to_owned());
    story.task();
    assert_eq!(story.result(), "done");
    story.replays();
}
