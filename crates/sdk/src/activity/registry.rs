//! Activities by name.

use super::{Activity, ActivityContext};
use crate::{
    Failure,
    interceptor::{NextActivity, WorkerInterceptor},
    testing::Observer,
    worker::{DYNAMIC, refuse_second},
};
use std::{collections::BTreeMap, pin::Pin, sync::Arc};
use tenure_api::common::v1::{Payload, Payloads};
use tenure_client::{ActivityRef, Args, Data};

/// One attempt of some activity, arguments and result as they travel.
pub(crate) type Call = Arc<
    dyn Fn(ActivityContext, Option<Payloads>) -> Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>
        + Send
        + Sync,
>;

/// The activities that a worker knows.
#[derive(Clone, Default)]
pub struct ActivityRegistry {
    pub(crate) calls: BTreeMap<String, Call>,
    /// Where the code of each is, for messages.
    code: BTreeMap<String, &'static str>,
}

impl ActivityRegistry {
    #[track_caller]
    pub(crate) fn activity<D: Activity>(&mut self, activity: D) {
        let name = activity.name().to_owned();
        self.name(&name, std::any::type_name::<D>());
        let activity = Arc::new(activity);
        let call = move |cx: ActivityContext, input: Option<Payloads>| -> Pin<Box<dyn Future<Output = _> + Send>> {
            let activity = activity.clone();
            Box::pin(async move {
                let converter = cx.converter().clone();
                let args = read(&cx, input.as_ref())?;
                Ok(converter.encode(&activity.run(cx, args).await?)?)
            })
        };
        self.calls.insert(name, Arc::new(call));
    }

    /// The activity of a name, or the one that takes all names.
    pub(crate) fn call(&self, name: &str) -> Option<Call> {
        self.calls.get(name).or_else(|| self.calls.get(DYNAMIC)).cloned()
    }

    /// Takes a name, which must be free.
    #[track_caller]
    fn name(&mut self, name: &str, code: &'static str) {
        if let Some(other) = self.code.insert(name.to_owned(), code) {
            refuse_second("activity", name, other, code);
        }
    }

    /// Adds an activity that is a closure, in place of the one that is there.
    pub(crate) fn insert<A, R, F>(&mut self, name: &str, run: impl Fn(ActivityContext, A) -> F + Send + Sync + 'static)
    where
        A: Args,
        R: Data,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let call = move |cx: ActivityContext, input: Option<Payloads>| -> Pin<Box<dyn Future<Output = _> + Send>> {
            let converter = cx.converter().clone();
            let started = read(&cx, input.as_ref()).map(|args| run(cx, args));
            Box::pin(async move { Ok(converter.encode(&started?.await?)?) })
        };
        self.calls.insert(name.to_owned(), Arc::new(call));
    }

    /// Calls `before` at the beginning of each attempt; its failure is the attempt's.
    pub(crate) fn before_each(&mut self, before: &Arc<dyn Observer>) {
        for call in self.calls.values_mut() {
            let (before, run) = (before.clone(), call.clone());
            *call = Arc::new(move |cx, input| {
                let (before, run) = (before.clone(), run.clone());
                Box::pin(async move {
                    before.activity_begins(cx.clone()).await?;
                    run(cx, input).await
                })
            });
        }
    }

    /// Puts an interceptor around each attempt.
    pub(crate) fn intercept(&mut self, interceptor: &Arc<dyn WorkerInterceptor>) {
        for call in self.calls.values_mut() {
            let (interceptor, run) = (interceptor.clone(), call.clone());
            *call = Arc::new(move |cx, input| {
                let (interceptor, run) = (interceptor.clone(), run.clone());
                let inner = cx.clone();
                let next = NextActivity(Box::pin(async move { run(inner, input).await }));
                Box::pin(async move { interceptor.activity(&cx, next).await })
            });
        }
    }

    /// Adds an activity that shares `owner` with others.
    ///
    /// # Panics
    /// When there is one of this name already.
    #[track_caller]
    pub fn add<O, A, R, F>(
        &mut self,
        activity: ActivityRef<A, R>,
        owner: Arc<O>,
        run: impl Fn(Arc<O>, ActivityContext, A) -> F + Send + Sync + 'static,
    ) where
        O: Send + Sync + 'static,
        A: Args + Send,
        R: Data + Send,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        self.name(activity.name(), std::any::type_name::<O>());
        self.insert(activity.name(), move |cx, args| run(owner.clone(), cx, args));
    }
}

/// Arguments that are of other types will be so the next time, too.
fn read<A: Args>(cx: &ActivityContext, input: Option<&Payloads>) -> Result<A, Failure> {
    cx.converter().decode_args(input).map_err(|error| {
        let by_codec = error.is_of_codec();
        let failure = Failure::from(error);
        if by_codec { failure } else { failure.non_retryable() }
    })
}
