//! The examples run, and do what they say.

use std::path::Path;

#[path = "../examples/score.rs"]
#[allow(dead_code, reason = "the test has no use for its `main`")]
mod score;

#[test]
fn every_token_of_a_sentence_is_scored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny-base");
    let sentence = "Anna lives in Paris.";
    let scored = score::run(&folder, sentence).unwrap();
    let text: String = scored.iter().map(|(token, _)| token.as_str()).collect();
    assert!(sentence.ends_with(&text) && text.len() > 10, "{text:?}");
    assert!(scored.iter().all(|(_, log_prob)| *log_prob <= 0.0));
}
