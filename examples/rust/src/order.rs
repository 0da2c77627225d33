//! An order of food, from checkout to doorstep: the same workflow as `examples/orders.py`, with the same names, so that
//! workers and clients of either language serve the other's.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenure_sdk::{ActivityCall, ActivityDefinition, prelude::*};

/// What the customer asked for; the times are parameters so that a test need not wait for the real ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub id: String,
    pub item: String,
    pub price_cents: i64,
    pub card: String,
    pub pickup_within_s: f64,
    pub linger_s: f64,
}

impl Order {
    pub fn new(id: impl Into<String>, item: impl Into<String>, price_cents: i64) -> Self {
        let (id, item) = (id.into(), item.into());
        Order { id, item, price_cents, card: "4242".to_owned(), pickup_within_s: 60.0, linger_s: 5.0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub order_id: String,
    pub status: Status,
    pub payment: String,
    pub notifications: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    #[default]
    Created,
    Rejected,
    Declined,
    Paid,
    Refunded,
    #[serde(rename = "Picked up")]
    PickedUp,
    Delivered,
    Completed,
}

impl Status {
    /// Whether nothing more will happen.
    pub fn is_last(self) -> bool {
        matches!(self, Status::Rejected | Status::Declined | Status::Refunded | Status::Completed)
    }
}

#[derive(Default)]
pub struct Progress {
    status: Status,
    sent: Vec<String>,
}

#[handlers]
impl Progress {
    #[signal(name = "pickedUp")]
    fn picked_up(&mut self) {
        if self.status == Status::Paid {
            self.status = Status::PickedUp;
        }
    }

    #[signal]
    fn delivered(&mut self) {
        if self.status == Status::PickedUp {
            self.status = Status::Delivered;
        }
    }

    #[query(name = "getStatus")]
    fn status(&self) -> Status {
        self.status
    }
}

#[workflow(name = "Order")]
pub async fn food_order(cx: WorkflowContext<Progress>, order: Order) -> Result<Receipt> {
    if order.price_cents <= 0 {
        cx.state_mut().status = Status::Rejected;
        return Err(Failure::application("InvalidOrder", "an order needs a price").non_retryable());
    }
    let payment = charge(&cx, &order).await?;
    cx.state_mut().status = Status::Paid;

    let within = Duration::try_from_secs_f64(order.pickup_within_s)?;
    // Both signals may have come by the time this looks.
    let picked_up = |it: &Progress| matches!(it.status, Status::PickedUp | Status::Delivered);
    let lost = match cx.wait_until(picked_up).timeout(within).await {
        Ok(true) => None,
        Ok(false) => Some(Failure::application("NotPickedUp", "not picked up in time, refunded")),
        Err(cancelled) => Some(cancelled),
    };
    if let Some(failure) = lost {
        // The money goes back even if the order was cancelled.
        cx.shielded(patiently(cx.activity(Shop::REFUND_CUSTOMER, payment))).await?;
        cx.state_mut().status = Status::Refunded;
        return Err(failure);
    }

    notify(&cx, &order, "picked up").await?;
    cx.wait_until(|it| it.status == Status::Delivered).await?;
    notify(&cx, &order, "delivered").await?;
    cx.sleep(Duration::try_from_secs_f64(order.linger_s)?).await?;
    notify(&cx, &order, "how was it?").await?;

    let mut progress = cx.state_mut();
    progress.status = Status::Completed;
    Ok(Receipt { order_id: order.id, status: progress.status, payment, notifications: progress.sent.clone() })
}

async fn charge(cx: &WorkflowContext<Progress>, order: &Order) -> Result<String> {
    let charge = Charge { order_id: order.id.clone(), card: order.card.clone(), price_cents: order.price_cents };
    match patiently(cx.activity(Shop::CHARGE_CUSTOMER, charge)).await {
        Err(failure) if !failure.is_cancelled() => {
            patiently(cx.activity(Shop::RELEASE_ITEM, order.id.clone())).await?;
            cx.state_mut().status = Status::Declined;
            Err(Failure::application("PaymentFailed", "payment failed").caused_by(failure))
        }
        paid_or_cancelled => paid_or_cancelled,
    }
}

async fn notify(cx: &WorkflowContext<Progress>, order: &Order, what: &str) -> Result<()> {
    let note = Notification { order_id: order.id.clone(), text: format!("{}: {what}", order.item) };
    let sent = patiently(cx.activity(Shop::SEND_PUSH_NOTIFICATION, note)).await?;
    cx.state_mut().sent.push(sent);
    Ok(())
}

/// Again and again until it succeeds, or fails in a way that no retry cures.
fn patiently<D: ActivityDefinition>(call: ActivityCall<D>) -> ActivityCall<D> {
    let policy =
        RetryPolicy::default().initial_interval(Duration::from_millis(200)).maximum_interval(Duration::from_secs(2));
    call.start_to_close(Duration::from_secs(10)).retry(policy)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Charge {
    pub order_id: String,
    pub card: String,
    pub price_cents: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notification {
    pub order_id: String,
    pub text: String,
}

/// What the activities depend on: here a payment provider that is down at first, elsewhere a database pool.
pub struct Shop {
    pub failing_attempts: u32,
}

#[activities]
impl Shop {
    /// Declines cards that begin with 0.
    #[activity(name = "chargeCustomer")]
    async fn charge_customer(&self, cx: ActivityContext, charge: Charge) -> Result<String> {
        if charge.card.starts_with('0') {
            return Err(Failure::application("CardDeclined", "the card was declined").non_retryable());
        }
        let attempt = cx.info().attempt;
        if attempt <= self.failing_attempts {
            let message = format!("payment provider is unavailable (attempt {attempt})");
            return Err(Failure::application("ProviderDown", message));
        }
        Ok(format!("payment-{}", charge.order_id))
    }

    #[activity(name = "refundCustomer")]
    async fn refund_customer(&self, payment: String) -> String {
        format!("refund-of-{payment}")
    }

    /// Puts the item of an order that was never paid back on the shelf.
    #[activity(name = "releaseItem")]
    async fn release_item(&self, _order_id: String) {}

    #[activity(name = "sendPushNotification")]
    async fn send_push_notification(&self, notification: Notification) -> String {
        notification.text
    }
}

pub fn worker(client: Client, task_queue: &str) -> Worker {
    Worker::new(client, task_queue).workflow(food_order).activities(Shop { failing_attempts: 2 })
}
