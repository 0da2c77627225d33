//! How a node's memory is divided.

/// Bytes that a node's caches, queues and memtables take together, unless the operator says otherwise.
pub const DEFAULT_MEMORY: usize = 256 << 20;

/// With fewer bytes the databases would write files too small to be of use.
pub const LEAST_MEMORY: usize = 32 << 20;

/// The shares of one budget, in bytes. They hold for the whole node, whatever it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Cached blocks, indexes and filters of both databases.
    pub blocks: usize,
    /// Memtables of both databases.
    pub memtables: usize,
    /// Decoded states of executions.
    pub states: usize,
    /// Requests that are being served. How many those are is fixed, whatever the budget.
    pub requests: usize,
    /// What waits to be replicated or sent to other nodes.
    pub queues: usize,
}

impl Memory {
    /// The shares of `budget` bytes.
    pub const fn of(budget: usize) -> Memory {
        let part = budget / 16;
        Memory { blocks: 3 * part, memtables: 3 * part, states: 4 * part, requests: 5 * part, queues: part }
    }

    /// All shares together.
    pub const fn total(&self) -> usize {
        self.blocks + self.memtables + self.states + self.requests + self.queues
    }

    /// A memtable of one column family: one that is written to and one that is being flushed, in both databases, and
    /// room for a slow disk.
    pub const fn memtable(&self) -> usize {
        self.memtables / 4
    }
}

const _: () = assert!(Memory::of(DEFAULT_MEMORY).total() <= DEFAULT_MEMORY);
const _: () = assert!(LEAST_MEMORY <= DEFAULT_MEMORY);
