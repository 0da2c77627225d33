//! A restaurant on the web: a menu page, a driver's page, and the worker behind them.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{
        Html, IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use clap::Parser;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, error::Error, net::SocketAddr, sync::Arc, time::Duration};
use tenure_examples::{
    connect,
    order::{Progress, Status, food_order},
    restaurant::{MENU, Restaurant, Ticket, restaurant, worker},
};
use tenure_sdk::{Client, ClientError, WorkflowHandle, WorkflowIdConflictPolicy};
use tokio::sync::{Notify, watch};
use tokio_stream::{Stream, StreamExt, wrappers::WatchStream};

#[derive(Parser)]
#[command(about = "A restaurant on the web: a menu page, a driver's page, and the worker behind them")]
struct Options {
    /// Where the pages are served; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Workflow id of the restaurant, and beginning of its orders' ids
    #[arg(long, default_value = "trattoria")]
    name: String,
    #[arg(long, default_value = "food")]
    task_queue: String,
    /// Seconds that a paid order waits for a driver before it is refunded
    #[arg(long, default_value_t = 300.0)]
    pickup_within: f64,
    /// Seconds between the delivery and the question how it was
    #[arg(long, default_value_t = 5.0)]
    linger: f64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let client = connect().await?;
    let opening = Restaurant::new(options.pickup_within, options.linger);
    let start = client.start(restaurant, opening).id(&options.name).task_queue(&options.task_queue);
    // It may be open already: pages come and go, the restaurant stays.
    start.conflict(WorkflowIdConflictPolicy::UseExisting).await?;

    let counter = Arc::new(Counter {
        restaurant: client.handle(restaurant, &options.name),
        client: client.clone(),
        orders: watch::Sender::default(),
        changed: Notify::new(),
    });
    tokio::spawn(look(counter.clone()));
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    println!("menu: http://{address}/  drivers: http://{address}/driver");
    tokio::select! {
        // Until SIGTERM or Ctrl-C; the pages are there as long as the worker is.
        drained = worker(client, &options.task_queue).run() => Ok(drained?),
        served = axum::serve(listener, routes(counter)).into_future() => Ok(served?),
    }
}

fn routes(counter: Arc<Counter>) -> Router {
    let text =
        |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    Router::new()
        .route("/", get(Html(include_str!("../../pages/menu.html"))))
        .route("/driver", get(Html(include_str!("../../pages/driver.html"))))
        .route("/style.css", text("text/css", include_str!("../../pages/style.css")))
        .route("/live.js", text("text/javascript", include_str!("../../pages/live.js")))
        .route("/menu", get(Json(MENU)))
        .route("/orders", post(order))
        .route("/orders/{id}/{step}", post(step))
        .route("/events", get(events))
        .with_state(counter)
}

/// What the pages show of an order.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Order {
    #[serde(flatten)]
    ticket: Ticket,
    status: Status,
}

/// What the pages' requests share.
struct Counter {
    client: Client,
    restaurant: WorkflowHandle<restaurant>,
    /// As they were when they were looked at last, newest first.
    orders: watch::Sender<Vec<Order>>,
    /// Somebody pressed a button: worth a look.
    changed: Notify,
}

#[derive(Deserialize)]
struct Wish {
    dish: String,
}

async fn order(State(counter): State<Arc<Counter>>, Json(wish): Json<Wish>) -> Result<Json<Ticket>, Refusal> {
    let ticket = counter.restaurant.update(Restaurant::ORDER, wish.dish).await?;
    counter.changed.notify_one();
    Ok(Json(ticket))
}

async fn step(
    State(counter): State<Arc<Counter>>,
    Path((id, step)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let order = counter.client.handle(food_order, id);
    match step.as_str() {
        "pick-up" => order.signal(Progress::PICKED_UP, ()).await?,
        "deliver" => order.signal(Progress::DELIVERED, ()).await?,
        _ => return Ok(StatusCode::NOT_FOUND),
    }
    counter.changed.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// All orders, again whenever something has changed.
async fn events(State(counter): State<Arc<Counter>>) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let orders = WatchStream::new(counter.orders.subscribe());
    counter.changed.notify_one();
    Sse::new(orders.map(|orders| Event::default().json_data(orders))).keep_alive(KeepAlive::default())
}

/// Asks for the state of all orders, as long as there is somebody to tell.
async fn look(counter: Arc<Counter>) {
    let mut ended = BTreeMap::new();
    loop {
        if counter.orders.receiver_count() == 0 {
            counter.changed.notified().await;
        }
        match counter.look(&mut ended).await {
            Ok(orders) => {
                counter.orders.send_if_modified(|known| std::mem::replace(known, orders.clone()) != orders);
            }
            Err(error) => tracing::warn!(%error, "the orders cannot be seen"),
        }
        let _ = tokio::time::timeout(Duration::from_millis(300), counter.changed.notified()).await;
    }
}

impl Counter {
    /// `ended` are those that need not be asked again.
    async fn look(&self, ended: &mut BTreeMap<String, Order>) -> Result<Vec<Order>, ClientError> {
        let tickets = self.restaurant.query(Restaurant::TICKETS, ()).await?;
        ended.retain(|id, _| tickets.iter().any(|ticket| ticket.id == *id));
        let mut orders = Vec::new();
        for ticket in tickets {
            let order = match ended.get(&ticket.id) {
                Some(order) => order.clone(),
                None => {
                    let status = self.client.handle(food_order, &ticket.id).query(Progress::STATUS, ()).await?;
                    Order { ticket, status }
                }
            };
            if order.status.is_last() {
                ended.insert(order.ticket.id.clone(), order.clone());
            }
            orders.push(order);
        }
        Ok(orders)
    }
}

/// What a page is told when something cannot be done.
struct Refusal(ClientError);

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Refusal(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(error) = self;
        let status = match &error {
            ClientError::UpdateFailed(_) => StatusCode::UNPROCESSABLE_ENTITY,
            error if error.is_not_found() => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_GATEWAY,
        };
        let why = error.failure().map_or_else(|| error.to_string(), |failure| failure.message.clone());
        (status, why).into_response()
    }
}
