//! `rner cot status`, `export` and `view` of a run, and what the stage finds afterwards.

use std::path::Path;

use serde_json::Value;

use super::support::{TestResult, fails, rner, stderr, succeeds, text};

/// Data and teacher of a run; fine-tuning then refuses rows of that length.
fn begin(out: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let args = ["reproduce", "--smoke", "--out", text(out)];
    let sets = [
        "--set",
        "data.train_sentences=12",
        "--set",
        "sft.train.max_length=8",
        "--set",
        "sft.train.over_length=refuse",
    ];
    let output = rner(&[&args, &sets[..]].concat()).output()?;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    Ok(stderr(&output))
}

#[test]
fn the_folder_of_a_run_is_looked_at_and_left_as_it_is() -> TestResult {
    let dir = tempfile::tempdir()?;
    let run = dir.path().join("run");
    begin(&run)?;
    for folder in [run.clone(), run.join("stage-2-cot")] {
        let status = succeeds(&["cot", "status", text(&folder), "--json"])?;
        let status: Value = serde_json::from_str(&status)?;
        assert_eq!(status["funnel"]["rows"], 12, "{status}");
        assert_eq!(status["funnel"]["unfinished"], 0, "{status}");
    }
    succeeds(&["cot", "export", text(&run), "--threshold", "7"])?;
    succeeds(&["cot", "view", text(&run)])?;
    for file in ["ner-cot.jsonl", "README.md", "view.html"] {
        assert!(run.join("cot-export").join(file).is_file(), "{file}");
    }
    let said = begin(&run)?;
    assert!(said.contains("cot: done before, unchanged"), "{said}");
    fails(
        &["cot", "status", text(dir.path())],
        2,
        &["job.json", "recipe.toml"],
    )
}
