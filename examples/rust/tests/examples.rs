//! Runs the examples against a server: a `tenure` of this checkout's build, or any at `TENURE_ADDRESS` that speaks the
//! API.

#[path = "../../../crates/sdk/tests/common/mod.rs"]
mod common;

use common::{Server, unique, with_worker};
use std::time::Duration;
use tenure_api::testservice::v1::{SleepRequest, test_service_client::TestServiceClient};
use tenure_examples::{
    self as examples,
    hello::hello,
    jobs::{JOBS_IN_A_RUN, Progress as Jobs, jobs},
    loyalty::{Account, loyalty},
    order::{Order, Progress, Receipt, Status, food_order},
    report::{Office, daily_report},
    subscription::{MONTH, Subscription, subscription},
    trip::{Agency, Trip, trip},
};
use tenure_sdk::{Client, Failure, Query, Replayer, WorkflowDefinition, WorkflowHandle};

/// A server that has just started answers before it has its first namespace.
async fn client(server: &Server) -> Client {
    let client = server.client().await;
    let nobody = client.handle(hello, "nobody");
    while nobody.describe().await.is_err_and(|error| error.to_string().contains("Namespace")) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client
}

/// Asks until the answer is the wanted one.
async fn until<W: WorkflowDefinition, R: tenure_sdk::Data + PartialEq>(
    handle: &WorkflowHandle<W>,
    query: Query<W::State, (), R>,
    wanted: impl Fn(&R) -> bool,
) {
    while !wanted(&handle.query(query, ()).await.unwrap()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a history of an example must pass: every prefix of it replays to the same commands.
async fn replays<W: WorkflowDefinition>(handle: &WorkflowHandle<W>) {
    let replayer = Replayer::new().workflow(hello).workflow(food_order).workflow(subscription).workflow(loyalty);
    let replayer = replayer.workflow(daily_report).workflow(jobs);
    replayer.workflow(trip).replay_all_prefixes(&handle.history().await.unwrap()).unwrap();
}

#[tokio::test]
async fn hello_says_hello() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (client(&server).await, unique("hello"));
    with_worker(examples::hello::worker(client.clone(), &queue), async {
        let handle = client.start(hello, "Ann").id(&queue).task_queue(&queue).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), "Hello, Ann!");
        replays(&handle).await;
    })
    .await;
}

#[tokio::test]
async fn an_order_is_paid_at_the_third_attempt_and_delivered() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (client(&server).await, unique("order"));
    with_worker(examples::order::worker(client.clone(), &queue), async {
        let pizza = Order { linger_s: 0.1, ..Order::new(&queue, "Pizza", 1250) };
        let handle = client.start(food_order, pizza).id(&queue).task_queue(&queue).await.unwrap();
        until(&handle, Progress::STATUS, |status| *status == Status::Paid).await;
        handle.signal(Progress::PICKED_UP, ()).await.unwrap();
        handle.signal(Progress::DELIVERED, ()).await.unwrap();
        let notifications = ["Pizza: picked up", "Pizza: delivered", "Pizza: how was it?"].map(str::to_owned).to_vec();
        let payment = format!("payment-{queue}");
        let receipt = Receipt { order_id: queue.clone(), status: Status::Completed, payment, notifications };
        assert_eq!(handle.result().await.unwrap(), receipt);
        assert_eq!(handle.query(Progress::STATUS, ()).await.unwrap(), Status::Completed);
        replays(&handle).await;
    })
    .await;
}

#[tokio::test]
async fn an_order_that_goes_wrong_costs_nothing() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (client(&server).await, unique("order"));
    with_worker(examples::order::worker(client.clone(), &queue), async {
        let pizza = || Order::new(unique("order"), "Pizza", 1250);
        let start = async |order: Order| {
            let start = client.start(food_order, order.clone()).id(&order.id).task_queue(&queue);
            start.await.unwrap()
        };
        let ends = async |handle: &WorkflowHandle<food_order>, kind: &str, status: Status| {
            let failed = handle.result().await.unwrap_err();
            assert_eq!(failed.failure().and_then(Failure::application_type), Some(kind), "{failed}");
            assert_eq!(handle.query(Progress::STATUS, ()).await.unwrap(), status);
            replays(handle).await;
        };
        let free = start(Order { price_cents: 0, ..pizza() }).await;
        ends(&free, "InvalidOrder", Status::Rejected).await;
        let declined = start(Order { card: "0000".to_owned(), ..pizza() }).await;
        ends(&declined, "PaymentFailed", Status::Declined).await;
        let forgotten = start(Order { pickup_within_s: 0.2, ..pizza() }).await;
        ends(&forgotten, "NotPickedUp", Status::Refunded).await;

        let cancelled = start(pizza()).await;
        until(&cancelled, Progress::STATUS, |status| *status == Status::Paid).await;
        cancelled.cancel().await.unwrap();
        let failed = cancelled.result().await.unwrap_err();
        assert!(failed.failure().is_some_and(Failure::is_cancelled), "{failed}");
        assert_eq!(cancelled.query(Progress::STATUS, ()).await.unwrap(), Status::Refunded);
        replays(&cancelled).await;
    })
    .await;
}

