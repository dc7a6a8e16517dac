//! The benchmark: from a source, and from the folder that the stage wrote.

use std::path::Path;

use ner_datasets::Split;
use ner_eval::{EvalSet, Suite};
use ner_types::Task;

use crate::data::index::Index;
use crate::data::rows::Reader;
use crate::data::{Finder, Place};
use crate::error::{Context, Error, Result};
use crate::inputs::{self, Reading};
use crate::recipe::{DataSource, Recipe};
use crate::session::Session;
use crate::tiny::TinyCorpus;

/// The toy benchmark is the same for every seed, as a real one would be.
const BENCHMARK_SEED: u64 = 20_251_111;

/// Reads a benchmark that [`Sources::write`](super::Sources::write) wrote, or any folder of `<set>.jsonl` files.
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
            let file = dir.join(format!("{name}.jsonl"));
            let examples = inputs::read(&file, &Reading::default())?.examples;
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

/// The benchmark of that name or in that file or folder, `limit` sentences of each set; 0 takes them all. What is not
/// on this machine is fetched.
///
/// # Errors
/// A dataset that is missing, empty or malformed, or cannot be fetched.
pub fn load_suite(source: &str, limit: usize) -> Result<Suite> {
    load_suite_of(Task::Entities, source, limit)
}

/// [`load_suite`] for a task, which decides what the toy's benchmark asks for.
///
/// # Errors
/// As [`load_suite`].
pub fn load_suite_of(task: Task, source: &str, limit: usize) -> Result<Suite> {
    if DataSource::parse(source) == DataSource::Tiny {
        return Ok(tiny_suite(task, limit));
    }
    let mut data = Recipe::resolve("smoke", &[])?.data;
    data.eval = source.to_owned();
    let session = Session::silent();
    let place = Finder::new(&data, &session)?.place("--data", DataSource::parse(source))?;
    let suite = suite_of(&place, source, limit, &mut Reader::default())?;
    Ok(suite)
}

/// The benchmark at a place, `limit` sentences of each set.
///
/// # Errors
/// As [`load_suite`].
pub(super) fn suite_of(
    place: &Place,
    source: &str,
    limit: usize,
    reader: &mut Reader,
) -> Result<Suite> {
    let found = match place {
        Place::Tiny => return Ok(tiny_suite(Task::Entities, limit)),
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

fn tiny_suite(task: Task, per_domain: usize) -> Suite {
    let per_domain = if per_domain == 0 { 100 } else { per_domain };
    let corpus = TinyCorpus::of(task, BENCHMARK_SEED, 0, 0, per_domain).0;
    let sets = corpus.eval.into_iter();
    Suite {
        name: "tiny".into(),
        sets: sets
            .map(|(name, examples)| EvalSet { name, examples })
            .collect(),
    }
}
