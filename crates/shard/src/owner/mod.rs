//! The owner's side of dispatch: the tasks of a shard's workflows, until workers have them.

pub(crate) mod dispatch;
pub(crate) mod starts;
