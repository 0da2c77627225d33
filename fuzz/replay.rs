//! Runs a fuzz target over the inputs that are kept for it, in the ordinary tests of the crate that has the target.

/// None of the inputs in `corpus/` may make it panic.
pub(crate) fn replay(target: &str, run: fn(&[u8])) {
    // Tests run in the directory of their crate.
    let inputs = std::fs::read_dir(format!("../../fuzz/corpus/{target}")).expect("a corpus");
    let inputs: Vec<_> = inputs.map(|input| std::fs::read(input.expect("an input").path()).expect("bytes")).collect();
    assert!(!inputs.is_empty());
    inputs.iter().for_each(|input| run(input));
}
