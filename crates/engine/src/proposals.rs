//! Results of recent commands, for retries: a retry inside the server carries the first try's proposal id, and gets the
//! first try's answer.
//!
//! Only results of commands without an id of their own in the API are kept here: the others find their own traces. The
//! last few live in the execution's core row; when they are many they move, together, into a row of their own.

use crate::{
    codec::{field, is_default},
    id::{ProposalId, Stamp},
    key::RunKey,
    pending::{Keyed, NoKey, Pending, PendingRows},
    proto::Encoded,
    row::{Op, PendingKind},
    time::Timestamp,
};
use minicbor::{Decode, Encode};
use std::{collections::VecDeque, time::Duration};
use tenure_api::{activity::v1::ActivityOptions, error::ApiError, workflow::v1::WorkflowExecutionOptions};
use tenure_limits::REMEMBERED_PROPOSALS;

/// The number of proposals, and the bytes of their results, from which those in the core row move into a row of their
/// own.
const PAGE: usize = 32;
const PAGE_BYTES: usize = 2 << 10;

/// The proposals that a run remembers.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Proposals {
    #[n(0)]
    recent: VecDeque<Proposal>,
    /// The earlier ones, by the count of the page.
    #[cbor(n(1), skip_if = "is_default")]
    pub(crate) pages: Pending<Vec<Proposal>>,
    #[cbor(n(2), skip_if = "is_default")]
    next_page: i64,
}

/// A remembered proposal and its result.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Proposal {
    #[n(0)]
    id: ProposalId,
    #[n(1)]
    at: Timestamp,
    #[n(2)]
    result: ProposalResult,
}

impl Keyed for Vec<Proposal> {
    type Key = NoKey;

    fn keys(&self) -> impl IntoIterator<Item = NoKey> {
        []
    }

    fn heap_bytes(&self) -> usize {
        self.iter().map(|proposal| size_of::<Proposal>() + proposal.result.size()).sum()
    }
}

