//! Replies to recent system commands, for retries: a retry inside the server carries the first try's proposal id, and
//! gets the first try's reply. All of them are in one row, because such commands are rare.

use super::{namespace, reply::SystemReply};
use crate::{
    codec::{self, field},
    id::ProposalId,
    rows::{Op, ReadError, RowKey, StateReader, SystemTable},
};
use minicbor::{Decode, Encode};
use std::collections::VecDeque;
use tenure_limits::REMEMBERED_SYSTEM_PROPOSALS;
use uuid::Uuid;

pub(crate) type Recent = VecDeque<(ProposalId, SystemProposalResult)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum SystemProposalResult {
    #[n(0)]
    Done,
    /// The namespace of this id, as it is when the command is tried again.
    #[n(1)]
    Namespace(#[cbor(n(0), with = "field")] Uuid),
}

/// The reply to a command that was applied before.
pub(super) fn answered(rows: &dyn StateReader, proposal: ProposalId) -> Result<Option<SystemReply>, ReadError> {
    let answer = read(rows)?.into_iter().find(|(known, _)| *known == proposal).map(|(_, answer)| answer);
    Ok(match answer {
        Some(SystemProposalResult::Done) => Some(SystemReply::Done),
        Some(SystemProposalResult::Namespace(id)) => {
            namespace::by_id(rows, id)?.map(|now| SystemReply::Namespace(Box::new(now)))
        }
        None => None,
    })
}

/// Remembers the reply to a command; `None` for a command without a proposal id.
pub(super) fn remember(
    rows: &dyn StateReader,
    proposal: ProposalId,
    reply: &SystemReply,
) -> Result<Option<Op>, ReadError> {
    if proposal == ProposalId::default() {
        return Ok(None);
    }
    let answer = match reply {
        SystemReply::Done => SystemProposalResult::Done,
        SystemReply::Namespace(description) => {
            let id = description.namespace_info.as_ref().and_then(|info| info.id.parse().ok());
            id.map_or(SystemProposalResult::Done, SystemProposalResult::Namespace)
        }
    };
    let mut recent = read(rows)?;
    recent.push_back((proposal, answer));
    while recent.len() > REMEMBERED_SYSTEM_PROPOSALS {
        recent.pop_front();
    }
    Ok(Some(Op::Put(row(), codec::encode(&recent))))
}

fn read(rows: &dyn StateReader) -> Result<Recent, ReadError> {
    let Some(value) = rows.get(&row())? else { return Ok(Recent::new()) };
    codec::decode(&value).map_err(|error| ReadError::corrupt(row(), error))
}

fn row() -> RowKey {
    RowKey::System { table: SystemTable::Proposals, key: "recent".into() }
}
