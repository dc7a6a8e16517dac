//! The example runs and counts what it should.

#[allow(dead_code, reason = "its main reads the command line")]
#[path = "../examples/score_files.rs"]
mod score_files;

use std::error::Error;

use ner_score::Scorer;

#[test]
fn two_files_are_scored() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let (gold, answers) = (
        dir.path().join("gold.jsonl"),
        dir.path().join("answers.jsonl"),
    );
    let sentence = r#"{"sentence": "Ada Brel left Port Halvek.", "schema": ["city", "person"], "entities":
        [{"text": "Port Halvek", "label": "city"}, {"text": "Ada Brel", "label": "person"}]}"#;
    let sentence = sentence.replace('\n', " ");
    std::fs::write(&gold, format!("{sentence}\n{sentence}\n"))?;
    let right = r#"{"entities": {"city": ["Port Halvek"], "person": ["Ada Brel"]}}"#;
    let short = r#"{"entities": {"city": ["Port Halvek"], "person": ["Brel"]}}"#;
    std::fs::write(
        &answers,
        format!(
            "{}\n{}\n",
            serde_json::json!(right),
            serde_json::json!(short)
        ),
    )?;
    // Three of four are found, and one of four predicted is wrong.
    let report = score_files::score(&gold, &answers, Scorer::ReasoningIe)?;
    assert!(
        (report.micro.f1 - 0.75).abs() < 1e-12,
        "{}",
        report.micro.f1
    );
    std::fs::write(&answers, "\"{}\"\n")?;
    let error = score_files::score(&gold, &answers, Scorer::ReasoningIe);
    assert_eq!(error.unwrap_err().to_string(), "2 sentences and 1 answers");
    Ok(())
}
