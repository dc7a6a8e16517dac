//! The annotation that training sentences come with: one answer of an annotator who makes mistakes, as it is.

use std::collections::BTreeSet;

use ner_types::{Entity, Example};

use crate::error::Error;
use crate::teacher::gold::GoldEntry;
use crate::teacher::mistakes::{MistakeRates, rng};
use crate::teacher::prompt::Task;
use crate::teacher::reply::teach;

/// Name of the annotator, so that its mistakes are not those of the teacher.
const ANNOTATOR: &str = "tiny-source";

/// Sentences with the annotation of somebody who makes mistakes.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisyAnnotation {
    /// The sentences in their order, without reasoning.
    pub examples: Vec<Example>,
    /// How many of them are not annotated as in gold.
    pub wrong: usize,
}

/// Annotates examples as the simulated teacher would at the first attempt, with mistakes that nobody finds: no rule, no
/// judge and no second attempt. It stands for an annotation such as that of Pile-NER, which ChatGPT wrote.
///
/// What cannot be read of an answer is not annotated. The same seed gives the same mistakes.
///
/// # Errors
///
/// If a rate is no share.
pub fn noisy_annotation(
    examples: &[Example],
    seed: u64,
    rates: &MistakeRates,
) -> Result<NoisyAnnotation, Error> {
    rates.check()?;
    let examples_with_gold = examples.iter().map(|example| {
        let entities = annotate(example, seed, rates);
        let is_right = set(&entities) == set(&example.entities);
        let noisy = Example {
            cot: None,
            // In the order of gold, if nothing else is wrong.
            entities: if is_right {
                example.entities.clone()
            } else {
                entities
            },
            ..example.clone()
        };
        (noisy, !is_right)
    });
    let (examples, wrong): (Vec<Example>, Vec<bool>) = examples_with_gold.unzip();
    Ok(NoisyAnnotation {
        examples,
        wrong: wrong.into_iter().filter(|wrong| *wrong).count(),
    })
}

fn annotate(example: &Example, seed: u64, rates: &MistakeRates) -> Vec<Entity> {
    let task = Task {
        schema: example.schema.clone(),
        sentence: &example.sentence,
    };
    let gold = GoldEntry {
        entities: example.entities.clone(),
        reasoning: String::new(),
    };
    let mut rng = rng(seed, ANNOTATOR, &example.sentence, 0);
    ner_types::parse(&teach(&task, &gold, rates, &mut rng).content).entities
}

fn set(entities: &[Entity]) -> BTreeSet<Entity> {
    entities.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Corpus, CorpusConfig};

    fn corpus() -> Vec<Example> {
        let config = CorpusConfig {
            seed: 3,
            train: 2000,
            rl: 0,
            eval_per_domain: 0,
        };
        Corpus::generate(&config).train
    }

    #[test]
    fn about_one_annotation_in_six_is_wrong_and_the_seed_says_which() {
        let gold = corpus();
        let noisy = |seed| noisy_annotation(&gold, seed, &MistakeRates::default()).expect("shares");
        let a = noisy(1);
        // The mistakes come to 0.19. Half of the contradictions, 0.02, change the reasoning alone.
        let share = a.wrong as f64 / gold.len() as f64;
        assert!((0.13..0.20).contains(&share), "{share}");
        let differing = gold
            .iter()
            .zip(&a.examples)
            .filter(|(g, n)| g.entities != n.entities);
        assert_eq!(differing.count(), a.wrong);
        assert!(a.examples.iter().all(|example| example.cot.is_none()));
        assert_eq!(a, noisy(1));
        assert_ne!(a, noisy(2));
    }

    #[test]
    fn without_mistakes_it_is_gold() {
        let gold = corpus();
        let noisy = noisy_annotation(&gold, 1, &MistakeRates::none()).expect("shares");
        assert_eq!(noisy.wrong, 0);
        assert!(
            gold.iter()
                .zip(&noisy.examples)
                .all(|(g, n)| g.entities == n.entities)
        );
    }
}
