//! What has to reach the leader of a shard is tried again until its deadline, there or at the next leader. Nothing
//! else in a process has to know that leaders change while they are asked.

use crate::{
    node::shard_leaders::{AttemptError, Leader, ShardLeaders},
    seam::replica::ShardId,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// The first and the longest pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The result of [`Attempts::run`].
#[derive(Debug, PartialEq, Eq)]
pub enum Attempted<T> {
    Answered(T),
    /// There is to be another attempt, if [`Attempts::next`] finds somebody in time.
    Failed,
    /// The deadline passed in the middle of the attempt.
    Late,
}

/// The attempts to reach a shard's leader by a deadline.
///
/// ```text
/// while let Some(leader) = attempts.next().await {
///     if let Attempted::Answered(answer) = attempts.run(leader, ask(leader)).await {
///         return answer;
///     }
/// }
/// ```
pub struct Attempts {
    leaders: Arc<ShardLeaders>,
    shard: ShardId,
    deadline: Instant,
    last: Option<AttemptError>,
    pause: Duration,
    late: bool,
}

impl Attempts {
    pub(crate) fn new(leaders: Arc<ShardLeaders>, shard: ShardId, deadline: Instant) -> Attempts {
        Attempts { leaders, shard, deadline, last: None, pause: FIRST_PAUSE, late: false }
    }

    /// The leader to ask: as soon as one is known the first time, and later after a pause, each twice as long as the one
    /// before. `None` once the deadline has passed, never later than that.
    pub async fn next(&mut self) -> Option<Leader> {
        if self.late {
            return None;
        }
        let mut denied = None;
        if let Some(last) = &self.last {
            if Instant::now() + self.pause >= self.deadline {
                // Nobody could answer in what is left.
                tokio::time::sleep_until(self.deadline).await;
                return None;
            }
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            if let AttemptError::NotLeader(leader) = last {
                denied = Some(*leader);
            }
        }
        self.leaders.find(self.shard, self.deadline, denied).await.ok()
    }

    /// Runs an attempt at a leader that [`Attempts::next`] named. It is given up when that is replaced: it may be paused,
    /// or cut off, and would never say so itself.
    pub async fn run<T>(
        &mut self,
        leader: Leader,
        attempt: impl Future<Output = Result<T, AttemptError>>,
    ) -> Attempted<T> {
        let attempt = timeout_at(self.deadline, self.leaders.while_leading(self.shard, leader, attempt)).await;
        match attempt {
            Ok(Ok(answer)) => Attempted::Answered(answer),
            Ok(Err(error)) => {
                self.last = Some(error);
                Attempted::Failed
            }
            Err(_) => {
                self.late = true;
                Attempted::Late
            }
        }
    }

    /// Why there is no answer.
    pub fn failure(&self) -> String {
        match &self.last {
            _ if self.late => "no answer in time".to_owned(),
            Some(last) => format!("shard {}: {last}", self.shard),
            None => format!("shard {} has no leader", self.shard),
        }
    }
}
