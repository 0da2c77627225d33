//! Groups over real storage and real connections. One binary: openraft is instantiated for each, and that takes long.

mod cluster;
mod common;
mod compaction;
mod handover;
mod members;
mod reads;
mod walk;
