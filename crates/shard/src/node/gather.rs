//! One question to many shards: their leaders are asked at the same time, step by step, and what they answer comes
//! together here. A shard that cannot be asked in time fails the whole: an answer that lacks something is never given.

use crate::{
    node::{
        context::NodeContext,
        merge::{After, Merge, Wanted},
        polled::Served,
    },
    seam::{
        error::NoLeader,
        messages::{Answer, Request},
        question::{Budget, GroupValue, Groups, Item, Part, Question, RUNS_LEFT, SHARDS_LEFT, Step, StepRequest},
        replica::ShardId,
    },
};
use futures::{
    future,
    stream::{self, Stream, StreamExt, TryStreamExt},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_api::error::{ApiError, Code};
use tenure_engine::FeatureLevel;
use tenure_limits::{PAGE_STEPS, SHARDS_ASKED};
use tokio::time::Instant;

/// So much before its caller's deadline a question fails, so that the caller hears which shard it was.
const MARGIN: Duration = Duration::from_millis(100);

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub count: u64,
    /// For each value, if the query told values apart.
    pub groups: BTreeMap<GroupValue, u64>,
}

/// Shards that answer a question in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SamePlan {
    pub shards: u64,
    /// About how many rows they read, all together.
    pub rows: u64,
}

/// What is left of a namespace that was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub runs: u64,
    /// Shards that may still have something of it.
    pub shards: u64,
}

/// A question on its way to the shards.
pub(crate) struct Gather {
    node: Arc<NodeContext>,
    question: Question,
    deadline: Instant,
}

impl Gather {
    /// `deadline` is the caller's.
    pub(crate) fn new(node: Arc<NodeContext>, question: Question, deadline: Instant) -> Gather {
        let left = deadline.saturating_duration_since(Instant::now());
        Gather { node, question, deadline: deadline - MARGIN.min(left / 10) }
    }

    /// Asks all shards to the end, and merges their parts in the order in which they come.
    pub(crate) async fn fold<T>(
        &self,
        begin: T,
        mut merge: impl FnMut(T, Part) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let shards = stream::iter(self.node.router.data_shards());
        let parts = shards.map(|shard| self.parts(shard).boxed()).flatten_unordered(SHARDS_ASKED);
        parts.try_fold(begin, |merged, part| future::ready(merge(merged, part))).await
    }

    /// What all shards have counted.
    pub(crate) async fn count(&self) -> Result<Counted, ApiError> {
        let begin = (0, Groups::default());
        let merged = self.fold(begin, |(mut all, mut merged): (u64, Groups), part| {
            match part {
                Part::Count(count) => all = all.saturating_add(count),
                Part::Groups(groups) => {
                    for (value, count) in groups {
                        all = all.saturating_add(count);
                        merged.add(value, count)?;
                    }
                }
                _ => return Err(ApiError::internal("something else where a count was asked for")),
            }
            Ok((all, merged))
        });
        let (count, groups) = merged.await?;
        Ok(Counted { count, groups: groups.counts })
    }

    /// What all shards have left of the namespace that the question is about.
    pub(crate) async fn left(&self) -> Result<Left, ApiError> {
        let groups = self.count().await?.groups;
        let of = |group: &str| groups.get(&GroupValue::Text(group.into())).copied().unwrap_or(0);
        Ok(Left { runs: of(RUNS_LEFT), shards: of(SHARDS_LEFT) })
    }

    /// How all shards answer, by what they tell of it.
    pub(crate) async fn plans(&self) -> Result<BTreeMap<String, SamePlan>, ApiError> {
        self.fold(BTreeMap::<String, SamePlan>::new(), |mut plans, part| match part {
            Part::Plan { text, rows } => {
                let same = plans.entry(text).or_default();
                same.shards += 1;
                same.rows = same.rows.saturating_add(rows);
                Ok(plans)
            }
            _ => Err(ApiError::internal("something else where a plan was asked for")),
        })
        .await
    }

