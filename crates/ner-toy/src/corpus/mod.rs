//! The annotated sentences: domains for training and others for evaluation, generated from a seed.
//!
//! Twelve training domains and seven evaluation domains in the manner of CrossNER and MIT Movie/Restaurant. Names come
//! from three disjoint pools (the base model's text, training, evaluation), labels and cue words of the evaluation
//! domains occur in no training domain, and the evaluation uses sentence shapes that occur nowhere else. So an
//! evaluation is zero-shot in the paper's sense: types, names and shapes that fine-tuning never saw. What the base
//! model has read of them is plain text: see [`crate::pretraining`].
//!
//! About a fifth of the entities are ambiguous names ([`ambiguous_names`]): single coined words, each of which stands
//! for several types, so that the name tells nothing. They have no cue word beside them; the end of the sentence says
//! what they are, by their order or by what they are not: `Velto will host Brano next year, the second is a conference
//! and the first an institute`. To follow that takes a step more than to read the word before a name, and the gold
//! reasoning writes this step down.

mod ambiguous;
pub(crate) mod domain;
mod events;
pub(crate) mod general;
pub(crate) mod grammar;
pub(crate) mod names;
pub(crate) mod reasoning;
mod relations;

pub use domain::{Domain, DomainSplit, EntityType, Style, domains};
pub use names::{NameKind, Pool, ambiguous_names};

use ner_types::{Entity, Example, Task};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::corpus::domain::renamed;
use crate::corpus::grammar::Draft;

/// Shares of training sentences, in percent, whose types are coined words or
/// rare ones; the rest have the types of their domain.
const COINED: u32 = 30;
const RARE: u32 = 35;
/// Share of training sentences, in percent, that have general shapes.
const GENERAL: u32 = 60;

/// How much of the corpus to generate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusConfig {
    /// Seed of everything.
    pub seed: u64,
    /// Sentences for CoT generation and fine-tuning.
    pub train: usize,
    /// Sentences for reinforcement learning.
    pub rl: usize,
    /// Sentences per evaluation domain.
    pub eval_per_domain: usize,
}

/// The generated corpus. Every example carries its gold reasoning in
/// [`Example::cot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// Training domains, for CoT generation and fine-tuning.
    pub train: Vec<Example>,
    /// Training domains, other sentences, for reinforcement learning.
    pub rl: Vec<Example>,
    /// Evaluation domains: name and sentences.
    pub eval: Vec<(String, Vec<Example>)>,
}

impl Corpus {
    /// Generates the corpus: the same configuration gives the same corpus on
    /// every machine.
    pub fn generate(config: &CorpusConfig) -> Self {
        Self::of(Task::Entities, config)
    }

    /// Generates the corpus of a task; of entities it is [`Corpus::generate`].
    pub fn of(task: Task, config: &CorpusConfig) -> Self {
        let domains = domains();
        let (train, eval): (Vec<Domain>, Vec<Domain>) = domains
            .into_iter()
            .partition(|domain| domain.split == DomainSplit::Train);
        Self {
            train: training_examples(
                task,
                &train,
                config.train,
                "train",
                &mut rng(config.seed, 1),
            ),
            rl: training_examples(task, &train, config.rl, "rl", &mut rng(config.seed, 2)),
            eval: eval
                .iter()
                .enumerate()
                .map(|(i, domain)| {
                    let rng = &mut rng(config.seed, 16 + i as u64);
                    (
                        domain.name.clone(),
                        evaluation_examples(task, domain, config.eval_per_domain, rng),
                    )
                })
                .collect(),
        }
    }

    /// The parts by the names that their files are given: `train.jsonl`, `rl.jsonl`, `eval/<domain>.jsonl`.
    pub fn parts(&self) -> impl Iterator<Item = (String, &[Example])> {
        let training = [("train.jsonl", &self.train), ("rl.jsonl", &self.rl)];
        let training = training.map(|(name, examples)| (name.to_owned(), examples.as_slice()));
        let eval = self.eval.iter();
        training
            .into_iter()
            .chain(eval.map(|(name, examples)| (format!("eval/{name}.jsonl"), examples.as_slice())))
    }
}

/// Independent streams of one seed, so that asking for more training sentences
/// leaves the evaluation unchanged.
fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

fn training_examples(
    task: Task,
    domains: &[Domain],
    n: usize,
    part: &str,
    rng: &mut ChaCha8Rng,
) -> Vec<Example> {
    let one = |i| {
        let domain = renamed(domains.choose(rng)?, [COINED, RARE], Pool::Training, rng);
        let guid = format!("{part}-{i}");
        Some(match task {
            Task::Entities => {
                let draft = if rng.random_ratio(GENERAL, 100) {
                    grammar::general_sentence(&domain, Pool::Training, rng)
                } else {
                    grammar::sentence(&domain, &domain.shapes, Pool::Training, rng)
                };
                let (labels, extra) = sample_schema(&domain, domains, &draft, rng);
                annotate(&domain, &draft, &labels, extra, guid)
            }
            Task::Relations => {
                let told = relations::sentence(&domain, Pool::Training, rng);
                let (labels, extra) = sample_schema(&domain, domains, told.draft(), rng);
                told.annotate(&domain, &labels, extra, guid)
            }
            Task::Events => {
                let told = events::sentence(&domain, Pool::Training, rng);
                told.annotate(&told.sample(rng), guid)
            }
        })
    };
    (0..n).filter_map(one).collect()
}

