//! The context of a workflow.

use super::{
    ActivityCall, ChildCall, ExternalHandle, LocalActivityCall, Saga, Scope, SignalChannel, StateMut, StateRef, Timer,
    WaitUntil, Workflow,
    state::{StateAccess, StatePart},
};
use crate::{
    Failure,
    info::{HistoryInfo, WorkflowInfo},
    runtime::{Broken, PATCH, Rt, SIDE_EFFECT, TaskId, details},
};
use std::{
    cell::RefCell,
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};
use tenure_api::{
    command::v1::{self as command, command::Attributes},
    common::v1::{Memo, SearchAttributes, WorkflowType},
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
};
use tenure_client::{
    ActivityDefinition, Args, Data, DataConverter, DataError, Encode, FailureKind, IntoActivity, IntoArgs,
    IntoWorkflow, RetryPolicy, SearchKey, Signal, WorkflowDefinition,
};

/// What a workflow can do. Cheap to clone; `S` is the state that its handlers share.
///
/// Everything that waits ends early with a cancellation when the workflow is cancelled, unless it waits inside of
/// [`WorkflowContext::shielded`].
///
/// ```
/// use std::time::Duration;
/// use tenure_sdk::prelude::*;
///
/// # #[activity] async fn notify(text: String) {}
/// #[derive(Default)]
/// struct Door {
///     open: bool,
/// }
///
/// #[handlers]
/// impl Door {
///     #[signal]
///     fn open(&mut self) {
///         self.open = true;
///     }
/// }
///
/// #[workflow]
/// async fn doorbell(cx: WorkflowContext<Door>, visitor: String) -> Result<bool> {
///     cx.activity(notify, format!("{visitor} rings")).await?;
///     let opened = cx.wait_until(|door| door.open).timeout(Duration::from_secs(60)).await?;
///     if !opened && cx.patched("leave-a-note") {
///         cx.set_current_details("nobody opened");
///         cx.activity(notify, format!("{visitor} was here at {:?}", cx.now())).await?;
///     }
///     Ok(opened)
/// }
/// ```
pub struct WorkflowContext<S = ()> {
    rt: Rt,
    state: Rc<dyn StateAccess<S>>,
}

impl<S> Clone for WorkflowContext<S> {
    fn clone(&self) -> Self {
        WorkflowContext { rt: self.rt.clone(), state: self.state.clone() }
    }
}

