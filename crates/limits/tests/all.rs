//! Walks all limits: each is documented with its value, and each has a test that goes up to it or beyond.

use std::{collections::BTreeSet, fs, path::Path};

/// Limits, the file of a test that meets each, and what that test is called there.
const MET: &[(&str, &str, &str)] = &[
    ("MESSAGE", "crates/frontend/src/message.rs", "a_large_message_is_refused_by_its_head"),
    ("DECODED", "tests/test_streams.py", "test_memory_is_bounded_and_others_get_through"),
    ("ENTRY", "crates/shard/src/tests/mod.rs", "an_entry_has_a_largest_size"),
    ("PIECE", "tests/test_large_entries.py", "test_large_details_of_activities_that_time_out_together"),
    ("HISTORY_ROW", "crates/engine/src/tests/reset.rs", "history_is_copied_in_pieces"),
    ("HISTORY_PAGE", "tests/test_large_entries.py", "test_a_reset_of_the_largest_run"),
    ("DISK_HANGS", "tests/test_disks.py", "test_a_disk_that_hangs_is_noticed"),
    ("DISK_DEAD", "tests/test_disks.py", "test_a_disk_that_hangs_is_noticed"),
    ("COMMANDS", "crates/shard/src/tests/mod.rs", "a_node_takes_no_more_commands_than_it_may"),
    ("QUERIES", "crates/shard/src/leader/pending_queries.rs", "one_run_has_no_more_queries_than_it_may"),
    ("COMMANDS_OF_WORKFLOW", "crates/shard/src/tests/mod.rs", "commands_whose_callers_have_gone_are_not_run"),
    ("WORKERS", "crates/shard/src/node/workers.rs", "f81_no_more_workers_are_remembered_than_there_is_room_for"),
    ("WORKER_HEARTBEAT", "crates/frontend/src/rpc/workers.rs", "a_heartbeat_has_a_key_and_a_largest_size"),
    ("WORKER_BYTES", "crates/shard/src/tests/workers.rs", "a_home_keeps_no_more_than_its_share"),
    (
        "WORKER_SILENCE",
        "crates/shard/src/home/worker_table.rs",
        "a_worker_that_falls_silent_is_forgotten_and_one_that_goes_on_is_not",
    ),
    ("UNCONFIRMED", "crates/shard/src/owner/starts.rs", "no_more_old_starts_are_checked_than_there_is_room_for"),
    (
        "UNTOLD",
        "crates/shard/src/node/handovers.rs",
        "what_an_owner_has_not_heard_of_is_kept_and_told_again_up_to_a_limit",
    ),
    ("COUNTED_TASKS", "crates/shard/src/tests/mod.rs", "a_backlog_is_counted_no_further_than_to_the_limit"),
    ("POLLERS", "crates/queue/src/pollers.rs", "no_more_pollers_are_kept_than_there_is_room_for"),
    ("SHARDS_ASKED", "crates/shard/src/tests/gather.rs", "no_more_shards_are_asked_at_once_than_may_be"),
    ("STEP_ROWS", "crates/shard/src/tests/gather.rs", "a_leader_reads_no_more_rows_for_a_step_than_it_may"),
    ("PAGE_STEPS", "crates/shard/src/tests/gather.rs", "a_page_that_is_far_to_seek_is_given_out_with_what_it_has"),
    ("LIST_PAGE", "crates/shard/src/tests/gather.rs", "a_page_of_large_items_is_closed_early"),
    ("SORTED_ROWS", "crates/shard/src/tests/lists.rs", "what_no_index_has_in_order_is_sorted_up_to_a_limit"),
    ("GROUPS", "crates/shard/src/tests/lists.rs", "a_count_has_so_many_groups_and_no_more"),
    ("LIST_TOKEN", "crates/shard/src/tests/gather.rs", "a_token_has_a_largest_size"),
    ("RECLAIM_REMEMBERED", "crates/shard/src/tests/reclaim.rs", "a_namespace_that_is_gone_is_remembered_for_a_while"),
    ("REAPPLIED", "tests/test_large_entries.py", "test_a_reset_of_the_largest_run"),
    ("RECENT_ENTRIES", "crates/raft/src/recent.rs", "what_is_remembered_is_bounded_in_number_and_in_bytes"),
    ("RECENT_BYTES", "crates/raft/src/recent.rs", "what_is_remembered_is_bounded_in_number_and_in_bytes"),
    (
        "SEARCH_ATTRIBUTES",
        "crates/engine/src/system/namespace/tests.rs",
        "a_namespace_has_so_many_search_attributes_of_its_own",
    ),
    ("BATCH_TARGETS", "crates/engine/src/batch/tests.rs", "a_job_has_no_more_targets_than_it_may"),
    ("FILTER", "crates/filter/src/tests/limits.rs", "a_long_query_is_refused"),
    ("FILTER_WORDS", "crates/filter/src/tests/limits.rs", "a_query_of_many_words_is_refused"),
    ("FILTER_DEPTH", "crates/filter/src/tests/limits.rs", "a_deep_query_is_refused"),
    ("INDEXED_VALUE", "crates/filter/src/tests/encodings.rs", "long_values_are_cut_and_keep_their_order"),
    ("SCHEDULE_PARTS", "crates/schedule/src/tests/limits.rs", "a_spec_has_so_many_parts"),
    ("SCHEDULE_SEARCH", "crates/schedule/src/tests/limits.rs", "a_search_without_end_is_given_up"),
    ("SCHEDULE_DUE", "crates/engine/src/schedule/tests.rs", "so_many_starts_wait_and_no_more"),
    ("SCHEDULE_BACKFILLS", "crates/engine/src/schedule/tests.rs", "so_many_backfills_are_open_and_no_more"),
    ("SCHEDULE_STEP", "crates/engine/src/schedule/tests.rs", "an_outage_is_made_up_for_in_steps"),
    ("SCHEDULE_STARTS", "crates/engine/src/schedule/tests.rs", "many_starts_are_sent_in_pieces"),
    ("MATCHING_TIMES", "crates/schedule/src/tests/limits.rs", "a_list_has_so_many_times"),
    ("FRAME", "crates/engine/src/codec/mod.rs", "what_is_no_value_is_refused"),
    ("UNANSWERED", "crates/raft/tests/groups/cluster.rs", "large_entries_move_no_leaders"),
    ("SNAPSHOT_CHUNK", "crates/raft/tests/groups/compaction.rs", "a_follower_behind_a_purged_log_gets_a_snapshot"),
    ("FRAMING", "crates/peer/src/frames.rs", "there_are_limits"),
    ("CONNECTIONS", "crates/server/src/connections.rs", "one_more_is_closed_and_a_place_comes_back"),
    ("HTTP_CONNECTIONS", "crates/server/src/connections.rs", "one_more_is_closed_and_a_place_comes_back"),
    ("VITAL_CONNECTIONS", "crates/server/src/http.rs", "a_node_without_room_still_tells_that_it_is_well"),
    ("VITAL_ARRIVAL", "crates/server/src/http.rs", "a_node_without_room_still_tells_that_it_is_well"),
    ("UNREAD", "crates/server/src/connections.rs", "who_reads_nothing_is_cut_off"),
    ("STREAMS", "crates/server/tests/server/node.rs", "a_connection_has_so_many_streams"),
    ("PEER_STREAMS", "crates/server/tests/server/node.rs", "a_connection_has_so_many_streams"),
    ("TERM_LEAP", "crates/raft/src/group.rs", "a_term_far_beyond_is_refused"),
    ("JOIN_TOKEN", "crates/peer/src/join_token.rs", "what_is_no_token"),
    ("CANDIDATES", "crates/peer/src/gate.rs", "no_more_nodes_wait_than_there_is_room_for"),
    ("CALLS", "crates/frontend/src/budget.rs", "calls_are_counted_and_their_places_come_back"),
    ("CALL_DELAY", "crates/frontend/src/pace.rs", "no_more_are_taken_than_end_in_time"),
    ("CALLS_AT_LEAST", "crates/frontend/src/pace.rs", "no_more_are_taken_than_end_in_time"),
    ("WAITS", "crates/frontend/src/budget.rs", "what_waits_takes_no_calls_place"),
    ("PATH", "crates/frontend/src/json/tests/requests.rs", "paths_and_methods_that_are_not_there_are_said_to_be_so"),
    ("ARRIVAL", "crates/frontend/src/message.rs", "a_request_that_does_not_arrive_is_given_up"),
    ("CALL_DEADLINE", "crates/frontend/src/deadline.rs", "no_caller_makes_a_node_wait_for_long"),
    ("WAIT_DEADLINE", "crates/frontend/src/deadline.rs", "no_caller_makes_a_node_wait_for_long"),
    ("SMALL_CALL", "crates/frontend/src/budget.rs", "bytes_are_counted_beyond_what_each_request_may_have"),
    ("SMALL_WAIT", "crates/frontend/src/budget.rs", "what_waits_takes_no_calls_place"),
    ("UNZIPPING", "crates/frontend/src/message.rs", "large_messages_are_unzipped_in_turns_and_small_ones_at_once"),
    ("REQUEST_BYTES", "tests/test_streams.py", "test_memory_is_bounded_and_others_get_through"),
    ("STRANGER", "crates/peer/src/door.rs", "a_stranger_is_sent_away_before_its_message_is_read"),
    ("SMALL_VALUE", "crates/raft/src/codec.rs", "values_of_all_sizes_come_back"),
    ("BATCH_COMMANDS", "crates/engine/src/proposals.rs", "an_entry_of_commands_is_remembered"),
    ("REMEMBERED_PROPOSALS", "crates/engine/src/proposals.rs", "an_entry_of_commands_is_remembered"),
    (
        "REMEMBERED_SYSTEM_PROPOSALS",
        "crates/engine/src/system/namespace/tests.rs",
        "no_more_answers_are_remembered_than_there_is_room_for",
    ),
];

