//! What a node allows itself, whatever it is asked for. The API's own limits, which operators set, are elsewhere
//! (`tenure_engine::Limits`); these protect the process, and how they relate is asserted here.
//!
//! `docs/configuration.md` has all of them, and each names the test that goes beyond it: `tests/all.rs`.

mod memory;
mod table;

pub use memory::{DEFAULT_MEMORY, LEAST_MEMORY, Memory};
pub use table::Limit;

use std::time::Duration;
use table::limits;

limits! {
    /// Bytes of a client's request, before and after it is unzipped; the reference server's.
    pub const MESSAGE: usize = 4 << 20;

    /// Bytes that a client's request may take once it is decoded. Ordinary ones take about what they had on the wire; one
    /// that is made of empty elements takes hundreds of times as much.
    pub const DECODED: usize = 16 << 20;

    /// Bytes of the rows in one Raft entry, encoded. What is larger goes in several entries or is refused.
    pub const ENTRY: usize = 32 << 20;

    /// Bytes of new events from which a transition that goes on by itself (deadlines that are due together) leaves the rest
    /// to the next one. What it has begun by then is one request's worth more.
    pub const PIECE: usize = 4 << 20;

    /// Bytes of one row of copied history. A row with a single event may be larger.
    pub const HISTORY_ROW: usize = 256 << 10;

    /// Bytes of history that are read at once where a long one is gone through.
    pub const HISTORY_PAGE: usize = 1 << 20;

    /// How long the disk may take to sync what is written to the log; a node whose disk takes longer gives its leaderships away.
    pub const DISK_HANGS: Duration = Duration::from_secs(1);

    /// The same; then the process ends. A flush of rows may take ten times as long as either.
    pub const DISK_DEAD: Duration = Duration::from_secs(10);

    /// Commands of clients that may wait or run at once on the leaders of a node.
    pub const COMMANDS: usize = 10_000;

    /// Commands of one workflow id that may wait for the ones before them.
    pub const COMMANDS_OF_WORKFLOW: usize = 1_000;

    /// Queries of one run that may wait for an answer; one more is refused.
    pub const QUERIES: usize = 1_000;

    /// Workers that have gone that a node remembers; of more of them, only the polls that wait are ended.
    pub const WORKERS: usize = 10_000;

    /// Starts without a confirmation that a leader goes on checking; with more, the older ones are left to their time-outs.
    pub const UNCONFIRMED: usize = 10_000;

    /// Deliveries that a node remembers because their owners have not heard of them; of older ones it says that they may
    /// have been sent.
    pub const UNTOLD: usize = 10_000;

    /// Ready tasks of one queue that a shard counts, behind those it has in memory, when it is asked how many wait.
    pub const COUNTED_TASKS: usize = 10_000;

    /// Pollers of one task queue that a node remembers, for descriptions; those beyond are not shown.
    pub const POLLERS: usize = 1_000;

    /// Bytes of what one worker says of itself.
    pub const WORKER_HEARTBEAT: usize = 64 << 10;

    /// Bytes of what workers say of themselves that a node keeps, shared by its leaders. Where there is more, those of the
    /// namespace that has most are forgotten that were not heard of for the longest time.
    pub const WORKER_BYTES: usize = 64 << 20;

    /// How long a worker that says nothing more is listed; the reference server's.
    pub const WORKER_SILENCE: Duration = Duration::from_secs(300);

    /// Commands that read whole histories (resets), of one node at once.
    pub const LONG_COMMANDS: usize = 2;

    /// Shards that one question to many is asked of at once; the others are asked as these answer.
    pub const SHARDS_ASKED: usize = 16;

    /// Rows that a shard reads for one step of its answer to a question to many shards.
    pub const STEP_ROWS: usize = 10_000;

    /// Steps of answers to such questions that the leaders of a node read at once; the others wait.
    pub const STEPS: usize = 4;

    /// Steps that a page of a list over many shards asks of each of them; then it is given out with what it has.
    pub const PAGE_STEPS: usize = 8;

    /// Bytes of items from which a page of a list over many shards is closed. Of items that are not in it, a node holds about
    /// as many.
    pub const LIST_PAGE: usize = 2 << 20;

    /// Rows that a shard sorts for one step of a list, where no index has them in the order that is asked for; and rows of a
    /// count that may have a run several times.
    pub const SORTED_ROWS: usize = 20_000;

    /// Groups of a count.
    pub const GROUPS: usize = 10_000;

    /// Bytes of the page token of a list over many shards, before it is sealed: a place of each shard. A page whose token
    /// would have more is refused.
    pub const LIST_TOKEN: usize = 1 << 20;

    /// Bytes of events that a reset reapplies to the new run.
    pub const REAPPLIED: usize = 24 << 20;

    /// Entries of the system shard of which a replica remembers what they wrote; a node whose view is further behind reads all
    /// rows.
    pub const RECENT_ENTRIES: usize = 256;

    /// Bytes of rows of such entries.
    pub const RECENT_BYTES: usize = 1 << 20;

    /// Runs of a namespace that was deleted that the leader of a shard removes at once; after each it rests for as long as that
    /// took.
    pub const RECLAIMED_AT_ONCE: usize = 2;

    /// How long a shard remembers a namespace that is gone, so that nothing that comes late begins in it.
    pub const RECLAIM_REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);

    /// Search attributes that a namespace has of its own.
    pub const SEARCH_ATTRIBUTES: usize = 1_000;

    /// Runs that one batch job does its operation to; one whose query finds more fails.
    pub const BATCH_TARGETS: usize = 1_000_000;

    /// Batch jobs that one leader works at at once; the others wait.
    pub const BATCH_JOBS: usize = 16;

    /// Bytes of the query of a list or a count.
    pub const FILTER: usize = 256 << 10;

    /// Words, values and operators of a query: about four for each comparison, and one for each value of a list and each word of a text.
    pub const FILTER_WORDS: usize = 5_000;

    /// Parentheses and negations of a query within each other.
    pub const FILTER_DEPTH: usize = 50;

    /// Length of a value's key in an index, in bytes of the value; what goes on after them is compared in the record.
    pub const INDEXED_VALUE: usize = 256;

    /// Calendars, cron strings, intervals and exclusions of a schedule.
    pub const SCHEDULE_PARTS: usize = 20_000;

    /// Looks at a calendar or an interval that the search for a schedule's next time may take; where times without number are
    /// excluded one by one, the search is given up.
    pub const SCHEDULE_SEARCH: usize = 250_000;

    /// Starts of one schedule that wait for their turn; the reference server's.
    pub const SCHEDULE_DUE: usize = 1000;

    /// Backfills of one schedule that are not done yet; the reference server's.
    pub const SCHEDULE_BACKFILLS: usize = 1000;

    /// Times of a schedule that one entry deals with.
    pub const SCHEDULE_STEP: usize = 500;

    /// Starts that a schedule sends in one entry.
    pub const SCHEDULE_STARTS: usize = 50;

    /// Times of one list of a schedule's times; the reference server's.
    pub const MATCHING_TIMES: usize = 1_000;

    /// Bytes of one message on the peer port: a forwarded request, or a frame with the entries of several groups.
    pub const FRAME: usize = 64 << 20;

    /// Bytes of entries of one group that may be on their way to a follower; with as many no further request is begun.
    pub const UNANSWERED: usize = 8 << 20;

    /// Bytes of flushed entries that stay in a shard's log at most while a snapshot of it is being sent, for what follows it.
    pub const KEPT_FOR_SNAPSHOT: usize = 512 << 20;

    /// Bytes of rows from which a chunk of a snapshot is closed; the last of them may be as large as an entry.
    pub const SNAPSHOT_CHUNK: usize = 1 << 20;

    /// Bytes that surround the contents of a frame, at most.
    pub const FRAMING: usize = 1 << 20;

    /// Connections of clients; one more is closed as it comes.
    pub const CONNECTIONS: usize = 4096;

    /// Connections to the HTTP port; one more is closed as it comes. One that waits for a request for as long as ARRIVAL
    /// is closed, too.
    pub const HTTP_CONNECTIONS: usize = 1024;

    /// Connections to the HTTP port beyond HTTP_CONNECTIONS, each for one question after health, readiness or metrics: a
    /// node that many browsers look at is not dead.
    pub const VITAL_CONNECTIONS: usize = 64;

    /// How long one of these may take to ask.
    pub const VITAL_ARRIVAL: Duration = Duration::from_secs(2);

    /// How long a client may read nothing of what is sent to it; then its connection is closed.
    pub const UNREAD: Duration = Duration::from_secs(60);

    /// Streams that one connection may have open. A client that wants more waits until one ends.
    pub const STREAMS: u32 = 10_000;

    /// Streams that a connection between nodes may have open: every request that a node has in progress may be forwarded,
    /// and nodes ask each other on their own account.
    pub const PEER_STREAMS: u32 = 65_536;

    /// How far the term of a message between replicas may be beyond the one in which its receiver has voted last. Elections
    /// never get that far, and a replica that believed in the last term there is would never have a leader again.
    pub const TERM_LEAP: u64 = 1 << 32;

    /// Characters of a join token; no longer one is read.
    pub const JOIN_TOKEN: usize = 4 << 10;

    /// Nodes that a member remembers as waiting to become members; those beyond are refused for a while.
    pub const CANDIDATES: usize = 64;

    /// Requests in progress that do not wait for something to happen; one more is refused.
    pub const CALLS: usize = 4096;

    /// How long calls may take that are in progress, by the pace at which they end: where they would take longer, fewer are
    /// taken. Longer than shards are without a leader when a node dies.
    pub const CALL_DELAY: Duration = Duration::from_secs(2);

    /// Calls in progress that are taken at any pace.
    pub const CALLS_AT_LEAST: usize = 256;

    /// Requests in progress that do: polls, waits for results. They are counted apart, for there are many and they take
    /// long; no number of them keeps a call out.
    pub const WAITS: usize = 16_384;

    /// Bytes of the path of a request to the JSON API, with its escapes. Ids have a thousand characters at most.
    pub const PATH: usize = 16 << 10;

    /// Compressed requests that are unzipped at the same time, beyond a first piece of each: threads that serve all others
    /// unzip them.
    pub const UNZIPPING: usize = 2;

    /// How long a request may be on its way in: what comes drop by drop holds its place in the meantime.
    pub const ARRIVAL: Duration = Duration::from_secs(30);

    /// How long a call may take that does not wait for anything, whatever its caller says; the reference server's.
    pub const CALL_DEADLINE: Duration = Duration::from_secs(30);

    /// How long a request may wait for something to happen, whatever its caller says. SDKs poll for as long.
    pub const WAIT_DEADLINE: Duration = Duration::from_secs(70);

    /// Bytes of a call that every call may have, however busy the node is.
    pub const SMALL_CALL: usize = 8 << 10;

    /// Bytes of a request that waits that every such request may have, however busy the node is.
    pub const SMALL_WAIT: usize = 1 << 10;

    /// Bytes of all requests in progress and their answers, beyond what each may have.
    pub const REQUEST_BYTES: usize = 32 << 20;

    /// Bytes of a request on the peer port whose caller nobody knows: the first word between nodes, and the operator's.
    pub const STRANGER: usize = 64 << 10;

    /// Bytes of a value that counts as small: what it claims to hold is allocated up to a mebibyte, whatever it says.
    pub const SMALL_VALUE: usize = 64 << 10;

    /// Commands of one workflow id that may share an entry.
    pub const BATCH_COMMANDS: usize = 256;

    /// Answers that a run remembers at least, for commands that are tried again.
    pub const REMEMBERED_PROPOSALS: usize = 512;

    /// Answers that the system shard remembers, for commands that are tried again.
    pub const REMEMBERED_SYSTEM_PROPOSALS: usize = 128;
}

