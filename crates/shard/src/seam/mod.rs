//! What the parts of a cluster say to each other, and what this crate needs of replication and of the other nodes.

pub(crate) mod error;
pub(crate) mod messages;
pub(crate) mod query_token;
pub(crate) mod question;
pub(crate) mod replica;
pub(crate) mod worker_query;
