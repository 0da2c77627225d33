//! A question to many shards: what each shard's leader is asked, one bounded step after the other, and what it answers.

use crate::seam::{replica::ShardId, worker_query::WorkerQuery};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use tenure_api::error::ApiError;
use tenure_engine::{FeatureLevel, NamespaceId, QueueKey, SubjectKind, codec::field};
use tenure_filter::{Attributes, Filter, Type};
use tenure_limits::{GROUPS, LIST_PAGE, STEP_ROWS};

/// A question that all shards are asked, each for what it has.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Question {
    /// How many tasks of a queue are ready? The parts are counts.
    #[n(0)]
    Backlog {
        #[n(0)]
        queue: QueueKey,
    },
    /// Which subjects fit a query, in its order? The parts are items: of runs, encoded `WorkflowExecutionInfo`s.
    #[n(1)]
    List(#[n(0)] ListQuery),
    /// How many fit? The parts are counts, or groups where the query says so.
    #[n(2)]
    Count(#[n(0)] ListQuery),
    /// How is such a list answered? The parts are plans.
    #[n(3)]
    ExplainList(#[n(0)] ListQuery),
    /// Which batch jobs has a namespace? The parts are items: encoded `BatchOperationInfo`s.
    #[n(4)]
    Batches {
        #[n(0)]
        namespace: NamespaceId,
    },
    /// What is left of a namespace that was deleted? The parts are groups: of runs, and of shards that are not done.
    #[n(5)]
    Left {
        #[n(0)]
        namespace: NamespaceId,
        /// Whether runs are to be counted; without that the answer costs nothing.
        #[n(1)]
        count: bool,
    },
    /// How is such a count answered? The parts are plans.
    #[n(6)]
    ExplainCount(#[n(0)] ListQuery),
    /// Which workers fit a query, by their keys? The parts are items: encoded `WorkerHeartbeat`s.
    #[n(7)]
    Workers(#[n(0)] WorkerQuery),
    /// How many fit? The parts are counts.
    #[n(8)]
    CountWorkers(#[n(0)] WorkerQuery),
    /// Have a namespace's lists changed? The parts are counts of no meaning but that: together they are another number then.
    #[n(9)]
    Changes {
        #[n(0)]
        namespace: NamespaceId,
    },
    /// Asked by tests; the parts are items.
    #[cfg(test)]
    #[n(1000)]
    Ready(#[n(0)] crate::tests::gather::ReadyTasks),
}

/// The group of runs that a namespace still has.
pub(crate) const RUNS_LEFT: &str = "runs";

/// The group of shards that have not said yet that nothing of a namespace is left.
pub(crate) const SHARDS_LEFT: &str = "shards";

/// Subjects of a namespace, those of one kind that fit a query.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListQuery {
    #[n(0)]
    pub kind: SubjectKind,
    #[n(1)]
    pub namespace: NamespaceId,
    #[n(2)]
    pub query: String,
    /// The namespace's own attributes that the query names.
    #[n(3)]
    pub attributes: Vec<ListAttribute>,
}

/// A namespace's own attribute, as the node that asks knows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListAttribute {
    #[n(0)]
    pub name: String,
    /// Its name in records and indexes.
    #[n(1)]
    pub field: String,
    /// The name of its type.
    #[n(2)]
    pub kind: String,
}

impl ListQuery {
    /// The query, checked.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with the reason.
    pub fn filter(&self) -> Result<Filter, ApiError> {
        let own = self.attributes.iter().filter_map(|attribute| {
            let kind = Type::ALL.into_iter().find(|kind| kind.to_string() == attribute.kind)?;
            Some((attribute.name.clone(), attribute.field.clone(), kind))
        });
        Filter::parse(&self.query, &Attributes::new(own)).map_err(|error| ApiError::invalid_argument(error.to_string()))
    }
}

impl Question {
    /// The feature level from which on leaders know the question.
    pub(crate) fn level(&self) -> FeatureLevel {
        match self {
            Question::Backlog { .. } => FeatureLevel::MANY_SHARDS,
            Question::List(_)
            | Question::Count(_)
            | Question::ExplainList(_)
            | Question::ExplainCount(_)
            | Question::Batches { .. }
            | Question::Left { .. } => FeatureLevel::LISTS,
            Question::Workers(_) | Question::CountWorkers(_) => FeatureLevel::WORKERS,
            Question::Changes { .. } => FeatureLevel::WATCHES,
            #[cfg(test)]
            Question::Ready(_) => FeatureLevel::FIRST,
        }
    }

    /// Whether the answer comes from records of runs, which a shard has once its lists are filled.
    pub(crate) fn is_of_lists(&self) -> bool {
        self.level() == FeatureLevel::LISTS
    }
}

/// A request for one step of a shard's answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StepRequest {
    #[n(0)]
    pub(crate) shard: ShardId,
    #[n(1)]
    pub(crate) question: Question,
    /// The step begins strictly after this place, which may be that of an item of another shard, or at the beginning.
    #[cbor(n(2), with = "field")]
    pub(crate) after: Option<Bytes>,
    #[n(3)]
    pub(crate) budget: Budget,
}

/// Where a step begins, and how far it goes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StepPlace {
    #[n(0)]
    pub(crate) shard: ShardId,
    /// As in [`StepRequest`].
    #[cbor(n(1), with = "field")]
    pub(crate) after: Option<Bytes>,
    #[n(2)]
    pub(crate) budget: Budget,
}

/// A request to a node for steps of shards that it leads, [`SHARDS_ASKED`](tenure_limits::SHARDS_ASKED) at most.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StepsRequest {
    #[n(0)]
    pub(crate) question: Question,
    #[n(1)]
    pub(crate) places: Vec<StepPlace>,
}

impl StepPlace {
    /// The request for this step alone.
    pub(crate) fn request(self, question: Question) -> StepRequest {
        let StepPlace { shard, after, budget } = self;
        StepRequest { shard, question, after, budget }
    }
}

/// How far a step goes at most. It goes on as long as nothing is spent: one item is in it, whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Budget {
    /// Items in the answer.
    #[n(0)]
    pub(crate) items: u64,
    /// Bytes of these items.
    #[n(1)]
    pub(crate) bytes: u64,
    /// Rows that are read, whether they become items or not.
    #[n(2)]
    pub(crate) rows: u64,
}

