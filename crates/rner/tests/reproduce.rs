//! `rner::reproduce` from Rust: progress is heard, a run stops when it is told to, and goes on from there.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rner::prelude::*;
use tokio_util::sync::CancellationToken;

type TestResult = std::result::Result<(), Box<dyn std::error::Error>>;

/// Hears everything, and cancels a token once a line begins with a word.
struct Listener {
    heard: Mutex<Vec<String>>,
    last: &'static str,
    stop: CancellationToken,
}

impl Listener {
    fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }
}

impl ProgressSink for Listener {
    fn start(&self, label: &str, total: usize, unit: &'static str) -> Box<dyn Part> {
        self.line(&format!("{label} begins: {total} {unit}"));
        Session::silent().start(label, total, unit)
    }

    fn line(&self, text: &str) {
        if text.starts_with(self.last) {
            self.stop.cancel();
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(text.to_owned());
    }
}

fn listening(last: &'static str) -> (Arc<Listener>, Session) {
    let stop = CancellationToken::new();
    let listener = Arc::new(Listener {
        heard: Mutex::new(Vec::new()),
        last,
        stop: stop.clone(),
    });
    (listener.clone(), Session::new(stop, listener))
}

/// The shortest recipe there is, with the model of the repository.
fn recipe() -> Result<Recipe> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny-base");
    let sets = [
        format!("model.base={:?}", base.display().to_string()),
        "sft.train.max_steps=2".to_owned(),
        "data.eval_sentences=2".to_owned(),
    ];
    Ok(Recipe::resolve("smoke", &sets)?)
}

#[test]
fn a_run_that_is_stopped_goes_on_where_it_was() -> TestResult {
    let (recipe, folder) = (recipe()?, tempfile::tempdir()?);
    let dir = RunDir::open(folder.path())?;

    let (listener, session) = listening("sft-cot begins");
    let stopped = reproduce(&recipe, &dir, &session).expect_err("it is told to stop");
    assert!(stopped.is_interruption(), "{stopped}");
    let heard = listener.heard();
    assert!(
        heard.iter().any(|line| line.starts_with("cot: ")),
        "{heard:?}"
    );
    assert!(
        !heard.iter().any(|line| line.starts_with("grpo")),
        "{heard:?}"
    );

    let (listener, session) = listening("nothing begins so");
    let run = reproduce(&recipe, &dir, &session)?;
    let heard = listener.heard();
    assert!(
        heard.contains(&"cot: done before, unchanged".to_owned()),
        "{heard:?}"
    );
    assert!(
        heard.iter().any(|line| line.starts_with("grpo: ")),
        "{heard:?}"
    );
    assert!(run.page.is_file());
    let rows: Vec<&str> = run
        .report
        .results
        .iter()
        .map(|row| row.name.as_str())
        .collect();
    let ablation = [
        "base",
        "base, step by step",
        "SFT on the source",
        "SFT without CoT",
        "SFT with CoT",
        "+ GRPO",
    ];
    assert_eq!(rows, ablation);
    // A test between each row and the one that it builds on, over the sentences of all seven sets.
    let steps = &run.report.steps.steps;
    assert_eq!(steps.len(), 5);
    assert!(
        steps
            .iter()
            .all(|step| step.sentences == 14 && step.p_holm >= step.p_value)
    );
    let noise = run
        .report
        .notes
        .iter()
        .any(|note| note.contains("annotations are wrong, on purpose"));
    assert!(noise, "{:?}", run.report.notes);
    Ok(())
}

#[test]
fn rows_that_are_not_asked_for_are_not_trained() -> TestResult {
    let (mut recipe, folder) = (recipe()?, tempfile::tempdir()?);
    recipe.run.rows = vec![Row::Source, Row::Base];
    recipe.run.seeds = 2;
    let dir = RunDir::open(folder.path())?;
    let run = reproduce(&recipe, &dir, &Session::silent())?;
    let made: Vec<(&str, u64)> = run
        .report
        .results
        .iter()
        .map(|row| (row.name.as_str(), row.seed))
        .collect();
    // The base model answers alike with every seed, and is asked once.
    assert_eq!(
        made,
        [
            ("base", 42),
            ("SFT on the source", 42),
            ("SFT on the source", 43)
        ]
    );
    let steps: Vec<(&str, usize)> = run
        .report
        .steps
        .steps
        .iter()
        .map(|step| (step.to.as_str(), step.seeds.len()))
        .collect();
    assert_eq!(steps, [("SFT on the source", 2)]);
    let stages: Vec<&str> = run
        .report
        .stages
        .iter()
        .map(|stage| stage.name.as_str())
        .collect();
    assert!(
        !stages
            .iter()
            .any(|name| name.starts_with("cot") || name.starts_with("sft-plain")),
        "{stages:?}"
    );
    Ok(())
}
