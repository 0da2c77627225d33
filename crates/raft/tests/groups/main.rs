//! Groups over real storage and real connections. One binary: openraft is instantiated for each, and that takes long.

mod cluster;
mod common;
mod compaction;
mod members;
mod reads;
