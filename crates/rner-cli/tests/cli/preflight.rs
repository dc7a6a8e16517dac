//! `rner reproduce --dry-run` and what a run says before it begins: servers, keys, models, exit codes.

use serde_json::Value;

use super::server::Server;
use super::support::{TestResult, rner, stderr, text};

/// Models, and a teacher whose answers have room.
const MODELS: [&str; 8] = [
    "--teacher-model",
    "thinker",
    "--judge-model",
    "judge",
    "--set",
    "cot.max_tokens=4096",
    "--set",
    "sft.train.max_length=4096",
];

/// What a dry run finds, with its exit code.
fn found(
    url: &str,
    more: &[&str],
) -> Result<(Vec<Value>, Option<i32>), Box<dyn std::error::Error>> {
    let args = [
        "reproduce",
        "--smoke",
        "--dry-run",
        "--json",
        "--teacher-url",
        url,
    ];
    let output = rner(&[&args, &MODELS[..], more].concat()).output()?;
    let printed = String::from_utf8(output.stdout)?;
    let found = serde_json::from_str(&printed).map_err(|_| printed)?;
    Ok((found, output.status.code()))
}

/// The first finding about something.
fn about<'v>(found: &'v [Value], what: &str) -> &'v Value {
    let mut same = found.iter().filter(|one| one["about"] == what);
    same.next().unwrap_or(&Value::Null)
}

#[test]
fn a_model_that_the_server_has_not_is_named_before_anything_is_asked() -> TestResult {
    let server = Server::start_raw(|body| {
        assert!(body.is_empty(), "nothing is asked but the list of models");
        (200, r#"{"data": [{"id": "thinker"}]}"#.into())
    })?;
    let (found, code) = found(&server.url, &[])?;
    assert_eq!(about(&found, "teacher")["severity"], "note", "{found:?}");
    let judge = about(&found, "judge");
    assert_eq!(judge["severity"], "stops", "{found:?}");
    assert_eq!(judge["remedy"], "--set cot.judge_model=\"thinker\"");
    assert_eq!(code, Some(2));
    Ok(())
}

#[test]
fn a_server_that_wants_a_key_and_one_that_does_not() -> TestResult {
    let locked = Server::start_raw(|_| (401, r#"{"error": {"message": "no key"}}"#.into()))?;
    let (found, code) = found(&locked.url, &["--set", "cot.key_env=RNER_NO_SUCH_KEY"])?;
    let teacher = about(&found, "teacher");
    let remedy = teacher["remedy"].as_str().unwrap_or_default();
    assert!(remedy.contains("export RNER_NO_SUCH_KEY"), "{found:?}");
    assert_eq!(code, Some(2));
    // One of one's own is asked without the key that is not there.
    let open = Server::start_raw(|_| (404, "{}".into()))?;
    let key = ["--set", "cot.key_env=RNER_NO_SUCH_KEY"];
    let (found, code) = self::found(&open.url, &key)?;
    assert_eq!(about(&found, "teacher")["severity"], "note", "{found:?}");
    assert_eq!(code, Some(0));
    Ok(())
}

#[test]
fn an_absent_server_is_a_failure_and_stops_a_run_before_it_begins() -> TestResult {
    let gone = "http://127.0.0.1:9/v1";
    let (found, code) = found(gone, &[])?;
    assert_eq!(about(&found, "teacher")["is_usage"], false, "{found:?}");
    assert_eq!(code, Some(1));
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("run");
    let args = [
        "reproduce",
        "--smoke",
        "--teacher-url",
        gone,
        "--out",
        text(&out),
    ];
    let output = rner(&args).output()?;
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("127.0.0.1:9") && said.contains("nothing was downloaded"),
        "{said}"
    );
    assert!(!out.exists(), "nothing was written");
    // With --offline nobody is asked, and that is said.
    let (found, code) = self::found(gone, &["--offline"])?;
    let judge = about(&found, "judge");
    assert_eq!((&judge["severity"], code), (&"note".into(), Some(0)));
    assert!(judge["what"].to_string().contains("not asked"), "{judge}");
    Ok(())
}

#[test]
fn a_teacher_of_today_brings_address_model_and_price() -> TestResult {
    let args = [
        "reproduce",
        "--smoke",
        "--dry-run",
        "--offline",
        "--teacher",
        "deepseek",
    ];
    let output = rner(&args).output()?;
    let plan = String::from_utf8(output.stdout)?;
    for words in [
        "deepseek-v4-pro at https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        "no budget",
    ] {
        assert!(plan.contains(words), "{words} is not in\n{plan}");
    }
    Ok(())
}

#[test]
fn the_profiles_are_listed_with_what_they_take() -> TestResult {
    let output = rner(&["reproduce", "--list-profiles"]).output()?;
    let table = String::from_utf8(output.stdout)?;
    let line = |name: &str| table.lines().find(|line| line.starts_with(name));
    assert!(
        line("paper-8b ").is_some_and(|line| line.ends_with("DOES NOT FIT")),
        "{table}"
    );
    assert!(
        line("paper-8b-lora ").is_some_and(|line| line.ends_with("yes")),
        "{table}"
    );
    Ok(())
}

#[test]
fn chains_that_are_there_already_cost_nothing() -> TestResult {
    let args = ["reproduce", "--profile", "paper-8b", "--cot", "published"];
    let output = rner(&[&args[..], &["--dry-run", "--offline"]].concat()).output()?;
    let plan = String::from_utf8(output.stdout)?;
    assert!(plan.contains("no teacher is asked"), "{plan}");
    for word in ["$", "deepseek", "data/train.jsonl"] {
        assert!(!plan.contains(word), "{word} is in\n{plan}");
    }
    Ok(())
}

#[test]
fn outside_of_the_repository_the_toy_is_not_looked_for_on_the_hub() -> TestResult {
    let dir = tempfile::tempdir()?;
    let mut command = rner(&["reproduce", "--smoke", "--dry-run"]);
    let output = command.current_dir(dir.path()).output()?;
    let plan = String::from_utf8(output.stdout)?;
    assert!(plan.contains("lies in the repository"), "{plan}");
    assert_eq!(output.status.code(), Some(2), "{plan}");
    Ok(())
}
