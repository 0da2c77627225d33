//! Handlers, channels, and the state that they share with the function.

use super::*;

#[workflow]
async fn collecting(cx: WorkflowContext<Names>) -> Result<Vec<String>> {
    cx.state_mut().0 = vec!["first".to_owned()];
    cx.wait_until(|names| names.0.len() == 4).await?;
    let names = cx.state().0.clone();
    Ok(names)
}

#[test]
fn handlers_run_in_order_on_the_state_that_the_first_lines_made() {
    let mut story = Story::begin(collecting, ());
    story.signal(Names::ADD, "a");
    assert!(story.task().is_empty());
    story.signal(Names::ADD, "b");
    story.signal(Names::ADD, "c");
    assert_eq!(story.task(), ["COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.result(), ["first", "a", "b", "c"]);
    story.replays();
}

const WORDS: Signal<Names, (String,)> = Signal::new("words");

#[workflow]
async fn receiving(cx: WorkflowContext<Names>) -> Result<Option<String>> {
    Ok(cx.signals(WORDS).try_receive().map(|(word,)| word))
}

#[test]
fn signals_without_a_handler_are_there_before_the_first_line() {
    let mut story = Story::begin(receiving, ());
    story.signal(WORDS, "a");
    assert_eq!(story.task(), ["COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.result().as_deref(), Some("a"));
    story.replays();
}

#[expect(clippy::await_holding_refcell_ref, reason = "clippy finds it, too")]
#[workflow]
async fn holding(cx: WorkflowContext<Names>) -> Result<()> {
    let names = cx.state();
    cx.wait_until(|names| names.0.len() == 2).await?;
    assert_eq!(names.0.len(), 2);
    Ok(())
}

#[test]
fn a_guard_that_is_held_too_long_is_named() {
    let mut story = Story::begin(holding, ());
    story.task();
    story.signal(Names::ADD, "a");
    let error = story.try_task().unwrap_err();
    assert!(error.contains("the state is still held by the guard that was taken at crates/sdk/src"), "{error}");
}

#[workflow]
async fn looking(cx: WorkflowContext<Names>) -> Result<Vec<String>> {
    let mut done = Vec::new();
    while let Some(name) = cx.write(|names| names.0.pop()).or_else(|| done.is_empty().then(String::new)) {
        done.push(cx.activity(greet, format!("{name}{}", cx.read(|names| names.0.len()))).await?);
    }
    Ok(done)
}

#[test]
fn closures_hold_no_state_while_the_workflow_waits() {
    let mut story = Story::begin(looking, ());
    story.task();
    story.signal(Names::ADD, "a");
    story.signal(Names::ADD, "b");
    assert!(story.task().is_empty());
    for expected in ["0", "b1", "a0"] {
        assert_eq!(story.called(), format!("greet {expected}"));
        story.complete(story.last(EventType::ActivityTaskScheduled), expected.to_owned());
        story.task();
    }
    assert_eq!(story.result(), ["0", "b1", "a0"]);
    story.replays();
}

#[derive(Default)]
struct Oddities(Vec<String>);

#[derive(serde::Serialize, serde::Deserialize)]
struct SearchResult(String);

#[handlers]
impl Oddities {
    #[signal]
    fn r#move(&mut self, state: String, cx: String, handlers: String) {
        self.0 = vec![state, cx, handlers];
    }

    #[query]
    fn found(&self, names: String) -> SearchResult {
        SearchResult(names)
    }

    #[cfg(any())]
    #[signal]
    fn never(&mut self) {}
}

struct Owner;

#[activities]
impl Owner {
    #[activity]
    async fn own(&self, owner: String, registry: String) -> SearchResult {
        SearchResult(owner + &registry)
    }
}

#[activity]
async fn find(cx: String) -> SearchResult {
    SearchResult(cx)
}

#[workflow]
async fn odd(cx: WorkflowContext<Oddities>) -> Result<Vec<String>> {
    cx.wait_until(|it| !it.0.is_empty()).await?;
    let _ = (Owner::OWN, Oddities::FOUND, find);
    Ok(cx.read(|it| it.0.clone()))
}

#[test]
fn arguments_may_be_called_what_they_like() {
    let mut story = Story::begin(odd, ());
    story.signal(Oddities::MOVE, ("a".to_owned(), "b".to_owned(), "c".to_owned()));
    story.task();
    assert_eq!(story.result(), ["a", "b", "c"]);
    story.replays();
}
