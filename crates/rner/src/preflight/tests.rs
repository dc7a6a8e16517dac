//! All findings at once, each with its remedy, and what has been done is not asked for again.

use super::*;

fn found(profile: &str, sets: &[&str]) -> Vec<Finding> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let recipe = Recipe::resolve(profile, &sets).expect("a recipe");
    let preflight = Preflight {
        run: "runs/no-such-run".into(),
        offline: true,
    };
    preflight.check(&recipe)
}

/// Whether something about `about` was found that is so bad, and says so.
#[track_caller]
fn check(found: &[Finding], severity: Severity, about: &str, words: &str) {
    let is = |f: &&Finding| f.severity == severity && f.about == about;
    let mut same = found.iter().filter(is);
    assert!(
        same.any(|f| f.what.contains(words) || f.remedy.contains(words)),
        "{about}, {words}: {found:?}"
    );
}

#[test]
fn the_paper_on_its_own_hardware_is_refused_with_all_reasons_at_once() {
    let found = found("paper-8b", &["data.cache=/no/such/cache"]);
    check(&found, Severity::Stops, "memory", "--profile paper-8b-lora");
    if !crate::backend::is_built(crate::recipe::Backend::Cuda) {
        check(&found, Severity::Stops, "backend", "--features cuda");
    }
    check(&found, Severity::Warning, "money", "cot.budget_usd");
    check(&found, Severity::Warning, "teacher", "TEACHER_API_KEY");
    check(&found, Severity::Note, "data", "pile-ner-type");
    let stops = found.iter().filter(|f| f.severity == Severity::Stops);
    assert!(stops.clone().all(|f| !f.remedy.is_empty()), "{found:?}");
}

#[test]
fn nothing_stands_against_the_toy() {
    let base = concat!(
        "model.base=",
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/tiny-base"
    );
    assert_eq!(found("tiny", &[base]), []);
}

#[test]
fn a_teacher_whose_answers_would_be_cut_or_dropped_is_warned_of() {
    let teacher = "cot.teacher_url=http://localhost:8000/v1";
    let short = found("tiny", &[teacher]);
    check(
        &short,
        Severity::Warning,
        "teacher",
        "--set cot.max_tokens=8192",
    );
    let long = found("tiny", &[teacher, "cot.max_tokens=8192"]);
    check(
        &long,
        Severity::Warning,
        "teacher",
        "--set sft.train.max_length=8192",
    );
    assert!(!long.iter().any(|f| f.what.contains("cut off")), "{long:?}");
}

#[test]
fn a_budget_that_cannot_be_kept_stops_and_one_that_can_is_noted() {
    let own = ["hardware.gpus=1", "run.backend=flex"];
    let with = |set| found("paper-8b", &[own[0], own[1], set]);
    check(
        &with("cot.budget_usd=5"),
        Severity::Stops,
        "money",
        "at least $78",
    );
    check(
        &with("cot.budget_usd=500"),
        Severity::Note,
        "money",
        "$500.00",
    );
    let elsewhere = found("tiny", &["cot.teacher_url=https://host.example/v1"]);
    check(&elsewhere, Severity::Warning, "money", "no price is known");
}

#[test]
fn data_and_models_that_nobody_has_are_named() {
    let found = found(
        "tiny",
        &["data.train=no/such.jsonl", "model.base=no/such/model"],
    );
    check(&found, Severity::Stops, "data", "no/such.jsonl");
    check(&found, Severity::Stops, "model", "no/such/model");
    assert!(
        found
            .iter()
            .filter(|f| f.severity == Severity::Stops)
            .all(|f| f.is_usage)
    );
}
