//! Handing a group's leadership to another replica.
//!
//! openraft's leader lets go at once: it takes no writes and sends no heartbeats any more, and if its heir has to wait for
//! entries that do not come, everybody waits for an election. So the heir gets everything first: for a moment new entries are
//! held, and when it has all there are, and answers, it is told to lead. If it does not get there in time, nothing has
//! happened but that moment. One that is told and does not lead all the same costs little more: another replica is told.

use crate::group::{Group, GroupStatus, TransferError};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// A replica may lack this many entries when a hand-over begins: it waits for them to arrive.
pub(crate) const TRANSFER_LAG: u64 = 100;

/// How long a replica may take to get what it lacks, while entries are taken.
const CATCH_UP: Duration = Duration::from_millis(500);

/// How long entries are held for the last ones to arrive.
const HOLD: Duration = Duration::from_millis(150);

/// How long an heir may take to lead once the old leader has let go, before another one is told; entries are held for as
/// long.
const TAKE_OVER: Duration = Duration::from_millis(150);

/// Between two looks at what the other replica has.
const LOOK: Duration = Duration::from_millis(1);

impl Group {
    /// Hands the leadership to another replica that has (almost) all entries; returns when it leads.
    pub async fn transfer_leader(&self, to: u64) -> Result<(), TransferError> {
        let shard = self.id();
        let status = self.status();
        if !status.leadership.is_leader {
            return Err(TransferError::NotLeader(shard));
        }
        if to == self.node() {
            return Ok(());
        }
        self.wait_caught_up(to, TRANSFER_LAG, CATCH_UP).await?;
        let began = Instant::now();
        let _held = self.proposing().write().await;
        // That it has the last entries does not say that it is still there.
        let (caught_up, answers) =
            tokio::join!(self.wait_caught_up(to, 0, HOLD), self.reads().is_answered_by(to, HOLD));
        caught_up?;
        if !answers {
            return Err(TransferError::Silent(to));
        }
        let caught_up = began.elapsed();
        let led_by = self.let_go(to, status.leadership.term).await?;
        let (caught_up, held) = (caught_up.as_secs_f64(), began.elapsed().as_secs_f64());
        tracing::info!(shard, to = led_by, caught_up, held, "leadership handed over");
        if led_by == to { Ok(()) } else { Err(TransferError::TookOver { to, instead: led_by }) }
    }

    /// Tells the heir to lead, and if it does not, the others one after the other; returns who leads.
    async fn let_go(&self, to: u64, term: u64) -> Result<u64, TransferError> {
        let (ours, mut leadership) = (self.node(), self.leadership());
        let mut asked = BTreeSet::new();
        let mut next = Some(to);
        while let Some(heir) = next {
            asked.insert(heir);
            let told = self.raft().trigger().transfer_leader(heir).await;
            told.map_err(|_| TransferError::NotLeader(self.id()))?;
            let moved = leadership.wait_for(|now| now.term > term && now.leader.is_some_and(|leader| leader != ours));
            if let Ok(Ok(now)) = tokio::time::timeout(TAKE_OVER, moved).await {
                return Ok(now.leader.unwrap_or(heir));
            }
            tracing::warn!(shard = self.id(), heir, "an heir does not take over");
            let GroupStatus { lag, voters, .. } = self.status();
            let could = |node: &u64, lag: Option<u64>| lag == Some(0) && voters.contains(node) && !asked.contains(node);
            next = lag.iter().find(|(node, lag)| could(node, *lag)).map(|(node, _)| *node);
        }
        Err(TransferError::TimedOut(to))
    }

    /// Waits until a replica lacks no more than `most` entries, but not for long: one that lacks much is not waited for.
    async fn wait_caught_up(&self, node: u64, most: u64, patience: Duration) -> Result<(), TransferError> {
        let shard = self.id();
        let begin = Instant::now();
        loop {
            let status = self.status();
            if !status.leadership.is_leader {
                return Err(TransferError::NotLeader(shard));
            }
            let Some((_, lag)) = status.lag.iter().find(|(peer, _)| *peer == node) else {
                return Err(TransferError::NoReplica { node, shard });
            };
            let entries = lag.unwrap_or(status.last_log_index);
            if lag.is_some() && entries <= most {
                return Ok(());
            }
            if begin.elapsed() > patience {
                return Err(TransferError::Lagging { node, entries });
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