impl Budget {
    /// The budget for a part that holds no items.
    pub(crate) const OF_COUNT: Budget = Budget { items: 0, bytes: 0, rows: STEP_ROWS as u64 };

    /// No leader reads more rows than this node would, whoever asks.
    pub(crate) fn within_limits(self) -> Budget {
        Budget { rows: self.rows.min(STEP_ROWS as u64), ..self }
    }
}

/// One step of a shard's answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Step {
    #[n(0)]
    pub(crate) part: Part,
    /// The next step begins strictly after this place; `None`: this was the last one.
    #[cbor(n(1), with = "field")]
    pub(crate) next: Option<Bytes>,
}

/// What a step found.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Part {
    #[n(0)]
    Count(#[n(0)] u64),
    /// In the order of their places.
    #[n(1)]
    Items(#[n(0)] Vec<Item>),
    /// How many there are of each value.
    #[n(2)]
    Groups(#[n(0)] Vec<(GroupValue, u64)>),
    /// How a question is answered, for people.
    #[n(3)]
    Plan {
        #[n(0)]
        text: String,
        /// About how many rows are read.
        #[n(1)]
        rows: u64,
    },
}

/// A value that a count tells apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum GroupValue {
    #[n(0)]
    Null,
    #[n(1)]
    Bool(#[n(0)] bool),
    #[n(2)]
    Text(#[n(0)] String),
}

/// One thing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Item {
    /// Where it stands in the order of the question, which is that of these bytes, over all shards. No two items have the
    /// same.
    #[cbor(n(0), with = "field")]
    pub place: Bytes,
    /// In a form of the question's own.
    #[cbor(n(1), with = "field")]
    pub value: Bytes,
}

impl Item {
    /// Bytes that the item has.
    pub(crate) fn size(&self) -> usize {
        self.place.len() + self.value.len()
    }
}

impl Step {
    /// The items stand after `after`, in order, and the next step begins after all of them. What does not is no answer:
    /// whoever believed it would show things twice, or ask for ever.
    pub(crate) fn follows(&self, after: Option<&Bytes>) -> bool {
        let items: &[Item] = match &self.part {
            Part::Items(items) => items,
            Part::Count(_) | Part::Groups(_) | Part::Plan { .. } => &[],
        };
        let places = after.into_iter().chain(items.iter().map(|item| &item.place));
        let last = items.last().map(|item| &item.place);
        let advances = self.next.as_ref().is_none_or(|next| Some(next) > after && Some(next) >= last);
        advances && places.is_sorted_by(|before, place| before < place)
    }
}

/// How many there are of each value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) counts: BTreeMap<GroupValue, u64>,
    bytes: usize,
}

impl Groups {
    /// # Errors
    /// INVALID_ARGUMENT for more groups than a count may have, or than fit into an answer.
    pub(crate) fn add(&mut self, value: GroupValue, count: u64) -> Result<(), ApiError> {
        if let Some(known) = self.counts.get_mut(&value) {
            *known = known.saturating_add(count);
            return Ok(());
        }
        self.bytes += match &value {
            GroupValue::Text(text) => text.len(),
            GroupValue::Null | GroupValue::Bool(_) => 0,
        };
        self.counts.insert(value, count);
        if self.counts.len() <= GROUPS && self.bytes <= LIST_PAGE {
            return Ok(());
        }
        let message = format!(
            "GROUP BY makes more than {GROUPS} groups, or more than {LIST_PAGE} bytes of them; ask for fewer runs"
        );
        Err(ApiError::invalid_argument(message))
    }
}