/// Lets the server's time pass at once; `false` if the server cannot.
async fn skip(server: &Server, time: Duration) -> bool {
    let mut service = TestServiceClient::connect(format!("http://{}", server.address)).await.unwrap();
    let request = SleepRequest { duration: Some(time.try_into().unwrap()) };
    match service.unlock_time_skipping_with_sleep(request).await {
        Ok(_) => true,
        Err(status) if status.code() == tonic::Code::Unimplemented => false,
        Err(status) => panic!("{status}"),
    }
}

#[tokio::test]
async fn a_subscription_is_charged_every_month() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (client(&server).await, unique("subscription"));
    with_worker(examples::subscription::worker(client.clone(), &queue), async {
        let start = client.start(subscription, ("Ann".to_owned(), 999)).id(&queue);
        let handle = start.task_queue(&queue).await.unwrap();
        until(&handle, Subscription::CHARGES, |charges| *charges == 1).await;
        assert_eq!(handle.update(Subscription::CHANGE_AMOUNT, 1299).await.unwrap(), 999);
        let refused = handle.update(Subscription::CHANGE_AMOUNT, 0).await.unwrap_err();
        assert_eq!(refused.failure().and_then(Failure::application_type), Some("InvalidAmount"));
        let months = if skip(&server, MONTH * 5 / 2).await { 2 } else { 0 };
        assert_eq!(handle.query(Subscription::CHARGES, ()).await.unwrap(), 1 + months);
        handle.signal(Subscription::END, ()).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), 999 + 1299 * u64::from(months));
        replays(&handle).await;
    })
    .await;
}

#[tokio::test]
async fn a_loyal_customer_gets_coupons_for_ever() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (client(&server).await, unique("loyalty"));
    with_worker(examples::loyalty::worker(client.clone(), &queue), async {
        let first = client.start(loyalty, Account::new("Ann")).id(&queue).task_queue(&queue).await.unwrap();
        let handle = client.handle(loyalty, &queue);
        for _ in 0..120 {
            handle.signal(Account::ADD_POINTS, 2).await.unwrap();
        }
        let expected = |account: &Account| (account.points, account.coupons) == (40, 2);
        until(&handle, Account::ACCOUNT, expected).await;
        assert_ne!(handle.describe().await.unwrap().run_id, first.run_id());
        replays(&client.handle(loyalty, &queue).run(first.run_id())).await;
        replays(&handle).await;
        handle.terminate("the test ends").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_trip_is_booked_wholly_or_undone_in_reverse_order() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (client(&server).await, unique("trip"));
    let agency = Agency::default();
    with_worker(examples::trip::worker(client.clone(), &queue, agency.clone()), async {
        let start = async |to: &str| client.start(trip, to).id(unique("trip")).task_queue(&queue).await.unwrap();
        let since = |before: &[String]| agency.journal()[before.len()..].join(", ");

        let before = agency.journal();
        let lisbon = start("Lisbon").await;
        lisbon.signal(Trip::CONFIRM, ()).await.unwrap();
        assert_eq!(lisbon.result().await.unwrap().len(), 3);
        assert_eq!(since(&before), "booked hotel, booked car, booked flight");
        replays(&lisbon).await;

        let before = agency.journal();
        let atlantis = start("Atlantis").await;
        let failed = atlantis.result().await.unwrap_err();
        assert_eq!(failed.failure().and_then(Failure::application_type), Some("NoFlights"));
        assert_eq!(since(&before), "booked hotel, booked car, cancelled flight, cancelled car, cancelled hotel");
        replays(&atlantis).await;

        let before = agency.journal();
        let cancelled = start("Lisbon").await;
        until(&cancelled, Trip::BOOKED, |booked| *booked == 3).await;
        cancelled.cancel().await.unwrap();
        let failed = cancelled.result().await.unwrap_err();
        assert!(failed.failure().is_some_and(Failure::is_cancelled), "{failed}");
        let undone = "booked hotel, booked car, booked flight, cancelled flight, cancelled car, cancelled hotel";
        assert_eq!(since(&before), undone);
        replays(&cancelled).await;
    })
    .await;
}

#[tokio::test]
async fn a_report_builds_on_the_one_before() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (client(&server).await, unique("report"));
    let office = Office::default();
    with_worker(examples::report::worker(client.clone(), &queue, office.clone()), async {
        let start = client.start(daily_report, "Bakery").id(&queue).task_queue(&queue);
        let first = start.cron("@every 1s").await.unwrap();
        while office.sent().len() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        client.handle(daily_report, &queue).terminate("the test ends").await.unwrap();
        let numbers: Vec<_> = office.sent().iter().map(|report| (report.number, report.total)).collect();
        assert_eq!(numbers[..3], [(1, 6), (2, 12), (3, 18)]);
        replays(&first).await;
    })
    .await;
}

#[tokio::test]
async fn many_jobs_run_each_once_over_several_runs() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (client(&server).await, unique("jobs"));
    with_worker(examples::jobs::worker(client.clone(), &queue), async {
        let all = JOBS_IN_A_RUN + 10;
        let first = client.start(jobs, (0, all)).id(&queue).task_queue(&queue).await.unwrap();
        assert_eq!(first.result().await.unwrap(), all);
        let last = client.handle(jobs, &queue);
        assert_eq!(last.query(Jobs::PROGRESS, ()).await.unwrap(), Jobs { done: all, all });
        replays(&last).await;
    })
    .await;
}
