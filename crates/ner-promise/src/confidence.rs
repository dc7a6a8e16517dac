//! The confidence of the entities of an answer: from the probabilities of its tokens, and from what samples say.

use std::collections::HashMap;
use std::ops::Range;

use ner_score::EntitySet;
use ner_types::{
    Entity, Placed, ReadMode, is_whole_words, normalize_label, parse_with, place_entities,
};
use serde::{Deserialize, Serialize};

use crate::scored::{Row, Scored};

/// A token of an answer: the bytes of the answer's text that came with it, and how probable it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenScore {
    /// First byte.
    pub start: usize,
    /// The byte behind the last one. Tokens that together make one character have the same bytes.
    pub end: usize,
    /// Natural logarithm of its probability under the model, whatever was allowed.
    pub log_prob: f32,
}

/// What is known about an answer besides its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Its tokens in their order; none from an engine that does not tell their probabilities.
    pub tokens: Vec<TokenScore>,
    /// Other answers to the same question, drawn at random.
    pub samples: Vec<String>,
}

/// How sure one can be of an entity. Rounded to six digits, so that what is written is what is compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// The number that thresholds are about: the probability, times the agreement if there are samples. The probability
    /// is that of the tokens of the name and of its label in the answer, times, where the reasoning before it has the
    /// name or the label as whole words, the geometric mean over these places, for each of the two.
    ///
    /// On the toy this ranks best of a dozen ways: after its reasoning a model is sure of what it writes, and which
    /// label comes first is no question of truth (`docs/promise.md` has the figures).
    pub value: f64,
    /// Share of the samples that name the entity, if there are any.
    pub agreement: Option<f64>,
}

/// The confidences of the entities of an answer, by label and text as the answer writes them.
#[derive(Clone, Debug, Default)]
pub struct Confidences {
    probabilities: HashMap<(String, String), f64>,
    samples: Vec<EntitySet>,
}

impl Confidences {
    /// Those of an answer that is read in a mode.
    pub fn new(answer: &str, evidence: &Evidence, mode: ReadMode) -> Self {
        let mut probabilities: HashMap<_, f64> = HashMap::new();
        if !evidence.tokens.is_empty() {
            let placed = place_entities(answer);
            let reasoning = Reasoning::before(answer, &placed, &evidence.tokens);
            for placed in placed {
                let before = reasoning.log_prob(&placed.text) + reasoning.log_prob(&placed.label);
                let within = [placed.text_bytes, placed.label_bytes];
                let within = within.map(|it| log_prob(&evidence.tokens, it));
                let sum = before + within.iter().sum::<f64>();
                let key = (placed.label.into_owned(), placed.text.into_owned());
                // What is named twice is as sure as the surer time.
                let known = probabilities.entry(key).or_insert(0.0);
                *known = known.max(sum.exp());
            }
        }
        let read = |sample: &String| EntitySet::new(&parse_with(sample, mode).entities);
        Self {
            probabilities,
            samples: evidence.samples.iter().map(read).collect(),
        }
    }

    /// How sure one can be of an entity; `None` if nothing is known.
    pub fn of(&self, label: &str, text: &str) -> Option<Confidence> {
        let probability = self.probabilities.get(&(label.to_owned(), text.to_owned()));
        if self.samples.is_empty() {
            return probability.map(|&value| Confidence {
                value: rounded(value),
                agreement: None,
            });
        }
        let one = EntitySet::new(&[Entity::new(text, label)]);
        let n = self.samples.len() as f64;
        let votes = self
            .samples
            .iter()
            .filter(|it| one.compare(it).tp > 0)
            .count() as f64;
        // An engine may tell no probabilities.
        let own = probability.copied().unwrap_or(1.0);
        Some(Confidence {
            value: rounded(votes / n * own),
            agreement: Some(rounded(votes / n)),
        })
    }

    /// How many entities samples name that the answer does not.
    pub fn only_in_samples(&self, answer: &[Entity]) -> usize {
        let answer = EntitySet::new(answer);
        let mut others: Vec<(&str, &str)> = self.samples.iter().flat_map(EntitySet::iter).collect();
        others.sort_unstable();
        others.dedup();
        let named: Vec<(&str, &str)> = answer.iter().collect();
        others
            .iter()
            .filter(|it| named.binary_search(it).is_err())
            .count()
    }
}

impl Confidences {
    /// The distinct entities of an answer with their confidence and whether the gold has them. One without a confidence
    /// has the lowest.
    pub fn scored(&self, answer: &[Entity], gold: &[Entity]) -> Row {
        score(answer, gold, |entity| {
            self.of(&entity.label, &entity.text).map(|it| it.value)
        })
    }
}

