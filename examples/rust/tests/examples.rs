//! Runs the examples on a server in the test's process, or at `TENURE_TEST_ADDRESS`: any that speaks the API.

use std::time::Duration;
use tenure_examples::{
    self as examples,
    backup::{Copied, Disk, copy},
    hello::hello,
    jobs::{JOBS_IN_A_RUN, Progress as Jobs, jobs},
    loyalty::{Account, loyalty},
    nightly::every_working_day,
    order::{Order, Progress, Receipt, Status, food_order},
    report::{Office, daily_report},
    subscription::{MONTH, Subscription, charge, subscription},
    trip::{Agency, Trip, trip},
};
use tenure_sdk::{
    Failure, Query, Replayer, Worker, WorkflowDefinition, WorkflowHandle, attributes, testing::ActivityEnv,
};
use tenure_sdk_testing::TestEnv;

/// A queue or workflow id of this test alone: the server may be somebody else's.
fn unique(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4())
}

/// Runs a worker beside a story.
async fn with_worker(env: &TestEnv, worker: Worker, story: impl Future<Output = ()>) {
    env.run(worker);
    tokio::time::timeout(Duration::from_secs(120), story).await.expect("the story ends in time");
}

/// Asks until the answer is the wanted one.
async fn until<W: WorkflowDefinition, R: tenure_sdk::Data + PartialEq>(
    handle: &WorkflowHandle<W>,
    query: Query<W::State, (), R>,
    wanted: impl Fn(&R) -> bool,
) {
    loop {
        match handle.query(query, ()).await {
            Ok(answer) if wanted(&answer) => return,
            Ok(_) => {}
            // Runs that follow one another too fast are slowed down.
            Err(error) if error.is_not_ready() => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn hello_says_hello() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("hello"));
    with_worker(&env, examples::hello::worker(client.clone(), &queue), async {
        let handle = client.start(hello, "Ann").id(&queue).task_queue(&queue).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), "Hello, Ann!");
    })
    .await;
}

#[tokio::test]
async fn an_order_is_paid_at_the_third_attempt_and_delivered() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("order"));
    with_worker(&env, examples::order::worker(client.clone(), &queue), async {
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
    })
    .await;
}

#[tokio::test]
async fn an_order_that_goes_wrong_costs_nothing() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("order"));
    with_worker(&env, examples::order::worker(client.clone(), &queue), async {
        let pizza = || Order::new(unique("order"), "Pizza", 1250);
        let start = async |order: Order| {
            let start = client.start(food_order, order.clone()).id(&order.id).task_queue(&queue);
            start.await.unwrap()
        };
        let ends = async |handle: &WorkflowHandle<food_order>, kind: &str, status: Status| {
            let failed = handle.result().await.unwrap_err();
            assert_eq!(failed.failure().and_then(Failure::application_type), Some(kind), "{failed}");
            assert_eq!(handle.query(Progress::STATUS, ()).await.unwrap(), status);
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
    })
    .await;
}

