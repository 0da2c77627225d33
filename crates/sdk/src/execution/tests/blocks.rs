//! States that are made of the arguments, and handlers that stand in several places.

use super::*;

#[derive(Default)]
struct Brake {
    pulled: bool,
}

#[handlers]
impl Brake {
    #[signal]
    fn pull(&mut self) {
        self.pulled = true;
    }

    #[signal]
    async fn release_soon(cx: WorkflowContext<Self>) -> Result<()> {
        cx.sleep(Duration::from_secs(1)).await?;
        cx.write(|brake| brake.pulled = false);
        Ok(())
    }

    #[query]
    fn is_pulled(&self) -> bool {
        self.pulled
    }
}

struct Train {
    name: String,
    stops: Vec<String>,
    brake: Brake,
}

impl Train {
    fn new(name: &str, stops: &u32) -> Self {
        Train { name: name.to_owned(), stops: Vec::with_capacity(*stops as usize), brake: Brake::default() }
    }
}

#[handlers(groups(stations), parts(brake: Brake))]
impl Train {
    #[query]
    fn name(&self) -> String {
        self.name.clone()
    }
}

#[handlers(group = stations)]
impl Train {
    #[signal]
    fn stop_at(&mut self, station: String) {
        self.stops.push(station);
    }
}

async fn braked<S: 'static>(cx: &WorkflowContext<S>, brake: &WorkflowContext<Brake>) -> Result<()> {
    cx.activity(greet, "brake").await?;
    brake.wait_until(|it| !it.pulled).await
}

#[workflow(init = Train::new)]
async fn ride(cx: WorkflowContext<Train>, name: String, stops: u32) -> Result<Vec<String>> {
    assert_eq!(cx.read(|train| train.name.clone()), name);
    cx.wait_until(|train| train.stops.len() == stops as usize).await?;
    braked(&cx, &cx.part(|train| &train.brake, |train| &mut train.brake)).await?;
    Ok(cx.read(|train| train.stops.clone()))
}

#[test]
fn a_state_is_made_of_the_arguments_and_has_the_handlers_of_its_groups_and_parts() {
    let mut story = Story::begin(ride, ("express".to_owned(), 2u32));
    story.signal(Brake::PULL, ());
    story.signal(Train::STOP_AT, "here");
    assert!(story.task().is_empty());
    let ask = |story: &Story<ride>, name: &str| -> serde_json::Value {
        DataConverter::default().decode(&story.execution.query(name, None, &Headers::default()).unwrap()).unwrap()
    };
    assert_eq!(ask(&story, "name"), "express");
    assert_eq!(ask(&story, "is_pulled"), true);
    let metadata = ask(&story, "__temporal_workflow_metadata");
    let signals = metadata["definition"]["signalDefinitions"].as_array().unwrap().iter();
    assert_eq!(signals.map(|it| &it["name"]).collect::<Vec<_>>(), ["pull", "release_soon", "stop_at"]);

    story.signal(Train::STOP_AT, "there");
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    story.complete(story.last(EventType::ActivityTaskScheduled), "brake".to_owned());
    story.signal(Brake::RELEASE_SOON, ());
    assert_eq!(story.task(), ["START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    assert_eq!(story.result(), ["here", "there"]);
    story.replays();
}

#[derive(Default)]
struct Twice {
    brake: Brake,
}

#[handlers(parts(brake: Brake))]
impl Twice {
    #[signal]
    fn pull(&mut self) {}
}

#[workflow]
async fn twice(_cx: WorkflowContext<Twice>) -> Result<()> {
    Ok(())
}

#[test]
#[should_panic(expected = "two handlers of a workflow take the signal \"pull\"")]
fn a_name_is_handled_once() {
    Story::begin(twice, ());
}

#[derive(Debug, Default)]
struct Impossible;

impl Impossible {
    fn new() -> Self {
        panic!("there is no such thing")
    }
}

impl crate::WorkflowState for Impossible {}

#[workflow(init = Impossible::new)]
async fn impossible(_cx: WorkflowContext<Impossible>) -> Result<()> {
    Ok(())
}

#[test]
fn a_state_that_cannot_be_made_fails_the_task() {
    let error = Story::begin(impossible, ()).try_task().unwrap_err();
    assert!(error.contains("there is no such thing"), "{error}");
}
