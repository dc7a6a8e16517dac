//! The page of one training: what `rner sft` or `rner grpo` left in its folder, drawn again.

use std::path::{Path, PathBuf};

use ner_types::Entity;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chart::{Chart, Series};
use super::data::Sample;
use super::{Machine, Program};
use super::{TEMPLATE, charts, drawn, highlight, now_utc, time};
use crate::error::{Context, Error, Result};
use crate::run_dir::{Made, read_metrics, write_atomic};

const BODY: &str = include_str!("training.html.j2");

/// Where the part of the report's page ends that this one has too: the style sheet.
const END_OF_HEAD: &str = "</head>";

/// The page's name.
const PAGE: &str = "report.html";

/// Prompts of which completions are shown, and how many of each.
const SHOWN_PROMPTS: usize = 4;

/// Numbers that say nothing about the training itself.
const NOT_SHOWN: [&str; 5] = ["step", "global_step", "total_steps", "seed", "eta_seconds"];

/// Whether a folder is that of one training.
pub fn is_training(dir: &Path) -> bool {
    Made::read(dir).is_some_and(|made| matches!(made.command(), "sft" | "grpo"))
}

/// Writes the page of the training in a folder, `report.html`, and gives its path.
///
/// # Errors
/// A folder that no training wrote, files that cannot be read, a page that cannot be written.
pub fn write_training(dir: &Path) -> Result<PathBuf> {
    let html = render(dir)?;
    let page = dir.join(PAGE);
    write_atomic(&page, html.as_bytes())?;
    Ok(page)
}

fn render(dir: &Path) -> Result<String> {
    let words = "the template of a training's page";
    let head = TEMPLATE
        .split_inclusive(END_OF_HEAD)
        .next()
        .unwrap_or_default();
    let source = format!("{head}{BODY}");
    ner_eval::page::fill(&source, view(dir)?).context(words)
}

fn view(dir: &Path) -> Result<Value> {
    let made = Made::read(dir).ok_or_else(|| {
        Error::usage(format!(
            "{}: expected the folder of a training",
            dir.display()
        ))
    })?;
    let lines = read_metrics(&dir.join("metrics.jsonl"))?;
    let full = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = full
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let drawn: Vec<Value> = all_charts(&lines).iter().map(drawn).collect();
    let samples = samples(dir)?;
    Ok(json!({
        "title": format!("rner {}: {name}", made.command()),
        "created": now_utc(),
        "program": Program::here(),
        "machine": Machine::here(made.setting("run.backend").unwrap_or("unknown")),
        "summary": made.summary(),
        "time": made.seconds().map(time),
        "inputs": made.inputs(),
        "settings": made.settings(),
        "steps": lines.iter().filter(|line| line.get("eval_loss").is_none()).count(),
        "numbers": numbers(&lines),
        "charts": drawn,
        "samples": highlight::samples(&samples),
    }))
}

/// The curves of a report, and the loss of held-out examples, which that does not draw.
fn all_charts(lines: &[Value]) -> Vec<Chart> {
    let mut all = charts(lines);
    let point = |line: &Value| {
        let step = line.get("global_step").or(line.get("step"))?.as_f64()?;
        Some([step, line.get("eval_loss")?.as_f64()?])
    };
    let points: Vec<[f64; 2]> = lines.iter().filter_map(point).collect();
    if !points.is_empty() {
        let chart = Chart {
            title: "SFT: loss of held-out examples".to_owned(),
            x_label: "step".to_owned(),
            y_label: "nats per token".to_owned(),
            series: vec![Series {
                name: "held out".to_owned(),
                points,
            }],
        };
        all.insert(all.len().min(1), chart);
    }
    all
}

