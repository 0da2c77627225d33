//! One question to many shards: their leaders are asked at the same time, step by step, and what they answer comes
//! together here. A shard that cannot be asked in time fails the whole: an answer that lacks something is never given.

use crate::{
    node::{
        context::NodeContext,
        merge::{After, Merge},
        polled::Served,
        shard_leaders::Leader,
    },
    seam::{
        error::NoLeader,
        messages::{Answer, Request},
        question::{
            Budget, GroupValue, Groups, Item, Part, Question, RUNS_LEFT, SHARDS_LEFT, Step, StepPlace, StepRequest,
            StepsRequest,
        },
        replica::{NodeId, ShardId},
    },
};
use futures::future;
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
        let place = |shard, after| StepPlace { shard, after, budget: Budget::OF_COUNT };
        let shards = self.node.router.data_shards();
        let mut merged = begin;
        let mut wanted: Vec<_> = shards.into_iter().map(|shard| place(shard, None)).collect();
        while !wanted.is_empty() {
            let mut further = Vec::new();
            for some in wanted.chunks(SHARDS_ASKED) {
                for (Step { part, next }, asked) in self.steps(some).await?.into_iter().zip(some) {
                    merged = merge(merged, part)?;
                    further.extend(next.map(|next| place(asked.shard, Some(next))));
                }
            }
            wanted = further;
        }
        Ok(merged)
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
            let (cursors, steps): (Vec<_>, Vec<_>) = wanted.into_iter().map(|it| (it.cursor, it.step)).unzip();
            for (some, cursors) in steps.chunks(SHARDS_ASKED).zip(cursors.chunks(SHARDS_ASKED)) {
                for (step, cursor) in self.steps(some).await?.into_iter().zip(cursors) {
                    let Step { part: Part::Items(items), next } = step else {
                        return Err(ApiError::internal("something else where items were asked for"));
                    };
                    merge.add(*cursor, items, next);
                }
            }
            merge.advance();
        }
        Ok(merge.finish())
    }

    /// One step of each of these shards, in the same order. Each node is asked once, for all that it leads; what it does
    /// not answer is asked for by itself.
    async fn steps(&self, places: &[StepPlace]) -> Result<Vec<Step>, ApiError> {
        self.check_level()?;
        let mut found: Vec<Option<Step>> = vec![None; places.len()];
        if self.node.system.level() >= FeatureLevel::LISTS {
            let mut led = BTreeMap::<NodeId, Vec<(usize, Leader)>>::new();
            for (index, place) in places.iter().enumerate() {
                if let Some((node, leader)) = self.node.router.leader(place.shard) {
                    led.entry(node).or_default().push((index, leader));
                }
            }
            let asked = led.iter().map(|(node, led)| self.ask_node(*node, led, places));
            for (index, answer) in future::join_all(asked).await.into_iter().flatten() {
                found[index] = self.step_in(&places[index], answer).transpose()?;
            }
        }
        let found = found.into_iter().zip(places).map(async |(found, place)| match found {
            Some(step) => Ok(step),
            None => self.step(place).await,
        });
        future::try_join_all(found).await
    }

    /// The answers of a node for the places of which it leads the shards, by their indexes; none if it cannot be asked.
    async fn ask_node(&self, node: NodeId, led: &[(usize, Leader)], places: &[StepPlace]) -> Vec<(usize, Answer)> {
        let shards: Vec<_> = led.iter().map(|(index, leader)| (places[*index].shard, *leader)).collect();
        let wanted = led.iter().map(|(index, _)| places[*index].clone()).collect();
        let request = Request::Steps(StepsRequest { question: self.question.clone(), places: wanted });
        let asked = self.node.router.ask_leading(node, &shards, request);
        match tokio::time::timeout_at(self.deadline, asked).await {
            Ok(Some(Served::Answer(Answer::Steps(answers)))) => {
                led.iter().map(|(index, _)| *index).zip(answers).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Asks a shard's leader for a step, again if leaders change.
    async fn step(&self, place: &StepPlace) -> Result<Step, ApiError> {
        let shard = place.shard;
        let request = self.request(place.clone().request(self.question.clone()));
        let late = |NoLeader { shard }| ApiError::unavailable(format!("shard {shard} did not answer in time"));
        match self.node.router.ask_leader(shard, request, self.deadline).await.map_err(late)? {
            Served::Answer(answer) => self.step_in(place, answer).unwrap_or_else(|| Err(late(NoLeader { shard }))),
            Served::Started(_) => Err(ApiError::internal("an answer to something else")),
        }
    }

    /// The step that an answer holds; `None` if it comes from a node that does not lead the shard.
    fn step_in(&self, place: &StepPlace, answer: Answer) -> Option<Result<Step, ApiError>> {
        let step = match answer {
            Answer::NotLeader(_) => return None,
            Answer::Step(step) => step,
            Answer::Backlog(tasks) => Step { part: Part::Count(tasks), next: None },
            Answer::Refused(error) => return Some(Err(error)),
            _ => return Some(Err(ApiError::internal("an answer to something else"))),
        };
        Some(match step.follows(place.after.as_ref()) {
            true => Ok(step),
            false => Err(ApiError::internal(format!("shard {} answers out of order", place.shard))),
        })
    }

    /// Leaders of an earlier build would not know the question.
    pub(crate) fn check_level(&self) -> Result<(), ApiError> {
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