impl<S: 'static> WorkflowContext<S> {
    pub(crate) fn new(rt: Rt, state: Rc<dyn StateAccess<S>>) -> Self {
        WorkflowContext { rt, state }
    }

    pub(crate) fn rt(&self) -> &Rt {
        &self.rt
    }

    pub(crate) fn state_cell(&self) -> &dyn StateAccess<S> {
        self.rt.progressed();
        &*self.state
    }

    pub(crate) fn fail(&self, failure: Failure) {
        self.rt.fail(failure);
    }

    /// Looks at the state: `let cents = cx.read(|order| order.cents);`. Nothing of the state can be held over an
    /// `.await`, when handlers may change it.
    ///
    /// ```
    /// # use tenure_sdk::prelude::*;
    /// # #[activity] async fn ship(item: String) {}
    /// #[derive(Default)]
    /// struct Parcels {
    ///     items: Vec<String>,
    /// }
    ///
    /// #[handlers]
    /// impl Parcels {
    ///     #[signal]
    ///     fn add(&mut self, item: String) {
    ///         self.items.push(item);
    ///     }
    /// }
    ///
    /// #[workflow]
    /// async fn shipping(cx: WorkflowContext<Parcels>) -> Result<()> {
    ///     cx.wait_until(|parcels| parcels.items.len() >= 3).await?;
    ///     while let Some(item) = cx.write(|parcels| parcels.items.pop()) {
    ///         cx.activity(ship, item).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn read<T>(&self, look: impl FnOnce(&S) -> T) -> T {
        look(&self.state.read(Location::caller()))
    }

    /// Changes the state: `cx.write(|order| order.cents += 1);`. See [`Self::read`].
    #[track_caller]
    pub fn write<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        self.rt.progressed();
        change(&mut self.state.write(Location::caller()))
    }

    /// A guard through which the state can be read, for where a closure ([`Self::read`]) is in the way. Bind it to a
    /// variable of a block without `.await`: one in an argument of a call or in the head of a loop lives on while the
    /// workflow waits, and the next handler fails the task.
    #[track_caller]
    pub fn state(&self) -> StateRef<'_, S> {
        self.state.read(Location::caller())
    }

    /// A guard through which the state can be changed, for where a closure ([`Self::write`]) is in the way. See
    /// [`Self::state`].
    #[track_caller]
    pub fn state_mut(&self) -> StateMut<'_, S> {
        self.rt.progressed();
        self.state.write(Location::caller())
    }

    /// The context of a part of the state, for code that several workflows share:
    ///
    /// ```
    /// # use tenure_sdk::prelude::*;
    /// # #[activity] async fn ship(item: String) {}
    /// #[derive(Default)]
    /// pub struct Switch {
    ///     off: bool,
    /// }
    ///
    /// #[handlers]
    /// impl Switch {
    ///     #[signal]
    ///     fn turn_off(&mut self) {
    ///         self.off = true;
    ///     }
    ///
    ///     #[signal]
    ///     fn turn_on(&mut self) {
    ///         self.off = false;
    ///     }
    /// }
    ///
    /// /// Waits while the workflow is switched off.
    /// async fn switched_on(cx: &WorkflowContext<Switch>) -> Result<()> {
    ///     cx.wait_until(|switch| !switch.off).await
    /// }
    ///
    /// #[derive(Default)]
    /// struct Shop {
    ///     switch: Switch,
    ///     items: Vec<String>,
    /// }
    ///
    /// // The signals and queries of a switch are the shop's, too.
    /// #[handlers(parts(switch: Switch))]
    /// impl Shop {
    ///     #[signal]
    ///     fn sell(&mut self, item: String) {
    ///         self.items.push(item);
    ///     }
    /// }
    ///
    /// #[workflow]
    /// async fn shop(cx: WorkflowContext<Shop>) -> Result<()> {
    ///     let switch = cx.part(|shop| &shop.switch, |shop| &mut shop.switch);
    ///     loop {
    ///         cx.wait_until(|shop| !shop.items.is_empty()).await?;
    ///         switched_on(&switch).await?;
    ///         while let Some(item) = cx.write(|shop| shop.items.pop()) {
    ///             cx.activity(ship, item).await?;
    ///         }
    ///     }
    /// }
    ///
    /// # async fn run(client: Client) -> Result<(), ClientError> {
    /// client.handle(shop, "shop-1").signal(Switch::TURN_OFF, ()).await?;
    /// # Ok(()) }
    /// ```
    pub fn part<P: 'static>(&self, part: fn(&S) -> &P, part_mut: fn(&mut S) -> &mut P) -> WorkflowContext<P> {
        let state = StatePart { whole: self.state.clone(), part, part_mut };
        WorkflowContext { rt: self.rt.clone(), state: Rc::new(state) }
    }

    /// Which workflow this is.
    pub fn info(&self) -> &WorkflowInfo {
        self.rt.info()
    }

    /// How long the history is.
    pub fn history(&self) -> HistoryInfo {
        *self.rt.history.borrow()
    }

    /// The time of the current workflow task: the same whenever this code runs again.
    pub fn now(&self) -> SystemTime {
        self.rt.now.get()
    }

    /// Whether history is being replayed. What the code does must not depend on it.
    pub fn is_replaying(&self) -> bool {
        self.rt.replaying.get()
    }

    /// A random number: the same whenever this code runs again.
    pub fn random(&self) -> u64 {
        self.rt.next_random()
    }

    /// A random uuid: the same whenever this code runs again.
    pub fn uuid(&self) -> uuid::Uuid {
        let bits = u128::from(self.rt.next_random()) << 64 | u128::from(self.rt.next_random());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// Waits. Dropping it cancels the timer.
    #[track_caller]
    pub fn sleep(&self, time: Duration) -> Timer {
        Timer::start(&self.rt, time, Location::caller())
    }

    /// Waits until the condition holds of the state.
    ///
    /// It is looked at whenever something has happened. `.timeout(duration)` limits the wait and tells whether the
    /// condition held.
    pub fn wait_until<F: FnMut(&S) -> bool>(&self, condition: F) -> WaitUntil<S, F> {
        WaitUntil::new(self.clone(), condition)
    }

    pub(crate) fn state_access(&self) -> &dyn StateAccess<S> {
        &*self.state
    }

    /// Whether no asynchronous handler of a signal or an update is at work. A workflow that returns before cuts them off,
    /// and the callers of updates get an error, so wait for it first:
    ///
    /// ```
    /// # use tenure_sdk::prelude::*;
    /// #[workflow]
    /// async fn order(cx: WorkflowContext) -> Result<()> {
    ///     // ... what the workflow does ...
    ///     cx.wait_until(|_| cx.all_handlers_finished()).await
    /// }
    /// ```
    ///
    /// A handler that is ready when the function returns, in the same workflow task, still finishes.
    pub fn all_handlers_finished(&self) -> bool {
        self.rt.handlers.borrow().values().all(|count| *count == 0)
    }

    /// Calls an activity when it is awaited, or when `.start()` is called.
    #[track_caller]
    pub fn activity<D: ActivityDefinition, G>(
        &self,
        activity: impl IntoActivity<G, Activity = D>,
        args: impl IntoArgs<D::Args>,
    ) -> ActivityCall<D> {
        ActivityCall::new(&self.rt, &activity.into_activity(), args.into_args(), Location::caller())
    }

    /// Calls an activity of this same worker, without a task of its own: for what is short.
    #[track_caller]
    pub fn local_activity<D: ActivityDefinition, G>(
        &self,
        activity: impl IntoActivity<G, Activity = D>,
        args: impl IntoArgs<D::Args>,
    ) -> LocalActivityCall<D> {
        LocalActivityCall::new(&self.rt, &activity.into_activity(), args.into_args(), Location::caller())
    }

    /// Starts a child workflow when it is awaited (for its result) or when `.start()` is called (for its handle).
    #[track_caller]
    pub fn child<W: WorkflowDefinition, G>(
        &self,
        workflow: impl IntoWorkflow<G, Workflow = W>,
        args: impl IntoArgs<W::Args>,
    ) -> ChildCall<W> {
        ChildCall::new(&self.rt, &workflow.into_workflow(), args.into_args(), Location::caller())
    }

    /// Another workflow, to signal or cancel.
    pub fn external<W: WorkflowDefinition, G>(
        &self,
        _: impl IntoWorkflow<G, Workflow = W>,
        workflow_id: impl Into<String>,
    ) -> ExternalHandle<W> {
        ExternalHandle::new(self.rt.clone(), workflow_id.into())
    }

    /// Signals that no handler takes, as a stream. Those that came before are kept.
    pub fn signals<A: Args>(&self, signal: Signal<S, A>) -> SignalChannel<A> {
        SignalChannel::new(self.rt.clone(), signal.name())
    }

    /// Ends this run and begins another with new arguments: `return cx.continue_as_new(name, args).finish()`.
    pub fn continue_as_new<W: Workflow, G>(
        &self,
        workflow: impl IntoWorkflow<G, Workflow = W>,
        args: impl IntoArgs<W::Args>,
    ) -> ContinueAsNew {
        ContinueAsNew::new(self.rt.clone(), &workflow.into_workflow(), &args.into_args())
    }

    /// Runs a future beside the caller. It ends with the workflow.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        let slot = Rc::new(Slot { value: RefCell::new(None), waker: RefCell::new(None) });
        let filled = slot.clone();
        let task = self.rt.spawn(async move {
            let value = future.await;
            *filled.value.borrow_mut() = Some(value);
            if let Some(waker) = filled.waker.take() {
                waker.wake();
            }
        });
        JoinHandle { rt: self.rt.clone(), task, slot }
    }

    /// Runs a future that a cancellation from outside does not reach: to clean up.
    pub async fn shielded<T>(&self, future: impl IntoFuture<Output = T>) -> T {
        Scope::new(&self.rt, true).run(future).await
    }

    /// Runs steps that are all taken or all undone: when they fail, or the workflow is cancelled meanwhile, what
    /// [`Saga::compensate_with`] noted is undone, last first, out of reach of the cancellation. Then the steps' own failure
    /// is given. A compensation that fails holds up no other; the failure then is of type `CompensationFailed`, lists those
    /// that failed as its first detail, and has the steps' failure as its cause.
    ///
    /// ```
    /// # use tenure_sdk::prelude::*;
    /// # #[activity] async fn book(what: String) {}
    /// # #[activity] async fn cancel(what: String) {}
    /// #[workflow]
    /// async fn trip(cx: WorkflowContext) -> Result<()> {
    ///     cx.saga(async |saga| {
    ///         for what in ["hotel", "flight"] {
    ///             saga.compensate_with(move |cx| cx.activity(cancel, what));
    ///             cx.activity(book, what).await?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .await
    /// }
    /// ```
    pub async fn saga<T>(&self, steps: impl AsyncFnOnce(&mut Saga<S>) -> Result<T, Failure>) -> Result<T, Failure> {
        super::saga::run(self.clone(), steps).await
    }

    /// A scope: what runs in it can be cancelled on its own.
    ///
    /// Activities and children that were started before keep the scope that they were started in: give the call, not
    /// its started future. Timers and conditions belong to the scope in which they are first awaited.
    pub fn scope(&self) -> Scope {
        Scope::new(&self.rt, false)
    }

    /// Runs a future, and cancels it when it takes longer than `time`; then the failure is a timeout. What cleans up when
    /// it is cancelled is waited for (what is [shielded](Self::shielded), what waits for the end of what it cancels);
    /// anything else is dropped.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure_sdk::prelude::*;
    /// # #[activity] async fn pack(item: String) {}
    /// # #[activity] async fn ship(item: String) {}
    /// #[workflow]
    /// async fn order(cx: WorkflowContext, item: String) -> Result<()> {
    ///     // Several steps under one limit.
    ///     cx.timeout(Duration::from_secs(3600), async {
    ///         cx.activity(pack, item.clone()).await?;
    ///         cx.activity(ship, item).await
    ///     })
    ///     .await?
    /// }
    /// ```
    #[track_caller]
    pub fn timeout<T>(
        &self,
        time: Duration,
        future: impl IntoFuture<Output = T>,
    ) -> impl Future<Output = Result<T, Failure>> {
        super::scope::timed(self.rt.clone(), time, future, Location::caller())
    }

    /// Whether the workflow was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.rt.scopes.borrow().is_cancelled(crate::runtime::ROOT)
    }

    /// Waits until the scope that this is called in is cancelled.
    pub async fn cancelled(&self) {
        super::scope::cancelled(&self.rt).await;
    }

    /// Whether this run has the patch: true for a run that comes here for the first time with code that knows the
    /// patch, false for one that had been here before. The first answer holds for the whole run, so that what is taken
    /// under it, in a loop, is given back under it, too.
    #[track_caller]
    pub fn patched(&self, id: &str) -> bool {
        self.patch(id, false)
    }

    /// Says that all runs without the patch are gone; goes once those with its marker are gone, too.
    #[track_caller]
    pub fn deprecate_patch(&self, id: &str) {
        self.patch(id, true);
    }

    #[track_caller]
    fn patch(&self, id: &str, deprecated: bool) -> bool {
        let mut known = self.rt.known.borrow_mut();
        // History decides: its marker, if it has one, and else whether the run was here before.
        if !known.patches.contains(id) && (known.refused.contains(id) || self.rt.replaying.get()) {
            known.refused.insert(id.to_owned());
            return false;
        }
        known.patches.insert(id.to_owned());
        if known.made.insert(id.to_owned()) {
            let data = serde_json::json!({ "id": id, "deprecated": deprecated });
            let data = DataConverter::default().encode(&data).ok();
            let marker = command::RecordMarkerCommandAttributes {
                marker_name: PATCH.to_owned(),
                details: details(data.map(|data| ("patch-data", data))),
                ..Default::default()
            };
            self.rt.command(Attributes::RecordMarkerCommandAttributes(marker), Location::caller());
        }
        true
    }

    /// A value from outside: computed once and kept in history. For what may fail or takes long, use an activity.
    #[track_caller]
    pub fn side_effect<T: Data>(&self, make: impl FnOnce() -> T) -> T {
        let number = {
            let mut known = self.rt.known.borrow_mut();
            known.next_side_effect += 1;
            known.next_side_effect
        };
        let known = self.rt.known.borrow_mut().side_effects.remove(&number).flatten();
        let payload = match known {
            Some(known) => known,
            None if self.rt.replaying.get() => {
                panic!("history has no side effect {number}, which the code has here")
            }
            None => {
                let made = self.rt.converter.encode(&make());
                made.unwrap_or_else(|error| panic!("a side effect cannot be written: {error}"))
            }
        };
        let value = self.rt.converter.decode(&payload);
        let number = DataConverter::default().encode(&number).ok().map(|number| ("number", number));
        let marker = command::RecordMarkerCommandAttributes {
            marker_name: SIDE_EFFECT.to_owned(),
            details: details(number.into_iter().chain([("value", payload)])),
            ..Default::default()
        };
        self.rt.command(Attributes::RecordMarkerCommandAttributes(marker), Location::caller());
        value.unwrap_or_else(|error| panic!("a side effect cannot be read: {error}"))
    }

    /// Sets a search attribute, which list filters find.
    #[track_caller]
    pub fn upsert_search_attribute<V>(&self, key: impl SearchKey<V>, value: V) -> Result<(), Failure> {
        let (key, value) = key.with(value);
        let indexed_fields = [(key, value.into_payload()?)].into();
        let upsert = command::UpsertWorkflowSearchAttributesCommandAttributes {
            search_attributes: Some(SearchAttributes { indexed_fields }),
        };
        self.rt.command(Attributes::UpsertWorkflowSearchAttributesCommandAttributes(upsert), Location::caller());
        Ok(())
    }

    /// Sets a field of the memo, which lists show.
    #[track_caller]
    pub fn upsert_memo<T: Encode>(&self, key: &str, value: T) -> Result<(), Failure> {
        let fields = [(key.to_owned(), self.rt.converter.encode(&value)?)].into();
        let upsert = command::ModifyWorkflowPropertiesCommandAttributes { upserted_memo: Some(Memo { fields }) };
        self.rt.command(Attributes::ModifyWorkflowPropertiesCommandAttributes(upsert), Location::caller());
        Ok(())
    }

    /// A field of the memo that the workflow was started with. One that is no `T` fails the workflow task.
    pub fn memo<T: Data>(&self, key: &str) -> Option<T> {
        let read = self.rt.converter.decode(self.info().memo.fields.get(key)?);
        self.read_or_break(read, || format!("the field {key:?} of the memo"))
    }

    /// A search attribute that the workflow was started with. One that is no `T` fails the workflow task.
    pub fn search_attribute<T: Data>(&self, key: &str) -> Option<T> {
        let read = DataConverter::default().decode(self.info().search_attributes.indexed_fields.get(key)?);
        self.read_or_break(read, || format!("the search attribute {key:?}"))
    }

    /// The result of the last run that completed, of a schedule. One that is no `T` fails the workflow task.
    pub fn last_result<T: Data>(&self) -> Option<T> {
        let read = self.rt.converter.decode(self.info().last_result.as_ref()?);
        self.read_or_break(read, || "the result of the last run".to_owned())
    }

    /// What cannot be read is not taken for what is not there.
    fn read_or_break<T>(&self, read: Result<T, DataError>, what: impl FnOnce() -> String) -> Option<T> {
        read.map_err(|error| self.rt.break_with(Broken::Data(format!("{}: {error}", what())))).ok()
    }

    /// What the UI shows as the current details.
    pub fn set_current_details(&self, details: impl Into<String>) {
        *self.rt.details.borrow_mut() = details.into();
    }
}