/// The distinct entities of an answer, compared with gold as the default scorer compares them; of equal ones the
/// highest confidence counts.
pub fn score(
    answer: &[Entity],
    gold: &[Entity],
    confidence: impl Fn(&Entity) -> Option<f64>,
) -> Row {
    let gold = EntitySet::new(gold);
    let mut row = Row::new();
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for entity in answer {
        let one = EntitySet::new(std::slice::from_ref(entity));
        let value = confidence(entity).unwrap_or(0.0);
        let key = one
            .iter()
            .next()
            .map(|(label, text)| (label.to_owned(), text.to_owned()));
        let at = *seen.entry(key.unwrap_or_default()).or_insert(row.len());
        match row.get_mut(at) {
            Some(known) => known.confidence = known.confidence.max(value),
            None => row.push(Scored {
                label: normalize_label(&entity.label),
                confidence: value,
                is_true: gold.compare(&one).tp > 0,
            }),
        }
    }
    row
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// What is written before the entities.
struct Reasoning<'a> {
    text: &'a str,
    tokens: &'a [TokenScore],
}

impl<'a> Reasoning<'a> {
    fn before(answer: &'a str, placed: &[Placed<'_>], tokens: &'a [TokenScore]) -> Self {
        let starts = placed.iter().map(|it| it.label_bytes.start);
        let end = starts.min().unwrap_or(0);
        Self {
            text: answer.get(..end).unwrap_or_default(),
            tokens,
        }
    }

    /// The mean log-probability of the places at which a text stands; 0 if it stands nowhere.
    fn log_prob(&self, text: &str) -> f64 {
        if text.is_empty() {
            return 0.0;
        }
        let places = self
            .text
            .match_indices(text)
            .map(|(at, it)| at..at + it.len());
        let places = places.filter(|place| is_whole_words(self.text, place));
        let places = places.map(|place| log_prob(self.tokens, place));
        let (n, sum) = places.fold((0, 0.0), |(n, sum), it| (n + 1, sum + it));
        sum / f64::from(n.max(1))
    }
}

/// The sum over the tokens of which a byte lies in a range.
fn log_prob(tokens: &[TokenScore], bytes: Range<usize>) -> f64 {
    let first = tokens.partition_point(|token| token.end <= bytes.start);
    let within = tokens[first..]
        .iter()
        .take_while(|token| token.start < bytes.end);
    within.map(|token| f64::from(token.log_prob)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens of these texts, each with a probability of one half.
    fn tokens(pieces: &[&str]) -> Vec<TokenScore> {
        let mut end = 0;
        let token = |piece: &&str| {
            let start = end;
            end += piece.len();
            TokenScore {
                start,
                end,
                log_prob: -std::f32::consts::LN_2,
            }
        };
        pieces.iter().map(token).collect()
    }

    #[test]
    fn a_name_is_as_probable_as_its_tokens_and_those_of_its_label() {
        let pieces = [
            "{\"entities\": {",
            "\"ci",
            "ty",
            "\": [\"",
            "Port",
            " Halvek",
            "\", \"Osk",
            "\"]}}",
        ];
        let evidence = Evidence {
            tokens: tokens(&pieces),
            samples: Vec::new(),
        };
        let found = Confidences::new(&pieces.concat(), &evidence, ReadMode::Reference);
        let value = |text| found.of("city", text).map(|it| it.value);
        assert_eq!(value("Port Halvek"), Some(0.0625));
        assert_eq!(value("Osk"), Some(0.125));
        assert_eq!(found.of("river", "Osk"), None);
        let blind = Confidences::new(&pieces.concat(), &Evidence::default(), ReadMode::Reference);
        assert_eq!(blind.of("city", "Osk"), None);
    }

    #[test]
    fn what_the_reasoning_says_of_it_counts_too() {
        let pieces = [
            "<think>", "Osk", " is a ", "ci", "ty", ", not ", "Osk", "ar", " the ", "city", ".",
            "</think>",
        ];
        let answer = ["{\"entities\": {\"", "city", "\": [\"", "Osk", "\"]}}"];
        let pieces = [&pieces[..], &answer[..]].concat();
        let evidence = Evidence {
            tokens: tokens(&pieces),
            samples: Vec::new(),
        };
        let found = Confidences::new(&pieces.concat(), &evidence, ReadMode::Reference);
        // Two tokens in the answer, one for "Osk" before it, and for "city" two and one, which is 1.5 in the mean.
        let expected = rounded(0.5_f64.powf(2.0 + 1.0 + 1.5));
        assert_eq!(found.of("city", "Osk").map(|it| it.value), Some(expected));
    }

    #[test]
    fn samples_vote() {
        let answer = "{\"entities\": {\"city\": [\"Osk\"]}}";
        let sample = |text: &str| {
            format!("{{\"entities\": {{\"City\": [\"{text}\"], \"river\": [\"Brel\"]}}}}")
        };
        let evidence = Evidence {
            tokens: tokens(&[answer]),
            samples: vec![
                sample("osk"),
                sample("Osk."),
                sample("Oskar"),
                "nothing".into(),
            ],
        };
        let found = Confidences::new(answer, &evidence, ReadMode::Reference);
        let osk = found.of("city", "Osk").expect("a confidence");
        // Two of four votes; the answer is one token, half as probable for the name and again for the label.
        assert_eq!((osk.agreement, osk.value), (Some(0.5), 0.5 * 0.25));
        assert_eq!(found.only_in_samples(&[Entity::new("Osk", "city")]), 2);
    }
}
