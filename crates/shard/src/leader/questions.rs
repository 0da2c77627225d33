//! A leader's part of the answer to a question that goes to many shards, in bounded steps.

use crate::{
    home::workers::Workers,
    leader::{batches, context::LeaderContext, fill::Fill, lists, reclaim},
    node::polled::Served,
    owner::dispatch::Dispatch,
    seam::{
        error::CommandError,
        messages::Answer,
        question::{Budget, Part, Question, Step, StepRequest},
    },
};
use std::sync::Arc;
use tenure_api::error::ApiError;
use tenure_engine::QueueKey;
use tokio::time::Instant;

/// Answers for the rows of one shard.
pub(crate) struct Questions {
    context: Arc<LeaderContext>,
    dispatch: Arc<Dispatch>,
    fill: Arc<Fill>,
    workers: Arc<Workers>,
}

impl Questions {
    pub(crate) fn new(
        context: Arc<LeaderContext>,
        dispatch: Arc<Dispatch>,
        fill: Arc<Fill>,
        workers: Arc<Workers>,
    ) -> Questions {
        Questions { context, dispatch, fill, workers }
    }

    pub(crate) async fn serve(self: &Arc<Self>, request: StepRequest) -> Served {
        Served::Answer(self.step(request).await.map_or_else(Answer::from, Answer::Step))
    }

    /// Answers the question for a backlog in the form that nodes below `FeatureLevel::MANY_SHARDS` ask it in.
    pub(crate) async fn serve_backlog(self: &Arc<Self>, queue: QueueKey) -> Served {
        let question = Question::Backlog { queue };
        let request = StepRequest { shard: self.context.shard, question, after: None, budget: Budget::OF_COUNT };
        Served::Answer(match self.step(request).await {
            Ok(Step { part: Part::Count(tasks), .. }) => Answer::Backlog(tasks),
            Ok(_) => CommandError::from(ApiError::internal("a backlog is a count")).into(),
            Err(error) => error.into(),
        })
    }

    /// Reads at a point after a barrier: the step shows all that was acknowledged before it was asked for.
    async fn step(self: &Arc<Self>, request: StepRequest) -> Result<Step, CommandError> {
        if let Question::Changes { namespace } = request.question {
            let count = self.context.changes.of(namespace, Instant::now());
            return Ok(Step { part: Part::Count(count), next: None });
        }
        if request.question.is_of_lists() {
            self.fill.done().await?;
        }
        self.context.barrier().await?;
        // Only now, so that a shard whose quorum is slow keeps no other shard's steps waiting.
        let permit = self.context.node.steps.clone().acquire_owned().await.expect("it is never closed");
        let request = StepRequest { budget: request.budget.within_limits(), ..request };
        let questions = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            questions.read(&request)
        });
        reading.await.unwrap_or_else(|error| Err(ApiError::internal(format!("the step ended early: {error}")).into()))
    }

    fn read(&self, request: &StepRequest) -> Result<Step, CommandError> {
        let rows = &*self.context.rows;
        match &request.question {
            Question::Backlog { queue } => {
                Ok(Step { part: Part::Count(self.dispatch.ready.backlog(queue, rows)?), next: None })
            }
            Question::List(query) => {
                let lists = rows.lists()?;
                lists::page(&lists::Reading::new(&*lists, query)?, request.after.as_deref(), request.budget)
            }
            Question::Count(query) => {
                let lists = rows.lists()?;
                lists::count(lists::Reading::new(&*lists, query)?, request.after.as_deref(), request.budget)
            }
            Question::ExplainList(query) => {
                let lists = rows.lists()?;
                Ok(lists::explain_list(&lists::Reading::new(&*lists, query)?))
            }
            Question::ExplainCount(query) => {
                let lists = rows.lists()?;
                Ok(lists::explain_count(lists::Reading::new(&*lists, query)?))
            }
            Question::Batches { namespace } => {
                batches::page(&*rows.lists()?, *namespace, request.after.as_deref(), request.budget)
            }
            Question::Left { namespace, count: false } => Ok(reclaim::shards_left(&self.context, *namespace)),
            Question::Left { namespace, count: true } => {
                reclaim::left(&self.context, *namespace, request.after.as_deref(), request.budget)
            }
            Question::Workers(query) => self.workers.page(query, request.after.as_deref(), request.budget),
            Question::CountWorkers(query) => self.workers.count(query, request.after.as_deref(), request.budget),
            Question::Changes { .. } => Err(ApiError::internal("changes are in no rows").into()),
            #[cfg(test)]
            Question::Ready(ready) => ready.step(rows, request.after.as_deref(), request.budget),
        }
    }
}
