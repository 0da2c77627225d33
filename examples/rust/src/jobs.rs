//! Ten thousand short jobs, as a replacement for a task queue: some at once, each tried until it succeeds, and progress
//! that anybody can ask for.

use serde::{Deserialize, Serialize};
use std::{cell::Cell, time::Duration};
use tenure_sdk::prelude::*;

/// So many jobs run at the same time.
pub const AT_ONCE: usize = 100;

/// After so many jobs the workflow continues as new, so that its history stays short.
pub const JOBS_IN_A_RUN: u32 = 1000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub done: u32,
    pub all: u32,
}

#[handlers]
impl Progress {
    #[query]
    fn progress(&self) -> Progress {
        *self
    }
}

#[activity]
pub async fn job(number: u32) -> u32 {
    number
}

#[workflow]
pub async fn jobs(cx: WorkflowContext<Progress>, done: u32, all: u32) -> Result<u32> {
    *cx.state_mut() = Progress { done, all };
    let end = all.min(done + JOBS_IN_A_RUN);
    let next = Cell::new(done);
    let (lane, next) = (&cx, &next);
    // Each lane takes the next job when it has done one.
    let lanes = (0..AT_ONCE).map(|_| async move {
        while next.get() < end {
            let number = next.replace(next.get() + 1);
            lane.activity(job, number).start_to_close(Duration::from_secs(10)).await?;
            lane.state_mut().done += 1;
        }
        Ok(())
    });
    join_all(lanes).await.into_iter().collect::<Result<()>>()?;
    if end < all {
        return cx.continue_as_new(jobs, (end, all)).finish();
    }
    Ok(all)
}

pub fn worker(client: Client, task_queue: &str) -> Worker {
    Worker::new(client, task_queue).workflow(jobs).activity(job)
}
