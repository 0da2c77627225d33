//! Random numbers of a workflow, by the traits of the crate `rand`. With the feature `rand`.

use super::WorkflowContext;
use crate::runtime::Rt;
use rand_core::{Infallible, TryRng};

/// The workflow's own sequence of random numbers, as the crate `rand` (0.10) takes it: the same whenever the code runs
/// again.
///
/// ```
/// # use tenure_sdk::prelude::*;
/// use rand_core::Rng; // or `rand::RngExt`, for ranges and distributions
///
/// #[workflow]
/// async fn dice(cx: WorkflowContext) -> Result<u32> {
///     Ok(cx.rng().next_u32() % 6 + 1)
/// }
/// ```
pub struct WorkflowRng {
    rt: Rt,
}

impl<S: 'static> WorkflowContext<S> {
    /// Random numbers for what takes a generator of the crate `rand`: the same whenever this code runs again. They are of
    /// the same sequence as [`Self::random`].
    pub fn rng(&self) -> WorkflowRng {
        WorkflowRng { rt: self.rt().clone() }
    }
}

impl TryRng for WorkflowRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| (number >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.rt.next_random())
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for chunk in to.chunks_mut(8) {
            chunk.copy_from_slice(&self.rt.next_random().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
