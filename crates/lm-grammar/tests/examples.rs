//! The example runs, and does what it says.

use std::path::Path;

#[path = "../examples/yes_or_no.rs"]
#[allow(dead_code, reason = "the test has no use for its `main`")]
mod yes_or_no;

#[test]
fn the_answer_is_yes_or_no() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny-base");
    let answer = yes_or_no::run(&folder, "Is Anna in Rome?").expect("a checkpoint");
    assert!(["yes", "no"].contains(&answer.as_str()), "{answer:?}");
}
