//! Random scripts of legal and illegal commands: whatever happens, the rows stay sound.
//!
//! `PROPTEST_CASES` sets how many scripts are played, `PROPTEST_RNG_SEED` which ones; a failure shows its seed and the
//! shortest script that fails.

mod invariants;
mod rare;
mod seen;
mod steps;
mod world;

use crate::{
    FeatureLevel,
    testing::{MemoryRows, Sim},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngSeed, TestRunner},
};
use seen::{Seen, Situation};
use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
};
use tenure_api::enums::v1::EventType;
use world::World;

const LONGEST_SCRIPT: usize = 80;
/// The number of scripts, unless the environment says otherwise.
const CASES: u32 = 100;

/// The events that come about in one script of six, at least.
const COMMON_EVENTS: [EventType; 14] = [
    EventType::ActivityTaskCompleted,
    EventType::ChildWorkflowExecutionStarted,
    EventType::RequestCancelExternalWorkflowExecutionFailed,
    EventType::SignalExternalWorkflowExecutionFailed,
    EventType::TimerFired,
    EventType::WorkflowExecutionCancelRequested,
    EventType::WorkflowExecutionContinuedAsNew,
    EventType::WorkflowExecutionSignaled,
    EventType::WorkflowExecutionTerminated,
    EventType::WorkflowTaskCompleted,
    EventType::WorkflowTaskFailed,
    EventType::WorkflowTaskScheduled,
    EventType::WorkflowTaskStarted,
    EventType::WorkflowTaskTimedOut,
];
const COMMON_SITUATIONS: [Situation; 9] = [
    Situation::EventsWait,
    Situation::RefusedByClosedRun,
    Situation::TriedAgain,
    Situation::ReceiptLost,
    Situation::Reset,
    Situation::MorePendingThanInline,
    Situation::Deleted,
    Situation::KeptForItsRetention,
    Situation::InfoMoved,
];

const RARE_EVENTS: [EventType; 11] = [
    EventType::ActivityTaskFailed,
    EventType::ActivityTaskTimedOut,
    EventType::ChildWorkflowExecutionCompleted,
    EventType::ExternalWorkflowExecutionCancelRequested,
    EventType::ExternalWorkflowExecutionSignaled,
    EventType::WorkflowExecutionPaused,
    EventType::WorkflowExecutionTimedOut,
    EventType::WorkflowExecutionUnpaused,
    EventType::WorkflowExecutionUpdateAccepted,
    EventType::WorkflowExecutionUpdateAdmitted,
    EventType::WorkflowExecutionUpdateCompleted,
];
const RARE_SITUATIONS: [Situation; 3] =
    [Situation::ResetWithAQuestionOpen, Situation::ResetWithAChildOfBoth, Situation::ActivityHeld];

#[test]
fn rows_stay_sound() {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(RandomState::new().hash_one(0));
    }
    let seed = config.rng_seed;
    let scripts = (steps::start(), prop::collection::vec(steps::step(), 1..LONGEST_SCRIPT));
    let (seen, cases) = (RefCell::new(Seen::default()), config.cases);
    let played = TestRunner::new(config).run(&scripts, |(start, script)| {
        seen.borrow_mut().add(play(start, &script));
        Ok(())
    });
    if let Err(failure) = played {
        panic!("PROPTEST_RNG_SEED={seed}\n{failure}");
    }
    if cases >= CASES {
        seen.borrow().assert_all(&COMMON_EVENTS, &COMMON_SITUATIONS);
    }
}

#[test]
fn rows_stay_sound_where_chance_seldom_leads() {
    play(rare::START, &rare::script()).assert_all(&RARE_EVENTS, &RARE_SITUATIONS);
}

/// Shards after scripts that are the same each time.
pub(super) fn played() -> Vec<Sim> {
    const SCRIPTS: usize = 200;
    const SEED: u64 = 1;
    let config = ProptestConfig { rng_seed: RngSeed::Fixed(SEED), ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let scripts = (steps::start(), prop::collection::vec(steps::step(), LONGEST_SCRIPT / 2..LONGEST_SCRIPT));
    let mut random = || scripts.new_tree(&mut runner).expect("a script").current();
    let scripts = std::iter::once((rare::START, rare::script())).chain((0..SCRIPTS).map(|_| random()));
    let play = |(start, script): (steps::Start, Vec<steps::Step>)| {
        let mut world = World::default();
        world.take(&steps::Step::Start(start));
        script.iter().for_each(|step| world.take(step));
        world.sim
    };
    scripts.map(play).collect()
}

fn play(start: steps::Start, script: &[steps::Step]) -> Seen {
    let mut world = World::default();
    world.sim.level = FeatureLevel::FIRST;
    world.take(&steps::Step::Start(start));
    world.check();
    for step in script {
        world.take(step);
        world.check();
    }
    world.sim.deliver_all();
    world.check();
    world.end();
    assert_eq!(invariants::left(&world.sim), [], "closed runs go without a trace");
    let mut replica = MemoryRows::default();
    for entry in &world.sim.log {
        replica.apply(entry);
    }
    assert_eq!(replica, world.sim.rows, "the log gives the rows");
    world.seen
}
