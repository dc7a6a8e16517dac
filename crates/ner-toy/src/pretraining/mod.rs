//! Text for the base model: what it may know before it is fine-tuned.
//!
//! A base model in the paper has read the web: it knows that a quartet is a
//! band, can copy a name and can continue JSON, but was not trained to extract
//! the evaluation's types. The toy's base model gets the same from generated
//! text with names of its own pool:
//!
//! - passages of all domains, some restating what a name is ("Velto is a band."),
//! - which words mean nearly the same ("a quartet is a kind of band"),
//! - copying, quoting and writing lists as JSON under arbitrary keys,
//! - questions about a passage, for training domains only,
//! - grouping names by kind into JSON, for training domains and coined kinds
//!   only.
//! - reading exercises over passages of the training domains, most of them with
//!   coined or rare kinds: finding the names of given kinds, as lines, as JSON
//!   or as both. They stand for the instructions that a base model meets in its
//!   pretraining.
//!
//! Many sentences have general shapes, which are put together from lists of ordinary words: every ordinary word of the
//! evaluation is among what the base model has read, as it would be for one that has read the web. In a second phase
//! most sentences do. A third, shorter one goes on with them and mixes in exercises that are thought about first,
//! between the markers `<think>` and `</think>`, which occur nowhere before.
//!
//! No text asks which names of a passage have an evaluation type, and none has
//! the shape of the NER prompt. Labels of evaluation types do occur as words: in
//! passages and what these say of their names, among near-synonyms, as keys of
//! lists that are rewritten and in facts that are recalled.

mod exercises;
mod language;
mod lists;

use std::collections::BTreeSet;

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::corpus::domain::{Domain, DomainSplit, domains, lexicon, renamed};
use crate::corpus::general::ordinary_words;
use crate::corpus::grammar::{Draft, general_sentence, sentence};
use crate::corpus::names::Pool;

/// Shares of passages, in percent, whose types are coined or rare words.
const PASSAGES: [u32; 2] = [25, 20];

/// Shares of sentences, in percent, that have general shapes: in the first phase and after it.
const GENERAL: [u32; 2] = [40, 70];

/// A document of the base model's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// Running text.
    Plain(String),
    /// One exchange in the chat format.
    Turn {
        /// What the user writes.
        user: String,
        /// What the assistant answers.
        assistant: String,
    },
}

/// The words that the base model's text is made of, names apart: ordinary words, those of
/// the sentence shapes, labels and their near-synonyms. Sorted, each once.
///
/// For training a tokenizer that has a token for nearly each; whether for all depends on the size of its vocabulary.
pub fn vocabulary() -> Vec<String> {
    let mut words: BTreeSet<String> = ordinary_words().into_iter().collect();
    for domain in domains() {
        let shapes = domain.shapes.iter().flat_map(|shape| shape.split(' '));
        let plain = shapes.map(|word| word.trim_end_matches(','));
        words.extend(plain.filter(|w| !w.contains('[')).map(str::to_owned));
        words.extend(domain.types.into_iter().flat_map(|kind| kind.cues));
    }
    words.extend(lexicon().iter().flatten().cloned());
    words.into_iter().collect()
}

/// An endless, seeded stream of documents.
pub struct Documents {
    domains: Vec<Domain>,
    training: Vec<Domain>,
    rng: ChaCha8Rng,
    /// Share of sentences, in percent, that have general shapes.
    general: u32,
    /// Whether half of the documents are exercises that are thought about first.
    thinking: bool,
}

impl Documents {
    /// Starts the stream of a seed.
    pub fn new(seed: u64) -> Self {
        let domains = domains();
        let mut training = domains.clone();
        training.retain(|domain| domain.split == DomainSplit::Train);
        Self {
            domains,
            training,
            rng: ChaCha8Rng::seed_from_u64(seed),
            general: GENERAL[0],
            thinking: false,
        }
    }

    /// Starts the stream of a seed for the second phase: most sentences have general
    /// shapes.
    pub fn varied(seed: u64) -> Self {
        let mut documents = Self::new(seed);
        documents.rng.set_stream(2);
        documents.general = GENERAL[1];
        documents
    }

    /// Starts the stream of a seed for the third phase: as in the second, but every other
    /// document is an exercise whose explanation stands between think markers, as in the last
    /// stage of the pretraining of today's base models.
    pub fn thinking(seed: u64) -> Self {
        let mut documents = Self::varied(seed);
        documents.rng.set_stream(1);
        documents.thinking = true;
        documents
    }

