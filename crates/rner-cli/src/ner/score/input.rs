//! Gold and predictions of `rner score`, and which belongs to which.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use ner_eval::matching::{Keys, MatchedBy, Matcher};
use ner_eval::rows::{PredictionRow, Said, read_rows};
use ner_score::filter::without_placeholders;
use ner_score::{Counts, Filtered, Scorer, Sentence};
use ner_types::{Completion, Entity, Example, Problem, ReadMode, parse_with};
use rner_cli::reading::InputArgs;

use super::{Filter, Unmatched};

/// How many rows without a partner are named before the rest is only counted.
const NAMED: usize = 5;

/// The gold examples.
pub(super) struct Gold {
    path: PathBuf,
    pub(super) filter: Filter,
    /// As they stand in the file.
    written: Vec<Example>,
    /// As they are scored.
    examples: Vec<Example>,
}

impl Gold {
    pub(super) fn read(path: &Path, filter: Filter, input: &InputArgs) -> Result<Self> {
        let written = input.read_placed(path)?;
        let examples = match filter {
            Filter::Paper => written.iter().map(Example::normalized).collect(),
            Filter::None => written.clone(),
        };
        let gold = Gold {
            path: path.into(),
            filter,
            written,
            examples,
        };
        gold.matcher().map(|_| gold)
    }

    fn matcher(&self) -> Result<Matcher> {
        let keys = self.examples.iter().map(|example| Keys {
            id: example.guid.as_deref(),
            dataset: example.dataset.as_deref(),
            sentence: Some(&example.sentence),
            ..Keys::default()
        });
        Matcher::new(keys).map_err(|[first, second]| {
            let (path, guid) = (self.path.display(), &self.examples[second].guid);
            let guid = guid.as_deref().unwrap_or_default();
            anyhow!("{path}: examples {first} and {second} (from 0) have the same guid {guid:?}")
        })
    }