/// The result of a command that changed rows, as far as its reply cannot be made from the state.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum ProposalResult {
    #[n(0)]
    Done,
    #[n(1)]
    Signaled,
    /// A completed workflow task. If the next task was started with it, that task knows the proposal.
    #[n(2)]
    WorkflowTaskCompleted {
        /// The stamp of the completed task's start.
        #[n(0)]
        stamp: Stamp,
        /// The event that the worker goes back to, because the task left no trace; zero if it did.
        #[n(1)]
        reset_history_event_id: i64,
        /// The activities that were started with it.
        #[n(2)]
        activities: Vec<i64>,
    },
    /// A start that was answered with the running run.
    #[n(3)]
    FoundRunning {
        /// Whether the run has an event of the start's own.
        #[n(0)]
        attached: bool,
    },
    #[n(4)]
    ActivityOptions(#[n(0)] Encoded<ActivityOptions>),
    #[n(5)]
    WorkflowOptions(#[n(0)] Encoded<WorkflowExecutionOptions>),
    #[n(6)]
    Failed(#[cbor(n(0), with = "field")] ApiError),
}

impl ProposalResult {
    /// The approximate number of bytes that it adds to its row.
    fn size(&self) -> usize {
        match self {
            ProposalResult::Done | ProposalResult::Signaled | ProposalResult::FoundRunning { .. } => 0,
            ProposalResult::WorkflowTaskCompleted { activities, .. } => 4 * activities.len(),
            ProposalResult::ActivityOptions(options) => options.size(),
            ProposalResult::WorkflowOptions(options) => options.size(),
            ProposalResult::Failed(error) => {
                error.message.len() + error.detail.as_ref().map_or(0, |(_, detail)| detail.len())
            }
        }
    }
}

impl Proposals {
    /// The age from which a result may be forgotten: a retry inside the server comes within its caller's deadline, and
    /// this is a generous one.
    pub(crate) const MAX_AGE: Duration = Duration::from_secs(120);

    pub fn result(&self, id: ProposalId) -> Option<&ProposalResult> {
        self.latest_first().find(|p| p.id == id).map(|p| &p.result)
    }

    /// The completion of the workflow task that was started with this stamp, with its proposal.
    pub(crate) fn completion_of(&self, task: Stamp) -> Option<(ProposalId, &ProposalResult)> {
        let completed = self.latest_first().find(|proposal| match &proposal.result {
            ProposalResult::WorkflowTaskCompleted { stamp, .. } => *stamp == task,
            _ => false,
        });
        completed.map(|proposal| (proposal.id, &proposal.result))
    }

    fn latest_first(&self) -> impl Iterator<Item = &Proposal> {
        let earlier = self.pages.values().rev().flat_map(|page| page.iter().rev());
        self.recent.iter().rev().chain(earlier)
    }

    pub(crate) fn remember(&mut self, id: ProposalId, now: Timestamp, result: ProposalResult) {
        let is_old = |proposal: &Proposal| now.since(proposal.at) > Self::MAX_AGE;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
        let bytes = self.recent.iter().map(|proposal| proposal.result.size()).sum::<usize>();
        if self.recent.len() >= PAGE || bytes >= PAGE_BYTES {
            let page = std::mem::take(&mut self.recent).into();
            self.pages.insert_large(self.next_page, page);
            self.next_page += 1;
        }
        self.recent.push_back(Proposal { id, at: now, result });
        let mut kept = self.pages.values().map(Vec::len).sum::<usize>();
        let gone = self.pages.iter().take_while(|(_, page)| {
            let goes = kept - page.len() >= REMEMBERED_PROPOSALS || page.last().is_none_or(is_old);
            kept -= page.len();
            goes
        });
        let gone: Vec<i64> = gone.map(|(page, _)| page).collect();
        for page in gone {
            self.pages.remove(page);
        }
    }

    /// Forgets everything, because the run is removed.
    pub(crate) fn forget(&mut self) {
        self.recent.clear();
        self.pages.clear();
    }

    pub(crate) fn take_writes(&mut self, run: &RunKey) -> Vec<Op> {
        self.pages.take_writes(run, PendingKind::Proposals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec,
        key::{NamespaceId, WorkflowKey},
    };
    use uuid::Uuid;

    fn run() -> RunKey {
        WorkflowKey { namespace: NamespaceId(Uuid::nil()), workflow_id: "w".into() }.run(Uuid::nil())
    }

    /// F12.
    #[test]
    fn an_entry_of_commands_is_remembered_while_as_many_new_ones_come_and_the_core_row_stays_small() {
        let mut proposals = Proposals::default();
        let (mut rows, mut largest) = (0, 0);
        for n in 0..10 * REMEMBERED_PROPOSALS as u128 {
            proposals.remember(ProposalId(n), Timestamp(1), ProposalResult::Done);
            for op in proposals.take_writes(&run()) {
                match op {
                    Op::Put(..) => rows += 1,
                    Op::Delete(_) => rows -= 1,
                }
            }
            largest = largest.max(codec::encode(&proposals).len());
            let first = (n + 1).saturating_sub(REMEMBERED_PROPOSALS as u128);
            for known in [first, (first + n) / 2, n] {
                assert_eq!(proposals.result(ProposalId(known)), Some(&ProposalResult::Done), "{known} of {n}");
            }
        }
        assert!(rows <= REMEMBERED_PROPOSALS.div_ceil(PAGE) as i32 + 1, "{rows} rows");
        assert!(largest < PAGE_BYTES, "{largest} bytes");
        proposals.remember(ProposalId(u128::MAX), Timestamp(2).plus(Proposals::MAX_AGE), ProposalResult::Done);
        let deleted = proposals.take_writes(&run());
        assert_eq!((deleted.len() as i32, proposals.pages.len()), (rows, 0), "what is old goes");
    }

    /// F12.
    #[test]
    fn large_answers_do_not_gather_in_the_core_row() {
        let mut proposals = Proposals::default();
        for n in 0..100 {
            let error = ApiError::invalid_argument("x".repeat(1000));
            proposals.remember(ProposalId(n), Timestamp(1), ProposalResult::Failed(error));
            _ = proposals.take_writes(&run());
            assert!(codec::encode(&proposals).len() < 2 * PAGE_BYTES);
        }
        assert!((0..100).all(|n| proposals.result(ProposalId(n)).is_some()));
    }
}
