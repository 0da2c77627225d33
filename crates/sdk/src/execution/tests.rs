//! Workflows driven by histories alone: no server, no clock, no threads.

mod blocks;
mod calls;
mod chance;
mod combining;
mod data;
mod dynamic;
mod ends;
mod errors;
mod handlers;
mod locals;
mod patches;
mod queries;
mod replay;
mod runs;
mod sagas;
mod scopes;
mod semaphores;
mod story;
mod threads;

use super::*;
use crate::{Replayer, prelude::*};
use std::time::{Duration, SystemTime};
use story::Story;
use tenure_api::{common::v1::ActivityType, history::v1 as events};

#[activity]
async fn greet(name: String) -> String {
    name
}

#[workflow]
async fn greeting(cx: WorkflowContext, name: String) -> Result<String> {
    // A variable may have the activity's name.
    let greet = cx.activity(greet, name).await?;
    Ok(greet)
}

#[derive(Default)]
struct Names(Vec<String>);

#[handlers]
impl Names {
    #[signal]
    fn add(&mut self, name: String) {
        self.0.push(name);
    }
}
