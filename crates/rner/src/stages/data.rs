//! The data of a run: sentences to annotate, prompts to reinforce on, a benchmark to score, and what a score means.

use std::path::{Path, PathBuf};

use ner_datasets::{LabelMap, SampleConfig, Split, missing_quota, read_examples, write_jsonl};
use ner_eval::{EvalSet, Suite};
use ner_types::Example;

use crate::data::index::Index;
use crate::data::judgement::{Scored, hold_out, protocol};
use crate::data::rows::Reader;
use crate::data::{Finder, Found, Place, Places, RunProtocol, SampledSet, Training};
use crate::error::{Context, Error, Result};
use crate::recipe::{Data, DataSource, Recipe};
use crate::session::Session;
use crate::tiny::TinyCorpus;

/// The toy benchmark is the same for every seed, as a real one would be.
const BENCHMARK_SEED: u64 = 20_251_111;

/// Rows with reasoning that were there already, in the folder of the stage.
const READY_COT: &str = "cot.jsonl";

/// Everything that a run reads.
pub struct Sources {
    /// Sentences for the teacher, with the gold that a simulated one answers from; or those of [`Sources::cot`].
    pub train: Vec<Example>,
    /// Annotated sentences with their chains of thought, if they were there already.
    pub cot: Option<Vec<Example>>,
    /// Prompts for reinforcement learning, with gold.
    pub rl: Vec<Example>,
    /// The benchmark.
    pub suite: Suite,
    /// What a score on it means.
    pub protocol: RunProtocol,
}

impl Sources {
    /// Gathers what the recipe names; what is not on this machine is fetched.
    ///
    /// # Errors
    /// A dataset that is missing, empty, malformed or cannot be fetched, or a licence that is not accepted.
    pub fn load(data: &Data, seed: u64, session: &Session) -> Result<Self> {
        Self::read(&Places::ready(data, session)?, data, seed)
    }

    /// Reads what was found.
    ///
    /// # Errors
    /// A dataset that is empty or malformed; a name of a set or of label names that does not exist.
    pub fn read(places: &Places, data: &Data, seed: u64) -> Result<Self> {
        Gathering::new(data, seed)?.gather(places)
    }

    /// Writes `train.jsonl`, `rl.jsonl`, `eval/`, `protocol.json` and, where there are chains of thought, `cot.jsonl`.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        write_jsonl(&dir.join("train.jsonl"), &self.train)?;
        write_jsonl(&dir.join("rl.jsonl"), &self.rl)?;
        if let Some(cot) = &self.cot {
            write_jsonl(&dir.join(READY_COT), cot)?;
        }
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
        index.write(&eval)?;
        self.protocol.write(dir)
    }

    /// What [`Sources::write`] writes for a recipe.
    pub fn outputs(data: &Data) -> Vec<&'static str> {
        let ready = (data.cot != "generate").then_some(READY_COT);
        let always = [
            "train.jsonl",
            "rl.jsonl",
            "eval",
            crate::data::PROTOCOL_FILE,
        ];
        always.into_iter().chain(ready).collect()
    }

    /// What was read, in a sentence.
    pub fn summary(&self) -> String {
        let first = match &self.cot {
            Some(rows) => format!("{} sentences with reasoning", rows.len()),
            None => format!("{} sentences to annotate", self.train.len()),
        };
        format!(
            "{first}, {} to reinforce on, {} to score, {}",
            self.rl.len(),
            self.suite.sentences(),
            self.protocol.protocol
        )
    }
}

/// The rows with reasoning that the stage `data` wrote because they were there already: the output of the stage `cot`,
/// which asks no teacher then.
pub fn ready_cot(data: &Path) -> Option<PathBuf> {
    let path = data.join(READY_COT);
    path.is_file().then_some(path)
}

