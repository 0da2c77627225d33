//! An activity alone.

use super::{Activity, ActivityContext, ActivityInfo, Control, context::Recorded};
use crate::Failure;
use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};
use tenure_api::common::v1::Payload;
use tenure_client::{Client, Data, DataConverter, Encode, IntoActivity, IntoArgs};

/// One attempt of an activity, without server and worker: for unit tests.
///
/// ```
/// use tenure_sdk::{prelude::*, testing::ActivityEnv};
///
/// /// Copies what an earlier attempt has left over.
/// #[activity]
/// async fn copy(cx: ActivityContext, files: u32) -> Result<u32> {
///     let begin = cx.last_heartbeat().unwrap_or(0);
///     for file in begin..files {
///         cx.heartbeat(file + 1);
///         if cx.is_cancelled() {
///             return Err(Failure::cancelled("enough"));
///         }
///     }
///     Ok(files - begin)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let env = ActivityEnv::new().attempt(2).last_heartbeat(7u32);
/// assert_eq!(env.run(copy, 10).await.unwrap(), 3);
/// assert_eq!(env.heartbeats::<u32>(), [8, 9, 10]);
///
/// let env = ActivityEnv::new().cancel_at_heartbeat(2);
/// assert!(env.run(copy, 10).await.unwrap_err().is_cancelled());
/// assert_eq!(env.heartbeats::<u32>(), [1, 2]);
/// # }
/// ```
///
/// An activity that is a method is called with [`Self::context`]: `payments.charge(env.context(), order).await`.
#[derive(Default)]
pub struct ActivityEnv {
    info: ActivityInfo,
    client: Option<Client>,
    converter: DataConverter,
    last_heartbeat: Vec<Payload>,
    cancel_at: Option<usize>,
    attempt: OnceLock<(ActivityContext, Control)>,
}

impl ActivityEnv {
    /// The first attempt, of a workflow called `test`.
    pub fn new() -> Self {
        let now = Some(SystemTime::now());
        let info = ActivityInfo {
            activity_id: "1".to_owned(),
            activity_type: "test".to_owned(),
            attempt: 1,
            workflow_id: "test".to_owned(),
            run_id: "test-run".to_owned(),
            workflow_type: "test".to_owned(),
            task_queue: "test".to_owned(),
            task_token: b"test".to_vec(),
            scheduled: now,
            started: now,
            start_to_close: Some(Duration::from_secs(10)),
            ..Default::default()
        };
        ActivityEnv { info, ..Default::default() }
    }

    /// What [`ActivityContext::info`] gives.
    #[must_use]
    pub fn info(mut self, change: impl FnOnce(&mut ActivityInfo)) -> Self {
        change(&mut self.info);
        self
    }

    /// Which attempt it is, from 1 on.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> Self {
        self.info(|info| info.attempt = attempt)
    }

    /// What the attempt before said last.
    ///
    /// # Panics
    /// When the converter cannot write it.
    #[must_use]
    pub fn last_heartbeat<T: Encode>(mut self, details: T) -> Self {
        self.last_heartbeat = vec![self.converter.encode(&details).expect("heartbeat details can be written")];
        self
    }

    /// The attempt is cancelled with its `count`th heartbeat, as a server cancels with its answer.
    #[must_use]
    pub fn cancel_at_heartbeat(mut self, count: usize) -> Self {
        self.cancel_at = Some(count);
        self
    }

    /// What [`ActivityContext::client`] gives.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Default: JSON, no codec. Set it before [`Self::last_heartbeat`].
    #[must_use]
    pub fn converter(mut self, converter: DataConverter) -> Self {
        self.converter = converter;
        self
    }

    fn parts(&self) -> &(ActivityContext, Control) {
        self.attempt.get_or_init(|| {
            let recorded = Recorded { cancel_at: self.cancel_at, ..Default::default() };
            ActivityContext::make(
                self.info.clone(),
                self.client.clone(),
                self.converter.clone(),
                self.last_heartbeat.clone(),
                Some(recorded),
            )
        })
    }

    /// The context of the attempt, the same whenever it is asked for.
    pub fn context(&self) -> ActivityContext {
        self.parts().0.clone()
    }

    /// Cancels the attempt.
    pub fn cancel(&self) {
        self.parts().1.cancel();
    }

    /// The details of all heartbeats so far, oldest first.
    ///
    /// # Panics
    /// When one is no `T`.
    pub fn heartbeats<T: Data>(&self) -> Vec<T> {
        let read = |payload: &Payload| self.converter.decode(payload).expect("heartbeat details of this type");
        self.parts().1.heartbeats().iter().map(read).collect()
    }

    /// Runs the attempt. Arguments, result and failure are written and read as if they travelled. A panic is the
    /// caller's.
    pub async fn run<D: Activity, G>(
        &self,
        activity: impl IntoActivity<G, Activity = D>,
        args: impl IntoArgs<D::Args>,
    ) -> Result<D::Output, Failure> {
        let converter = &self.converter;
        let args = converter.decode_args(converter.encode_args(&args.into_args())?.as_ref())?;
        match activity.into_activity().run(self.context(), args).await {
            Ok(output) => Ok(converter.decode(&converter.encode(&output)?)?),
            Err(failure) => Err(Failure::from_proto(failure.to_proto(converter), converter)),
        }
    }
}