    /// Reads predictions and finds the example of each.
    pub(super) fn answer(
        &self,
        path: &Path,
        unmatched: Unmatched,
        reader: ReadMode,
    ) -> Result<Answered> {
        let rows = rows(path)?;
        let mut matcher = self.matcher()?;
        let keys: Vec<Keys<'_>> = rows.iter().map(|(_, row)| row.keys()).collect();
        let matched_by = matcher.choose(&keys);
        let mut lines: Vec<Option<usize>> = vec![None; self.examples.len()];
        let mut answers: Vec<Option<Answer>> = vec![None; self.examples.len()];
        let (mut unknown, mut misplaced) = (Vec::new(), 0);
        for (line, row) in &rows {
            match matcher.find(matched_by, &row.keys()) {
                Ok(i) if answers[i].is_some() => bail!(
                    "{}:{line}: a second prediction for example {i} (from 0); the first is in line {}",
                    path.display(),
                    lines[i].unwrap_or_default()
                ),
                Ok(i) => {
                    let (answer, n) = Answer::of(row, reader, &self.examples[i]);
                    answers[i] = Some(answer);
                    misplaced += n;
                    lines[i] = Some(*line);
                }
                Err(why) => unknown.push(format!("{}:{line}: {why}", path.display())),
            }
        }
        let missing = self.missing(path, &answers);
        report(&unknown, &missing, matched_by, unmatched)?;
        if missing.len() == self.examples.len() {
            bail!(
                "{}: no prediction belongs to an example of {}",
                path.display(),
                self.path.display()
            );
        }
        Ok(Answered {
            answers,
            matched_by,
            misplaced,
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

    /// What the filter leaves out under a preset.
    pub(super) fn filtered(&self, answered: &Answered, scorer: Scorer) -> Filtered {
        let mut filtered = Filtered::default();
        if self.filter == Filter::Paper {
            for (written, answer) in self.written.iter().zip(&answered.answers) {
                let entities = answer.as_ref().map(|answer| &*answer.entities);
                entities.inspect(|entities| filtered.add(scorer, written, entities));
            }
        }
        filtered
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

/// The rows of a file of predictions; the first that is none ends the command.
fn rows(path: &Path) -> Result<Vec<(usize, PredictionRow)>> {
    let rows = read_rows(path)?.into_iter().map(|(line, row)| {
        let row = row.map_err(|found| {
            let path = path.display();
            anyhow!("{path}:{line}: expected a prediction as a JSON object with \"entities\" or \"completion\", found {found}")
        })?;
        anyhow::ensure!(
            row.label.is_none(),
            "{}:{line}: \"type\" beside a completion is a reply for one type, which `rner eval --predictions` reads",
            path.display()
        );
        Ok((line, row))
    });
    rows.collect()
}

/// Stops, or names the rows on stderr and goes on.
fn report(
    unknown: &[String],
    missing: &[String],
    by: MatchedBy,
    unmatched: Unmatched,
) -> Result<()> {
    let parts = [
        (unknown, "predictions fit no example"),
        (missing, "examples have no prediction"),
    ];
    let parts = parts.iter().filter(|(rows, _)| !rows.is_empty());
    let texts: Vec<String> = parts.map(|(rows, what)| named(rows, what)).collect();
    if texts.is_empty() {
        return Ok(());
    }
    let text = format!("predictions are matched by {by}\n{}", texts.join("\n"));
    // Sentences that were tokenised in another way fit nowhere, and only their writer knows that the order is kept.
    let by_line = if by == MatchedBy::Sentence {
        "; predictions that say no sentence are matched by line"
    } else {
        ""
    };
    match unmatched {
        Unmatched::Fail => Err(anyhow!(
            "{text}\n(--unmatched skip leaves them out{by_line})"
        )),
        Unmatched::Skip => {
            rner_cli::say!("{text}");
            Ok(())
        }
    }
}

/// The first of these rows, and how many there are.
fn named(rows: &[String], what: &str) -> String {
    let mut text = format!("{} {what}:\n", rows.len());
    text.push_str(&rows[..rows.len().min(NAMED)].join("\n"));
    if rows.len() > NAMED {
        text.push_str(&format!("\n… and {} more", rows.len() - NAMED));
    }
    text
}

/// The predictions in the order of the examples.
pub(super) struct Answered {
    answers: Vec<Option<Answer>>,
    pub(super) matched_by: MatchedBy,
    /// Entities whose stated offsets do not give their text.
    pub(super) misplaced: usize,
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

    /// Hands on the sentences that have a prediction, as a preset counts them.
    pub(super) fn each_sentence(
        &self,
        gold: &Gold,
        scorer: Scorer,
        mut each: impl FnMut(&Sentence<'_>),
    ) {
        for (example, answer) in gold.examples.iter().zip(&self.answers) {
            let Some(answer) = answer else { continue };
            let filtered = (gold.filter == Filter::Paper)
                .then(|| without_placeholders(scorer, &answer.entities));
            each(&Sentence {
                text: &example.sentence,
                schema: &example.schema,
                gold: &example.entities,
                predicted: filtered.as_ref().unwrap_or(&answer.entities),
                parse_failure: answer.parse_failure,
            });
        }
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

impl Answer {
    /// What a row says of an example, and how many of its offsets are wrong there.
    fn of(row: &PredictionRow, reader: ReadMode, example: &Example) -> (Self, usize) {
        if let Said::Completion(completion) = &row.said {
            let read = parse_with(completion, reader);
            let answer = Answer {
                parse_failure: is_parse_failure(&read),
                entities: read.entities,
            };
            return (answer, 0);
        }
        let (entities, misplaced) = row.placed(&example.sentence);
        let parse_failure = false;
        let answer = Answer {
            entities,
            parse_failure,
        };
        (answer, misplaced)
    }
}

fn is_parse_failure(read: &Completion) -> bool {
    let is_wrong_shape = |problem: &Problem| matches!(problem, Problem::WrongShape(_));
    if read.salvaged {
        return false;
    }
    !read.is_json || read.problems.iter().any(is_wrong_shape)
}
