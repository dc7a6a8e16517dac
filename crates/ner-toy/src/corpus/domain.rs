//! The domains as data: types, cue words and sentence shapes.

use std::sync::LazyLock;

use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::corpus::names::{NameKind, Pool, name};

/// Whether a domain is used for training or for evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DomainSplit {
    /// Fine-tuning and reinforcement learning.
    Train,
    /// Zero-shot evaluation only.
    Eval,
}

/// How sentences of a domain look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Capitalised prose with a full stop, in the manner of CrossNER.
    Prose,
    /// A lower-case query, in the manner of MIT Movie and Restaurant.
    Query,
}

/// An entity type: its label, the words that introduce it, its kind of names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityType {
    /// The label in schemas.
    pub label: String,
    /// The label and its near-synonyms.
    pub cues: Vec<String>,
    /// How names of the type are made.
    pub names: NameKind,
}

/// One domain of the corpus.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Name, in the manner of the benchmark sets.
    pub name: String,
    /// Training or evaluation.
    pub split: DomainSplit,
    /// Prose or query.
    pub style: Style,
    /// Entity types.
    pub types: Vec<EntityType>,
    /// Sentence shapes of the base model's text and of training.
    pub shapes: Vec<String>,
    /// Sentence shapes of the evaluation alone.
    #[serde(default)]
    pub heldout: Vec<String>,
    /// Whether other words stand in place of the labels and their cues, so that
    /// the words around a name do not tell its type.
    #[serde(skip)]
    pub renamed: bool,
}

impl Domain {
    /// The same domain with a coined word in place of each label and its cues.
    ///
    /// What such a type is called can only be read from the sentence and the
    /// schema.
    pub(crate) fn coin(&self, pool: Pool, rng: &mut ChaCha8Rng) -> Self {
        self.rename(|| vec![name(NameKind::Word, pool, rng).to_lowercase()])
    }

    /// The same domain with words of the [`lexicon`] in place of each label and
    /// its cues: one of the rare types of which real data has thousands.
    pub(crate) fn relabel(&self, rng: &mut ChaCha8Rng) -> Self {
        let rows = lexicon();
        let mut chosen = index::sample(rng, rows.len(), self.types.len()).into_iter();
        self.rename(|| chosen.next().map_or_else(Vec::new, |i| rows[i].clone()))
    }

    fn rename(&self, mut words: impl FnMut() -> Vec<String>) -> Self {
        let mut domain = self.clone();
        domain.renamed = true;
        for kind in &mut domain.types {
            let cues = words();
            let old = std::mem::replace(&mut kind.label, cues[0].clone());
            kind.cues = cues;
            let (old, new) = (format!("[{old}]"), format!("[{}]", kind.label));
            for shape in domain.shapes.iter_mut().chain(&mut domain.heldout) {
                *shape = shape.replace(&old, &new);
            }
        }
        domain
    }
}

/// The domain with coined types, with rare types or with its own; the first two
/// by their shares in percent.
pub(crate) fn renamed(
    domain: &Domain,
    [coined, rare]: [u32; 2],
    pool: Pool,
    rng: &mut ChaCha8Rng,
) -> Domain {
    match rng.random_range(0..100) {
        draw if draw < coined => domain.coin(pool, rng),
        draw if draw < coined + rare => domain.relabel(rng),
        _ => domain.clone(),
    }
}

/// Rare types: rows of a label and its near-synonyms.
pub(crate) fn lexicon() -> &'static [Vec<String>] {
    static ROWS: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
        include_str!("lexicon.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    });
    &ROWS
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Domains {
    domain: Vec<Domain>,
}

/// The domains of the corpus, in the order of the data file.
///
/// # Panics
/// Never in a build whose tests pass: the data file is compiled in, and a test
/// reads it.
pub fn domains() -> Vec<Domain> {
    toml::from_str::<Domains>(include_str!("domains.toml"))
        .expect("the compiled-in domains.toml is valid, as a test checks")
        .domain
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn evaluation_labels_and_cues_are_never_trained_on() {
        let words = |split| -> HashSet<String> {
            domains()
                .into_iter()
                .filter(|domain| domain.split == split)
                .flat_map(|domain| domain.types)
                .flat_map(|kind| kind.cues)
                .collect()
        };
        let shared: Vec<_> = words(DomainSplit::Train)
            .intersection(&words(DomainSplit::Eval))
            .cloned()
            .collect();
        assert_eq!(shared, Vec::<String>::new());
    }

    #[test]
    fn rare_types_are_rows_of_their_own_words() {
        let mut seen: HashSet<String> = domains()
            .into_iter()
            .flat_map(|domain| domain.types)
            .flat_map(|kind| kind.cues)
            .collect();
        for row in lexicon() {
            assert_eq!(row.len(), 3, "{row:?}");
            for word in row {
                assert!(seen.insert(word.clone()), "{word} occurs twice");
            }
        }
    }

    #[test]
    fn every_slot_names_a_type_and_evaluation_shapes_are_held_out() {
        for domain in domains() {
            let labels: Vec<&str> = domain.types.iter().map(|t| t.label.as_str()).collect();
            for kind in &domain.types {
                assert_eq!(kind.cues[0], kind.label, "{}", domain.name);
            }
            for shape in domain.shapes.iter().chain(&domain.heldout) {
                for slot in shape.split('[').skip(1) {
                    let label = slot.split(']').next().unwrap_or_default();
                    assert!(labels.contains(&label), "{label} in {shape:?}");
                }
            }
            let held: HashSet<_> = domain.heldout.iter().collect();
            assert!(domain.shapes.iter().all(|shape| !held.contains(shape)));
            assert_eq!(domain.split == DomainSplit::Eval, !held.is_empty());
        }
    }
}
