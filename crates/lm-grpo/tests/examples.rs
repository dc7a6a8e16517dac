//! The examples run, and do what they say.

#[path = "../examples/toy_reward.rs"]
#[allow(dead_code, reason = "the test has no use for its `main`")]
mod toy_reward;

#[test]
fn a_policy_learns_a_toy_reward() {
    let rewards = toy_reward::run().expect("a run");
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&rewards[..3]), mean(&rewards[27..]));
    assert!(last > first + 0.2, "from {first} to {last}");
}
