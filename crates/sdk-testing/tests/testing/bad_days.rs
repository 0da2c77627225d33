//! What goes wrong on a bad day, and that it harms nothing else. `TENURE_TEST_ADDRESS` may name any server that speaks
//! the API.

use crate::{unique, with_worker};
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