#[tokio::test]
async fn the_kitchen_closes_and_its_orders_are_cancelled() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("kitchen"));
    with_worker(&env, examples::order::worker(client.clone(), &queue), async {
        let mut orders = Vec::new();
        for n in 0..3 {
            let pizza = Order::new(format!("{queue}-{n}"), "Pizza", 1250);
            let start = client.start(food_order, pizza.clone()).id(&pizza.id).task_queue(&queue);
            orders.push(start.await.unwrap());
        }
        let ours = attributes::WORKFLOW_ID.starts_with(&queue);
        // Other servers list what was started some time later.
        while client.count(ours.clone()).await.unwrap() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(examples::kitchen::close(&client, &queue).await.unwrap(), 3);
        for order in orders {
            let failed = order.result().await.unwrap_err();
            assert!(failed.failure().is_some_and(Failure::is_cancelled), "{failed}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_subscription_is_charged_every_month() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("subscription"));
    with_worker(&env, examples::subscription::worker(client.clone(), &queue), async {
        let start = client.start(subscription, ("Ann".to_owned(), 999)).id(&queue);
        let handle = start.task_queue(&queue).await.unwrap();
        until(&handle, Subscription::CHARGES, |charges| *charges == 1).await;
        assert_eq!(handle.update(Subscription::CHANGE_AMOUNT, 1299).await.unwrap(), 999);
        let refused = handle.update(Subscription::CHANGE_AMOUNT, 0).await.unwrap_err();
        assert_eq!(refused.failure().and_then(Failure::application_type), Some("InvalidAmount"));
        let months = if env.skips_time().await { 2 } else { 0 };
        if months > 0 {
            env.sleep(MONTH * 5 / 2).await;
        }
        assert_eq!(handle.query(Subscription::CHARGES, ()).await.unwrap(), 1 + months);
        handle.signal(Subscription::END, ()).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), 999 + 1299 * u64::from(months));
    })
    .await;
}

#[tokio::test]
async fn a_month_passes_at_once_and_the_bank_is_down_twice() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("billing"));
    let worker = env
        .worker(examples::subscription::worker(client.clone(), &queue))
        .mock(charge, |(_customer, cents)| Ok(cents / 2))
        .fail(charge, 2, Failure::application("BankDown", "try again"))
        .start();

    let start = client.start(subscription, ("Ann".to_owned(), 1000)).id(&queue).task_queue(&queue);
    let handle = start.await.unwrap();
    env.sleep(Duration::from_secs(10)).await;
    assert_eq!(handle.query(Subscription::CHARGES, ()).await.unwrap(), 1);
    assert_eq!(worker.attempts(charge), 3);
    handle.signal(Subscription::END, ()).await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 500);
}

#[tokio::test]
async fn an_order_outlives_the_leader_of_its_shard() {
    let env = TestEnv::cluster().await;
    let client = env.client();
    env.run(examples::order::worker(client.clone(), "orders"));

    let pizza = Order { linger_s: 0.1, ..Order::new("order-1", "Pizza", 1250) };
    let handle = client.start(food_order, pizza).id("order-1").task_queue("orders").await.unwrap();
    until(&handle, Progress::STATUS, |status| *status == Status::Paid).await;
    let killed = env.kill_leader_of(&handle).await;
    handle.signal(Progress::PICKED_UP, ()).await.unwrap();
    handle.signal(Progress::DELIVERED, ()).await.unwrap();
    assert_eq!(handle.result().await.unwrap().status, Status::Completed);
    env.restart(killed).await;
}

#[tokio::test]
async fn a_loyal_customer_gets_coupons_for_ever() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("loyalty"));
    with_worker(&env, examples::loyalty::worker(client.clone(), &queue), async {
        let first = client.start(loyalty, Account::new("Ann")).id(&queue).task_queue(&queue).await.unwrap();
        let handle = client.handle(loyalty, &queue);
        for _ in 0..120 {
            handle.signal(Account::ADD_POINTS, 2).await.unwrap();
        }
        let expected = |account: &Account| (account.points, account.coupons) == (40, 2);
        until(&handle, Account::ACCOUNT, expected).await;
        assert_ne!(handle.describe().await.unwrap().run_id, first.run_id());
        handle.terminate("the test ends").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_trip_is_booked_wholly_or_undone_in_reverse_order() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("trip"));
    let agency = Agency::default();
    with_worker(&env, examples::trip::worker(client.clone(), &queue, agency.clone()), async {
        let start = async |to: &str| client.start(trip, to).id(unique("trip")).task_queue(&queue).await.unwrap();
        let since = |before: &[String]| agency.journal()[before.len()..].join(", ");

        let before = agency.journal();
        let lisbon = start("Lisbon").await;
        lisbon.signal(Trip::CONFIRM, ()).await.unwrap();
        assert_eq!(lisbon.result().await.unwrap().len(), 3);
        assert_eq!(since(&before), "booked hotel, booked car, booked flight");

        let before = agency.journal();
        let atlantis = start("Atlantis").await;
        let failed = atlantis.result().await.unwrap_err();
        assert_eq!(failed.failure().and_then(Failure::application_type), Some("NoFlights"));
        assert_eq!(since(&before), "booked hotel, booked car, cancelled flight, cancelled car, cancelled hotel");

        let before = agency.journal();
        let cancelled = start("Lisbon").await;
        until(&cancelled, Trip::BOOKED, |booked| *booked == 3).await;
        cancelled.cancel().await.unwrap();
        let failed = cancelled.result().await.unwrap_err();
        assert!(failed.failure().is_some_and(Failure::is_cancelled), "{failed}");
        let undone = "booked hotel, booked car, booked flight, cancelled flight, cancelled car, cancelled hotel";
        assert_eq!(since(&before), undone);
    })
    .await;
}

