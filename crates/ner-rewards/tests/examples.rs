//! The example runs and gives the rewards that its head promises.

#[allow(dead_code, reason = "its main only calls `run`")]
#[path = "../examples/reward.rs"]
mod reward;

#[test]
fn better_completions_earn_more() {
    // 10·1 + 1 + 1; 10·2/3 + 1 + 1/2; a label outside the schema: no F1, no schema reward, but it stands in the
    // sentence; no JSON: nothing.
    let expected = [12.0, 10.0 * 2.0 / 3.0 + 1.5, 1.0, 0.0];
    for (found, expected) in reward::run().into_iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-9,
            "{found} and not {expected}"
        );
    }
}
