//! The sources of a run, read and put together: who trains on what, and what is left out.

use ner_datasets::{LabelMap, SampleConfig, missing_quota};
use ner_eval::Suite;
use ner_types::Example;

use super::Sources;
use super::suite::suite_of;
use crate::data::judgement::{Scored, hold_out, protocol};
use crate::data::rows::Reader;
use crate::data::{Found, Place, Places, RunProtocol, SampledSet, Training};
use crate::error::{Context, Error, Result};
use crate::recipe::Data;
use crate::tiny::TinyCorpus;

/// The sources of a run while they are gathered.
pub(super) struct Gathering<'a> {
    data: &'a Data,
    seed: u64,
    labels: LabelMap,
    grpo_labels: LabelMap,
    reader: Reader,
    sample: Vec<SampledSet>,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(data: &'a Data, seed: u64) -> Result<Self> {
        Ok(Self {
            data,
            seed,
            labels: LabelMap::find(&data.label_map).context("data.label_map")?,
            grpo_labels: LabelMap::find(&data.grpo_label_map).context("data.grpo_label_map")?,
            reader: Reader::default(),
            sample: Vec::new(),
        })
    }

    pub(super) fn gather(mut self, places: &Places) -> Result<Sources> {
        let data = self.data;
        let per_set = limit(data.eval_sentences, data.limit);
        let mut suite = suite_of(&places.eval, &data.eval, per_set, &mut self.reader)?;
        let held_out = hold_out(&mut suite, &data.hold_out)?;
        let mut scored = Scored::new(&suite)?;
        let exclude = |source: &str, rows: &mut Vec<Example>, notes: &mut Vec<String>| {
            if !held_out.is_empty() {
                let (of_set, same) = scored.exclude(rows);
                notes.push(format!(
                    "held out: of {source}, {of_set} rows of these sets and {same} others with a sentence of theirs \
                     were dropped"
                ));
            }
        };
        let (mut train, left_over) = self.train(places, &exclude)?;
        let mut rl = self.rl(places, left_over, train.len())?;
        if !matches!(places.grpo, Place::Train) {
            exclude(&data.grpo, &mut rl, &mut self.reader.notes);
        }
        self.rename_suite(&mut suite);
        self.rename(&suite, &mut train);
        if self.sample.is_empty() {
            self.rename(&suite, &mut rl);
        }
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
        exclude: &dyn Fn(&str, &mut Vec<Example>, &mut Vec<String>),
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
        let source = if places.cot.is_some() {
            &data.cot
        } else {
            &data.train
        };
        exclude(source, &mut rows, &mut self.reader.notes);
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
        if rows.is_empty() {
            let (n, sets) = (config.total, self.sample.len());
            let message = format!(
                "data.grpo_samples: the share of each of {sets} sets in {n} prompts is below 1"
            );
            return Err(Error::Usage(message));
        }
        Ok(rows)
    }

    /// Gives the benchmark the names of labels that the recipe asks for.
    fn rename_suite(&mut self, suite: &mut Suite) {
        if self.labels.is_empty() {
            return;
        }
        let mut renamed = 0;
        for set in &mut suite.sets {
            let rows = set.examples.iter_mut();
            let types = rows.map(|row| self.labels.apply(&set.name, row));
            renamed += types.max().unwrap_or(0);
        }
        let (map, about) = (&self.data.label_map, self.labels.about.trim());
        let note = format!("label names {map}: {renamed} types of the benchmark renamed. {about}");
        self.reader.notes.push(note.trim().to_owned());
    }

    /// Gives training rows of the benchmark's sets the same names. Prompts of a sample have theirs already.
    fn rename(&self, suite: &Suite, rows: &mut [Example]) {
        for row in rows {
            let name = row.dataset.clone().unwrap_or_default();
            if suite.sets.iter().any(|set| set.name == name) {
                self.labels.apply(&name, row);
            }
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
pub(super) fn limit(a: usize, b: usize) -> usize {
    match (a, b) {
        (0, n) | (n, 0) => n,
        (a, b) => a.min(b),
    }
}
