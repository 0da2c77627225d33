//! Whoever looks at a namespace's lists hears when they have changed. However many look on this node, leaders are asked once in
//! a while for all of them, and only as long as somebody looks.

use crate::{
    node::{context::NodeContext, gather::Gather},
    seam::question::{Part, Question},
};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Weak},
    time::Duration,
};
use tenure_api::error::ApiError;
use tenure_engine::NamespaceId;
use tokio::{sync::watch, time::Instant};

/// How often leaders are asked.
const PERIOD: Duration = Duration::from_millis(500);
/// How long their answers may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The namespaces that somebody on this node looks at.
#[derive(Default)]
pub(crate) struct Watches(Arc<Mutex<HashMap<NamespaceId, Weak<Watch>>>>);

/// What leaders say of one namespace, as of a moment ago; nothing at first, and while not all of them answer. Asking ends
/// with the last one who holds this.
struct Watch {
    namespace: NamespaceId,
    said: watch::Sender<Option<u64>>,
    all: Weak<Mutex<HashMap<NamespaceId, Weak<Watch>>>>,
}

impl Watches {
    /// Waits until the namespace's number is another one than `since`, and gives it; after `until`, what it is then.
    ///
    /// # Errors
    /// FAILED_PRECONDITION below the level at which leaders know, UNAVAILABLE if not all shards could be asked until then.
    pub(crate) async fn changed(
        &self,
        context: &Arc<NodeContext>,
        namespace: NamespaceId,
        since: Option<u64>,
        until: Instant,
    ) -> Result<u64, ApiError> {
        question(context, namespace).check_level()?;
        let watch = self.watch(context, namespace);
        let mut said = watch.said.subscribe();
        let changed = said.wait_for(|said| said.is_some() && *said != since);
        let changed = match tokio::time::timeout_at(until, changed).await {
            Ok(Ok(said)) => *said,
            Ok(Err(_)) => None,
            Err(_) => *watch.said.borrow(),
        };
        changed.ok_or_else(|| ApiError::unavailable("not all shards could be asked in time"))
    }

    fn watch(&self, context: &Arc<NodeContext>, namespace: NamespaceId) -> Arc<Watch> {
        let mut all = self.0.lock();
        let entry = all.entry(namespace);
        if let Entry::Occupied(known) = &entry
            && let Some(watch) = known.get().upgrade()
        {
            return watch;
        }
        let watch = Arc::new(Watch { namespace, said: watch::Sender::new(None), all: Arc::downgrade(&self.0) });
        entry.insert_entry(Arc::downgrade(&watch));
        tokio::spawn(ask(context.clone(), Arc::downgrade(&watch), namespace));
        watch
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(all) = self.all.upgrade() else { return };
        let mut all = all.lock();
        // It may have been followed by another one already.
        if all.get(&self.namespace).is_some_and(|watch| watch.strong_count() == 0) {
            all.remove(&self.namespace);
        }
    }
}

fn question(context: &Arc<NodeContext>, namespace: NamespaceId) -> Gather {
    Gather::new(context.clone(), Question::Changes { namespace }, Instant::now() + PATIENCE)
}

/// Asks all leaders again and again, as long as somebody holds the watch.
async fn ask(context: Arc<NodeContext>, watch: Weak<Watch>, namespace: NamespaceId) {
    while watch.strong_count() > 0 {
        let gather = question(&context, namespace);
        let said = gather.fold(0, |sum: u64, part| match part {
            Part::Count(count) => Ok(sum.wrapping_add(count)),
            _ => Err(ApiError::internal("something else where a count was asked for")),
        });
        let said = said.await;
        let Some(watch) = watch.upgrade() else { break };
        match said {
            Ok(sum) => {
                watch.said.send_if_modified(|said| said.replace(sum) != Some(sum));
            }
            Err(error) => {
                tracing::debug!(%namespace, %error, "lists are watched in vain");
                watch.said.send_if_modified(|said| said.take().is_some());
            }
        }
        drop(watch);
        tokio::time::sleep(PERIOD).await;
    }
}
