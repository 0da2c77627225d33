//! What the system shard owns.

pub mod cluster;
