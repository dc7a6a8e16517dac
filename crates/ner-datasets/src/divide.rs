//! A file in two parts, divided by its sentences: none is in both.

use std::collections::{HashMap, HashSet};

use ner_types::{Example, normalize_label};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::Error;
use crate::hash::short_hash;
use crate::row::Row;

/// Where a row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The larger part, to train on.
    Train,
    /// The share that is held out.
    HeldOut,
    /// Nowhere: it repeats an earlier row.
    Dropped,
}

/// How rows are divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DivideOptions {
    /// Share of the rows that are held out, between 0 and 1.
    pub share: f64,
    /// Seed of the draw.
    pub seed: u64,
    /// Whether rows that repeat an earlier one are dropped.
    pub dedupe: bool,
}

/// A row that annotates a sentence otherwise than an earlier one with the same types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Its line.
    pub line: usize,
    /// The line of the first row with this sentence and these types.
    pub first: usize,
}

/// The parts of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// Where each row goes, in the order of the file.
    pub parts: Vec<Part>,
    /// Different sentences, compared without regard to white space.
    pub sentences: usize,
    /// Rows that are an earlier one again: the same sentence, types, mentions and reasoning.
    pub repeated: usize,
    /// Rows that contradict an earlier one. They stay, since nobody knows which is right.
    pub conflicts: Vec<Conflict>,
}

impl Division {
    /// How many rows go to a part.
    pub fn count(&self, part: Part) -> usize {
        self.parts.iter().filter(|other| **other == part).count()
    }
}

/// Divides rows, all rows of a sentence to the same part.
///
/// Sentences are drawn by the seed until the share is reached, so the held-out part may exceed it by the rows of one
/// sentence. Neither part is empty if there are two sentences. Needs about 100 bytes a row.
///
/// # Errors
///
/// The first row that is an error.
pub fn divide(
    rows: impl IntoIterator<Item = Result<Row, Error>>,
    options: DivideOptions,
) -> Result<Division, Error> {
    let mut seen = Seen::default();
    let mut division = Division::default();
    // The sentence of each row, and how many rows of it stay.
    let mut sentences: Vec<usize> = Vec::new();
    for row in rows {
        let row = row?;
        let is_repeated = seen.is_repeated(&row, &mut division);
        let sentence = seen.sentence(&row.example);
        let is_dropped = is_repeated && options.dedupe;
        seen.rows_of[sentence] += usize::from(!is_dropped);
        division.parts.push(if is_dropped {
            Part::Dropped
        } else {
            Part::Train
        });
        sentences.push(sentence);
    }
    division.sentences = seen.rows_of.len();
    let held_out = draw(&seen.rows_of, options);
    for (part, sentence) in division.parts.iter_mut().zip(sentences) {
        if *part == Part::Train && held_out.contains(&sentence) {
            *part = Part::HeldOut;
        }
    }
    Ok(division)
}

/// The sentences that are held out.
fn draw(rows_of: &[usize], options: DivideOptions) -> HashSet<usize> {
    let rows: usize = rows_of.iter().sum();
    let wanted = ((rows as f64 * options.share).round() as usize).max(1);
    let mut order: Vec<usize> = (0..rows_of.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed));
    // One sentence stays in the larger part.
    order.truncate(rows_of.len().saturating_sub(1));
    let mut held_out = HashSet::new();
    let mut n_rows = 0;
    for sentence in order {
        if n_rows >= wanted {
            break;
        }
        n_rows += rows_of[sentence];
        held_out.insert(sentence);
    }
    held_out
}

/// What was met so far.
#[derive(Default)]
struct Seen {
    /// Numbers of the sentences by their hash.
    sentences: HashMap<u128, usize>,
    /// Rows of each sentence that stay.
    rows_of: Vec<usize>,
    /// The mentions of the first row with a sentence and its types, and its line.
    answers: HashMap<u128, (u128, usize)>,
    /// Whole rows.
    rows: HashSet<u128>,
}

impl Seen {
    fn sentence(&mut self, example: &Example) -> usize {
        let next = self.rows_of.len();
        let hash = short_hash(&sentence_of(example));
        let number = *self.sentences.entry(hash).or_insert(next);
        if number == next {
            self.rows_of.push(0);
        }
        number
    }

