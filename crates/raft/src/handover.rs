//! Handing a group's leadership to another replica.
//!
//! openraft's leader lets go at once: it takes no writes and sends no heartbeats any more, and if its heir has to wait for
//! entries that do not come, everybody waits for an election. So the heir gets everything first: for a moment new entries are
//! held, and when it has all there are it is told to lead. If it does not get them in time, nothing has happened but that
//! moment.

use crate::group::{Group, TransferError};
use std::time::{Duration, Instant};

/// A replica may lack this many entries when a hand-over begins: it waits for them to arrive.
const TRANSFER_LAG: u64 = 100;

/// How long a replica may take to get what it lacks, while entries are taken.
const CATCH_UP: Duration = Duration::from_millis(500);

/// How long entries are held for the last ones to arrive.
const HOLD: Duration = Duration::from_millis(150);

/// How long a new leader may take to show up after the old one let go; entries are held for as long.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(2);

/// Between two looks at what the other replica has.
const LOOK: Duration = Duration::from_millis(2);

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
        let _held = self.proposing().write().await;
        self.wait_caught_up(to, 0, HOLD).await?;
        let mut leadership = self.leadership();
        let sent = self.raft().trigger().transfer_leader(to).await;
        sent.map_err(|_| TransferError::NotLeader(shard))?;
        let moved = leadership.wait_for(|now| now.leader == Some(to) && now.term > status.leadership.term);
        match tokio::time::timeout(TRANSFER_TIMEOUT, moved).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(TransferError::TimedOut(to)),
        }
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
