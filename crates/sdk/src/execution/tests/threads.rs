//! What only another thread, or another runtime, could wake.

use super::*;

thread_local! {
    static WAKERS: std::cell::RefCell<Vec<std::task::Waker>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[workflow]
async fn waiting_for_a_thread(cx: WorkflowContext<Names>) -> Result<()> {
    std::future::poll_fn(|cx| {
        WAKERS.with_borrow_mut(|wakers| wakers.push(cx.waker().clone()));
        std::task::Poll::<()>::Pending
    })
    .await;
    cx.wait_until(|_| true).await
}

#[test]
fn what_another_thread_wakes_fails_the_task_and_says_why() {
    let mut story = Story::begin(waiting_for_a_thread, ());
    assert!(story.task().is_empty());
    let waker = WAKERS.with_borrow_mut(|wakers| wakers.pop().unwrap());
    std::thread::spawn(move || waker.wake()).join().unwrap();
    story.signal(Names::ADD, "a");
    let error = story.try_task().unwrap_err();
    assert!(error.contains("put it in an activity"), "{error}");
}

#[workflow]
async fn sleeping_in_tokio(_cx: WorkflowContext) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

#[test]
fn what_needs_a_runtime_is_told_what_to_use_instead() {
    let error = Story::begin(sleeping_in_tokio, ()).try_task().unwrap_err();
    assert!(error.contains("use `cx.sleep`"), "{error}");
}
