//! Both databases on real directories. One binary: each would have RocksDB in it.

mod common;
mod directory;
mod execution;
mod kill;
mod log;
mod snapshot;
mod state;