const _: () = assert!(MESSAGE < ENTRY && ENTRY + FRAMING < FRAME && PIECE + MESSAGE < ENTRY);
const _: () = assert!(SNAPSHOT_CHUNK + ENTRY + FRAMING < FRAME);
const _: () = assert!(HISTORY_ROW < HISTORY_PAGE && REAPPLIED + PIECE < ENTRY);
const _: () = assert!(MESSAGE < DECODED && DECODED < REQUEST_BYTES);
const _: () = assert!(2 * (CALLS + WAITS) < PEER_STREAMS as usize);
// Requests take what caches and memtables leave of the memory, where that is not set to less.
const _: () = assert!(
    CALLS * SMALL_CALL + WAITS * SMALL_WAIT + REQUEST_BYTES + Memory::of(DEFAULT_MEMORY).total() <= DEFAULT_MEMORY
);
// A search looks at each source twice, for its time and for the one that follows.
const _: () = assert!(10 * SCHEDULE_PARTS < SCHEDULE_SEARCH);
const _: () = assert!(FILTER < MESSAGE && INDEXED_VALUE < FILTER);
const _: () = assert!(SMALL_VALUE < MESSAGE && LIST_PAGE < MESSAGE && LIST_TOKEN < MESSAGE);
// An entry's commands may all be tried again, by a caller each, while as many new ones come.
const _: () = assert!(2 * BATCH_COMMANDS <= REMEMBERED_PROPOSALS);
const _: () = assert!(COMMANDS_OF_WORKFLOW < COMMANDS && CALLS_AT_LEAST < CALLS);
