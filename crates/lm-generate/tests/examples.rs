//! The examples run, and do what they say.

use std::path::Path;

#[path = "../examples/generate.rs"]
#[allow(dead_code, reason = "the test has no use for its `main`")]
mod generate;

#[test]
fn two_answers_are_generated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny-base");
    let answers = generate::run(&folder, "Anna lives in Paris.").expect("a checkpoint");
    assert_eq!(answers.len(), 2);
    assert!(
        answers
            .iter()
            .all(|answer| (1..=12).contains(&answer.ids.len()))
    );
}
