//! The contents of the system shard, and the commands that change it.

pub mod change;
pub mod cluster;
pub mod members;
pub mod namespace;
pub(crate) mod proposals;
mod reply;
mod search_attributes;
pub mod token_secret;

pub use reply::SystemReply;

use self::token_secret::TokenSecret;
use crate::{
    feature_level::FeatureLevel,
    id::ProposalId,
    rows::{StateReader, WriteSet},
    transition::types::{Context, Refused},
};
use std::sync::Arc;
use tenure_api::{operatorservice::v1 as operator, workflowservice::v1 as api};
use uuid::Uuid;

/// A command for the system shard. Requests were validated for form by the frontend.
#[derive(Clone, Debug)]
pub enum SystemCommand {
    RegisterNamespace(Arc<api::RegisterNamespaceRequest>),
    UpdateNamespace(Arc<api::UpdateNamespaceRequest>),
    DeprecateNamespace(Arc<api::DeprecateNamespaceRequest>),
    DeleteNamespace(Arc<operator::DeleteNamespaceRequest>),
    /// Forgets a namespace that was deleted. Whoever asks for it knows that nothing of it is left.
    ForgetNamespace(Uuid),
    AddSearchAttributes(Arc<operator::AddSearchAttributesRequest>),
    RemoveSearchAttributes(Arc<operator::RemoveSearchAttributesRequest>),
    /// Records this secret if the cluster has none.
    CreateTokenSecret(TokenSecret),
    /// Raises the cluster's feature level, which never falls. Whoever asks for it knows that all nodes know the level.
    RaiseFeatureLevel(FeatureLevel),
}

/// Runs one system command; the leader of the system shard runs them one at a time. Empty writes mean that nothing
/// has to be replicated. A proposal that was applied before is answered as the first time.
pub fn transition(
    rows: &dyn StateReader,
    proposal: ProposalId,
    command: &SystemCommand,
    cx: &mut Context<'_>,
) -> Result<(SystemReply, WriteSet), Refused> {
    if let Some(reply) = proposals::answered(rows, proposal)? {
        return Ok((reply, WriteSet::default()));
    }
    let (reply, mut writes) = run(rows, command, cx)?;
    if !writes.ops.is_empty() {
        writes.ops.extend(proposals::remember(rows, proposal, &reply)?);
    }
    Ok((reply, writes))
}

fn run(
    rows: &dyn StateReader,
    command: &SystemCommand,
    cx: &mut Context<'_>,
) -> Result<(SystemReply, WriteSet), Refused> {
    match command {
        SystemCommand::RegisterNamespace(request) => namespace::register(rows, request, cx),
        SystemCommand::UpdateNamespace(request) => namespace::update(rows, request),
        SystemCommand::DeprecateNamespace(request) => namespace::deprecate(rows, request),
        SystemCommand::DeleteNamespace(request) => namespace::delete(rows, request, cx),
        SystemCommand::ForgetNamespace(id) => namespace::forget(rows, *id, cx),
        SystemCommand::AddSearchAttributes(request) => search_attributes::add(rows, request),
        SystemCommand::RemoveSearchAttributes(request) => search_attributes::remove(rows, request),
        SystemCommand::CreateTokenSecret(proposed) => token_secret::create(rows, *proposed),
        SystemCommand::RaiseFeatureLevel(level) => Ok((SystemReply::Done, cluster::raise(rows, *level)?)),
    }
}
