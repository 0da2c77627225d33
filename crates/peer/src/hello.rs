//! Hello: who are you, and are you who I mean? Whoever calls asks it of whoever answers, on every connection.

use crate::{
    Candidate, Pool, Stamped,
    identity::{Callee, Caller},
    proto::{HelloReply, HelloRequest, MemberInfo, peer_client::PeerClient},
};
use bytes::Bytes;
use std::time::Duration;
use tonic::{Request, Status};
use uuid::Uuid;

/// A node that does not say who it is within this time is not there.
const TIMEOUT: Duration = Duration::from_secs(1);

impl Pool {
    /// Asks a node who it is and what it has, on the connection that its calls share.
    ///
    /// # Errors
    /// PERMISSION_DENIED if it does not know us as who we are, or is another node; FAILED_PRECONDITION if it is not the one
    /// that the cluster knows under its id.
    pub async fn hello(&self, node: u64) -> Result<HelloReply, Status> {
        let mut client = self.client(node).map_err(|e| Status::not_found(e.to_string()))?;
        self.greet(&self.gate().callee(node), &mut client).await
    }

    /// The same of whoever answers at an address.
    pub async fn hello_at(&self, address: &str, callee: &Callee) -> Result<HelloReply, Status> {
        let mut client = self.connect_to(address, callee.node_id).await?;
        self.greet(callee, &mut client).await
    }

    pub(crate) async fn greet(&self, callee: &Callee, client: &mut PeerClient<Stamped>) -> Result<HelloReply, Status> {
        let (local, node) = (self.local(), callee.node_id);
        let joining = local.joining && local.cluster_id().is_none();
        let hello = HelloRequest {
            node_id: local.node_id,
            identity: local.identity.as_bytes().to_vec().into(),
            cluster_id: local.cluster_id().map(|id| id.to_string()).unwrap_or_default(),
            clock: clock(),
            peer_address: local.peer_address.clone(),
            known_level: local.known_level,
            joining,
            draining: local.is_draining(),
            join_token: local.join_token.as_ref().filter(|_| joining).map(ToString::to_string).unwrap_or_default(),
        };
        let mut request = Request::new(hello);
        request.set_timeout(TIMEOUT);
        let answer = client.hello(request).await?.into_inner();
        let told = if answer.identity.is_empty() { None } else { Some(identity(&answer.identity)?) };
        callee.check(answer.node_id, told)?;
        if let (Some(theirs), Some(ours)) = (cluster_id(&answer.cluster_id)?, local.cluster_id())
            && theirs != ours
        {
            return Err(Status::permission_denied(format!("node {node} belongs to cluster {theirs}, this is {ours}")));
        }
        self.heard(node);
        self.set_draining(node, answer.draining);
        Ok(answer)
    }

    /// Answers a node that says hello, if it is let in or may wait for that.
    pub(crate) async fn answer_hello(&self, hello: HelloRequest) -> Result<HelloReply, Status> {
        let caller = Caller {
            node_id: hello.node_id,
            identity: identity(&hello.identity)?,
            cluster_id: cluster_id(&hello.cluster_id)?,
        };
        let (local, gate) = (self.local(), self.gate());
        let waiting = match gate.check(&caller, local.cluster_id()) {
            Ok(()) => false,
            // Whoever is to be joined may ask, too.
            Err(_) if local.joining && local.cluster_id().is_none() && caller.node_id != local.node_id => false,
            Err(refused) => {
                let Some(ours) = local.cluster_id().filter(|_| hello.joining) else { return Err(refused) };
                let invited = gate.is_invited(&hello.join_token, ours)?;
                let candidate = Candidate::new(caller.node_id, caller.identity, hello.peer_address, hello.known_level);
                if !gate.wait(candidate.invited(invited)) {
                    return Err(refused);
                }
                true
            }
        };
        self.faults().until_heard(caller.node_id).await;
        self.heard(caller.node_id);
        self.set_draining(caller.node_id, hello.draining);
        self.faults().until_reached(caller.node_id).await;
        let condition = self.own_condition();
        Ok(HelloReply {
            node_id: local.node_id,
            // A node that waits is a stranger: whoever has an identity that is let in may vote.
            identity: if waiting { Bytes::new() } else { local.identity.as_bytes().to_vec().into() },
            cluster_id: local.cluster_id().map(|id| id.to_string()).unwrap_or_default(),
            clock: clock(),
            free_bytes: condition.free_bytes.unwrap_or_default(),
            unfit_because: condition.unfit_because,
            damaged_shards: condition.damaged_shards,
            members: if waiting { Vec::new() } else { self.members() },
            waiting,
            known_level: local.known_level,
            revision: gate.revision(),
            draining: local.is_draining(),
            waits_for: gate.candidate(caller.node_id).map(|waiting| waiting.waits_for).unwrap_or_default(),
        })
    }

    /// The members whose identities are recorded, where they are known to be.
    fn members(&self) -> Vec<MemberInfo> {
        let local = self.local();
        let member = |(node_id, identity): (u64, Option<Uuid>)| {
            let peer_address =
                if node_id == local.node_id { local.peer_address.clone() } else { self.address(node_id)? };
            Some(MemberInfo { node_id, identity: identity?.as_bytes().to_vec().into(), peer_address })
        };
        self.gate().members().into_iter().filter_map(member).collect()
    }
}

fn clock() -> i64 {
    tenure_clock::wall()
}

fn identity(bytes: &[u8]) -> Result<Uuid, Status> {
    Uuid::from_slice(bytes).map_err(|_| Status::invalid_argument("identity is not 16 bytes"))
}

fn cluster_id(text: &str) -> Result<Option<Uuid>, Status> {
    match text {
        "" => Ok(None),
        id => id.parse().map(Some).map_err(|_| Status::invalid_argument("cluster_id is not a UUID")),
    }
}
