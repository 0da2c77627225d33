//! The instructions that the hot transitions take, counted by Callgrind: unlike times, they are the same on a busy machine.

use super::complete_workflow;
use crate::{
    command::{ActivityRef, Poll, Reply, ShardCommand, StartTask},
    key::TaskKind,
    testing::{Sim, prepared::Prepared, schedule_activity, start_request},
    token::TaskToken,
};
use std::{env, fmt::Write, hint::black_box, process::Command, sync::Arc};

/// What each transition took when this was last measured, with the tests' profile. It is the same in every run of one build;
/// another compiler, or a library's next version, moves it by some percent.
const MEASURED: &[(&str, u64)] = &[
    ("a start", 108_422),
    ("a workflow task's start", 47_747),
    ("a workflow task's completion, which schedules an activity", 73_303),
    ("an activity's start", 64_230),
    ("an activity's completion", 61_114),
    ("the next workflow task's start", 49_948),
    ("the completion of the workflow", 156_114),
    ("a signal", 43_328),
];

/// A transition that takes more than this much of what it took was meant to, or is mended.
const ALLOWED: f64 = 1.1;

const ROUNDS: u64 = 100;

/// Names the transition, by its place in [`MEASURED`], to the process that Callgrind watches.
const CHOSEN: &str = "TENURE_TEST_TRANSITION";

/// The transitions of a workflow with one activity, and a signal to one whose task is scheduled.
fn transitions() -> Vec<Prepared> {
    let mut sim = Sim::default();
    sim.prepared = Some(Vec::new());
    sim.start(start_request());
    let task = sim.poll();
    sim.complete(&task, vec![schedule_activity("1")]).unwrap();
    let start = StartTask::of(&sim.ready(TaskKind::Activity).remove(0), Poll::default());
    let Ok(Reply::ActivityTaskStarted(started)) = sim.run(ShardCommand::StartActivityTask(start)) else {
        panic!("not started")
    };
    let activity = ActivityRef::Token(TaskToken::decode(&started.task_token).unwrap());
    sim.run(ShardCommand::CompleteActivity { activity, request: Arc::default() }).unwrap();
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    let mut signalled = Sim::started();
    signalled.prepared = Some(Vec::new());
    signalled.signal("s");
    [sim.prepared, signalled.prepared].into_iter().flatten().flatten().collect()
}

#[inline(never)]
fn counted_by_callgrind(transition: &Prepared) {
    drop(black_box(transition.run()));
}

#[test]
#[ignore = "Callgrind watches it in a process of its own"]
fn the_chosen_one() {
    let chosen: usize = env::var(CHOSEN).expect("a transition is chosen").parse().expect("a number");
    let transition = &transitions()[chosen];
    for _ in 0..ROUNDS {
        counted_by_callgrind(transition);
    }
}

/// Instructions of one round.
fn count(chosen: usize) -> u64 {
    let this = module_path!().split_once("::").expect("a module of the crate").1;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_by_callgrind*"])
        .arg(env::current_exe().expect("a test knows its own path"))
        .args(["--exact", "--ignored", "--test-threads=1"])
        .arg(format!("{this}::the_chosen_one"))
        .env(CHOSEN, chosen.to_string())
        .output()
        .expect("valgrind runs: `scripts/setup --tests` installs it");
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse::<u64>().ok());
    match collected {
        Some(collected) if output.status.success() && collected > 0 => collected / ROUNDS,
        _ => panic!("{}\n{told}\n{}", output.status, String::from_utf8_lossy(&output.stdout)),
    }
}

#[test]
fn hot_transitions_take_no_more_instructions_than_they_did() {
    assert_eq!(transitions().len(), MEASURED.len());
    let (mut table, mut worst) = (String::new(), 0.0_f64);
    for (chosen, (name, measured)) in MEASURED.iter().enumerate() {
        let now = count(chosen);
        let ratio = now as f64 / *measured as f64;
        worst = worst.max(ratio);
        writeln!(table, "{now:>9} {ratio:>5.2} of what it was: {name}").unwrap();
    }
    println!("{table}");
    assert!(worst <= ALLOWED, "instructions of one transition:\n{table}");
}
