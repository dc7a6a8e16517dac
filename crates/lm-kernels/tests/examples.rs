//! The example runs, and its gradient is that of a difference.
#![cfg(feature = "flex")]

#[path = "../examples/gradients.rs"]
#[allow(dead_code, reason = "the test has no use for its `main`")]
mod gradients;

#[test]
fn the_gradient_is_that_of_a_difference() {
    let (gradient, difference) = gradients::run();
    assert!(
        (gradient - difference).abs() < 1e-2 * gradient.abs().max(1.0),
        "{gradient} {difference}"
    );
}
