//! Scores a file of answers against a file of gold, by any preset:
//! `cargo run -p ner-score --example score_files -- GOLD.jsonl ANSWERS.jsonl [SCORER]`.
//!
//! A line of gold is `{"sentence", "schema", "entities"}`; a line of answers is what the model wrote, as a JSON string.

use std::error::Error;
use std::path::Path;

use ner_score::{Report, ReportBuilder, ReportOptions, Scorer, Sentence};
use ner_types::{Example, parse};
use serde::de::DeserializeOwned;

pub(crate) fn score(gold: &Path, answers: &Path, scorer: Scorer) -> Result<Report, Box<dyn Error>> {
    let (gold, answers) = (lines::<Example>(gold)?, lines::<String>(answers)?);
    if gold.len() != answers.len() {
        return Err(format!("{} sentences and {} answers", gold.len(), answers.len()).into());
    }
    let mut report = ReportBuilder::new(ReportOptions {
        scorer,
        ..ReportOptions::default()
    });
    for (example, answer) in gold.iter().zip(&answers) {
        let read = parse(answer);
        report.add(&Sentence {
            text: &example.sentence,
            schema: &example.schema,
            gold: &example.entities,
            predicted: &read.entities,
            parse_failure: !read.is_json,
        });
    }
    Ok(report.finish())
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let read: Result<Vec<T>, _> = text.lines().map(serde_json::from_str).collect();
    Ok(read?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [gold, answers, scorer @ ..] = args.as_slice() else {
        return Err("expected GOLD.jsonl ANSWERS.jsonl [SCORER]".into());
    };
    let scorer = scorer
        .first()
        .map_or(Ok(Scorer::default()), |name| name.parse())?;
    let report = score(Path::new(gold), Path::new(answers), scorer)?;
    println!("{scorer}: micro-F1 {:.4}", report.micro.f1);
    for row in report.errors.iter().filter(|row| row.errors > 0) {
        println!("{:>6}  {}", row.errors, row.class.name());
    }
    Ok(())
}
