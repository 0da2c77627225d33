//! Random scripts of legal and illegal commands: whatever happens, the rows stay sound.
//!
//! `PROPTEST_CASES` sets how many scripts are played, `PROPTEST_RNG_SEED` which ones; a failure tells its seed and the
//! shortest script that fails.

mod invariants;
mod steps;
mod world;

use crate::testing::MemoryRows;
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use std::hash::{BuildHasher, RandomState};
use world::World;

const LONGEST_SCRIPT: usize = 80;
/// Unless the environment says otherwise.
const CASES: u32 = 100;

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
    let scripts = prop::collection::vec(steps::step(), 1..LONGEST_SCRIPT);
    let played = TestRunner::new(config).run(&scripts, |script| {
        play(&script);
        Ok(())
    });
    if let Err(failure) = played {
        panic!("PROPTEST_RNG_SEED={seed}\n{failure}");
    }
}

fn play(script: &[steps::Step]) {
    let mut world = World::started();
    world.check();
    for step in script {
        world.take(step);
        world.check();
    }
    world.sim.deliver_all();
    world.check();
    let mut replica = MemoryRows::default();
    for entry in &world.sim.log {
        replica.apply(entry);
    }
    assert_eq!(replica, world.sim.rows, "the log gives the rows");
}