/// Reads a benchmark that [`Sources::write`] wrote, or any folder of `<set>.jsonl` files.
///
/// # Errors
/// Files that are missing or malformed.
pub fn read_suite(dir: &Path) -> Result<Suite> {
    let index = match Index::read(dir)? {
        Some(index) => index,
        None => index_of(dir)?,
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

/// The benchmark of that name or in that file or folder, `limit` sentences of each set; 0 takes them all. What is not on
/// this machine is fetched.
///
/// # Errors
/// A dataset that is missing, empty or malformed, or cannot be fetched.
pub fn load_suite(source: &str, limit: usize) -> Result<Suite> {
    let mut data = Recipe::resolve("smoke", &[])?.data;
    data.eval = source.to_owned();
    let session = Session::silent();
    let place = Finder::new(&data, &session)?.place("--data", DataSource::parse(source))?;
    let suite = suite_of(&place, source, limit, &mut Reader::default())?;
    Ok(suite)
}

fn suite_of(place: &Place, source: &str, limit: usize, reader: &mut Reader) -> Result<Suite> {
    let found = match place {
        Place::Tiny => return Ok(tiny_suite(limit)),
        Place::Train => return Err(Error::usage("data.eval: `train` is no benchmark")),
        Place::Sets(found) => found,
    };
    let sets = reader.sets(found, Split::Test, limit)?.into_iter();
    let name = found.title.clone().unwrap_or_else(|| source.to_owned());
    Ok(Suite {
        name,
        sets: sets
            .map(|set| EvalSet {
                name: set.name,
                examples: set.examples,
            })
            .collect(),
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

/// The sources of a run while they are gathered.
struct Gathering<'a> {
    data: &'a Data,
    seed: u64,
    labels: LabelMap,
    grpo_labels: LabelMap,
    reader: Reader,
    sample: Vec<SampledSet>,
}

impl<'a> Gathering<'a> {
    fn new(data: &'a Data, seed: u64) -> Result<Self> {
        Ok(Self {
            data,
            seed,
            labels: LabelMap::find(&data.label_map).context("data.label_map")?,
            grpo_labels: LabelMap::find(&data.grpo_label_map).context("data.grpo_label_map")?,
            reader: Reader::default(),
            sample: Vec::new(),
        })
    }

    fn gather(mut self, places: &Places) -> Result<Sources> {
        let data = self.data;
        let per_set = limit(data.eval_sentences, data.limit);
        let mut suite = suite_of(&places.eval, &data.eval, per_set, &mut self.reader)?;
        let held_out = hold_out(&mut suite, &data.hold_out)?;
        let mut scored = Scored::new(&suite)?;
        let exclude = |rows: &mut Vec<Example>, notes: &mut Vec<String>| {
            if !held_out.is_empty() {
                let (of_set, same) = scored.exclude(rows);
                notes.push(format!(
                    "held out: {of_set} training rows of these sets and {same} with a sentence of theirs were dropped"
                ));
            }
        };
        let (mut train, left_over) = self.train(places, &exclude)?;
        let mut rl = self.rl(places, left_over, train.len())?;
        exclude(&mut rl, &mut self.reader.notes);
        self.rename(&mut suite, [&mut train, &mut rl]);
        check_not_empty(data, &train, &rl)?;
        let protocol = self.protocol(places, &mut scored, held_out, [&train, &rl]);
        let cot = places.cot.is_some().then(|| train.clone());
        if cot.is_some() {
            train.iter_mut().for_each(|row| row.cot = None);
        }
        Ok(Sources {
            train,
            cot,
            rl,
            suite,
            protocol,
        })
    }

    /// Training sentences, and as many others of the same source for GRPO, if it takes them.
    fn train(
        &mut self,
        places: &Places,
        exclude: &dyn Fn(&mut Vec<Example>, &mut Vec<String>),
    ) -> Result<(Vec<Example>, Vec<Example>)> {
        let data = self.data;
        let found = match (&places.cot, &places.train) {
            (Some(Place::Sets(found)), _) | (None, Some(Place::Sets(found))) => found,
            (None, Some(Place::Tiny)) => return Ok(self.tiny_train()),
            _ => return Err(Error::usage("data.train: `train` does not name a dataset")),
        };
        let mut rows = self.reader.shuffled(found, data.limit, self.seed)?;
        if places.cot.is_some() {
            keep_reasoned(&mut rows, &data.cot, &mut self.reader.notes)?;
        }
        exclude(&mut rows, &mut self.reader.notes);
        Ok(split(rows, data, matches!(places.grpo, Place::Train)))
    }

    fn tiny_train(&self) -> (Vec<Example>, Vec<Example>) {
        let train = limit(self.data.train_sentences, self.data.limit);
        let prompts = match self.data.grpo_samples {
            0 => train,
            n => n,
        };
        let corpus = TinyCorpus::generate(self.seed, train, prompts, 0).0;
        (corpus.train, corpus.rl)
    }

    /// The prompts of GRPO: those left over by the training source, or another dataset.
    fn rl(
        &mut self,
        places: &Places,
        left_over: Vec<Example>,
        n_train: usize,
    ) -> Result<Vec<Example>> {
        let data = self.data;
        match &places.grpo {
            Place::Train => Ok(left_over),
            Place::Tiny => {
                let prompts = data.grpo_samples.max(1);
                Ok(TinyCorpus::generate(self.seed, 0, prompts, 0).0.rl)
            }
            Place::Sets(found) if found.is_sampled => self.sampled(found, n_train),
            Place::Sets(found) => {
                let mut rows = self.reader.shuffled(found, data.limit, self.seed)?;
                if data.grpo_samples > 0 {
                    rows.truncate(data.grpo_samples);
                }
                Ok(rows)
            }
        }
    }

    /// The sets that are not there, with what they would give.
    fn missing(&self, sets: Vec<String>) -> Vec<String> {
        let sizes: Vec<usize> = self.sample.iter().map(|set| set.rows).collect();
        let config = SampleConfig {
            total: self.data.grpo_samples,
            cap: self.data.sample_cap,
            ..SampleConfig::default()
        };
        let up_to = missing_quota(&sizes, sets.len(), &config);
        let told = sets
            .into_iter()
            .map(|set| format!("{set} (would give up to {up_to} rows)"));
        told.collect()
    }

    fn sampled(&mut self, found: &Found, n_train: usize) -> Result<Vec<Example>> {
        let data = self.data;
        let config = SampleConfig {
            total: match data.grpo_samples {
                0 => n_train,
                n => n,
            },
            cap: data.sample_cap,
            seed: data.sample_seed,
            shuffle: data.sample_shuffle,
        };
        let reader = &mut self.reader;
        let (rows, sample) = reader.sample(found, &config, data.limit, &self.grpo_labels)?;
        self.sample = sample;
        Ok(rows)
    }

    /// Gives the benchmark, and training rows of its sets, the names of labels that the recipe asks for. Prompts of a
    /// sample have theirs already.
    fn rename(&mut self, suite: &mut Suite, training: [&mut Vec<Example>; 2]) {
        let mut renamed = 0;
        for set in &mut suite.sets {
            let rows = set.examples.iter_mut();
            renamed += rows
                .map(|row| self.labels.apply(&set.name, row))
                .max()
                .unwrap_or(0);
        }
        let is_scored = |row: &Example| {
            let name = row.dataset.as_deref().unwrap_or_default();
            suite.sets.iter().any(|set| set.name == name)
        };
        for row in training.into_iter().flatten() {
            if self.sample.is_empty() && is_scored(row) {
                let name = row.dataset.clone().unwrap_or_default();
                self.labels.apply(&name, row);
            }
        }
        if !self.labels.is_empty() {
            let (map, about) = (&self.data.label_map, self.labels.about.trim());
            let note =
                format!("label names {map}: {renamed} types of the benchmark renamed. {about}");
            self.reader.notes.push(note.trim().to_owned());
        }
    }

    fn protocol(
        self,
        places: &Places,
        scored: &mut Scored,
        held_out: Vec<String>,
        [train, rl]: [&[Example]; 2],
    ) -> RunProtocol {
        let data = self.data;
        let (stage, source, place) = match &places.cot {
            Some(place) => ("cot", &data.cot, Some(place)),
            None => ("train", &data.train, places.train.as_ref()),
        };
        let found = |place: Option<&Place>| match place {
            Some(Place::Sets(found)) => found.clone(),
            _ => Found::default(),
        };
        let training = |stage: &str, source: &str, licences| Training {
            stage: stage.to_owned(),
            source: source.to_owned(),
            licences,
            ..Training::default()
        };
        let (first, second) = (found(place), found(Some(&places.grpo)));
        let first = training(stage, source, first.licences);
        let training = vec![
            scored.look(train, first),
            scored.look(rl, training("grpo", &data.grpo, second.licences)),
        ];
        let missing = self.missing(second.missing);
        RunProtocol {
            protocol: protocol(&held_out, &training),
            eval: data.eval.clone(),
            label_map: data.label_map.clone(),
            overlap: scored.overlap(),
            training,
            sample: self.sample,
            missing,
            notes: self.reader.notes,
        }
    }
}

fn check_not_empty(data: &Data, train: &[Example], rl: &[Example]) -> Result<()> {
    let source = if data.cot == "generate" {
        &data.train
    } else {
        &data.cot
    };
    if train.is_empty() {
        let message = format!("there is no training sentence in {source}");
        return Err(Error::Invalid(message));
    }
    if rl.is_empty() {
        let source = if data.grpo == "train" {
            source
        } else {
            &data.grpo
        };
        let message = format!("no sentence is left for GRPO in {source}");
        return Err(Error::Invalid(message));
    }
    Ok(())
}

/// Keeps the rows with reasoning, and says what the others were.
fn keep_reasoned(rows: &mut Vec<Example>, source: &str, notes: &mut Vec<String>) -> Result<()> {
    let all = rows.len();
    rows.retain(|row| row.cot.as_ref().is_some_and(|cot| !cot.trim().is_empty()));
    if rows.is_empty() {
        let message =
            format!("data.cot = {source:?}: none of its {all} rows has reasoning (`cot`)");
        return Err(Error::Usage(message));
    }
    let entities = rows
        .iter()
        .flat_map(|row| row.entities.iter().map(move |e| (row, e)));
    let absent = { entities }
        .filter(|(row, entity)| !row.sentence.contains(&entity.text))
        .count();
    notes.push(format!(
        "chains of thought from {source}: {} rows; {} without reasoning were dropped; {absent} entities do not occur in \
         their sentence",
        rows.len(),
        all - rows.len()
    ));
    Ok(())
}

/// Training sentences, and others for GRPO if it takes those that are left; where there are too few for both, each gets
/// half.
fn split(mut rows: Vec<Example>, data: &Data, shares: bool) -> (Vec<Example>, Vec<Example>) {
    let all = rows.len();
    let wanted = |n: usize| if n == 0 { all } else { n };
    let rl = if shares {
        wanted(data.grpo_samples).min(all / 2)
    } else {
        0
    };
    let rest = rows.split_off(wanted(data.train_sentences).min(all - rl));
    (rows, rest.into_iter().take(rl).collect())
}

/// The smaller of two limits of which 0 means none.
fn limit(a: usize, b: usize) -> usize {
    match (a, b) {
        (0, n) | (n, 0) => n,
        (a, b) => a.min(b),
    }
}

#[cfg(test)]
mod tests;
