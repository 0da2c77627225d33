//! Rows of commands that share an entry, on top of what is committed.

use crate::{leader::cache::LeaderStates, seam::replica::Rows};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use tenure_api::history::v1::HistoryEvent;
use tenure_engine::{
    Op, RowKey, RunKey, StateReader, Subject, Transition,
    proto::event_in,
    rows::{ReadError, SystemTable},
    state::ExecutionState,
    subject::SubjectState,
};

/// What the next command of the same workflow id sees. Only the lane of that workflow id may use it: nobody else
/// writes its rows meanwhile, so the cache holds what is committed.
pub(crate) struct Overlay<'a> {
    rows: &'a dyn Rows,
    cache: &'a LeaderStates,
    /// `None`: deleted.
    written: HashMap<RowKey, Option<Bytes>>,
    states: HashMap<Subject, SubjectState>,
    /// Subjects that are no more.
    gone: HashSet<Subject>,
    history: BTreeMap<(RunKey, i64), Bytes>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(rows: &'a dyn Rows, cache: &'a LeaderStates) -> Self {
        Overlay {
            rows,
            cache,
            written: HashMap::new(),
            states: HashMap::new(),
            gone: HashSet::new(),
            history: BTreeMap::new(),
        }
    }

    /// Puts the transition's rows on top.
    pub(crate) fn put(&mut self, transition: &Transition) {
        for op in &transition.writes.ops {
            match op {
                Op::Put(RowKey::History { run, first_event_id }, value) => {
                    self.history.insert((run.clone(), *first_event_id), value.clone());
                }
                Op::Put(key, value) => _ = self.written.insert(key.clone(), Some(value.clone())),
                Op::Delete(key) => {
                    if let Some(subject) = key.core_of() {
                        self.states.remove(&subject);
                        self.gone.insert(subject);
                    }
                    if let RowKey::History { run, first_event_id } = key {
                        self.history.remove(&(run.clone(), *first_event_id));
                    }
                    self.written.insert(key.clone(), None);
                }
            }
        }
        for written in &transition.states {
            self.gone.remove(&written.subject);
            self.states.insert(written.subject.clone(), written.state.clone());
        }
    }
}

impl StateReader for Overlay<'_> {
    fn execution(&self, run: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        let subject = Subject::from(run);
        if self.gone.contains(&subject) {
            return Ok(None);
        }
        match self.state(&subject).and_then(|state| state.downcast().ok()) {
            Some(state) => Ok(Some(state)),
            None => self.rows.execution(run),
        }
    }

    fn state(&self, subject: &Subject) -> Option<SubjectState> {
        if self.gone.contains(subject) {
            return None;
        }
        self.states.get(subject).cloned().or_else(|| self.cache.get(subject))
    }

    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        match key {
            RowKey::History { run, first_event_id } => match self.history.get(&(run.clone(), *first_event_id)) {
                Some(value) => Ok(Some(value.clone())),
                None => self.rows.get(key),
            },
            key => match self.written.get(key) {
                Some(value) => Ok(value.clone()),
                None => self.rows.get(key),
            },
        }
    }

    fn event(&self, run: &RunKey, event_id: i64) -> Result<Option<HistoryEvent>, ReadError> {
        let from = (run.clone(), i64::MIN);
        let to = (run.clone(), event_id);
        if let Some(((_, first_event_id), chunk)) = self.history.range(from..=to).next_back() {
            return event_in(chunk, event_id).map_err(|error| ReadError::history(run, *first_event_id, error));
        }
        self.rows.event(run, event_id)
    }

    fn history_rows(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        let mut rows: BTreeMap<i64, Bytes> = self.rows.history_rows(run, from, max_bytes)?.into_iter().collect();
        rows.retain(|&first_event_id, _| {
            let key = RowKey::History { run: run.clone(), first_event_id };
            !matches!(self.written.get(&key), Some(None))
        });
        // What was written meanwhile follows; it is not to be read before all that is committed.
        let read = rows.values().map(Bytes::len).sum::<usize>();
        if read < max_bytes {
            let written = self.history.range((run.clone(), from)..=(run.clone(), i64::MAX));
            rows.extend(written.map(|((_, first_event_id), chunk)| (*first_event_id, chunk.clone())));
        }
        Ok(rows.into_iter().collect())
    }

    fn system_rows(&self, table: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
        self.rows.system_rows(table)
    }
}
