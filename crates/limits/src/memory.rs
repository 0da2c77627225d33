//! How a node's memory is divided.

/// Bytes that a node's caches, memtables and requests in progress take together, unless the operator says otherwise.
pub const DEFAULT_MEMORY: usize = 256 << 20;

/// Bytes of memory that a node needs: with fewer, the databases would write files too small to be of use.
pub const LEAST_MEMORY: usize = 32 << 20;

/// The shares of one budget, in bytes. They hold for the whole node, whatever it leads. The rest is for requests in
/// progress, which have limits of their own, and for what is under way between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Cached blocks, indexes and filters of both databases.
    pub blocks: usize,
    /// Memtables of both databases.
    pub memtables: usize,
    /// Decoded states of executions.
    pub states: usize,
    /// Tails of the logs of all Raft groups.
    pub tails: usize,
    /// Timers, messages between workflows and ready tasks that leaders hold in memory.
    pub windows: usize,
}

impl Memory {
    /// The shares of `budget` bytes.
    pub const fn of(budget: usize) -> Memory {
        let part = budget / 16;
        Memory { blocks: 3 * part, memtables: 3 * part, states: 3 * part, tails: part, windows: part }
    }

    /// All shares together.
    pub const fn total(&self) -> usize {
        self.blocks + self.memtables + self.states + self.tails + self.windows
    }

    /// A memtable of one column family: one that is written to and one that is being flushed, in both databases, and
    /// room for a slow disk.
    pub const fn memtable(&self) -> usize {
        self.memtables / 4
    }
}

const _: () = assert!(LEAST_MEMORY <= DEFAULT_MEMORY);