fn evaluation_examples(
    task: Task,
    domain: &Domain,
    n: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Example> {
    let labels: Vec<Option<String>> = domain.types.iter().map(|t| Some(t.label.clone())).collect();
    let one = |i| {
        let guid = format!("{}-{i}", domain.name);
        match task {
            Task::Entities => {
                let draft = grammar::sentence(domain, &domain.heldout, Pool::Evaluation, rng);
                annotate(domain, &draft, &labels, None, guid)
            }
            Task::Relations => {
                let told = relations::sentence(domain, Pool::Evaluation, rng);
                told.annotate(domain, &labels, None, guid)
            }
            Task::Events => {
                let told = events::sentence(domain, Pool::Evaluation, rng);
                told.annotate(&told.all(rng), guid)
            }
        }
    };
    (0..n).map(one).collect()
}

/// A schema in the manner of Pile-NER: most of the types that occur, some of
/// the domain's that do not, now and then one of another domain; a type goes by
/// its label or by a near-synonym, so that many labels are seen.
fn sample_schema(
    domain: &Domain,
    domains: &[Domain],
    draft: &Draft,
    rng: &mut ChaCha8Rng,
) -> (Vec<Option<String>>, Option<String>) {
    let mut labels: Vec<Option<String>> = domain
        .types
        .iter()
        .enumerate()
        .map(|(i, kind)| {
            let occurs = draft.mentions.iter().any(|mention| mention.kind == i);
            let kept = rng.random_bool(if occurs { 0.88 } else { 0.6 });
            kept.then(|| display_label(kind, rng))
        })
        .collect();
    if labels.iter().all(Option::is_none) {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.shuffle(rng);
        labels[order[0]] = Some(display_label(&domain.types[order[0]], rng));
    }
    let extra = rng.random_bool(0.3).then(|| {
        let other = domains
            .choose(rng)
            .filter(|other| other.name != domain.name);
        other
            .and_then(|other| other.types.choose(rng))
            .map(|kind| kind.label.clone())
    });
    (labels, extra.flatten())
}

fn display_label(kind: &EntityType, rng: &mut ChaCha8Rng) -> String {
    if rng.random_bool(0.6) {
        return kind.label.clone();
    }
    kind.cues.choose(rng).unwrap_or(&kind.label).clone()
}

fn annotate(
    domain: &Domain,
    draft: &Draft,
    labels: &[Option<String>],
    extra: Option<String>,
    guid: String,
) -> Example {
    let fallback: Vec<&str> = domain.types.iter().map(|t| t.label.as_str()).collect();
    let entities = draft
        .mentions
        .iter()
        .filter_map(|m| Some(Entity::new(m.text.as_str(), labels[m.kind].as_ref()?)))
        .collect();
    Example {
        guid: Some(guid),
        dataset: Some(domain.name.clone()),
        sentence: draft.text.clone(),
        schema: labels.iter().flatten().cloned().chain(extra).collect(),
        cot: Some(reasoning::reasoning(draft, labels, &fallback)),
        entities,
        ..Example::default()
    }
    .normalized()
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use ner_types::normalize_label;

    use super::*;

    fn corpus() -> Corpus {
        Corpus::generate(&CorpusConfig {
            seed: 5,
            train: 600,
            rl: 200,
            eval_per_domain: 40,
        })
    }

    #[test]
    fn evaluation_is_zero_shot_in_types_names_and_shapes() {
        let corpus = corpus();
        let labels = |examples: &[Example]| -> HashSet<String> {
            examples.iter().flat_map(|e| e.schema.clone()).collect()
        };
        let texts = |examples: &[Example]| -> HashSet<String> {
            let entities = examples.iter().flat_map(|e| e.entities.clone());
            entities.map(|e| e.text.to_lowercase()).collect()
        };
        let trained: Vec<Example> = [corpus.train.clone(), corpus.rl.clone()].concat();
        for (name, examples) in &corpus.eval {
            assert_eq!(examples.len(), 40, "{name}");
            assert!(labels(examples).is_disjoint(&labels(&trained)), "{name}");
            assert!(texts(examples).is_disjoint(&texts(&trained)), "{name}");
        }
    }

    #[test]
    fn gold_stands_in_the_sentence_and_in_the_reasoning() {
        for example in corpus().train {
            let cot = example.cot.clone().unwrap_or_default();
            for entity in &example.entities {
                assert!(example.sentence.contains(&entity.text), "{example:?}");
                assert!(cot.contains(&format!("\"{}\"", entity.text)), "{example:?}");
                assert!(example.schema.contains(&entity.label), "{example:?}");
            }
        }
    }

    /// The entities whose text is an ambiguous name of a pool.
    fn ambiguous(examples: &[Example], pool: Pool) -> Vec<Entity> {
        let names: HashSet<String> = ambiguous_names(pool)
            .iter()
            .map(|name| name.to_lowercase())
            .collect();
        let all = examples.iter().flat_map(|example| example.entities.clone());
        all.filter(|entity| names.contains(&entity.text.to_lowercase()))
            .collect()
    }

    #[test]
    fn a_fifth_of_the_entities_are_names_that_stand_for_several_types() {
        let corpus = corpus();
        let eval: Vec<Example> = corpus
            .eval
            .iter()
            .flat_map(|(_, examples)| examples.clone())
            .collect();
        for (examples, pool) in [(&eval, Pool::Evaluation), (&corpus.train, Pool::Training)] {
            let found = ambiguous(examples, pool);
            let all: usize = examples.iter().map(|example| example.entities.len()).sum();
            let share = found.len() as f64 / all as f64;
            assert!((0.15..0.25).contains(&share), "{share}");
            // Whoever knew for every name the type that it stands for most often would be right in less than half.
            let mut types: HashMap<String, HashMap<&str, usize>> = HashMap::new();
            for entity in &found {
                *types
                    .entry(entity.text.to_lowercase())
                    .or_default()
                    .entry(&entity.label)
                    .or_default() += 1;
            }
            let best: usize = types
                .values()
                .filter_map(|labels| labels.values().max())
                .sum();
            assert!(2 * best < found.len(), "{best} of {}", found.len());
        }
    }

    #[test]
    fn the_end_of_a_sentence_decides_and_the_reasoning_says_how() {
        let corpus = corpus();
        let examples = corpus.eval.iter().flat_map(|(_, examples)| examples);
        let mut told = [0, 0];
        for example in examples {
            let cot = example.cot.clone().unwrap_or_default();
            for entity in ambiguous(std::slice::from_ref(example), Pool::Evaluation) {
                let by_order = [
                    ("first", "comes first, the first is"),
                    ("second", "comes second, the second is"),
                ];
                let by_order = by_order.iter().any(|(place, step)| {
                    let step = format!("\"{}\" {step}", entity.text);
                    cot.contains(&step) && example.sentence.contains(&format!("the {place} "))
                });
                let meant = cot.contains(&format!("by \"{}\" ", entity.text))
                    && example.sentence.contains(&format!("by {} ", entity.text));
                assert!(by_order != meant, "{} {cot}", example.sentence);
                told[usize::from(meant)] += 1;
            }
        }
        // Nearly all shapes of the evaluation have two types.
        assert!(told[0] > 100 && told[1] > 0, "{told:?}");
    }

    #[test]
    fn relations_and_events_are_zero_shot_and_told_by_sentence_and_reasoning() {
        for task in [Task::Relations, Task::Events] {
            let config = CorpusConfig {
                seed: 5,
                train: 600,
                rl: 100,
                eval_per_domain: 40,
            };
            let corpus = Corpus::of(task, &config);
            let labels = |examples: &[Example]| -> HashSet<String> {
                let items = examples.iter().flat_map(|e| e.as_items().schema.clone());
                items.collect()
            };
            let trained = [corpus.train.clone(), corpus.rl.clone()].concat();
            let mut n_items = [0, 0];
            for (name, examples) in &corpus.eval {
                assert!(labels(examples).is_disjoint(&labels(&trained)), "{name}");
                for example in examples {
                    n_items[0] += example.as_items().entities.len();
                }
            }
            for example in &trained {
                let items = example.as_items();
                n_items[1] += items.entities.len();
                let cot = example.cot.clone().unwrap_or_default();
                assert_eq!(example.task(), task);
                for item in &items.entities {
                    assert!(task.stands_in(item, &example.sentence), "{example:?}");
                    let mut texts = task.item_texts(item);
                    let is_told = texts.all(|text| cot.contains(&format!("\"{text}\"")));
                    assert!(is_told, "{example:?}");
                    let label = normalize_label(&item.label);
                    assert!(items.schema.contains(&label), "{example:?}");
                }
            }
            assert!(n_items[0] > 280 && n_items[1] > 650, "{n_items:?}");
            assert_eq!(corpus, Corpus::of(task, &config));
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(corpus(), corpus());
        let more = Corpus::generate(&CorpusConfig {
            seed: 5,
            train: 700,
            rl: 200,
            eval_per_domain: 40,
        });
        assert_eq!(more.eval, corpus().eval);
        assert_eq!(more.train[..600], corpus().train[..]);
    }
}