    /// The sum of all shards' counts.
    pub(crate) async fn sum(&self) -> Result<u64, ApiError> {
        self.fold(0, |sum: u64, part| match part {
            Part::Count(count) => Ok(sum.saturating_add(count)),
            _ => Err(ApiError::internal("something else where a count was asked for")),
        })
        .await
    }

    /// The first `size` items after these places, in order, and the places after them of the shards that are not done.
    /// It has fewer items where shards have to read far for them.
    pub(crate) async fn page(
        &self,
        places: Vec<(ShardId, After)>,
        size: usize,
    ) -> Result<(Vec<Item>, Vec<(ShardId, After)>), ApiError> {
        let mut merge = Merge::new(places, size);
        for _ in 0..PAGE_STEPS {
            let wanted = merge.wanted();
            if wanted.is_empty() {
                break;
            }
            let asked = stream::iter(wanted).map(|wanted| self.items(wanted)).buffer_unordered(SHARDS_ASKED);
            for (cursor, items, next) in asked.try_collect::<Vec<_>>().await? {
                merge.add(cursor, items, next);
            }
            merge.advance();
        }
        Ok(merge.finish())
    }

    /// A shard's parts, one step after the other.
    fn parts(&self, shard: ShardId) -> impl Stream<Item = Result<Part, ApiError>> + Send {
        stream::try_unfold(Some(None), move |place: Option<After>| async move {
            let Some(after) = place else { return Ok(None) };
            let Step { part, next } = self.step(shard, after, Budget::OF_COUNT).await?;
            Ok(Some((part, next.map(Some))))
        })
    }

    async fn items(&self, wanted: Wanted) -> Result<(usize, Vec<Item>, After), ApiError> {
        let Wanted { cursor, shard, after, budget } = wanted;
        match self.step(shard, after, budget).await? {
            Step { part: Part::Items(items), next } => Ok((cursor, items, next)),
            _ => Err(ApiError::internal("something else where items were asked for")),
        }
    }

    /// Asks a shard's leader for a step, again if leaders change.
    async fn step(&self, shard: ShardId, after: After, budget: Budget) -> Result<Step, ApiError> {
        self.check_level()?;
        let request =
            self.request(StepRequest { shard, question: self.question.clone(), after: after.clone(), budget });
        let served = self.node.router.ask_leader(shard, request, self.deadline).await;
        let late = |NoLeader { shard }| ApiError::unavailable(format!("shard {shard} did not answer in time"));
        let step = match served.map_err(late)? {
            Served::Answer(Answer::Step(step)) => step,
            Served::Answer(Answer::Backlog(tasks)) => Step { part: Part::Count(tasks), next: None },
            Served::Answer(Answer::Refused(error)) => return Err(error),
            _ => return Err(ApiError::internal("an answer to something else")),
        };
        match step.follows(after.as_ref()) {
            true => Ok(step),
            false => Err(ApiError::internal(format!("shard {shard} answers out of order"))),
        }
    }

    /// Leaders of an earlier build would not know the question.
    fn check_level(&self) -> Result<(), ApiError> {
        let (needed, level) = (self.question.level(), self.node.system.level());
        if level >= needed || matches!(self.question, Question::Backlog { .. }) {
            return Ok(());
        }
        let message = format!(
            "the cluster has feature level {level}, and this needs {needed}: once all nodes run this version, an operator \
             raises it with `tenure cluster upgrade`"
        );
        Err(ApiError::new(Code::FailedPrecondition, message))
    }

    /// The request in a form that all nodes of the cluster know.
    fn request(&self, step: StepRequest) -> Request {
        match &step.question {
            Question::Backlog { queue } if self.node.system.level() < FeatureLevel::MANY_SHARDS => {
                Request::Backlog { owner: step.shard, queue: queue.clone() }
            }
            _ => Request::Step(step),
        }
    }
}
