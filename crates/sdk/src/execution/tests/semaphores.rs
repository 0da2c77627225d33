//! So many at a time.

use super::*;
use crate::{WorkflowMutex, WorkflowSemaphore};

#[workflow]
async fn narrow(cx: WorkflowContext, count: u32) -> Result<Vec<String>> {
    let gate = WorkflowSemaphore::new(2);
    try_join_all((0..count).map(|n| {
        let (cx, gate) = (cx.clone(), gate.clone());
        async move {
            let _permit = gate.acquire(&cx).await?;
            cx.activity(greet, n.to_string()).await
        }
    }))
    .await
}

#[test]
fn waiters_are_served_in_their_order() {
    let mut story = Story::begin(narrow, 5);
    assert_eq!(story.task().len(), 2);
    assert_eq!(story.called(), "greet 1");
    for next in 2..5 {
        story.complete(story.last(EventType::ActivityTaskScheduled), "x".to_owned());
        assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
        assert_eq!(story.called(), format!("greet {next}"));
    }
    let scheduled = |at: usize| {
        let all = story.history.events.iter().filter(|it| it.event_type() == EventType::ActivityTaskScheduled);
        all.map(|it| it.event_id).nth(at).unwrap()
    };
    let (first, last) = (scheduled(0), scheduled(4));
    story.complete(first, "x".to_owned());
    story.complete(last, "x".to_owned());
    story.task();
    assert_eq!(story.result().len(), 5);
    story.replays();
}

#[workflow]
async fn impatient(cx: WorkflowContext) -> Result<Vec<usize>> {
    let gate = WorkflowSemaphore::new(1);
    let held = gate.acquire(&cx).await?;
    assert!(gate.try_acquire(&cx).is_none());
    // One that gives up leaves the queue, and so does one whose scope is cancelled.
    let late = cx.timeout(Duration::from_secs(1), gate.acquire(&cx)).await;
    assert!(late.is_err_and(|failure| failure.timed_out().is_some()));
    let scope = cx.scope();
    let waiting = scope.run(gate.acquire(&cx));
    scope.cancel();
    assert!(waiting.await.is_err_and(|failure| failure.is_cancelled()));
    let before = gate.available();
    drop(held);
    Ok(vec![before, gate.available()])
}

#[test]
fn who_gives_up_leaves_the_queue() {
    let mut story = Story::begin(impatient, ());
    assert_eq!(story.task(), ["START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    assert_eq!(story.result(), [0, 1]);
    story.replays();
}

#[derive(Default)]
struct Plane {
    seats: WorkflowMutex<u32>,
    sold: Vec<String>,
}

#[handlers]
impl Plane {
    #[signal]
    async fn sell(cx: WorkflowContext<Self>, name: String) -> Result<()> {
        let seats = cx.read(|plane| plane.seats.clone());
        let mut last = seats.lock(&cx).await?;
        let seat = *last + 1;
        cx.activity(greet, format!("{name} {seat}")).await?;
        *last = seat;
        cx.write(|plane| plane.sold.push(format!("{name} {seat}")));
        Ok(())
    }
}

#[workflow]
async fn flight(cx: WorkflowContext<Plane>) -> Result<Vec<String>> {
    cx.wait_until(|plane| plane.sold.len() == 2).await?;
    Ok(cx.read(|plane| plane.sold.clone()))
}

#[test]
fn one_at_a_time_has_what_a_mutex_keeps() {
    let mut story = Story::begin(flight, ());
    story.signal(Plane::SELL, "Ann");
    story.signal(Plane::SELL, "Bo");
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    story.complete(story.last(EventType::ActivityTaskScheduled), "x".to_owned());
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    story.complete(story.last(EventType::ActivityTaskScheduled), "x".to_owned());
    story.task();
    assert_eq!(story.result(), ["Ann 1", "Bo 2"]);
    story.replays();
}
