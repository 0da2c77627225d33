//! The handlers of a workflow type, by name.

use super::{WorkflowContext, WorkflowState};
use crate::{execution::updates::Reply, runtime::catch};
use std::{collections::BTreeMap, panic::Location};
use tenure_api::common::v1::{Payload, Payloads};
use tenure_client::{Args, Data, DataError, Failure, Query, Raw, Signal, Update};

type Input<'a> = Option<&'a Payloads>;
type OnSignal<S> = dyn Fn(&WorkflowContext<S>, &str, Input<'_>) -> Result<(), DataError> + Send + Sync;
type OnQuery<S> = dyn Fn(&WorkflowContext<S>, &str, Input<'_>) -> Result<Payload, Failure> + Send + Sync;
type OnUpdate<S> =
    dyn Fn(&WorkflowContext<S>, &str, Input<'_>, bool, &dyn Fn(), Reply) -> Result<(), Failure> + Send + Sync;

/// Looks at an update's arguments before it is accepted.
type Validator<S, A> = Option<fn(&S, &A) -> Result<(), Failure>>;

/// The handlers of the workflows with the state `S`. `#[handlers]` fills it.
pub struct Handlers<S> {
    pub(crate) signals: BTreeMap<&'static str, Box<OnSignal<S>>>,
    pub(crate) queries: BTreeMap<&'static str, Box<OnQuery<S>>>,
    pub(crate) updates: BTreeMap<&'static str, Box<OnUpdate<S>>>,
    /// For the names that have none.
    pub(crate) any_signal: Option<Box<OnSignal<S>>>,
    pub(crate) any_query: Option<Box<OnQuery<S>>>,
    pub(crate) any_update: Option<Box<OnUpdate<S>>>,
}

impl<S> Default for Handlers<S> {
    fn default() -> Self {
        Handlers {
            signals: BTreeMap::new(),
            queries: BTreeMap::new(),
            updates: BTreeMap::new(),
            any_signal: None,
            any_query: None,
            any_update: None,
        }
    }
}

/// # Panics
/// When there is one of this name already.
fn add<T>(handlers: &mut BTreeMap<&'static str, T>, kind: &str, name: &'static str, handler: T) {
    let first = handlers.insert(name, handler);
    assert!(first.is_none(), "two handlers of a workflow take the {kind} {name:?}: call one of them otherwise");
}

/// # Panics
/// When there is one already.
fn add_any<T>(place: &mut Option<T>, kind: &str, handler: T) {
    let first = place.replace(handler);
    assert!(first.is_none(), "two handlers of a workflow take all {kind} of unknown names");
}

impl<S: WorkflowState> Handlers<S> {
    /// Adds the handlers of a part of the state.
    ///
    /// # Panics
    /// When a handler of one of their names is there already.
    pub fn part<P: WorkflowState>(&mut self, part: fn(&S) -> &P, part_mut: fn(&mut S) -> &mut P) {
        let mut of_part = Handlers::<P>::default();
        P::handlers(&mut of_part);
        let signal = |handler: Box<OnSignal<P>>| -> Box<OnSignal<S>> {
            Box::new(move |cx, name, input| handler(&cx.part(part, part_mut), name, input))
        };
        let query = |handler: Box<OnQuery<P>>| -> Box<OnQuery<S>> {
            Box::new(move |cx, name, input| handler(&cx.part(part, part_mut), name, input))
        };
        let update = |handler: Box<OnUpdate<P>>| -> Box<OnUpdate<S>> {
            Box::new(move |cx, name, input, validate, accept, reply| {
                handler(&cx.part(part, part_mut), name, input, validate, accept, reply)
            })
        };
        let Handlers { signals, queries, updates, any_signal, any_query, any_update } = of_part;
        signals.into_iter().for_each(|(name, handler)| add(&mut self.signals, "signal", name, signal(handler)));
        queries.into_iter().for_each(|(name, handler)| add(&mut self.queries, "query", name, query(handler)));
        updates.into_iter().for_each(|(name, handler)| add(&mut self.updates, "update", name, update(handler)));
        any_signal.into_iter().for_each(|handler| add_any(&mut self.any_signal, "signals", signal(handler)));
        any_query.into_iter().for_each(|handler| add_any(&mut self.any_query, "queries", query(handler)));
        any_update.into_iter().for_each(|handler| add_any(&mut self.any_update, "updates", update(handler)));
    }

    /// Handles a signal where it stands in history, before the function goes on. An error fails the workflow.
    ///
    /// # Panics
    /// As all of these: when a handler of this name is there already.
    pub fn signal<A: Args>(
        &mut self,
        signal: Signal<S, A>,
        handle: impl Fn(&mut S, A) -> Result<(), Failure> + Send + Sync + 'static,
    ) {
        let on_signal = move |cx: &WorkflowContext<S>, _: &str, input: Input<'_>| {
            let args = cx.rt().converter.decode_args(input)?;
            let handled = handle(&mut cx.state_cell().write(Location::caller()), args);
            handled.unwrap_or_else(|failure| cx.fail(failure));
            Ok(())
        };
        add(&mut self.signals, "signal", signal.name(), Box::new(on_signal));
    }

    /// Handles a signal by a task of its own. An error fails the workflow, unless both were cancelled: how a cancelled
    /// workflow ends is for its function to say.
    pub fn signal_async<A: Args, F: Future<Output = Result<(), Failure>> + 'static>(
        &mut self,
        signal: Signal<S, A>,
        handle: impl Fn(WorkflowContext<S>, A) -> F + Send + Sync + 'static,
    ) {
        let name = signal.name();
        let on_signal = move |cx: &WorkflowContext<S>, _: &str, input: Input<'_>| {
            handle_signal(cx, name, handle(cx.clone(), cx.rt().converter.decode_args(input)?));
            Ok(())
        };
        add(&mut self.signals, "signal", name, Box::new(on_signal));
    }

    /// Answers a query.
    pub fn query<A: Args, R: Data>(
        &mut self,
        query: Query<S, A, R>,
        answer: impl Fn(&S, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) {
        let on_query = move |cx: &WorkflowContext<S>, _: &str, input: Input<'_>| {
            let args = cx.rt().converter.decode_args(input)?;
            let answer = answer(&cx.state_cell().read(Location::caller()), args)?;
            Ok(cx.rt().converter.encode(&answer)?)
        };
        add(&mut self.queries, "query", query.name(), Box::new(on_query));
    }

    /// Takes an update and answers it at once.
    pub fn update<A: Args, R: Data>(
        &mut self,
        update: Update<S, A, R>,
        validator: Validator<S, A>,
        handle: impl Fn(&mut S, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) {
        let on_update = on_update(validator, move |cx: &WorkflowContext<S>, _, args, reply| {
            let result = handle(&mut cx.state_cell().write(Location::caller()), args);
            reply.finish(result.and_then(|value| Ok(cx.rt().converter.encode(&value)?)));
        });
        add(&mut self.updates, "update", update.name(), on_update);
    }

    /// Takes an update and answers it by a task of its own.
    pub fn update_async<A: Args, R: Data, F: Future<Output = Result<R, Failure>> + 'static>(
        &mut self,
        update: Update<S, A, R>,
        validator: Validator<S, A>,
        handle: impl Fn(WorkflowContext<S>, A) -> F + Send + Sync + 'static,
    ) {
        let on_update = on_update(validator, move |cx: &WorkflowContext<S>, name, args, reply| {
            handle_update(cx, name, handle(cx.clone(), args), reply);
        });
        add(&mut self.updates, "update", update.name(), on_update);
    }

    /// Handles the signals of all names that have no handler, in place of their channels.
    pub fn any_signal(
        &mut self,
        handle: impl Fn(&mut S, String, Vec<Raw>) -> Result<(), Failure> + Send + Sync + 'static,
    ) {
        let on_signal = move |cx: &WorkflowContext<S>, name: &str, input: Input<'_>| {
            let args = cx.rt().converter.decode_args(input)?;
            let handled = handle(&mut cx.state_cell().write(Location::caller()), name.to_owned(), args);
            handled.unwrap_or_else(|failure| cx.fail(failure));
            Ok(())
        };
        add_any(&mut self.any_signal, "signals", Box::new(on_signal));
    }

    /// Handles the signals of all names that have no handler, by a task for each.
    pub fn any_signal_async<F: Future<Output = Result<(), Failure>> + 'static>(
        &mut self,
        handle: impl Fn(WorkflowContext<S>, String, Vec<Raw>) -> F + Send + Sync + 'static,
    ) {
        let on_signal = move |cx: &WorkflowContext<S>, name: &str, input: Input<'_>| {
            let handling = handle(cx.clone(), name.to_owned(), cx.rt().converter.decode_args(input)?);
            handle_signal(cx, name, handling);
            Ok(())
        };
        add_any(&mut self.any_signal, "signals", Box::new(on_signal));
    }

    /// Answers the queries of all names that have no handler.
    pub fn any_query<R: Data>(
        &mut self,
        answer: impl Fn(&S, String, Vec<Raw>) -> Result<R, Failure> + Send + Sync + 'static,
    ) {
        let on_query = move |cx: &WorkflowContext<S>, name: &str, input: Input<'_>| {
            let args = cx.rt().converter.decode_args(input)?;
            let answer = answer(&cx.state_cell().read(Location::caller()), name.to_owned(), args)?;
            Ok(cx.rt().converter.encode(&answer)?)
        };
        add_any(&mut self.any_query, "queries", Box::new(on_query));
    }

    /// Takes the updates of all names that have no handler, and answers each at once.
    pub fn any_update<R: Data>(
        &mut self,
        handle: impl Fn(&mut S, String, Vec<Raw>) -> Result<R, Failure> + Send + Sync + 'static,
    ) {
        let on_update = on_update(None, move |cx: &WorkflowContext<S>, name, args, reply| {
            let result = handle(&mut cx.state_cell().write(Location::caller()), name.to_owned(), args);
            reply.finish(result.and_then(|value| Ok(cx.rt().converter.encode(&value)?)));
        });
        add_any(&mut self.any_update, "updates", on_update);
    }

    /// Takes the updates of all names that have no handler, and answers them by a task for each.
    pub fn any_update_async<R: Data, F: Future<Output = Result<R, Failure>> + 'static>(
        &mut self,
        handle: impl Fn(WorkflowContext<S>, String, Vec<Raw>) -> F + Send + Sync + 'static,
    ) {
        let on_update = on_update(None, move |cx: &WorkflowContext<S>, name, args, reply| {
            handle_update(cx, name, handle(cx.clone(), name.to_owned(), args), reply);
        });
        add_any(&mut self.any_update, "updates", on_update);
    }
}

