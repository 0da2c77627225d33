//! Interceptors: headers go from a client through workflows to activities, and what reaches a workflow is seen.

use crate::{unique, with_worker};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tenure_sdk::{
    BoxFuture, Client, ClientCall, InboundCall, InboundKind, NextActivity, OutboundCall, Payload, WorkerInterceptor,
    prelude::*,
};
use tenure_sdk_testing::TestEnv;

const TENANT: &str = "tenant";

/// Hands the tenant on, lets only Ann send updates, and keeps what it sees.
#[derive(Clone, Default)]
struct Tenants(Arc<Mutex<Vec<String>>>);

impl Tenants {
    fn saw(&self, what: String) {
        let mut seen = self.0.lock().unwrap();
        if !seen.contains(&what) {
            seen.push(what);
        }
    }
}

impl WorkerInterceptor for Tenants {
    fn activity<'a>(&'a self, cx: &'a ActivityContext, next: NextActivity) -> BoxFuture<'a, Result<Payload, Failure>> {
        Box::pin(async move {
            if cx.info().headers.get::<String>(TENANT).is_none() {
                return Err(Failure::application("Nobody", "an activity of nobody").non_retryable());
            }
            let result = next.await;
            let info = cx.info();
            let ended = if result.is_ok() { "ends well" } else { "fails" };
            self.saw(format!("{} of {}, local: {}, {ended}", info.activity_type, info.workflow_type, info.is_local));
            result
        })
    }

    fn workflow_inbound(&self, call: &InboundCall<'_>) -> Result<()> {
        let tenant: String = call.headers.get(TENANT).unwrap_or_default();
        self.saw(format!("{:?} {} of {tenant}", call.kind, call.name));
        if call.kind == InboundKind::Update && tenant != "Ann" {
            return Err(Failure::application("Forbidden", format!("{tenant} may not")));
        }
        Ok(())
    }

    fn workflow_outbound(&self, call: &mut OutboundCall<'_>) {
        call.headers.copy_from(&call.workflow.headers, TENANT);
    }
}

#[activity]
async fn tenant(cx: ActivityContext) -> String {
    cx.info().headers.get(TENANT).unwrap_or_default()
}

#[derive(Default)]
struct Shop {
    name: String,
    closed: bool,
}

#[handlers]
impl Shop {
    #[signal]
    fn close(&mut self) {
        self.closed = true;
    }

    #[query]
    fn name(&self) -> String {
        self.name.clone()
    }

    #[update]
    fn rename(&mut self, name: String) {
        self.name = name;
    }
}

#[workflow]
async fn branch(cx: WorkflowContext) -> Result<String> {
    cx.activity(tenant, ()).await
}

#[workflow]
async fn shop(cx: WorkflowContext<Shop>, runs: u32) -> Result<Vec<String>> {
    if runs > 1 {
        return cx.continue_as_new(shop, runs - 1).finish();
    }
    cx.wait_until(|shop| shop.closed).await?;
    let (called, local) = (cx.activity(tenant, ()).await?, cx.local_activity(tenant, ()).await?);
    Ok(vec![called, local, cx.child(branch, ()).await?])
}

#[tokio::test]
async fn headers_go_from_a_client_to_the_last_activity() {
    let env = TestEnv::start().await;
    let queue = unique("tenants");
    let client_of = async |name: &'static str| {
        let tenant = move |call: &mut ClientCall<'_>| Ok(call.headers.insert(TENANT, name.to_owned())?);
        Client::builder(env.addresses().await).interceptor(tenant).connect().await.unwrap()
    };
    let (ann, bo) = (client_of("Ann").await, client_of("Bo").await);
    let tenants = Tenants::default();
    let worker = Worker::new(env.client(), &queue).workflow(shop).workflow(branch).activity(tenant);
    with_worker(&env, worker.interceptor(tenants.clone()), async {
        let handle = ann.start(shop, 2u32).id(&queue).task_queue(&queue).await.unwrap();
        // What comes before it continues as new is of the first run.
        while ann.handle(shop, &queue).describe().await.unwrap().run_id == handle.run_id() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        handle.update(Shop::RENAME, "Ann's").await.unwrap();
        let refused = bo.handle(shop, &queue).update(Shop::RENAME, "Bo's").await.unwrap_err();
        assert_eq!(refused.failure().and_then(Failure::application_type), Some("Forbidden"));
        assert_eq!(bo.handle(shop, &queue).query(Shop::NAME, ()).await.unwrap(), "Ann's");
        bo.handle(shop, &queue).signal(Shop::CLOSE, ()).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), ["Ann"; 3]);
    })
    .await;
    let seen = tenants.0.lock().unwrap().clone();
    for expected in [
        "Start shop of Ann",
        "Start branch of Ann",
        "Update rename of Ann",
        "Update rename of Bo",
        "Query name of Bo",
        "Signal close of Bo",
        "tenant of shop, local: false, ends well",
        "tenant of shop, local: true, ends well",
        "tenant of branch, local: false, ends well",
    ] {
        assert!(seen.iter().any(|it| it == expected), "{expected:?} is not in {seen:#?}");
    }
}
