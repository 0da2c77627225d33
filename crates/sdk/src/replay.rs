//! Runs a workflow against a recorded history: no server, no worker, and a debugger may look on.

use crate::{
    execution::{Execution, Factory, Name, Task, Trouble, Typed},
    interceptor::{Interceptors, WorkerInterceptor},
    worker::DYNAMIC,
    workflow::Workflow,
};
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    path::PathBuf,
    sync::Arc,
};
use tenure_api::history::v1::{History, HistoryEvent, history_event::Attributes};
use tenure_client::{Args, Client, ClientError, DataConverter, Failure, Headers, IntoArgs, IntoWorkflow, Query};

/// Why a history cannot be replayed. What it says has several lines, and `unwrap` shows them as such.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The code does not do what history says, or it panicked.
    #[error("{0}")]
    Broken(String),
    /// The history is of a workflow that [`Replayer::workflow`] was not given.
    #[error("no workflow {0:?} was given to the replayer")]
    UnknownWorkflow(String),
    /// Not the history of a workflow from its first event on.
    #[error("not a whole history: {0}")]
    Incomplete(String),
    /// No JSON of a history.
    #[error("not the JSON of a history: {0}")]
    Unreadable(String),
    /// Histories of a directory do not replay: which, and why.
    #[error("{}", list(.0))]
    Histories(Vec<(PathBuf, ReplayError)>),
    /// The history could not be fetched.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl fmt::Debug for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn list(histories: &[(PathBuf, ReplayError)]) -> String {
    histories.iter().fold(format!("{} cannot be replayed", histories.len()), |mut text, (path, error)| {
        let _ = write!(text, "\n{}: {error}", path.display());
        text
    })
}

/// Replays histories with the code of today.
///
/// A test of a crate whose histories are kept:
///
/// ```no_run
/// # use tenure_sdk::{Replayer, prelude::*};
/// # #[workflow] async fn order(cx: WorkflowContext) -> Result<()> { cx.sleep(std::time::Duration::from_secs(1)).await }
/// # async fn check(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let history = client.handle(order, "order-1").history().await?;
/// Replayer::new().workflow(order).replay(&history)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Replayer {
    workflows: BTreeMap<String, Arc<dyn Factory>>,
    converter: DataConverter,
    namespace: String,
    interceptors: Interceptors,
    strict: bool,
}

impl Replayer {
    /// Without workflows.
    pub fn new() -> Self {
        Replayer::default()
    }

    /// A replayer that runs the workflows as a worker with this client would.
    pub(crate) fn of(
        workflows: BTreeMap<String, Arc<dyn Factory>>,
        client: &Client,
        interceptors: Interceptors,
    ) -> Self {
        let (converter, namespace) = (client.converter().clone(), client.namespace().to_owned());
        Replayer { workflows, converter, namespace, interceptors, strict: false }
    }

