//! The SDK against a `tenure` of its own for each test. One binary: linking takes longer than most tests.

mod common;
mod encryption;
mod fan;
mod heartbeats;
mod hello;
mod messages;
mod metrics;
mod production;
mod public_api;
