//! What a person reads beside the events of a workflow.

use crate::{unique, with_worker};
use std::time::Duration;
use tenure_sdk::{DataConverter, History, prelude::*};
use tenure_sdk_testing::TestEnv;

#[activity]
async fn pack() {}

#[workflow]
async fn part(_cx: WorkflowContext) -> Result<()> {
    Ok(())
}

#[workflow]
async fn order(cx: WorkflowContext, child_id: String) -> Result<()> {
    let second = Duration::from_secs(1);
    cx.sleep(second).summary("a nap").await?;
    cx.wait_until(|()| false).timeout(second).summary("in vain").await?;
    cx.activity(pack, ()).summary("boxes").await?;
    cx.local_activity(pack, ()).summary("ribbons").await?;
    cx.child(part, ()).id(child_id).summary("a part").details("of a **whole**").await
}

/// The notes of a history, in its order.
fn notes(history: &History) -> Vec<String> {
    let notes = history.events.iter().filter_map(|event| event.user_metadata.as_ref());
    let texts = notes.flat_map(|notes| [&notes.summary, &notes.details]).flatten();
    texts.map(|text| DataConverter::default().decode(text).unwrap()).collect()
}

#[tokio::test]
async fn summaries_are_in_history() {
    let env = TestEnv::start().await;
    let (client, queue, child) = (env.client(), unique("summaries"), unique("part"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(order).workflow(part).activity(pack), async {
        let start = client.start(order, child.as_str()).id(&queue).task_queue(&queue);
        let handle = start.summary("an order").details("for *Ann*").await.unwrap();
        handle.result().await.unwrap();
        let history = handle.history().await.unwrap();
        let expected = ["an order", "for *Ann*", "a nap", "in vain", "boxes", "ribbons", "a part", "of a **whole**"];
        assert_eq!(notes(&history), expected);
        assert_eq!(notes(&client.handle(part, &child).history().await.unwrap()), ["a part", "of a **whole**"]);
    })
    .await;
}