    /// Adds an interceptor, as the worker has it.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl WorkerInterceptor) -> Self {
        let added: Arc<dyn WorkerInterceptor> = Arc::new(interceptor);
        self.interceptors = self.interceptors.iter().cloned().chain([added]).collect();
        self
    }

    /// Adds a workflow.
    #[must_use]
    pub fn workflow<W: Workflow, G>(mut self, workflow: impl IntoWorkflow<G, Workflow = W>) -> Self {
        let workflow = workflow.into_workflow();
        self.workflows.insert(workflow.name().to_owned(), Arc::new(Typed::new(&workflow)));
        self
    }

    /// Default: JSON, no codec.
    #[must_use]
    pub fn converter(mut self, converter: DataConverter) -> Self {
        self.converter = converter;
        self
    }

    /// Also compares what commands carry: inputs, results, how long timers run. The same code must do the same again, or
    /// it reads a clock, random numbers or the order of a hash map. Code that has changed since may well differ there.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Replays a history from the first event to the last. The commands of a workflow task that history does not show
    /// the end of are not compared.
    pub fn replay(&self, history: &History) -> Result<Replayed, ReplayError> {
        let mut replayed = self.begin(history)?;
        replayed.feed(history.events.clone())?;
        Ok(replayed)
    }

    /// Replays event by event and calls `look` with each. The code runs when a workflow task has started, as it did then:
    /// breakpoints in it are hit just before `look` gets that event, and queries answer from what it has become.
    pub fn step(
        &self,
        history: &History,
        mut look: impl FnMut(&Replayed, &HistoryEvent),
    ) -> Result<Replayed, ReplayError> {
        let mut replayed = self.begin(history)?;
        let tasks: BTreeMap<usize, usize> = tasks(&history.events).collect();
        for (at, event) in history.events.iter().enumerate() {
            if let Some(end) = tasks.get(&at) {
                replayed.feed(history.events[..*end].to_vec())?;
            }
            look(&replayed, event);
        }
        Ok(replayed)
    }

    /// The workflow as it was at an event, to be queried.
    ///
    /// ```no_run
    /// # use tenure_sdk::{History, Replayer, prelude::*};
    /// # #[derive(Default)] struct Order;
    /// # #[handlers] impl Order { #[query] fn status(&self) -> String { String::new() } }
    /// # #[workflow] async fn order(cx: WorkflowContext<Order>) -> Result<()> { Ok(()) }
    /// # fn look(history: History) -> Result<()> {
    /// let then = Replayer::new().workflow(order).at(&history, 17)?;
    /// println!("{}", then.query(Order::STATUS, ())?);
    /// # Ok(()) }
    /// ```
    pub fn at(&self, history: &History, event_id: i64) -> Result<Replayed, ReplayError> {
        let mut replayed = self.begin(history)?;
        let before = tasks(&history.events).take_while(|(started, _)| history.events[*started].event_id <= event_id);
        if let Some((_, end)) = before.last() {
            replayed.feed(history.events[..end].to_vec())?;
        }
        Ok(replayed)
    }

    /// Replays every prefix of the history that a worker could see, each from the start, twice.
    pub fn replay_all_prefixes(&self, history: &History) -> Result<(), ReplayError> {
        self.replay_prefixes(history, usize::MAX)
    }

    /// The same with so many prefixes at most, the whole history among them.
    #[doc(hidden)]
    pub fn replay_prefixes(&self, history: &History, most: usize) -> Result<(), ReplayError> {
        let ends: Vec<_> = tasks(&history.events).map(|(_, end)| end).collect();
        // Evenly spread: each takes as long as the history is long.
        for end in ends.iter().rev().step_by(ends.len().div_ceil(most.max(1)).max(1)).rev() {
            for _ in 0..2 {
                self.begin(history)?.feed(history.events[..*end].to_vec())?;
            }
        }
        Ok(())
    }

    fn begin(&self, history: &History) -> Result<Replayed, ReplayError> {
        let started = history.events.first().and_then(|event| event.attributes.as_ref());
        let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = started else {
            return Err(ReplayError::Incomplete("it does not begin with the started event".to_owned()));
        };
        let workflow_type = started.workflow_type.clone().unwrap_or_default().name;
        let factory = self.workflows.get(&workflow_type).or_else(|| self.workflows.get(DYNAMIC));
        let factory = factory.ok_or(ReplayError::UnknownWorkflow(workflow_type))?;
        let name = Name {
            namespace: self.namespace.clone(),
            workflow_id: started.workflow_id.clone(),
            run_id: started.original_execution_run_id.clone(),
        };
        Ok(Replayed {
            execution: Execution::new(factory, name, self.converter.clone())
                .intercepted(&self.interceptors)
                .prepared(started.input.as_ref())
                .strictly(self.strict),
            converter: self.converter.clone(),
        })
    }
}

/// The code, at some event of its history.
pub struct Replayed {
    execution: Execution,
    converter: DataConverter,
}

impl Replayed {
    fn feed(&mut self, events: Vec<HistoryEvent>) -> Result<(), ReplayError> {
        // A query's task: what history does not end is not begun.
        let task = Task { events, only_query: true, ..Default::default() };
        match self.execution.advance(task) {
            Ok(_) => Ok(()),
            Err(Trouble::Gap) => {
                Err(ReplayError::Incomplete(format!("event {} is missing", self.execution.last_event() + 1)))
            }
            Err(Trouble::Fails(failure)) => Err(ReplayError::Broken(failure.failure.message)),
        }
    }

    /// Asks the workflow, as it is at this event.
    pub fn query<S, A: Args, R: tenure_client::Data>(
        &self,
        query: Query<S, A, R>,
        args: impl IntoArgs<A>,
    ) -> Result<R, Failure> {
        let args = self.converter.encode_args(&args.into_args())?;
        let answer = self.execution.query(query.name(), args.as_ref(), &Headers::default())?;
        Ok(self.converter.decode(&answer)?)
    }
}

/// Workflow tasks that were completed: where each started, and where its events end, those of its commands included.
fn tasks(events: &[HistoryEvent]) -> impl Iterator<Item = (usize, usize)> {
    use tenure_api::enums::v1::EventType as E;
    let completed = |at: &usize| events[*at].event_type() == E::WorkflowTaskCompleted;
    (1..events.len()).filter(completed).map(|at| {
        let of_commands = events[at + 1..].iter().take_while(|event| event.event_type().is_of_command());
        (at - 1, at + 1 + of_commands.count())
    })
}
