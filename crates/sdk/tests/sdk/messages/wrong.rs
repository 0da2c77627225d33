//! What does not compile. `//~` says what the message of an error on this line must contain, `//~|` what else.

#![allow(unused)]

use std::{rc::Rc, time::Duration};
use tenure_sdk::prelude::*;

#[derive(Default)]
struct State;

#[handlers]
impl State {
    #[signal]
    fn rename(&mut self, name: String) {}

    #[query]
    fn length(&self) -> usize {
        0
    }

    #[update]
    fn tip(&mut self, cents: u64, from: String) {}
}

#[derive(Default)]
struct Other;

#[handlers]
impl Other {
    #[signal]
    fn ping(&mut self) {}
}

#[activity]
async fn greet(name: String) -> String {
    name
}

struct Payments;

#[activities]
impl Payments {
    #[activity]
    async fn charge(&self, cents: u64) {}
}

#[workflow]
async fn hello(cx: WorkflowContext<State>, name: String) -> Result<String> {
    cx.activity(greet, name).await
}

async fn plain(cx: WorkflowContext, name: String) -> Result<String> {
    Ok(name)
}

async fn starts(client: Client) -> Result<(), ClientError> {
    client.start(hello, 5); //~ the arguments are `(String,)`, not `{integer}`
    //~| nothing is given as `()`, one argument as itself, several as a tuple
    client.start(hello, ("a", "b")); //~ the arguments are `(String,)`, not `(&str, &str)`
    client.start(hello, ()); //~ the arguments are `(String,)`, not `()`
    client.start(plain, "Ann"); //~ is not a workflow
    //~| put `#[workflow]` on the function, or name one of another program with `WorkflowRef`
    client.start(greet, "Ann"); //~ is not a workflow
    let handle = client.start(hello, "Ann").await?;
    handle.signal(State::RENAME, 5).await?; //~ the arguments are `(String,)`, not `{integer}`
    handle.signal(Other::PING, ()).await?; //~ workflows with the state `State` have no handlers of `Other`
    handle.signal(State::LENGTH, ()).await?; //~ expected `Signal<_, _>`, found `Query<State, (), usize>`
    handle.update(State::TIP, (5u64, 6u64)).await?; //~ the arguments are `(u64, String)`, not `(u64, u64)`
    handle.update(State::TIP, (5, "Ann")).await?;
    const RENAMED: Signal<State, String> = Signal::new("renamed");
    handle.signal(RENAMED, "Ann").await?; //~ `String` is no list of arguments
    //~| arguments are a tuple: `(String,)` for one
    let length: String = handle.query(State::LENGTH, ()).await?; //~ expected `String`, found `usize`
    Ok(())
}

async fn calls(cx: WorkflowContext<State>) -> Result<()> {
    cx.activity(greet, 5).await?; //~ the arguments are `(String,)`, not `{integer}`
    cx.activity(plain, "Ann").await?; //~ is not an activity
    //~| put `#[activity]` on the function, or name one of another program with `ActivityRef`
    cx.activity(Payments::charge, 5).await?; //~ is not an activity
    //~| `Payments::CHARGE` for `charge`
    let greeting: u32 = cx.activity(greet, "Ann").await?; //~ expected `u32`, found `String`
    greet("Ann"); //~ this function takes 0 arguments but 1 argument was supplied
    cx.wait_until(|state: &Other| true).await?; //~ type mismatch in closure arguments
    cx.child(hello, 5).await?; //~ the arguments are `(String,)`, not `{integer}`
    cx.continue_as_new(greet, "Ann").finish() //~ is not a workflow
}

struct Unwritable;

fn one_way(cx: ActivityContext, client: Client) {
    cx.heartbeat("half of it");
    let _ = client.start(hello, "Ann").memo("owner", "Bo");
    let _ = Failure::msg("late").detail("by an hour");
    cx.heartbeat(Unwritable); //~ `Unwritable` cannot be written as a payload
    //~| derive `serde::Serialize` for it
}

fn workers(client: Client) {
    const ELSEWHERE: WorkflowRef<(), ()> = WorkflowRef::new("elsewhere");
    const ADD: ActivityRef<(i64, i64), i64> = ActivityRef::new("add");
    Worker::new(client.clone(), "q").workflow(ELSEWHERE); //~ is a workflow whose code is not here
    Worker::new(client.clone(), "q").workflow(plain); //~ is not a workflow
    Worker::new(client.clone(), "q").activity(ADD); //~ is an activity whose code is not here
    Worker::new(client, "q").activity(Payments::CHARGE); //~ is an activity whose code is not here
    //~| `.activities(Payments { .. })`
}

struct Opaque;

#[activity]
async fn takes_opaque(it: Opaque) {} //~ `Opaque` cannot travel between workflows, activities and clients
//~| derive `serde::Serialize` and `serde::Deserialize` for it

#[workflow]
async fn gives_opaque(cx: WorkflowContext) -> Result<Opaque> { //~ `Opaque` cannot travel between
    Ok(Opaque)
}

#[derive(Default)]
struct NoState;

#[workflow] //~ `NoState` is not the state of a workflow
//~| derive `Default` for it and put `#[handlers]` on its `impl`
async fn without_state(cx: WorkflowContext<NoState>) -> Result<()> {
    Ok(())
}

struct NoDefault;

#[handlers]
impl NoDefault {
    #[query]
    fn count(&self) -> u64 {
        0
    }
}

#[workflow]
async fn without_default(cx: WorkflowContext<NoDefault>) -> Result<()> { //~ nothing says how the state `NoDefault` is made
    //~| `#[workflow(init = NoDefault::new)]`
    Ok(())
}

#[activity] //~ future cannot be sent between threads safely
async fn keeps_rc() {
    let shared = Rc::new(5);
    std::future::pending::<()>().await;
    drop(shared);
}

#[derive(Default)]
struct Checked;

#[handlers]
impl Checked {
    #[update(validate = missing)] //~ no method named `missing` found for reference `&Checked`
    fn set(&mut self, to: u64) {}
}

#[derive(Default)]
struct Refused;

#[handlers]
impl Refused {
    #[query]
    fn read(&mut self) -> u64 { //~ a query takes `&self`: it changes nothing
        0
    }
}

// No message of its own.
#[workflow]
async fn refused(cx: WorkflowContext<Refused>) -> Result<()> {
    Ok(())
}
