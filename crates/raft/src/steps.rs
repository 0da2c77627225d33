//! Places that a node passes on its way, at which a test can hold it: what is killed there died exactly there.

use futures::future::BoxFuture;
use std::{fmt, sync::Arc};

/// Told of each place with the node that is at it; the node goes on when the future is over.
type Reached = dyn Fn(u64, String) -> BoxFuture<'static, ()> + Send + Sync;

/// Who is told of the places that nodes pass. Nobody, but in tests.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<Reached>>);

impl Steps {
    pub fn new(reached: impl Fn(u64, String) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Steps {
        Steps(Some(Arc::new(reached)))
    }

    /// Node `node` is at a place, and goes on when this returns.
    pub(crate) async fn reach(&self, node: u64, place: impl FnOnce() -> String) {
        if let Some(reached) = &self.0 {
            reached(node, place()).await;
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Steps" } else { "none" })
    }
}
