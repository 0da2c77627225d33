//! tenure-raft
