//! Configuration, metrics, and one node as a process runs it. One binary: each would have the whole server in it.

mod config;
mod metrics;
mod node;
mod single_node;
