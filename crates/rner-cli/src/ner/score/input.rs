//! Gold and predictions of `rner score`, and which belongs to which.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use ner_score::{Counts, Sentence};
use ner_types::{Completion, Entity, Example, Problem, ReadMode, parse_with};
use rner_cli::reading::InputArgs;
use serde::Deserialize;

use super::{Filter, Unmatched};

/// How many rows without a partner are named before the rest is only counted.
const NAMED: usize = 5;

/// The gold examples, and where a prediction finds its own.
pub(super) struct Gold {
    path: PathBuf,
    examples: Vec<Example>,
    by_guid: HashMap<String, usize>,
    by_dataset: HashMap<String, Vec<usize>>,
}

impl Gold {
    pub(super) fn read(path: &Path, filter: Filter, input: &InputArgs) -> Result<Self> {
        let mut examples = input.read(path)?;
        if filter == Filter::Paper {
            examples = examples.iter().map(Example::normalized).collect();
        }
        let mut gold = Gold {
            path: path.into(),
            examples: Vec::new(),
            by_guid: HashMap::new(),
            by_dataset: HashMap::new(),
        };
        for (i, example) in examples.iter().enumerate() {
            gold.index(i, example)?;
        }
        gold.examples = examples;
        Ok(gold)
    }

    fn index(&mut self, i: usize, example: &Example) -> Result<()> {
        if let Some(guid) = &example.guid
            && let Some(first) = self.by_guid.insert(guid.clone(), i)
        {
            let path = self.path.display();
            bail!("{path}: examples {first} and {i} (from 0) have the same guid {guid:?}");
        }
        let dataset = example.dataset.clone().unwrap_or_default();
        self.by_dataset.entry(dataset).or_default().push(i);
        Ok(())
    }

    /// Reads predictions and finds the example of each.
    pub(super) fn answer(
        &self,
        path: &Path,
        unmatched: Unmatched,
        reader: ReadMode,
    ) -> Result<Answered> {
        let mut lines: Vec<Option<usize>> = vec![None; self.examples.len()];
        let mut answers: Vec<Option<Answer>> = vec![None; self.examples.len()];
        let mut unknown = Vec::new();
        for (row_idx, (line, row)) in read_rows(path)?.into_iter().enumerate() {
            match self.find(row_idx, &row) {
                Ok(i) if answers[i].is_some() => bail!(
                    "{}:{line}: a second prediction for example {i} (from 0); the first is in line {}",
                    path.display(),
                    lines[i].unwrap_or_default()
                ),
                Ok(i) => {
                    answers[i] = Some(row.answer(path, line, reader)?);
                    lines[i] = Some(line);
                }
                Err(why) => unknown.push(format!("{}:{line}: {why}", path.display())),
            }
        }
        let missing = self.missing(path, &answers);
        for rows in [&unknown, &missing] {
            report(rows, unmatched)?;
        }
        Ok(Answered {
            answers,
            unanswered: missing.len(),
            unknown: unknown.len(),
        })
    }

    fn missing(&self, path: &Path, answers: &[Option<Answer>]) -> Vec<String> {
        let of = |(i, example): (usize, &Example)| {
            let guid = example
                .guid
                .as_deref()
                .map_or(String::new(), |g| format!(", guid {g:?}"));
            let (gold, path) = (self.path.display(), path.display());
            format!("{gold}: example {i} (from 0{guid}) has no prediction in {path}")
        };
        let examples = self.examples.iter().enumerate();
        examples
            .filter(|(i, _)| answers[*i].is_none())
            .map(of)
            .collect()
    }

    fn find(&self, row_idx: usize, row: &Row) -> Result<usize, String> {
        let known = |i: usize| self.examples.get(i).map(|_| i);
        let (found, expected) = match (row.guid(), &row.dataset, row.index) {
            (Some(guid), _, _) => (
                self.by_guid.get(&guid).copied(),
                format!("no example has the guid {guid:?}"),
            ),
            (None, Some(dataset), Some(index)) => (
                self.dataset(dataset)
                    .and_then(|rows| rows.get(index).copied()),
                format!("no example {index} (from 0) of the dataset {dataset:?}"),
            ),
            (None, None, Some(index)) => (known(index), format!("no example {index} (from 0)")),
            (None, _, None) => (known(row_idx), format!("no example {row_idx} (from 0)")),
        };
        found.ok_or(expected)
    }

    /// The examples of a dataset; all of them if the gold file names no dataset.
    fn dataset(&self, name: &str) -> Option<&Vec<usize>> {
        let unnamed = || {
            self.by_dataset
                .get("")
                .filter(|_| self.by_dataset.len() == 1)
        };
        self.by_dataset.get(name).or_else(unnamed)
    }

