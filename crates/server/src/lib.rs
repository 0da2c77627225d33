//! A node as one value: configuration, telemetry, wiring of all parts, and the HTTP port.

pub mod config;
mod connections;
mod gauges;
mod http;
mod namespace;
mod over_raft;
mod ready;
mod server;
pub mod telemetry;
mod ui;

pub use http::Readiness;
pub use over_raft::{Answers, RaftMesh};
pub use server::{Addresses, Failure, Listeners, Server, StartError};
pub use tenure_shard::VirtualTime;
