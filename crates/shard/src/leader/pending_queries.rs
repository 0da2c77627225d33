//! The queries that wait for an answer, and where each of them is.

use crate::seam::{messages::Offered, replica::ShardId};
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicU64, Ordering},
};
use tenure_api::{
    common::v1::Payloads,
    error::{ApiError, Code},
    query::v1::WorkflowQuery,
};
use tenure_engine::RunKey;
use tenure_limits::QUERIES;
use tokio::sync::oneshot;

/// What a worker said: its answer, or an error.
pub(crate) type QueryResult = Result<Option<Payloads>, ApiError>;

/// The queries of one leader.
pub(crate) struct PendingQueries {
    table: Mutex<QueryTable>,
    next: AtomicU64,
}

/// The queries by id and by run.
#[derive(Default)]
pub(crate) struct QueryTable {
    by_id: BTreeMap<u64, Query>,
    by_run: HashMap<RunKey, Vec<u64>>,
}

/// A query that has an asker.
pub(crate) struct Query {
    pub(crate) run: RunKey,
    pub(crate) query: WorkflowQuery,
    reply: oneshot::Sender<QueryResult>,
    pub(crate) place: Place,
}

/// The place of a query on its way to a worker.
pub(crate) enum Place {
    /// It waits for the next workflow task.
    Buffered,
    /// It is with the workflow task in flight.
    WithTask,
    /// It is offered on its own.
    Offered { home: ShardId, offered: Offered },
    /// A worker has it on its own.
    Handed { home: ShardId, offered: Offered },
}

impl Place {
    pub(crate) fn is_buffered(&self) -> bool {
        matches!(self, Place::Buffered)
    }
}

impl QueryTable {
    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Query> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Query> {
        let query = self.by_id.remove(&id)?;
        if let Some(ids) = self.by_run.get_mut(&query.run) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_run.remove(&query.run);
            }
        }
        Some(query)
    }

    pub(crate) fn of_run(&mut self, run: &RunKey, mut visit: impl FnMut(u64, &mut Query)) {
        for id in self.by_run.get(run).cloned().unwrap_or_default() {
            if let Some(query) = self.by_id.get_mut(&id) {
                visit(id, query);
            }
        }
    }
}

impl PendingQueries {
    /// The queries of a leader in a term. Their ids are no earlier leader's, because a worker may answer what it was asked
    /// before.
    pub(crate) fn new(term: u64) -> Self {
        PendingQueries { table: Mutex::default(), next: AtomicU64::new(term << 32) }
    }

    /// The table of queries, for a look at several of them or for a change.
    pub(crate) fn lock(&self) -> MutexGuard<'_, QueryTable> {
        self.table.lock()
    }

    /// Queries that are offered to a home, which may have moved.
    pub(crate) fn of_home(&self, home: ShardId) -> Vec<Offered> {
        let table = self.table.lock();
        let offered = table.by_id.values().filter_map(|query| match &query.place {
            Place::Offered { home: at, offered } if *at == home => Some(offered.clone()),
            _ => None,
        });
        offered.collect()
    }

    /// A workflow task was started: gives it the queries that wait for it.
    pub(crate) fn attach(&self, run: &RunKey) -> BTreeMap<String, WorkflowQuery> {
        let mut attached = BTreeMap::new();
        self.table.lock().of_run(run, |id, query| {
            if matches!(query.place, Place::Buffered | Place::WithTask) {
                query.place = Place::WithTask;
                attached.insert(id.to_string(), query.query.clone());
            }
        });
        attached
    }

    pub(crate) fn add(
        &self,
        run: &RunKey,
        query: WorkflowQuery,
    ) -> Result<(u64, oneshot::Receiver<QueryResult>), ApiError> {
        let (reply, answer) = oneshot::channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut table = self.table.lock();
        let ids = table.by_run.entry(run.clone()).or_default();
        if ids.len() >= QUERIES {
            return Err(ApiError::new(Code::ResourceExhausted, "query buffer is full, please retry later"));
        }
        ids.push(id);
        table.by_id.insert(id, Query { run: run.clone(), query, reply, place: Place::Buffered });
        Ok((id, answer))
    }

    /// The queries that went with a workflow task which is no more wait for the next one. True if any query waits.
    pub(crate) fn detach(&self, run: &RunKey) -> bool {
        let mut any = false;
        self.table.lock().of_run(run, |_, query| {
            if matches!(query.place, Place::WithTask) {
                query.place = Place::Buffered;
            }
            any |= query.place.is_buffered();
        });
        any
    }

    /// Answers all queries of a run with an error.
    pub(crate) fn fail(&self, run: &RunKey, error: &ApiError) {
        let mut ids = Vec::new();
        self.table.lock().of_run(run, |id, _| ids.push(id));
        for id in ids {
            self.answer(id, |_| true, Err(error.clone()));
        }
    }

    /// Answers a query that `asked` accepts as the one that its worker was asked.
    pub(crate) fn answer(&self, id: u64, asked: impl FnOnce(&Query) -> bool, result: QueryResult) -> bool {
        let query = {
            let mut table = self.table.lock();
            if !table.by_id.get(&id).is_some_and(asked) {
                return false;
            }
            table.remove(id)
        };
        // Its asker may have given up.
        query.map(|query| query.reply.send(result)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_engine::{NamespaceId, WorkflowKey};
    use uuid::Uuid;

    fn run(id: &str) -> RunKey {
        WorkflowKey { namespace: NamespaceId(Uuid::nil()), workflow_id: id.into() }.run(Uuid::nil())
    }

    #[test]
    fn one_run_has_no_more_queries_than_it_may() {
        let queries = PendingQueries::new(1);
        let ask = |id| queries.add(&run(id), WorkflowQuery::default());
        let mut asked: Vec<_> = (0..QUERIES).map(|_| ask("busy").unwrap()).collect();
        assert_eq!(ask("busy").unwrap_err().code, Code::ResourceExhausted);
        assert!(ask("other").is_ok());
        let (answered, _) = asked.swap_remove(0);
        assert!(queries.answer(answered, |_| true, Ok(None)));
        assert!(ask("busy").is_ok());
    }
}
