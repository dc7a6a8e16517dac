//! Small, seeded parts of a training set, for learning from few examples.

use std::path::Path;

use ner_datasets::Split;
use ner_types::Example;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::error::Error;
use crate::suite_spec::{FewShotSpec, SuiteSpec};

/// A part of a set's training split.
#[derive(Clone, Debug, PartialEq)]
pub struct FewShotSample {
    /// Name of the set.
    pub set: String,
    /// Size in percent of the training split.
    pub percent: f64,
    /// Sentences of the whole training split.
    pub of: usize,
    /// The sentences that were drawn, in the order of the training split.
    pub examples: Vec<Example>,
}

impl FewShotSample {
    /// A name for a file or a run: `CoNLL-2003-1pct`.
    pub fn name(&self) -> String {
        format!("{}-{}pct", self.set.replace(' ', "-"), self.percent)
    }
}

impl SuiteSpec {
    /// Draws the training parts of every set as [`SuiteSpec::few_shot`] says, or the paper's 1, 5 and 10 % if the
    /// suite does not say.
    ///
    /// Of n sentences, n·percent/100 are drawn without replacement, rounded to the nearest number and at least one.
    /// One seed draws one order of a set, of which each part is a beginning: a smaller part lies inside the larger
    /// ones, and the parts of a set do not depend on the other sets of the suite.
    ///
    /// # Errors
    ///
    /// If the training split of a set is not under `dir` or cannot be read.
    pub fn few_shot_samples(&self, dir: &Path) -> Result<Vec<FewShotSample>, Error> {
        let few = self.few_shot.clone().unwrap_or_default();
        let mut samples = Vec::new();
        for set in &self.sets {
            let (_, train) = self.read_set(set, dir, Split::Train)?;
            samples.extend(draw(&set.name, &train, &few));
        }
        Ok(samples)
    }
}

fn draw(set: &str, train: &[Example], few: &FewShotSpec) -> Vec<FewShotSample> {
    let mut order: Vec<usize> = (0..train.len()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(few.seed);
    rng.set_stream(fnv1a(set));
    order.shuffle(&mut rng);
    let sample = |&percent: &f64| {
        let size = (train.len() as f64 * percent / 100.0).round() as usize;
        let mut drawn = order[..size.clamp(1, train.len())].to_vec();
        drawn.sort_unstable();
        FewShotSample {
            set: set.into(),
            percent,
            of: train.len(),
            examples: drawn.into_iter().map(|i| train[i].clone()).collect(),
        }
    };
    if train.is_empty() {
        Vec::new()
    } else {
        few.percent.iter().map(sample).collect()
    }
}

/// A number for a name (FNV-1a, 64 bits), the same on every machine and with every compiler.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(n: usize) -> Vec<Example> {
        let example = |i: usize| Example {
            sentence: i.to_string(),
            ..Example::default()
        };
        (0..n).map(example).collect()
    }

    fn sentences(sample: &FewShotSample) -> Vec<&str> {
        sample
            .examples
            .iter()
            .map(|e| e.sentence.as_str())
            .collect()
    }

    #[test]
    fn sizes_are_rounded_and_parts_are_nested() {
        let samples = draw("north", &train(249), &FewShotSpec::default());
        let sizes: Vec<usize> = samples.iter().map(|sample| sample.examples.len()).collect();
        assert_eq!(sizes, [2, 12, 25]);
        for pair in samples.windows(2) {
            let larger = sentences(&pair[1]);
            assert!(sentences(&pair[0]).iter().all(|s| larger.contains(s)));
        }
        assert_eq!(samples[0].name(), "north-1pct");
        assert_eq!(
            draw("north", &train(3), &FewShotSpec::default())[0]
                .examples
                .len(),
            1
        );
        assert!(draw("north", &[], &FewShotSpec::default()).is_empty());
    }

    #[test]
    fn the_seed_and_the_set_decide_the_draw() {
        let few = |seed| FewShotSpec {
            percent: vec![10.0],
            seed,
        };
        let train = train(500);
        assert_eq!(draw("a", &train, &few(1)), draw("a", &train, &few(1)));
        assert_ne!(draw("a", &train, &few(1)), draw("a", &train, &few(2)));
        let other = draw("b", &train, &few(1));
        assert_ne!(
            sentences(&draw("a", &train, &few(1))[0]),
            sentences(&other[0])
        );
    }

    #[test]
    fn the_number_of_a_name_is_that_of_the_published_function() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
