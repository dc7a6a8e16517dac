//! The data of a run: sentences to annotate, prompts to reinforce on, a
//! benchmark to score.

use std::path::Path;

use ner_datasets::{open_data_dir, read_examples, write_jsonl};
use ner_eval::{EvalSet, Suite};
use ner_types::Example;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::recipe::{Data, DataSource};
use crate::run_dir::write_json;
use crate::tiny::TinyCorpus;

/// The toy benchmark is the same for every seed, as a real one would be.
const BENCHMARK_SEED: u64 = 20_251_111;

/// Everything that a run reads.
pub struct Sources {
    /// Sentences for the teacher, with the gold that a simulated one answers from.
    pub train: Vec<Example>,
    /// Prompts for reinforcement learning, with gold.
    pub rl: Vec<Example>,
    /// The benchmark.
    pub suite: Suite,
}

/// Name and order of the sets of a benchmark on disk.
#[derive(Serialize, Deserialize)]
struct Index {
    name: String,
    sets: Vec<String>,
}

impl Sources {
    /// Gathers what the recipe names.
    ///
    /// # Errors
    /// A dataset that is missing, empty or malformed, or that this version
    /// cannot download.
    pub fn load(data: &Data, seed: u64) -> Result<Self> {
        let (train, left_over) = load_train(data, seed)?;
        let rl = load_rl(data, seed, left_over)?;
        let suite = load_suite(&data.eval, limit(data.eval_sentences, data.limit))?;
        if train.is_empty() {
            return Err(Error::Invalid(format!(
                "there is no training sentence in {}",
                data.train
            )));
        }
        if rl.is_empty() {
            return Err(Error::Invalid(format!(
                "no sentence is left for GRPO in {}",
                data.train
            )));
        }
        Ok(Self { train, rl, suite })
    }

    /// Writes `train.jsonl`, `rl.jsonl` and `eval/`.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        write_jsonl(&dir.join("train.jsonl"), &self.train)?;
        write_jsonl(&dir.join("rl.jsonl"), &self.rl)?;
        let eval = dir.join("eval");
        std::fs::create_dir_all(&eval)
            .with_context(|| format!("cannot create {}", eval.display()))?;
        for set in &self.suite.sets {
            write_jsonl(&eval.join(format!("{}.jsonl", set.name)), &set.examples)?;
        }
        let index = Index {
            name: self.suite.name.clone(),
            sets: self.suite.sets.iter().map(|set| set.name.clone()).collect(),
        };
        Ok(write_json(&eval.join("suite.json"), &index)?)
    }
}

/// Reads a benchmark that [`Sources::write`] wrote, or any folder of
/// `<set>.jsonl` files.
///
/// # Errors
/// Files that are missing or malformed.
pub fn read_suite(dir: &Path) -> Result<Suite> {
    let path = dir.join("suite.json");
    let index: Index = match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .with_context(|| format!("{}: not the index of a benchmark", path.display()))?,
        Err(_) => index_of(dir)?,
    };
    let sets: Result<Vec<EvalSet>> = index
        .sets
        .into_iter()
        .map(|name| {
            let examples = read_examples(&dir.join(format!("{name}.jsonl")))?;
            Ok(EvalSet { name, examples })
        })
        .collect();
    Ok(Suite {
        name: index.name,
        sets: sets?,
    })
}

fn index_of(dir: &Path) -> Result<Index> {
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut sets: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned))
        .collect();
    sets.sort_unstable();
    if sets.is_empty() {
        return Err(Error::Invalid(format!(
            "{}: no <set>.jsonl file",
            dir.display()
        )));
    }
    let name = dir
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Ok(Index { name, sets })
}

/// The benchmark that a recipe names, `limit` sentences of each set; 0 takes them all.
///
/// # Errors
/// A dataset that is missing, empty or malformed, or that this version cannot download.
pub fn load_suite(source: &str, limit: usize) -> Result<Suite> {
    let suite = match DataSource::parse(source) {
        DataSource::Tiny => tiny_suite(limit),
        DataSource::Path(dir) => match open_data_dir(&dir) {
            Ok(_) => Suite::benchmark(&dir)?,
            Err(error) => read_suite(&dir).map_err(|_| error)?,
        },
        DataSource::Train => return Err(Error::usage("data.eval: `train` is no benchmark")),
        DataSource::Public(name) | DataSource::Group(name) => return Err(not_here(&name)),
    };
    Ok(if limit == 0 {
        suite
    } else {
        suite.limited(limit)
    })
}