    fn passage(&mut self, of_training: bool) -> (Domain, Vec<Draft>) {
        let domains = if of_training {
            &self.training
        } else {
            &self.domains
        };
        let domain = &domains[self.rng.random_range(0..domains.len())];
        let domain = renamed(domain, PASSAGES, Pool::Pretraining, &mut self.rng);
        let n = self.rng.random_range(1..3);
        let drafts = (0..n).map(|_| self.sentence(&domain)).collect();
        (domain, drafts)
    }

    fn sentence(&mut self, domain: &Domain) -> Draft {
        if self.general > 0 && self.rng.random_ratio(self.general, 100) {
            return general_sentence(domain, Pool::Pretraining, &mut self.rng);
        }
        sentence(domain, &domain.shapes, Pool::Pretraining, &mut self.rng)
    }
}

impl Iterator for Documents {
    type Item = Document;

    fn next(&mut self) -> Option<Document> {
        if self.thinking && self.rng.random_bool(0.5) {
            return Some(self.thought_exercise());
        }
        Some(match self.rng.random_range(0..100) {
            0..24 => self.restated_passage(),
            24..68 => self.exercise(),
            68..71 => self.question(),
            71..82 => self.synonyms(),
            82..87 => self.lists_to_json(),
            87..92 => self.group_by_kind(),
            92..97 => self.copying(),
            _ => self.recall(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// What a turn asks for: the word of a question, or the kinds of an exercise.
    fn asked_words(user: &str) -> Vec<String> {
        let words = |text: &str| -> Vec<String> {
            let parts = text.split(|c: char| !c.is_alphabetic());
            parts
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let question = |line: &str| {
            let asked = line
                .strip_prefix("Which ")?
                .strip_suffix(" does the text name?")?;
            Some(words(asked))
        };
        let exercise = |line: &str| {
            let wordings = exercises::wordings();
            let list = wordings
                .iter()
                .find_map(|wording| line.strip_prefix(wording))?;
            Some(words(list.strip_prefix(": ")?))
        };
        user.lines()
            .find_map(|line| question(line).or_else(|| exercise(line)))
            .unwrap_or_default()
    }

    #[test]
    fn no_turn_asks_for_an_evaluation_type() {
        let evaluation: HashSet<String> = domains()
            .into_iter()
            .filter(|domain| domain.split == DomainSplit::Eval)
            .flat_map(|domain| domain.types)
            .flat_map(|kind| kind.cues)
            .collect();
        let (mut turns, mut words) = (0, 0);
        let both = Documents::new(3)
            .take(4000)
            .chain(Documents::thinking(3).take(1000));
        for document in both {
            let Document::Turn { user, .. } = document else {
                continue;
            };
            let asked = asked_words(&user);
            assert!(
                !asked.iter().any(|word| evaluation.contains(word)),
                "{user}"
            );
            turns += usize::from(!asked.is_empty());
            words += asked.len();
        }
        // Half of the documents are exercises or questions, with several kinds each.
        assert!(turns > 1700 && words > 4 * turns / 2, "{turns} {words}");
    }

    #[test]
    fn the_base_has_read_every_ordinary_word_of_the_evaluation() {
        let known: HashSet<String> = vocabulary().into_iter().collect();
        let domains = domains();
        let shapes = domains.iter().flat_map(|domain| &domain.heldout);
        let words = shapes.flat_map(|shape| shape.split(' ').filter(|w| !w.contains('[')));
        let unknown: Vec<&str> = words.filter(|&word| !known.contains(word)).collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }

    #[test]
    fn the_second_phase_thinks_in_half_of_its_documents() {
        let thinks = |document: &Document| match document {
            Document::Turn { assistant, .. } => {
                assistant.starts_with("<think>\n") && assistant.contains("\n</think>\n{")
            }
            Document::Plain(_) => false,
        };
        let count = |documents: Documents| documents.take(400).filter(thinks).count();
        assert_eq!(count(Documents::new(1)), 0);
        assert!((150..250).contains(&count(Documents::thinking(1))));
    }

    #[test]
    fn the_stream_is_seeded() {
        let take = |seed| Documents::new(seed).take(50).collect::<Vec<_>>();
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }
}
