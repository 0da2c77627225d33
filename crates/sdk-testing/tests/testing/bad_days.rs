//! What goes wrong on a bad day, and that it harms nothing else. `TENURE_TEST_ADDRESS` may name any server that speaks
//! the API.

use crate::{unique, with_worker};
use std::time::Duration;
use tenure_sdk::prelude::*;
use tenure_sdk_testing::TestEnv;

#[derive(Default)]
struct Account {
    done: bool,
}

#[handlers]
impl Account {
    #[update(validate = check)]
    fn pay(&mut self, cents: u32) -> u32 {
        cents
    }

    fn check(&self, cents: &u32) -> Result<()> {
        assert!(*cents > 0, "not for nothing");
        Ok(())
    }

    #[signal]
    fn close(&mut self) {
        self.done = true;
    }
}

#[workflow]
async fn account(cx: WorkflowContext<Account>) -> Result<()> {
    cx.wait_until(|it| it.done).await
}

#[tokio::test]
async fn a_validator_that_panics_rejects_the_update() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("validator"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(account), async {
        let handle = client.start(account, ()).id(&queue).task_queue(&queue).await.unwrap();
        let rejected = handle.update(Account::PAY, 0u32).await.unwrap_err();
        let failure = rejected.failure().expect("it was rejected");
        assert_eq!(failure.application_type(), Some("Panic"));
        assert!(failure.message.contains("not for nothing"), "{failure}");
        assert_eq!(handle.update(Account::PAY, 1u32).await.unwrap(), 1);
        handle.signal(Account::CLOSE, ()).await.unwrap();
        handle.result().await.unwrap();
    })
    .await;
}

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
    async fn minutes(cx: WorkflowContext<Self>) -> Result<String> {
        cx.wait_until(|it| it.over).await?;
        Ok("done".to_owned())
    }

    #[update]
    async fn minutes_later(cx: WorkflowContext<Self>) -> Result<String> {
        cx.wait_until(|it| it.over).await?;
        cx.sleep(Duration::from_secs(1)).await?;
        Ok("done later".to_owned())
    }
}

#[workflow]
async fn meeting(cx: WorkflowContext<Meeting>, patient: bool) -> Result<()> {
    cx.wait_until(|it| it.over).await?;
    if patient {
        cx.wait_until(|_| cx.all_handlers_finished()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_update_that_is_ready_when_the_workflow_returns_is_answered() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("meeting"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(meeting), async {
        let handle = client.start(meeting, false).id(&queue).task_queue(&queue).await.unwrap();
        let minutes = handle.start_update(Meeting::MINUTES, (), "minutes").await.unwrap();
        handle.signal(Meeting::END, ()).await.unwrap();
        assert_eq!(minutes.result().await.unwrap(), "done");
        handle.result().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_workflow_can_wait_for_its_handlers() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("patient"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(meeting), async {
        let handle = client.start(meeting, true).id(&queue).task_queue(&queue).await.unwrap();
        let minutes = handle.start_update(Meeting::MINUTES_LATER, (), "minutes").await.unwrap();
        handle.signal(Meeting::END, ()).await.unwrap();
        handle.result().await.unwrap();
        assert_eq!(minutes.result().await.unwrap(), "done later");
    })
    .await;
}