    /// The counts of the answered sentences by dataset, in order of first appearance.
    pub(super) fn by_dataset(
        &self,
        answered: &Answered,
        counts: &[Counts],
    ) -> Vec<(String, Vec<Counts>)> {
        let mut sets: Vec<(String, Vec<Counts>)> = Vec::new();
        for (i, counts) in answered.positions().zip(counts) {
            let name = self.examples[i].dataset.as_deref().unwrap_or("(none)");
            match sets.iter_mut().find(|(set, _)| set == name) {
                Some((_, set)) => set.push(*counts),
                None => sets.push((name.into(), vec![*counts])),
            }
        }
        sets
    }
}

/// Stops, or names the rows on stderr and goes on.
fn report(rows: &[String], unmatched: Unmatched) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut text = rows[..rows.len().min(NAMED)].join("\n");
    if rows.len() > NAMED {
        text.push_str(&format!("\n… and {} more", rows.len() - NAMED));
    }
    match unmatched {
        Unmatched::Fail => Err(anyhow!("{text}\n(--unmatched skip leaves them out)")),
        Unmatched::Skip => {
            rner_cli::say!("{text}");
            Ok(())
        }
    }
}

/// The predictions in the order of the examples.
pub(super) struct Answered {
    answers: Vec<Option<Answer>>,
    pub(super) unanswered: usize,
    pub(super) unknown: usize,
}

impl Answered {
    fn positions(&self) -> impl Iterator<Item = usize> {
        let answers = self.answers.iter().enumerate();
        answers
            .filter(|(_, answer)| answer.is_some())
            .map(|(i, _)| i)
    }

    /// The sentences that have a prediction.
    pub(super) fn sentences<'a>(&'a self, gold: &'a Gold) -> impl Iterator<Item = Sentence<'a>> {
        let pairs = gold.examples.iter().zip(&self.answers);
        pairs.filter_map(|(example, answer)| {
            let answer = answer.as_ref()?;
            Some(Sentence {
                text: &example.sentence,
                schema: &example.schema,
                gold: &example.entities,
                predicted: &answer.entities,
                parse_failure: answer.parse_failure,
            })
        })
    }

    /// A comparison wants both systems on the same sentences.
    pub(super) fn check_same_sentences(&self, other: &Answered, gold: &Gold) -> Result<()> {
        let mut pairs = self.answers.iter().zip(&other.answers);
        match pairs.position(|(a, b)| a.is_some() != b.is_some()) {
            Some(i) => bail!(
                "{}: example {i} (from 0) is answered by one of the two systems only",
                gold.path.display()
            ),
            None => Ok(()),
        }
    }
}

/// What a system found in one sentence.
#[derive(Clone)]
struct Answer {
    entities: Vec<Entity>,
    parse_failure: bool,
}

/// A prediction as it stands in the file.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    guid: serde_json::Value,
    dataset: Option<String>,
    index: Option<usize>,
    entities: Option<Vec<Entity>>,
    completion: Option<String>,
}

impl Row {
    fn guid(&self) -> Option<String> {
        match &self.guid {
            serde_json::Value::Null => None,
            serde_json::Value::String(guid) => Some(guid.clone()),
            other => Some(other.to_string()),
        }
    }

    fn answer(self, path: &Path, line: usize, reader: ReadMode) -> Result<Answer> {
        match (self.entities, self.completion) {
            (Some(entities), None) => Ok(Answer {
                entities,
                parse_failure: false,
            }),
            (None, Some(completion)) => {
                let read = parse_with(&completion, reader);
                Ok(Answer {
                    parse_failure: is_parse_failure(&read),
                    entities: read.entities,
                })
            }
            (entities, _) => bail!(
                "{}:{line}: expected either \"entities\" or \"completion\", found {}",
                path.display(),
                entities.map_or("neither", |_| "both")
            ),
        }
    }
}

fn is_parse_failure(read: &Completion) -> bool {
    let is_wrong_shape = |problem: &Problem| matches!(problem, Problem::WrongShape(_));
    if read.salvaged {
        return false;
    }
    !read.is_json || read.problems.iter().any(is_wrong_shape)
}

/// The rows of a JSONL file with their line numbers. Blank lines are skipped.
fn read_rows(path: &Path) -> Result<Vec<(usize, Row)>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = text.trim_start_matches('\u{feff}');
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            let row = serde_json::from_str(line).with_context(|| {
                format!(
                    "{}:{}: expected a prediction as a JSON object",
                    path.display(),
                    i + 1
                )
            })?;
            Ok((i + 1, row))
        })
        .collect()
}