/// Runs the task of a signal.
fn handle_signal<S: 'static>(
    cx: &WorkflowContext<S>,
    name: &str,
    handling: impl Future<Output = Result<(), Failure>> + 'static,
) {
    let cx = cx.clone();
    cx.rt().clone().spawn_handler(name, async move {
        match handling.await {
            // Cancelled with the workflow, whose function may still undo what it did.
            Err(failure) if failure.is_cancelled() && cx.is_cancelled() => {}
            Err(failure) => cx.fail(failure),
            Ok(()) => {}
        }
    });
}

/// What every update has in common: its arguments are read and validated, it is accepted, and `answer` has it from then on,
/// with the name by which it was called.
fn on_update<S: WorkflowState, A: Args>(
    validator: Validator<S, A>,
    answer: impl Fn(&WorkflowContext<S>, &str, A, Reply) + Send + Sync + 'static,
) -> Box<OnUpdate<S>> {
    Box::new(move |cx, name, input, validate, accept, reply| {
        let args = read(cx, input, validator.filter(|_| validate))?;
        accept();
        answer(cx, name, args, reply);
        Ok(())
    })
}

/// Runs the task of an update.
fn handle_update<S: 'static, R: Data>(
    cx: &WorkflowContext<S>,
    name: &str,
    handling: impl Future<Output = Result<R, Failure>> + 'static,
    reply: Reply,
) {
    let cx = cx.clone();
    cx.rt().clone().spawn_handler(name, async move {
        let result = handling.await;
        reply.finish(result.and_then(|value| Ok(cx.rt().converter.encode(&value)?)));
    });
}

/// The arguments of an update, if they can be read and the validator likes them. A validator that panics rejects the
/// update: history knows nothing of it, so the workflow need not suffer.
fn read<S: WorkflowState, A: Args>(
    cx: &WorkflowContext<S>,
    input: Input<'_>,
    validator: Validator<S, A>,
) -> Result<A, Failure> {
    let args = cx.rt().converter.decode_args(input)?;
    match validator {
        Some(check) => catch(|| check(&cx.state_cell().read(Location::caller()), &args))
            .unwrap_or_else(|panic| Err(Failure::application("Panic", format!("the validator {panic}"))))
            .map(|()| args),
        None => Ok(args),
    }
}