/// Limits that no test meets, and why.
const NOT_MET: &[(&str, &str)] = &[
    ("KEPT_FOR_SNAPSHOT", "as much would have to be written while a snapshot is held up"),
    ("LONG_COMMANDS", "what is beyond it waits, and is not refused"),
    ("BATCH_JOBS", "what is beyond it waits, and is not refused"),
    ("RECLAIMED_AT_ONCE", "what is beyond it waits, and is not refused"),
    ("STEPS", "what is beyond it waits, and is not refused"),
];

fn read(path: &str) -> String {
    let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("run with cargo")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn all_are_documented_with_their_values() {
    let document = read("docs/configuration.md");
    let rows: Vec<String> = tenure_limits::all().iter().map(ToString::to_string).collect();
    let table = rows.join("\n");
    assert!(document.contains(&table), "docs/configuration.md is to have these rows:\n{table}");
}

#[test]
fn each_has_a_test_that_meets_it() {
    let all: BTreeSet<&str> = tenure_limits::all().iter().map(|limit| limit.name).collect();
    let met = MET.iter().map(|(name, ..)| *name);
    let told: BTreeSet<&str> = met.chain(NOT_MET.iter().map(|(name, _)| *name)).collect();
    assert_eq!(told, all);
    for (name, file, test) in MET {
        let definition = [format!("fn {test}"), format!("def {test}")];
        assert!(definition.iter().any(|it| read(file).contains(it)), "{name}: there is no {test} in {file}");
    }
}
