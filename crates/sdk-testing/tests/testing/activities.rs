//! Activities without a workflow.

use crate::{DAY, unique};
use std::time::Duration;
use tenure_sdk::{
    ActivityExecutionStatus as Status, ActivityIdConflictPolicy as Conflict, ActivityIdReusePolicy as Reuse, prelude::*,
};
use tenure_sdk_testing::TestEnv;

const MINUTE: Duration = Duration::from_secs(60);

/// Takes a few attempts.
#[activity]
async fn resize(cx: ActivityContext, name: String, attempts: u32) -> Result<String> {
    if cx.info().attempt < attempts {
        return Err(Failure::application("NoMemory", "not enough memory"));
    }
    assert!(cx.info().workflow_id.is_empty() && !cx.info().run_id.is_empty());
    Ok(format!("small {name}"))
}

#[activity]
async fn refuse(name: String) -> Result<()> {
    Err(Failure::application("NoPicture", format!("{name} is no picture")).non_retryable())
}

#[tokio::test]
async fn an_activity_is_tried_until_it_has_a_result() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("images"));
    let worker = env.run(Worker::new(client.clone(), &queue).activity(resize).activity(refuse));
    let start = |attempts| {
        let start = client.start_activity(resize, ("7.png".to_owned(), attempts)).id(&queue).task_queue(&queue);
        start.start_to_close(MINUTE).retry(RetryPolicy::default().initial_interval(Duration::from_millis(10)))
    };
    let first = start(3).await.unwrap();
    assert_eq!(first.result().await.unwrap(), "small 7.png");
    let found = first.describe().await.unwrap();
    assert_eq!((found.status, found.attempt, &*found.activity_type), (Status::Completed, 3, "resize"));
    assert_eq!(
        found.last_failure.and_then(|failure| Some(failure.application_type()?.to_owned())),
        Some("NoMemory".into())
    );
    assert!(found.closed > found.scheduled && found.run_id == first.run_id());

    assert!(start(1).reuse(Reuse::RejectDuplicate).await.unwrap_err().is_already_exists());
    let second = start(1).await.unwrap();
    assert_ne!(second.run_id(), first.run_id());
    let latest = client.activity_handle(resize, &queue);
    assert_eq!(latest.result().await.unwrap(), "small 7.png");
    assert_eq!(latest.describe().await.unwrap().run_id, second.run_id());
    assert_eq!(latest.of_run(first.run_id()).describe().await.unwrap().run_id, first.run_id());

    let refused = client.start_activity(refuse, "song.mp3").task_queue(&queue).start_to_close(MINUTE).await.unwrap();
    let error = refused.result().await.unwrap_err();
    assert_eq!(error.failure().and_then(Failure::application_type), Some("NoPicture"), "{error}");
    assert!(matches!(error, ClientError::ActivityFailed(_)));

    let of_it = || format!("ActivityId = '{queue}' AND ExecutionStatus = 'Completed'");
    let begun = std::time::Instant::now();
    while client.count_activities(of_it()).await.unwrap() < 2 {
        assert!(begun.elapsed() < MINUTE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let listed = client.activities(of_it()).await.unwrap();
    assert_eq!(listed.iter().map(|found| &found.run_id).collect::<Vec<_>>(), [second.run_id(), first.run_id()]);
    worker.stop().await;
}

#[tokio::test]
async fn an_activity_that_no_worker_has_is_paused_and_ended() {
    let env = TestEnv::start().await;
    let (client, id) = (env.client(), unique("nobody"));
    let start =
        || client.start_activity(resize, ("7.png".to_owned(), 1)).id(&id).task_queue(&id).start_to_close(MINUTE);
    let waits = start().await.unwrap();
    assert!(start().await.unwrap_err().is_already_exists());
    assert_eq!(start().conflict(Conflict::UseExisting).await.unwrap().run_id(), waits.run_id());
    waits.pause("the disk is full").await.unwrap();
    assert_eq!(waits.describe().await.unwrap().status, Status::Paused);
    waits.unpause("there is room").await.unwrap();
    assert_eq!(waits.describe().await.unwrap().status, Status::Running);
    waits.cancel("not needed").await.unwrap();
    let error = waits.result().await.unwrap_err();
    assert!(error.failure().is_some_and(Failure::is_cancelled), "{error}");
    let other = start().await.unwrap();
    other.terminate("enough").await.unwrap();
    assert!(matches!(other.result().await, Err(ClientError::ActivityFailed(_))));
    assert_eq!(other.describe().await.unwrap().status, Status::Terminated);
    other.delete().await.unwrap();
    assert!(other.describe().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn time_is_skipped_to_an_activity_that_begins_later() {
    let env = TestEnv::start().await;
    if !env.skips_time().await {
        return;
    }
    let (client, queue) = (env.client(), unique("later"));
    let worker = env.run(Worker::new(client.clone(), &queue).activity(resize));
    let start = client.start_activity(resize, ("7.png".to_owned(), 1)).task_queue(&queue).start_to_close(MINUTE);
    let later = start.delay(30 * DAY).await.unwrap();
    let begun = env.now();
    assert_eq!(later.result().await.unwrap(), "small 7.png");
    assert!(env.now().duration_since(begun).unwrap() >= 29 * DAY);
    worker.stop().await;
}
