//! A transition with all that it is made of at hand, to be run again and again by measurements of cost.

use super::MemoryRows;
use crate::{
    FeatureLevel,
    command::Envelope,
    id::{Ids, Process, Stamp},
    key::RunKey,
    limits::Limits,
    rows::{ReadError, RowKey, StateReader, SystemTable},
    search_attributes::Registry,
    state::ExecutionState,
    time::Timestamp,
    transition::{Context, Transition, transition},
};
use bytes::Bytes;
use std::sync::Arc;
use tenure_api::history::v1::HistoryEvent;

/// A command and the rows that it meets. The run's state is decoded already, as a leader has it from the transition before.
#[derive(Clone, Debug)]
pub struct Prepared {
    rows: MemoryRows,
    state: Option<Arc<ExecutionState>>,
    now: Timestamp,
    envelope: Envelope,
}

impl Prepared {
    /// Takes a copy of the rows.
    ///
    /// # Panics
    ///
    /// When the run that the command is for cannot be read.
    pub fn new(rows: &MemoryRows, run: Option<&RunKey>, now: Timestamp, envelope: Envelope) -> Self {
        let state = run.and_then(|run| rows.execution(run).expect("rows can be read"));
        Prepared { rows: rows.clone(), state, now, envelope }
    }

    /// Runs the transition. Nothing is applied.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub fn run(&self) -> Transition {
        let mut ids = Ids::new(1, Stamp { term: 2, counter: 1 });
        let mut cx = Context {
            now: self.now,
            ids: &mut ids,
            limits: &Limits::default(),
            level: FeatureLevel::KNOWN,
            retention: None,
            search_attributes: &Registry::default(),
            origin: Process::default(),
        };
        transition(self, &self.envelope, &mut cx).expect("a transition that is let in")
    }
}

impl StateReader for Prepared {
    fn execution(&self, _: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        Ok(self.state.clone())
    }

    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        self.rows.get(key)
    }

    fn event(&self, run: &RunKey, event_id: i64) -> Result<Option<HistoryEvent>, ReadError> {
        self.rows.event(run, event_id)
    }

    fn history_rows(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        self.rows.history_rows(run, from, max_bytes)
    }

    fn system_rows(&self, table: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
        self.rows.system_rows(table)
    }
}
