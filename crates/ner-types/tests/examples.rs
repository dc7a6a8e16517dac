//! The examples run.

#[path = "../examples/read_answer.rs"]
#[allow(dead_code, reason = "the test calls what `main` calls")]
mod read_answer;

#[test]
fn a_truncated_answer_is_read_placed_and_criticised() {
    let schema = ["city".to_string()];
    let answer = "<think>\nA port.\n</think>\n{\"entities\": {\"city\": [\"Port Halvek\"], \"ship\": [\"Oda\"";
    let text = read_answer::read(&schema, "Zoë left Port  Halvek.", answer);
    for line in [
        "reasoning: A port.\n",
        "city: \"Port Halvek\" at [9..21]\n",
        "ship: \"Oda\" at []\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.matches("problem: ").count() >= 3, "{text}");
}
