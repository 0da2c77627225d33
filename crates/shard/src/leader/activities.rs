//! Reading activities without a workflow, and waiting for what becomes of them.

use crate::{
    leader::{context::LeaderContext, waiters::Waiters},
    seam::error::CommandError,
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::sync::Arc;
use tenure_engine::{
    Lane, Subject, codec,
    standalone::{self, StandaloneState},
};
use tokio::time::Instant;
use uuid::Uuid;

/// A run of an activity, and what is waited for.
#[derive(Clone, Debug)]
pub struct ActivityRequest {
    pub lane: Lane,
    /// The latest run where there is none.
    pub run_id: Option<Uuid>,
    pub until: Until,
    /// The caller's deadline.
    pub deadline: Instant,
    /// When the request came from its caller, whichever leaders it has waited at.
    pub arrived: Instant,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Nothing.
    Now,
    /// More has become of the run than this.
    After(i64),
    /// The run has ended.
    Ended,
}

/// A run that was found.
#[derive(Clone, Debug)]
pub struct FoundActivity {
    pub run: Subject,
    pub state: StandaloneState,
}

/// What a caller knows of a run who waits for more; the content of a long-poll token.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KnownActivity {
    #[n(0)]
    pub(crate) run: Subject,
    /// What had become of the run, counted.
    #[n(1)]
    pub transitions: i64,
}

impl KnownActivity {
    pub fn of(run: &Subject, state: &StandaloneState) -> KnownActivity {
        KnownActivity { run: run.clone(), transitions: state.transitions }
    }

    pub fn is_of(&self, run: &Subject) -> bool {
        self.run == *run
    }

    pub fn encode(&self) -> Bytes {
        codec::encode(self)
    }

    /// `None` for bytes that are no token of ours.
    pub fn decode(bytes: &[u8]) -> Option<KnownActivity> {
        codec::decode(bytes).ok()
    }
}

/// The activities of one leader.
pub(crate) struct Activities {
    context: Arc<LeaderContext>,
    waiters: Arc<Waiters>,
}

impl Activities {
    pub(crate) fn new(context: Arc<LeaderContext>, waiters: Arc<Waiters>) -> Activities {
        Activities { context, waiters }
    }

    pub(crate) async fn find(&self, request: ActivityRequest) -> Result<Option<FoundActivity>, CommandError> {
        self.context.barrier().await?;
        let mut found = self.read(&request.lane, request.run_id)?;
        let come = |state: &StandaloneState| match request.until {
            Until::Now => true,
            Until::After(known) => state.transitions > known,
            Until::Ended => !state.is_running(),
        };
        if come(&found.state) {
            return Ok(Some(found));
        }
        let now = Instant::now();
        let latest = request.deadline.checked_sub(self.context.options().long_poll_margin).unwrap_or(now);
        let expires = latest.min(request.arrived + self.context.options().history_wait);
        let mut waiter = self.waiters.wait(found.run.clone());
        loop {
            // Once more, now that nothing can be missed.
            found = self.read(&request.lane, Some(found.run.instance))?;
            if come(&found.state) {
                return Ok(Some(found));
            }
            tokio::select! {
                biased;
                () = self.context.ended.cancelled() => return Err(self.context.not_leader().into()),
                () = tokio::time::sleep_until(expires) => return Ok(None),
                _ = waiter.grown() => {}
            }
        }
    }

    fn read(&self, lane: &Lane, run_id: Option<Uuid>) -> Result<FoundActivity, CommandError> {
        match standalone::find(&*self.context.rows, lane, run_id)? {
            Some((run_id, state)) => Ok(FoundActivity { run: lane.instance(run_id), state }),
            None => Err(standalone::not_found(lane).into()),
        }
    }
}
