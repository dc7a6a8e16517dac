//! `rner extract`: an answer as it is written, and the flags that say how.

use super::support::{TestResult, fails, rner, stderr};

const SENTENCE: &str = "Mira Dolan lives in Port Halvek.";

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let first = [
        "extract",
        "--model",
        "fixtures/tiny-base",
        "--types",
        "person,city",
        "--max-new-tokens",
        "40",
    ];
    first
        .iter()
        .chain(more)
        .copied()
        .chain([SENTENCE])
        .collect()
}

/// What a command that succeeds prints.
fn prints(more: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = rner(&args(more)).output()?;
    assert!(output.status.success(), "{more:?}: {}", stderr(&output));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn an_answer_repeats_with_its_seed_and_follows_the_flags() -> TestResult {
    let greedy = prints(&["--raw"])?;
    assert!(greedy.trim().len() > 10, "{greedy:?}");
    assert_eq!(
        prints(&["--raw", "--top-k", "1", "--temperature", "1"])?,
        greedy
    );
    assert_eq!(
        prints(&["--raw", "--min-p", "1", "--temperature", "2"])?,
        greedy
    );
    assert_ne!(prints(&["--raw", "--repetition-penalty", "4"])?, greedy);
    let warm = |seed| prints(&["--raw", "--temperature", "3", "--seed", seed]);
    assert_eq!(warm("5")?, warm("5")?);
    assert_ne!(warm("5")?, warm("6")?);
    Ok(())
}

#[test]
fn a_model_in_eight_bits_answers() -> TestResult {
    let narrow = ["--raw", "--set", "eval.quantize=int8"];
    let answer = prints(&narrow)?;
    assert!(answer.trim().len() > 10, "{answer:?}");
    assert_eq!(prints(&narrow)?, answer);
    let other = ["--set", "eval.quantize=int8", "--backend", "cuda"];
    fails(&args(&other), 2, &["eval.quantize", "flex"])?;
    fails(
        &args(&["--set", "eval.quantize=int4"]),
        2,
        &["int4", "int8"],
    )
}

#[test]
fn a_stop_string_ends_the_answer_before_it() -> TestResult {
    let whole = prints(&["--raw"])?;
    let middle: Vec<char> = whole.chars().collect();
    let stop: String = middle[middle.len() / 2..][..3].iter().collect();
    let expected = whole.split(&stop).next().unwrap_or_default();
    let found = prints(&["--raw", "--stop", "never written", "--stop", &stop])?;
    assert_eq!(found.strip_suffix('\n'), Some(expected), "{stop:?}");
    Ok(())
}

#[test]
fn json_has_the_reasoning_and_lines_begin_with_it() -> TestResult {
    let json: serde_json::Value = serde_json::from_str(&prints(&["--json"])?)?;
    assert!(json["entities"].is_array(), "{json:#}");
    let lines = prints(&[])?;
    if let Some(reasoning) = json["reasoning"].as_str() {
        assert!(lines.starts_with(reasoning), "{lines}");
    }
    Ok(())
}

#[test]
fn meaningless_flags_are_wrong_usage() -> TestResult {
    for (flag, value, words) in [
        ("--top-p", "1.5", "--top-p: expected a number in (0, 1]"),
        ("--min-p", "2", "--min-p: expected a number in [0, 1]"),
        (
            "--repetition-penalty",
            "0",
            "--repetition-penalty: expected",
        ),
        ("--top-k", "0", "--top-k: expected at least 1"),
        ("--stop", "", "--stop"),
        ("--temperature", "hot", "--temperature"),
    ] {
        fails(&args(&[flag, value]), 2, &[words])?;
    }
    fails(&args(&["--raw", "--json"]), 2, &["--json"])
}
