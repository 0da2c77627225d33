//! Workers that take whatever has no taker of its own.

use crate::{unique, with_worker};
use tenure_sdk::{Raw, prelude::*};
use tenure_sdk_testing::TestEnv;

#[derive(Default)]
struct Journal {
    lines: Vec<String>,
}

#[handlers]
impl Journal {
    #[signal(dynamic)]
    async fn noted(cx: WorkflowContext<Self>, name: String, args: Vec<Raw>) -> Result<()> {
        let first: String = args[0].read()?;
        cx.write(|journal| journal.lines.push(format!("{name}: {first}")));
        Ok(())
    }

    #[query(dynamic)]
    fn asked(&self, name: String, _args: Vec<Raw>) -> String {
        format!("{name}? {}", self.lines.len())
    }

    #[update(dynamic)]
    async fn changed(cx: WorkflowContext<Self>, name: String, args: Vec<Raw>) -> Result<String> {
        const ECHO: ActivityRef<(String,), String> = ActivityRef::new("echo");
        let first: String = args[0].read()?;
        let echoed = cx.activity(ECHO, first).await?;
        cx.write(|journal| journal.lines.push(format!("{name}: {echoed}")));
        Ok(echoed)
    }
}

#[workflow(dynamic)]
async fn journal(cx: WorkflowContext<Journal>, args: Vec<Raw>) -> Result<Vec<String>> {
    let lines: usize = args[0].read()?;
    cx.wait_until(|journal| journal.lines.len() == lines).await?;
    let first = format!("{} of {}", cx.info().workflow_type, args.len());
    Ok(cx.read(|journal| [vec![first], journal.lines.clone()].concat()))
}

struct Anyone;

#[activities]
impl Anyone {
    #[activity(dynamic)]
    async fn any(&self, cx: ActivityContext, args: Vec<Raw>) -> Result<String> {
        Ok(format!("{} {}", cx.info().activity_type, args[0].read::<String>()?))
    }
}

#[tokio::test]
async fn a_worker_takes_workflows_activities_and_messages_of_any_name() {
    const UNHEARD: WorkflowRef<(u32,), Vec<String>, Journal> = WorkflowRef::new("unheard");
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("dynamic"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(journal).activities(Anyone), async {
        let handle = client.start(UNHEARD, 2u32).id(&queue).task_queue(&queue).await.unwrap();
        handle.signal(Signal::<Journal, (String,)>::new("thing"), "one").await.unwrap();
        let asked = handle.query(Query::<Journal, (), String>::new("lines"), ()).await.unwrap();
        assert_eq!(asked, "lines? 1");
        let changed = handle.update(Update::<Journal, (String,), String>::new("change"), "two").await.unwrap();
        assert_eq!(changed, "echo two");
        assert_eq!(handle.result().await.unwrap(), ["unheard of 1", "thing: one", "change: echo two"]);
    })
    .await;
}