    /// Counts what the row repeats or contradicts.
    fn is_repeated(&mut self, row: &Row, division: &mut Division) -> bool {
        let example = &row.example;
        let (question, answer) = (question_of(example), answer_of(example));
        let cot = example.cot.as_deref().unwrap_or_default();
        let whole = short_hash(&format!("{question}\0{answer}\0{cot}"));
        if !self.rows.insert(whole) {
            division.repeated += 1;
            return true;
        }
        let answer = short_hash(&answer);
        let first = self.answers.entry(short_hash(&question));
        let (known, first) = *first.or_insert((answer, row.line));
        if known != answer {
            let line = row.line;
            division.conflicts.push(Conflict { line, first });
        }
        false
    }
}

/// The sentence with single spaces.
fn sentence_of(example: &Example) -> String {
    let words: Vec<&str> = example.sentence.split_whitespace().collect();
    words.join(" ")
}

/// Sentence and types, whose order means nothing.
fn question_of(example: &Example) -> String {
    let labels = example.schema.iter().map(|label| normalize_label(label));
    let mut labels: Vec<String> = labels.collect();
    labels.sort_unstable();
    format!("{}\0{}", sentence_of(example), labels.join("\0"))
}

/// The mentions, whose order and places mean nothing.
fn answer_of(example: &Example) -> String {
    let mentions = example.entities.iter();
    let mentions = mentions
        .map(|entity| format!("{}\0{}", entity.text.trim(), normalize_label(&entity.label)));
    let mut mentions: Vec<String> = mentions.collect();
    mentions.sort_unstable();
    mentions.join("\0\0")
}

#[cfg(test)]
mod tests {
    use ner_types::Entity;

    use super::*;

    fn row(line: usize, sentence: &str, city: &str) -> Result<Row, Error> {
        let mut row = Row::new(Example {
            sentence: sentence.into(),
            schema: vec!["city".into()],
            entities: vec![Entity::new(city, "city")],
            ..Example::default()
        });
        row.line = line;
        Ok(row)
    }

    fn options(share: f64, dedupe: bool) -> DivideOptions {
        DivideOptions {
            share,
            seed: 1,
            dedupe,
        }
    }

    /// 40 sentences, each three times, once with other white space.
    fn rows() -> Vec<Result<Row, Error>> {
        let three = |i: usize| {
            let (a, b) = (
                format!("In {i} Brel sleeps."),
                format!("In {i}  Brel sleeps. "),
            );
            [row(i, &a, "Brel"), row(i, &b, "Brel"), row(i, &a, "Brel")]
        };
        (0..40).flat_map(three).collect()
    }

    #[test]
    fn no_sentence_is_in_both_parts() {
        let division = divide(rows(), options(0.25, false)).expect("rows");
        assert_eq!((division.sentences, division.repeated), (40, 80));
        assert_eq!(division.count(Part::HeldOut), 30);
        assert!(
            division
                .parts
                .chunks(3)
                .all(|of| of[0] == of[1] && of[1] == of[2])
        );
        assert_eq!(
            divide(rows(), options(0.25, false)).expect("rows"),
            division
        );
        let other = DivideOptions {
            seed: 2,
            ..options(0.25, false)
        };
        assert_ne!(divide(rows(), other).expect("rows"), division);
        let deduped = divide(rows(), options(0.25, true)).expect("rows");
        let counts = [Part::Train, Part::HeldOut, Part::Dropped].map(|part| deduped.count(part));
        assert_eq!(counts, [30, 10, 80]);
    }

    #[test]
    fn contradictions_stay_and_are_named() {
        let rows = [
            row(3, "Brel sleeps.", "Brel"),
            row(5, "So it goes.", "So"),
            row(7, "Brel sleeps.", "sleeps"),
            row(9, "Brel  sleeps.", "sleeps"),
        ];
        let division = divide(rows, options(0.5, true)).expect("rows");
        assert_eq!(division.conflicts, [Conflict { line: 7, first: 3 }]);
        assert_eq!(division.repeated, 1);
        assert_eq!(division.count(Part::Dropped), 1);
        assert_eq!(division.parts[0], division.parts[2]);
    }

    #[test]
    fn both_parts_have_rows_if_there_are_two_sentences() {
        for share in [0.0001, 0.9999] {
            let rows = [row(1, "a", "a"), row(2, "b", "b")];
            let division = divide(rows, options(share, false)).expect("rows");
            assert_eq!(division.count(Part::HeldOut), 1, "{share}");
        }
        let one = divide([row(1, "a", "a")], options(0.5, false)).expect("a row");
        assert_eq!(one.parts, [Part::Train]);
    }
}
