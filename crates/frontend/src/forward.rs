//! Requests between nodes: to the leader that one is for, and from the node that received one.

use crate::{
    Frontend,
    call::{Call, garbled},
    deadline::Deadline,
    erased::{EncodedResponse, Handler},
    rpc::Method,
};
use bytes::Bytes;
use std::time::Duration;
use tenure_api::error::{ApiError, Code};
use tenure_engine::{Process, ProposalId, token::TaskToken};
use tenure_limits::WAIT_DEADLINE;
use tenure_peer::{
    ForwardHandler,
    proto::{ForwardReply, ForwardRequest, NotLeader, Refusal, Response, forward_reply::Outcome},
};
use tenure_shard::{AttemptError, CommandError, Leader, NodeId, ShardId};
use tokio::time::{Instant, timeout_at};
use tonic::Status;

impl Frontend {
    /// Runs a request at another node, which is believed to lead the shard.
    pub(crate) async fn forward_to(
        &self,
        node: NodeId,
        shard: ShardId,
        method: &str,
        request: Bytes,
        proposal: ProposalId,
        deadline: Deadline,
    ) -> Result<Result<EncodedResponse, ApiError>, AttemptError> {
        let no_answer = |cause: String| AttemptError::NoAnswer { node, cause };
        let mut client = self.peers().client(node).map_err(|e| no_answer(e.to_string()))?;
        let left = deadline.at.saturating_duration_since(Instant::now());
        let forward = ForwardRequest {
            method: method.to_owned(),
            request,
            proposal: proposal.0.to_be_bytes().to_vec().into(),
            timeout_ms: left.as_millis() as u64,
            shard,
            boot: self.shards().process().boot,
            waited_ms: deadline.arrived.elapsed().as_millis() as u64,
        };
        let reply = client.forward(forward).await.map_err(|status| no_answer(describe(&status)))?;
        match reply.into_inner().outcome {
            Some(Outcome::Response(Response { body, tasks })) => {
                let tasks = tasks.iter().map(|token| TaskToken::decode(token)).collect::<Option<_>>();
                Ok(tasks
                    .map(|tasks| EncodedResponse { body, tasks })
                    .ok_or_else(|| garbled(node, &"a token of a task")))
            }
            Some(Outcome::Refusal(refusal)) => {
                let number = refusal.code;
                Ok(Err(refused(refusal).unwrap_or_else(|| garbled(node, &format!("{number} is no code")))))
            }
            Some(Outcome::NotLeader(said)) => Err(AttemptError::NotLeader(Leader::At { node, term: said.term })),
            None => Err(no_answer("an empty reply".into())),
        }
    }

    /// Runs a request that another node received, if this node leads the shard it is for.
    async fn serve_forwarded(&self, from: NodeId, forward: ForwardRequest) -> Result<Outcome, Status> {
        let method = Method::find(&forward.method).and_then(|method| method.handler);
        let Some(Handler::Led(decode)) = method else {
            // A node of a newer version may forward it; to send it again would not help.
            return Ok(refusal(ApiError::unimplemented(&forward.method)));
        };
        let now = Instant::now();
        let deadline = now + Duration::from_millis(forward.timeout_ms).min(WAIT_DEADLINE);
        let arrived = now.checked_sub(Duration::from_millis(forward.waited_ms).min(WAIT_DEADLINE)).unwrap_or(now);
        let shard = forward.shard;
        let mut request = match decode(forward.request) {
            Ok(request) => request,
            // A newer node may write what this one does not know; to send it again would not help.
            Err(error) => {
                let node = self.shards().node();
                let message = format!("node {node} cannot read the {} that was forwarded: {error}", forward.method);
                return Ok(refusal(ApiError::internal(message)));
            }
        };
        let proposal = <[u8; 16]>::try_from(&*forward.proposal)
            .map_err(|_| Status::invalid_argument("a proposal id has 16 bytes"))?;
        let (own, key) = match self.admit(&mut *request, deadline).await {
            Ok(admitted) => admitted,
            Err(refused) => return Ok(refusal(refused)),
        };
        if own != shard {
            let message = format!("the request is for shard {own}, and was sent to shard {shard}");
            return Err(Status::failed_precondition(message));
        }
        let Some(leader) = self.shards().local(shard) else { return Ok(Outcome::NotLeader(NotLeader::default())) };
        let proposal = ProposalId(u128::from_be_bytes(proposal));
        let origin = Process { node: from, boot: forward.boot };
        let call = Call { leader, origin, node: self.shards().node(), proposal, deadline, arrived, key };
        let outcome = timeout_at(deadline, request.run(&call)).await;
        Ok(match outcome.map_err(|_| Status::deadline_exceeded("the caller has given up"))? {
            Ok(EncodedResponse { body, tasks }) => {
                let tasks = tasks.iter().map(TaskToken::encode).collect();
                Outcome::Response(Response { body, tasks })
            }
            Err(CommandError::Api(error)) => refusal(error),
            Err(CommandError::NotLeader(said)) => {
                Outcome::NotLeader(NotLeader { leader: said.leader.unwrap_or_default(), term: said.term })
            }
        })
    }
}

#[tonic::async_trait]
impl ForwardHandler for Frontend {
    async fn forward(&self, from: NodeId, request: ForwardRequest) -> Result<ForwardReply, Status> {
        let outcome = self.serve_forwarded(from, request).await?;
        Ok(ForwardReply { outcome: Some(outcome) })
    }
}

fn refusal(ApiError { code, message, detail }: ApiError) -> Outcome {
    let (detail_type, detail) = detail.unwrap_or_default();
    Outcome::Refusal(Refusal { code: code as i32, message, detail_type, detail })
}

/// What [`refusal`] was made of; `None` if the code is none.
fn refused(Refusal { code, message, detail_type, detail }: Refusal) -> Option<ApiError> {
    let detail = (!detail_type.is_empty()).then_some((detail_type, detail));
    Some(ApiError { code: Code::from_number(code)?, message, detail })
}

fn describe(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}