/// A row for each number that was logged: at the first step, at the last, the least and the greatest.
fn numbers(lines: &[Value]) -> Vec<Value> {
    let mut names: Vec<&String> = Vec::new();
    for line in lines.iter().filter_map(Value::as_object) {
        let new = line.iter().filter(|(_, value)| value.is_number());
        for (name, _) in new.filter(|(name, _)| !NOT_SHOWN.contains(&name.as_str())) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let row = |name: &String| {
        let values: Vec<f64> = lines
            .iter()
            .filter_map(|line| line.get(name)?.as_f64())
            .collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        json!({
            "name": name,
            "first": values.first().copied().map(short),
            "last": values.last().copied().map(short),
            "least": short(least),
            "most": short(most),
        })
    };
    names.into_iter().map(row).collect()
}

/// Four digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e15 || (size > 0.0 && size < 1e-4) => format!("{value:.3e}"),
        size if size >= 1000.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A line of a table of completions, as far as the page shows it.
#[derive(Deserialize)]
struct Completion {
    step: usize,
    sentence: String,
    gold: Vec<Entity>,
    completion: String,
    reward: f64,
}

/// Of some prompts of the last table of completions, the answer that was rewarded most and the one that was least.
fn samples(dir: &Path) -> Result<Vec<Sample>> {
    let entries = std::fs::read_dir(dir.join("completions"))
        .into_iter()
        .flatten()
        .flatten();
    let Some(last) = entries.map(|entry| entry.path()).max() else {
        return Ok(Vec::new());
    };
    let text = std::fs::read_to_string(&last);
    let text = text.with_context(|| format!("cannot read {}", last.display()))?;
    let rows: std::result::Result<Vec<Completion>, _> =
        text.lines().map(serde_json::from_str).collect();
    let rows = rows.with_context(|| format!("{} is damaged", last.display()))?;
    let mut sentences: Vec<&str> = rows.iter().map(|row| row.sentence.as_str()).collect();
    sentences.dedup();
    let of = |sentence: &str| {
        let ours = rows.iter().filter(|row| row.sentence == sentence);
        let mut ours: Vec<&Completion> = ours.collect();
        ours.sort_by(|a, b| b.reward.total_cmp(&a.reward));
        ours.dedup_by(|a, b| a.completion == b.completion);
        let ends = [
            ours.first().copied(),
            ours.last().copied().filter(|_| ours.len() > 1),
        ];
        ends.into_iter().flatten().map(sample).collect::<Vec<_>>()
    };
    Ok(sentences
        .into_iter()
        .take(SHOWN_PROMPTS)
        .flat_map(of)
        .collect())
}

fn sample(row: &Completion) -> Sample {
    Sample {
        model: format!("reward {}", short(row.reward)),
        set: format!("step {}", row.step),
        sentence: row.sentence.clone(),
        gold: row.gold.clone(),
        completion: row.completion.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::{Inputs, Settings, Stage};

    type TestResult = std::result::Result<(), Box<dyn std::error::Error>>;

    fn folder(name: &str) -> std::result::Result<tempfile::TempDir, Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let settings = Settings::from([(format!("{name}.method"), "\"<full>\"".to_owned())]);
        let stage = Stage::alone(dir.path(), name).with_settings(settings);
        let inputs = Inputs::from([("data".to_owned(), "a hash of rows".to_owned())]);
        stage.claim(&inputs, "recipe")?;
        let mut lines = String::new();
        for step in 1..=3 {
            let loss = 3.0 / f64::from(step);
            lines +=
                &json!({"stage": name, "seed": 1, "step": step, "global_step": step, "loss": loss,
                "reward": 0.25 * f64::from(step), "completions/mean_length": 40})
                .to_string();
            lines += "\n";
        }
        lines += &json!({"stage": name, "seed": 1, "step": 3, "global_step": 3, "eval_loss": 1.25})
            .to_string();
        lines += "\n";
        write_atomic(&stage.path("metrics.jsonl"), lines.as_bytes())?;
        write_atomic(&stage.path("model/weights"), b"1")?;
        stage.finish(&inputs, "recipe", &["model"], 65.0, "8 examples, 3 steps")?;
        Ok(dir)
    }

    #[test]
    fn a_training_is_told_by_its_folder_alone() -> TestResult {
        let dir = folder("sft")?;
        assert!(is_training(dir.path()));
        let page = std::fs::read_to_string(write_training(dir.path())?)?;
        for words in [
            "rner sft: ",
            "8 examples, 3 steps",
            "SFT: loss",
            "SFT: loss of held-out examples",
            "sft.method",
            "&lt;full&gt;",
            "a hash of rows",
            "</html>",
        ] {
            assert!(page.contains(words), "{words}");
        }
        assert!(!page.contains("<full>") && !page.contains("No model was evaluated"));
        let other = tempfile::tempdir()?;
        assert!(!is_training(other.path()));
        assert!(write_training(other.path()).is_err());
        Ok(())
    }

    #[test]
    fn completions_of_the_last_table_are_shown_by_their_reward() -> TestResult {
        let dir = folder("grpo")?;
        let row = |step: usize, reward: f64, answer: &str| {
            let gold = json!([{"text": "Ada Brel", "label": "person"}]);
            json!({"step": step, "guid": null, "sentence": "Ada Brel slept", "schema": ["person"], "gold": gold,
                "completion": answer, "reward": reward, "rewards": {}, "advantage": 0.0, "truncated": false})
            .to_string()
        };
        let right = r#"{"entities": {"person": ["Ada Brel"]}}"#;
        let table = [
            row(10, -0.5, "nothing"),
            row(10, 0.25, "{}"),
            row(10, 1.5, right),
        ]
        .join("\n");
        for (file, text) in [
            ("step-000001.jsonl", row(1, 0.0, "old")),
            ("step-000010.jsonl", table),
        ] {
            write_atomic(&dir.path().join("completions").join(file), text.as_bytes())?;
        }
        let page = std::fs::read_to_string(write_training(dir.path())?)?;
        for words in [
            "step 10",
            "reward 1.50",
            "reward -0.5000",
            "GRPO: reward",
            "GRPO: completion length",
        ] {
            assert!(page.contains(words), "{words}");
        }
        assert!(!page.contains("reward 0.2500") && !page.contains("step 1<"));
        Ok(())
    }
}
