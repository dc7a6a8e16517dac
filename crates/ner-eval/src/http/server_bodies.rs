//! What services really answer: each body of `fixtures/servers` for one prompt of three.

use std::collections::BTreeMap;
use std::path::Path;

use ner_types::parse;
use serde_json::Value;

use super::tests::{config, questions, reply, serve};
use super::*;

fn bodies(name: &str) -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/servers");
    let text = std::fs::read_to_string(folder.join(name)).expect("a fixture");
    serde_json::from_str(&text).expect("bodies by name")
}

/// A completer whose server answers the second prompt so, the first time or always.
fn completer(case: &Value, is_always: bool) -> UrlCompleter {
    let status = u16::try_from(case["status"].as_u64().expect("a status")).expect("small");
    let body = match &case["body"] {
        Value::String(events) => events.clone(),
        body => body.to_string(),
    };
    let (url, _) = serve(move |prompt, before| {
        if prompt == "prompt 1" && (is_always || before == 0) {
            (status, body.clone())
        } else {
            reply("{\"entities\": {}}")
        }
    });
    UrlCompleter::new(&config(&url)).expect("usable")
}

/// What becomes of the second prompt, while the others are answered.
fn outcome(case: &Value, is_always: bool, name: &str) -> Outcome {
    let outcomes = completer(case, is_always).attempt(&questions(3));
    let outcomes = outcomes.unwrap_or_else(|error| panic!("{name}: {error}"));
    for other in [0, 2] {
        assert!(matches!(outcomes[other], Outcome::Answered(_)), "{name}");
    }
    outcomes[1].clone()
}

/// The evaluation ends at this prompt, or where others of its batch were answered, at the next batch.
fn check_end(case: &Value, name: &str) {
    let mut completer = completer(case, true);
    if let Ok(outcomes) = completer.attempt(&questions(3)) {
        assert!(
            matches!(outcomes[1], Outcome::Failed(_)),
            "{name}: {outcomes:?}"
        );
        let next = completer.attempt(&questions(1));
        assert!(next.is_err(), "{name}: {next:?}");
    }
}

fn answer(outcome: Outcome, name: &str) -> Answer {
    match outcome {
        Outcome::Answered(answer) => answer,
        other => panic!("{name}: {other:?}"),
    }
}

fn check(name: &str, case: &Value, expect: &str) {
    if expect == "ends" {
        return check_end(case, name);
    }
    let found = outcome(case, expect != "again", name);
    if let Some(reason) = expect.strip_prefix("failed ") {
        let Outcome::Failed(words) = found else {
            panic!("{name}: {found:?}")
        };
        assert!(words.starts_with(reason), "{name}: {words}");
        return;
    }
    let answer = answer(found, name);
    let read = parse(&answer.text);
    assert_eq!(answer.truncated, expect == "cut", "{name}: {answer:?}");
    match expect {
        "accepted" => {
            let texts: Vec<&str> = read.entities.iter().map(|e| e.text.as_str()).collect();
            assert_eq!(texts, ["Mira Dolan", "Port Halvek"], "{name}: {answer:?}");
            assert_eq!(read.problems, [], "{name}");
            let reasoning = read.reasoning.unwrap_or_default();
            assert!(
                reasoning.contains("which makes it a city"),
                "{name}: {reasoning}"
            );
        }
        "again" => assert_eq!(answer.text, "{\"entities\": {}}", "{name}"),
        _ => assert!(read.entities.is_empty(), "{name}: {answer:?}"),
    }
}

#[test]
fn every_body_has_its_outcome() {
    let first = bodies("bodies.json");
    for (name, expect) in [
        ("content-filter-400", "failed content_filter"),
        ("finish-eos", "accepted"),
        ("error-in-choice-402", "ends"),
        ("choice-without-message", "cut"),
        ("choices-null", "again"),
        ("content-as-parts", "accepted"),
        ("reasoning-quotes-its-tag", "accepted"),
        ("account-empty-429", "ends"),
        ("thought-tags", "accepted"),
    ] {
        check(name, &first[name], expect);
    }
    for (name, case) in bodies("more.json") {
        check(&name, &case, case["expect"].as_str().expect("an outcome"));
    }
}