struct Slot<T> {
    value: RefCell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

/// Waits for what was spawned. Dropping it lets it run.
pub struct JoinHandle<T> {
    rt: Rt,
    task: TaskId,
    slot: Rc<Slot<T>>,
}

impl<T> JoinHandle<T> {
    /// Drops the task where it stands, which cancels the timers, activities and children that it waits for.
    pub fn abort(self) {
        self.rt.abort(self.task);
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.slot.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                *self.slot.waker.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The next run, about to be begun.
#[must_use = "continues only when the function returns `.finish()`"]
pub struct ContinueAsNew {
    rt: Rt,
    attributes: command::ContinueAsNewWorkflowExecutionCommandAttributes,
    error: Option<Failure>,
}

impl ContinueAsNew {
    fn new<W: Workflow>(rt: Rt, workflow: &W, args: &W::Args) -> Self {
        let (input, error) = match rt.converter.encode_args(args) {
            Ok(input) => (input, None),
            Err(error) => (None, Some(error.into())),
        };
        let attributes = command::ContinueAsNewWorkflowExecutionCommandAttributes {
            workflow_type: Some(WorkflowType { name: workflow.name().to_owned() }),
            task_queue: Some(TaskQueue { name: rt.info().task_queue.clone(), ..Default::default() }),
            input,
            ..Default::default()
        };
        ContinueAsNew { rt, attributes, error }
    }

    /// Default: the same one.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.attributes.task_queue = Some(TaskQueue { name: name.into(), ..Default::default() });
        self
    }

    /// Limit for the next run.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.attributes.workflow_run_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Limit for a workflow task of the next run. Default: that of this one.
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.attributes.workflow_task_timeout = Some(duration_to_proto(timeout));
        self
    }

