//! tenure-shard