#[tokio::test]
async fn a_report_builds_on_the_one_before() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("report"));
    let office = Office::default();
    with_worker(&env, examples::report::worker(client.clone(), &queue, office.clone()), async {
        let start = client.start(daily_report, "Bakery").id(&queue).task_queue(&queue);
        start.cron("@every 1s").await.unwrap();
        while office.sent().len() < 3 {
            env.sleep(Duration::from_millis(500)).await;
        }
        client.handle(daily_report, &queue).terminate("the test ends").await.unwrap();
        let numbers: Vec<_> = office.sent().iter().map(|report| (report.number, report.total)).collect();
        assert_eq!(numbers[..3], [(1, 6), (2, 12), (3, 18)]);
    })
    .await;
}

#[tokio::test]
async fn each_working_day_has_its_report() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("nightly"));
    let office = Office::default();
    with_worker(&env, examples::report::worker(client.clone(), &queue, office.clone()), async {
        let schedule = every_working_day(&client, &queue, &queue).await.unwrap();
        let (now, fortnight) = (env.now(), Duration::from_secs(14 * 24 * 3600));
        let evenings = schedule.matching_times(now, now + fortnight).await.unwrap();
        assert!((8..=10).contains(&evenings.len()), "{evenings:?}");
        if env.skips_time().await {
            env.sleep(fortnight).await;
            assert_eq!(office.sent().len(), evenings.len());
            assert_eq!(schedule.describe().await.unwrap().actions, evenings.len() as u64);
        }
        schedule.delete().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn many_jobs_run_each_once_over_several_runs() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("jobs"));
    with_worker(&env, examples::jobs::worker(client.clone(), &queue), async {
        let all = JOBS_IN_A_RUN + 10;
        let first = client.start(jobs, (0, all)).id(&queue).task_queue(&queue).await.unwrap();
        assert_eq!(first.result().await.unwrap(), all);
        let last = client.handle(jobs, &queue);
        assert_eq!(last.query(Jobs::PROGRESS, ()).await.unwrap(), Jobs { done: all, all });
    })
    .await;
}

#[tokio::test]
async fn a_copy_goes_on_where_the_last_attempt_stood() {
    let disk = Disk { parts: 10, ms_for_a_part: 1 };
    let env = ActivityEnv::new().attempt(2).last_heartbeat(Copied::from([(1, 7)]));
    assert_eq!(env.run(copy, disk.clone()).await.unwrap(), Copied::from([(1, 7), (2, 3)]));
    assert_eq!(env.heartbeats::<Copied>().len(), 3);

    let env = ActivityEnv::new().cancel_at_heartbeat(4);
    assert!(env.run(copy, disk).await.unwrap_err().is_cancelled());
}

#[test]
fn recorded_histories_replay() {
    let replayer = Replayer::new().workflow(food_order).workflow(subscription);
    replayer.replay_dir("tests/histories").unwrap();
}
