//! The examples run, and do what they say.

#[path = "../../examples/fine_tune.rs"]
#[allow(dead_code, reason = "the test has no use for its `main`")]
mod fine_tune;

#[test]
fn a_model_is_fine_tuned() {
    let losses = fine_tune::run().unwrap();
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < 0.1 * first, "from {first} to {last}");
}
