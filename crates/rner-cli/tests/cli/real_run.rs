//! The real path against the mock homes of `ner-rehearsal`: from empty caches to the table of the seven sets by one
//! command, over bad connections, and killed on the way.

use std::path::{Path, PathBuf};
use std::process::Command;

use ner_rehearsal::{Faults, Rehearsal, Setting};

use super::support::{TestResult, rner, root, stderr, text};

/// A rehearsal with the toy model under an id of the Hub.
pub(crate) fn setting(dir: &Path) -> Result<Setting, Box<dyn std::error::Error>> {
    let catalogue = root().join("crates/ner-datasets/src/catalogue.toml");
    let catalogue = std::fs::read_to_string(catalogue)?;
    Ok(Setting::new(
        dir,
        &catalogue,
        &root().join("fixtures/tiny-base"),
    ))
}

/// The program with the caches `cache` of a rehearsal.
pub(crate) fn rehearsed(rehearsal: &Rehearsal, cache: &str, args: &[&str]) -> Command {
    let mut command = rner(args);
    rehearsal.prepare(&mut command, cache);
    command
}

#[test]
fn a_model_arrives_whole_over_bad_connections_and_only_once() -> TestResult {
    let dir = tempfile::tempdir()?;
    let rehearsal = Rehearsal::start(Setting {
        faults: Faults {
            seed: 7,
            refusals: 2,
            breaks: 2,
            ..Faults::default()
        },
        ..setting(dir.path())?
    })?;
    let extract = [
        "extract",
        "--model",
        ner_rehearsal::BASE_MODEL,
        "--types",
        "city",
    ];
    let extract = [
        &extract[..],
        &["--set", "eval.max_new_tokens=4", "Brel sleeps."],
    ]
    .concat();
    for _ in 0..2 {
        let output = rehearsed(&rehearsal, "cache", &extract).output()?;
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let traffic = rehearsal.homes.traffic();
    let name = format!("models/{}/model.safetensors", ner_rehearsal::BASE_MODEL);
    let weights = &traffic.files[&name];
    assert_eq!(weights.refused, 2);
    assert_eq!(weights.sent.len(), 3, "broken off twice: {weights:?}");
    assert_eq!(
        (weights.bytes(), traffic.twice()),
        (weights.size, 0),
        "nothing was sent twice"
    );
    let snapshot = snapshot(&dir.path().join("cache/huggingface/hub"))?;
    let fixture = root().join("fixtures/tiny-base/model.safetensors");
    assert!(std::fs::read(snapshot.join("model.safetensors"))? == std::fs::read(fixture)?);
    Ok(())
}

/// The folder of the model in the Hub's cache.
fn snapshot(cache: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let folder = format!("models--{}", ner_rehearsal::BASE_MODEL.replace('/', "--"));
    Ok(cache
        .join(folder)
        .join("snapshots")
        .join(ner_rehearsal::COMMIT))
}