fn tiny_suite(per_domain: usize) -> Suite {
    let per_domain = if per_domain == 0 { 100 } else { per_domain };
    let corpus = TinyCorpus::generate(BENCHMARK_SEED, 0, 0, per_domain).0;
    let sets = corpus.eval.into_iter();
    Suite {
        name: "tiny".into(),
        sets: sets
            .map(|(name, examples)| EvalSet { name, examples })
            .collect(),
    }
}

/// Training sentences, and as many others of the same source for GRPO.
fn load_train(data: &Data, seed: u64) -> Result<(Vec<Example>, Vec<Example>)> {
    let train = limit(data.train_sentences, data.limit);
    match DataSource::parse(&data.train) {
        DataSource::Tiny => {
            let prompts = if data.grpo_samples == 0 {
                train
            } else {
                data.grpo_samples
            };
            let corpus = TinyCorpus::generate(seed, train, prompts, 0).0;
            Ok((corpus.train, corpus.rl))
        }
        DataSource::Path(dir) => split_train(&dir, data, seed),
        DataSource::Train => Err(Error::usage("data.train: `train` does not name a dataset")),
        DataSource::Public(name) | DataSource::Group(name) => Err(not_here(&name)),
    }
}

/// The prompts of GRPO: those left over by the training source, or another dataset.
fn load_rl(data: &Data, seed: u64, left_over: Vec<Example>) -> Result<Vec<Example>> {
    match DataSource::parse(&data.grpo) {
        DataSource::Train => Ok(left_over),
        DataSource::Tiny => {
            let prompts = data.grpo_samples.max(1);
            Ok(TinyCorpus::generate(seed, 0, prompts, 0).0.rl)
        }
        DataSource::Path(dir) => {
            let mut examples = shuffled_train(&dir, data.limit, seed)?;
            if data.grpo_samples > 0 {
                examples.truncate(data.grpo_samples);
            }
            Ok(examples)
        }
        DataSource::Public(name) | DataSource::Group(name) => Err(not_here(&name)),
    }
}

/// The training splits of a directory in an order drawn by the seed.
fn shuffled_train(dir: &Path, limit: usize, seed: u64) -> Result<Vec<Example>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut examples = Vec::new();
    for mut set in open_data_dir(dir)?.train()? {
        set.examples.shuffle(&mut rng);
        if limit > 0 {
            set.examples.truncate(limit);
        }
        examples.extend(set.examples.iter().map(Example::normalized));
    }
    examples.shuffle(&mut rng);
    Ok(examples)
}

/// Training sentences of a directory and others for GRPO; where there are too
/// few for both, each gets half.
fn split_train(dir: &Path, data: &Data, seed: u64) -> Result<(Vec<Example>, Vec<Example>)> {
    let mut examples = shuffled_train(dir, data.limit, seed)?;
    let all = examples.len();
    let wanted = |n: usize| if n == 0 { all } else { n };
    let rl = wanted(data.grpo_samples).min(all / 2);
    let rest = examples.split_off(wanted(data.train_sentences).min(all - rl));
    Ok((examples, rest.into_iter().take(rl).collect()))
}

/// The smaller of two limits of which 0 means none.
fn limit(a: usize, b: usize) -> usize {
    match (a, b) {
        (0, n) | (n, 0) => n,
        (a, b) => a.min(b),
    }
}

fn not_here(name: &str) -> Error {
    let place = crate::data::place_of(name);
    Error::Usage(format!(
        "the dataset {name} is not on this machine and cannot be downloaded yet; \
         get it from {place} and pass its folder with --data"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_benchmark_survives_the_disk() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let recipe = crate::recipe::Recipe::resolve("smoke", &[])?;
        let sources = Sources::load(&recipe.data, 1)?;
        sources.write(dir.path())?;
        let read = read_suite(&dir.path().join("eval"))?;
        assert_eq!(read.name, "tiny");
        assert_eq!(read.sets.len(), 7);
        assert_eq!(read.sets[0].examples, sources.suite.sets[0].examples);
        Ok(())
    }

    #[test]
    fn the_toy_benchmark_does_not_depend_on_the_seed() -> Result<()> {
        let recipe = crate::recipe::Recipe::resolve("smoke", &[])?;
        let [a, b] = [
            Sources::load(&recipe.data, 1)?,
            Sources::load(&recipe.data, 2)?,
        ];
        assert_eq!(a.suite.sets[3].examples, b.suite.sets[3].examples);
        assert_ne!(a.train, b.train);
        Ok(())
    }

    #[test]
    fn the_smaller_limit_counts_and_nought_is_none() {
        assert_eq!(
            [limit(0, 5), limit(5, 0), limit(3, 5), limit(0, 0)],
            [5, 5, 3, 0]
        );
    }
}
