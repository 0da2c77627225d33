//! A restaurant: one workflow that takes orders for ever and starts a workflow for each. The program `food` gives it a
//! page with the menu and a page for drivers.

use crate::order::{Order, food_order};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tenure_sdk::{ParentClosePolicy, prelude::*};

/// After so many orders a run continues as new.
pub const ORDERS_IN_A_RUN: u32 = 100;

/// So many orders are remembered.
pub const REMEMBERED: usize = 30;

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Dish {
    pub name: &'static str,
    pub about: &'static str,
    pub price_cents: i64,
}

pub const MENU: [Dish; 4] = [
    Dish { name: "Pizza Margherita", about: "Tomato, mozzarella, basil", price_cents: 1250 },
    Dish { name: "Ravioli", about: "Ricotta and spinach, sage butter", price_cents: 1480 },
    Dish { name: "Caprese", about: "Tomato, buffalo mozzarella, olive oil", price_cents: 920 },
    Dish { name: "Tiramisu", about: "Mascarpone, espresso, cocoa", price_cents: 680 },
];

/// What the customer gets, and the drivers see; its id is the order's workflow id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    pub id: String,
    pub dish: String,
    pub price_cents: i64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Restaurant {
    /// How long a paid order waits for a driver.
    pub pickup_within_s: f64,
    /// How long after the delivery the customer is asked.
    pub linger_s: f64,
    /// Orders so far, in all runs.
    taken: u32,
    /// The last ones, newest first.
    tickets: VecDeque<Ticket>,
    #[serde(skip)]
    here: Here,
}

/// What is known of this run only.
#[derive(Clone, Debug, Default)]
struct Here {
    taken: u32,
    being_taken: u32,
}

#[handlers]
impl Restaurant {
    /// Answers when the order's workflow has started.
    #[update(validate = is_on_the_menu)]
    async fn order(cx: WorkflowContext<Self>, dish: String) -> Result<Ticket> {
        let order = cx.state_mut().take(&cx.info().workflow_id, &dish)?;
        let ticket = Ticket { id: order.id.clone(), dish, price_cents: order.price_cents };
        let cooking = cx.child(food_order, order).id(&ticket.id).parent_close(ParentClosePolicy::Abandon);
        let started = cooking.start().await;
        cx.state_mut().taken(started.is_ok().then(|| ticket.clone()));
        started.map(|_| ticket)
    }

    fn is_on_the_menu(&self, dish: &str) -> Result<()> {
        dish_called(dish).map(|_| ())
    }

    /// The last orders, newest first.
    #[query]
    fn tickets(&self) -> Vec<Ticket> {
        self.tickets.iter().cloned().collect()
    }
}

impl Restaurant {
    pub fn new(pickup_within_s: f64, linger_s: f64) -> Self {
        Restaurant { pickup_within_s, linger_s, ..Default::default() }
    }

    fn take(&mut self, prefix: &str, dish: &str) -> Result<Order> {
        let price_cents = dish_called(dish)?.price_cents;
        self.taken += 1;
        self.here.taken += 1;
        self.here.being_taken += 1;
        let (pickup_within_s, linger_s) = (self.pickup_within_s, self.linger_s);
        let id = format!("{prefix}-{}", self.taken);
        Ok(Order { pickup_within_s, linger_s, ..Order::new(id, dish, price_cents) })
    }

    fn taken(&mut self, ticket: Option<Ticket>) {
        self.here.being_taken -= 1;
        if let Some(ticket) = ticket {
            self.tickets.push_front(ticket);
            self.tickets.truncate(REMEMBERED);
        }
    }
}

fn dish_called(name: &str) -> Result<Dish> {
    let found = MENU.iter().find(|dish| dish.name == name).copied();
    found.ok_or_else(|| Failure::application("NotOnTheMenu", format!("{name:?} is not on the menu")))
}

#[workflow]
pub async fn restaurant(cx: WorkflowContext<Restaurant>, yesterday: Restaurant) -> Result<()> {
    *cx.state_mut() = yesterday;
    // No order is left half taken when the run ends.
    cx.wait_until(|it| it.here.taken >= ORDERS_IN_A_RUN && it.here.being_taken == 0).await?;
    let today = cx.state().clone();
    cx.continue_as_new(restaurant, today).finish()
}

pub fn worker(client: Client, task_queue: &str) -> Worker {
    crate::order::worker(client, task_queue).workflow(restaurant)
}
