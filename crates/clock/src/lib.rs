//! What time it is: by this machine's clock, and by what the clocks of a majority of the cluster's nodes allow.
//!
//! Times are nanoseconds since the Unix epoch. Nothing here talks to other nodes.

mod cluster;
mod wall;

pub use cluster::{ClusterClock, TOLERANCE};
pub use wall::wall;
