//! This node as the others see it: it answers what is asked of it, and of the leaders that are here.

use crate::{
    node::{
        context::{Engine, NodeContext},
        handovers::{Handovers, StartName},
        leaders::Leaders,
        polled::{PollResponse, Served},
        router::{Router, Serve},
        system_view::SystemView,
        watches::Watches,
        workers::Workers,
    },
    options::Options,
    seam::{
        messages::{Answer, Request},
        question::StepsRequest,
        replica::{Mesh, SYSTEM_SHARD},
    },
};
use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use std::sync::{Arc, Weak};
use tenure_api::error::{ApiError, Code};
use tenure_engine::codec;
use tenure_limits::SHARDS_ASKED;
use tokio::{sync::mpsc, time::timeout};

/// This process, with the leaders that are in it.
pub(crate) struct LocalNode {
    pub(crate) context: Arc<NodeContext>,
    pub(crate) leaders: Leaders,
    pub(crate) handovers: Arc<Handovers>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) watches: Watches,
}

impl LocalNode {
    /// Makes a node that leads nothing yet, and the queue of handovers of which owners are to be told.
    pub(crate) fn new(
        mesh: Arc<dyn Mesh>,
        options: Options,
        engine: Engine,
    ) -> (Arc<LocalNode>, mpsc::UnboundedReceiver<StartName>) {
        let (confirm, confirmed) = mpsc::unbounded_channel();
        let node = Arc::new_cyclic(|node: &Weak<LocalNode>| {
            let router = Router::new(mesh, options.call_timeout, node.clone());
            LocalNode {
                leaders: Leaders::new(router.clone()),
                handovers: Arc::new(Handovers::new(router.clone(), confirm)),
                workers: Arc::default(),
                watches: Watches::default(),
                context: Arc::new(NodeContext::new(Arc::new(SystemView::new(router.clone())), router, options, engine)),
            }
        });
        (node, confirmed)
    }

    /// Answers another node's call.
    pub(crate) async fn serve_encoded(self: &Arc<Self>, body: Bytes) -> Bytes {
        let served = match codec::decode::<Request>(&body) {
            Ok(request) => self.clone().serve(request).await,
            Err(error) => Served::refused(Code::InvalidArgument, format!("a malformed message: {error}")),
        };
        let answer = match served {
            Served::Answer(answer) => answer,
            // From here on the caller answers for it; if the reply is lost the owner finds out by asking.
            Served::Started(polled) => {
                let PollResponse { body, task } = polled.hand_over();
                match task {
                    Some(token) => Answer::Started { response: body, token },
                    None => Answer::QueryStarted { response: body },
                }
            }
        };
        codec::encode(&answer)
    }

    /// Has each leader answer for its shard, all at the same time.
    async fn serve_steps(self: Arc<Self>, request: StepsRequest) -> Served {
        let StepsRequest { question, places } = request;
        if places.len() > SHARDS_ASKED {
            return Served::refused(
                Code::InvalidArgument,
                format!("{} steps are more than {SHARDS_ASKED}", places.len()),
            );
        }
        let steps = places.into_iter().map(|place| {
            let step = self.clone().serve(Request::Step(place.request(question.clone())));
            async move {
                match step.await {
                    Served::Answer(answer) => answer,
                    Served::Started(_) => Answer::Refused(ApiError::internal("a step that started a task")),
                }
            }
        });
        Served::Answer(Answer::Steps(join_all(steps).await))
    }
}

impl Serve for LocalNode {
    fn serve(self: Arc<Self>, request: Request) -> BoxFuture<'static, Served> {
        Box::pin(async move {
            let shard = match &request {
                Request::CheckHandover { token, process } => {
                    return Served::Answer(Answer::Handover(self.handovers.check(token, *process)));
                }
                Request::EndPolls { namespace, worker } => {
                    self.workers.end_polls(namespace, worker);
                    return Served::Answer(Answer::Done);
                }
                Request::LendPolls { polls } => {
                    self.context.held_polls.lend(polls);
                    return Served::Answer(Answer::Done);
                }
                Request::RecallPolls { queue, polls } => {
                    return Served::Answer(Answer::Recalled(self.context.held_polls.recall(queue, polls)));
                }
                Request::KnownLevel => {
                    return Served::Answer(Answer::Level(self.context.options.known_level));
                }
                Request::FollowSystem { revision } => {
                    let reached = self.context.system.reached(*revision);
                    return match timeout(self.context.options.call_timeout, reached).await {
                        Ok(()) => Served::Answer(Answer::Done),
                        Err(_) => Served::refused(Code::Unavailable, "this node lags behind"),
                    };
                }
                Request::Steps(steps) => return self.serve_steps(steps.clone()).await,
                Request::Offer { home, .. }
                | Request::CheckOffers { home, .. }
                | Request::LastPoll { home, .. }
                | Request::WorkersSaid { home, .. }
                | Request::Dispatched { home, .. } => *home,
                Request::Start(start) => start.owner,
                Request::StartQuery { token, .. } | Request::ReturnQuery { token } => token.shard,
                Request::StickyUnavailable { owner, .. }
                | Request::Confirm { owner, .. }
                | Request::Return { owner, .. }
                | Request::Backlog { owner, .. } => *owner,
                Request::Receive { to, .. } => *to,
                Request::ReadIndex { shard } => *shard,
                Request::Step(step) => step.shard,
                Request::Operate(operate) => operate.shard,
                Request::CurrentRun { shard, .. } => *shard,
                Request::CreateTokenSecret | Request::RaiseLevel => SYSTEM_SHARD,
            };
            match self.leaders.local(shard) {
                Some(leader) => leader.serve(request).await,
                None => Served::Answer(Answer::NotLeader(self.context.router.not_leader(shard))),
            }
        })
    }
}