    /// Retries of the next run as a whole.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.attributes.retry_policy = Some(policy.into_proto());
        self
    }

    /// Sets a field of the next run's memo. Without any, it has the memo of this one.
    pub fn memo<T: Encode>(mut self, key: impl Into<String>, value: T) -> Self {
        match self.rt.converter.encode(&value) {
            Ok(payload) => {
                self.attributes.memo.get_or_insert_with(Memo::default).fields.insert(key.into(), payload);
            }
            Err(error) => self.error = Some(error.into()),
        }
        self
    }

    /// Sets a search attribute of the next run. Without any, it has those of this one.
    pub fn search_attribute<V>(mut self, key: impl SearchKey<V>, value: V) -> Self {
        let (key, value) = key.with(value);
        match value.into_payload() {
            Ok(payload) => {
                let attributes = self.attributes.search_attributes.get_or_insert_with(SearchAttributes::default);
                attributes.indexed_fields.insert(key, payload);
            }
            Err(error) => self.error = Some(error.into()),
        }
        self
    }

    /// What the function returns.
    pub fn finish<T>(self) -> Result<T, Failure> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut attributes = Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(self.attributes);
        self.rt.outbound_command(&mut attributes);
        *self.rt.continue_as_new.borrow_mut() = Some(attributes);
        Err(Failure::new(FailureKind::ContinueAsNew, "the workflow continues as new"))
    }
}
