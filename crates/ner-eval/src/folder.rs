//! The folder of an evaluation: what it was made from, so that a finished one is neither made again nor replaced.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ner_score::Scorer;
use serde::{Deserialize, Serialize};

use crate::compare::SCORES_FILE;
use crate::error::Error;
use crate::options::EvalOptions;
use crate::prediction::{Prediction, read_predictions};
use crate::run_identity::RunIdentity;
use crate::suite::Suite;

/// The file that says what an evaluation was made from.
const MARKER: &str = "evaluation.json";

/// The answers of a finished evaluation.
const PREDICTIONS: &str = "predictions.jsonl";

/// What an evaluation may write besides its log.
const OUTPUTS: [&str; 4] = [PREDICTIONS, SCORES_FILE, "results.json", "results.html"];

/// The name of the hash of the data among what an evaluation is made from.
const DATA: &str = "data (BLAKE3)";

/// What an evaluation is made from, by name.
type Facts = BTreeMap<String, String>;

/// A folder that an evaluation fills once.
#[derive(Clone, Debug)]
pub struct EvalFolder {
    dir: PathBuf,
    facts: Facts,
}

/// What is left to do in the folder of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Everything, or what is not in its log.
    Ask,
    /// The report: another file than the answers was changed or lost. All answers are here.
    Report(Vec<Prediction>),
    /// Nothing.
    Nothing,
}

/// The content of [`MARKER`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    /// What the evaluation is made from.
    made_from: Facts,
    /// The hash of each file, once all are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, String>>,
}

impl EvalFolder {
    /// The folder of an evaluation on a suite, counted in this way.
    pub fn new(dir: &Path, suite: &Suite, scorer: Scorer, options: &EvalOptions) -> EvalFolder {
        let folder = EvalFolder {
            dir: dir.into(),
            facts: Facts::new(),
        };
        folder
            .with("suite", &suite.name)
            .with(DATA, content(suite))
            .with("scorer", scorer)
            .with("number of resamples", options.resamples)
            .with("seed", options.seed)
    }

    /// The same evaluation, made from something more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> EvalFolder {
        self.facts.insert(name.into(), value.to_string());
        self
    }

    /// The same evaluation with the answers of this run.
    #[must_use]
    pub fn answered_by(mut self, run: &RunIdentity) -> EvalFolder {
        let source = run.files.as_ref().unwrap_or(&run.source);
        let prompt = blake3::hash(run.prompt.as_bytes()).to_hex();
        self.facts.extend(run.settings.clone());
        self.with("source", source).with("prompt (BLAKE3)", prompt)
    }

    /// Takes the folder for this evaluation, unless it is finished there. `log` is where answers are kept until then;
    /// whose they are is asked when it is [opened](crate::PredictionLog::open).
    ///
    /// # Errors
    ///
    /// [`Error::OtherEvaluation`] if another one is finished there, [`Error::UnknownEvaluation`] if there are results
    /// of which nobody says what they were made from, [`Error::ChangedAnswers`] if the answers are not those that were
    /// written; a file that cannot be read or written.
    pub fn begin(&self, log: &Path) -> Result<Work, Error> {
        let Some(marker) = self.marker()? else {
            let has_answers = log.metadata().is_ok_and(|file| file.len() > 0);
            let mut outputs = OUTPUTS.iter().map(|name| self.dir.join(name));
            return match outputs.find(|path| !has_answers && path.exists()) {
                Some(path) => Err(Error::UnknownEvaluation { path }),
                None => self.claim(),
            };
        };
        // What was only begun is nobody's but for its log.
        let Some(files) = marker.files else {
            return self.claim();
        };
        self.check(&marker.made_from)?;
        self.verified(&files)
    }

    /// Says that everything is written. Call it before the log is removed.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or the marker not written.
    pub fn finish(&self) -> Result<(), Error> {
        let mut files = BTreeMap::new();
        for name in OUTPUTS {
            if let Some(hash) = hash(&self.dir.join(name))? {
                files.insert(name.to_owned(), hash);
            }
        }
        self.write(Some(files))
    }

    fn claim(&self) -> Result<Work, Error> {
        self.write(None)?;
        Ok(Work::Ask)
    }

    fn write(&self, files: Option<BTreeMap<String, String>>) -> Result<(), Error> {
        let marker = Marker {
            made_from: self.facts.clone(),
            files,
        };
        ner_datasets::write_atomic(&self.dir.join(MARKER), |out| {
            serde_json::to_writer_pretty(&mut *out, &marker)?;
            out.write_all(b"\n")
        })?;
        Ok(())
    }

    fn marker(&self) -> Result<Option<Marker>, Error> {
        let path = self.dir.join(MARKER);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })?,
        };
        let marker = serde_json::from_slice(&bytes);
        marker
            .map(Some)
            .map_err(|_| Error::UnknownEvaluation { path })
    }

    fn check(&self, found: &Facts) -> Result<(), Error> {
        let of = |facts: &Facts, name: &String| facts.get(name).cloned().unwrap_or("none".into());
        let mut names = self.facts.keys().chain(found.keys());
        match names.find(|name| self.facts.get(*name) != found.get(*name)) {
            None => Ok(()),
            Some(name) => Err(Error::OtherEvaluation {
                path: self.dir.clone(),
                field: name.clone(),
                expected: shown(&of(&self.facts, name)),
                found: shown(&of(found, name)),
            }),
        }
    }

    /// What has to be done again of a finished evaluation.
    fn verified(&self, files: &BTreeMap<String, String>) -> Result<Work, Error> {
        // Earlier programs did not write the counts of every evaluation.
        let mut is_whole = files.contains_key(SCORES_FILE);
        for (name, expected) in files {
            let path = self.dir.join(name);
            let is_same = hash(&path)?.as_ref() == Some(expected);
            if !is_same && name == PREDICTIONS {
                return Err(Error::ChangedAnswers { path });
            }
            is_whole &= is_same;
        }
        if is_whole {
            return Ok(Work::Nothing);
        }
        Ok(Work::Report(read_predictions(&self.dir.join(PREDICTIONS))?))
    }
}

/// Checks that a suite is what the evaluation in a folder was made from. A folder that does not say it passes.
///
/// # Errors
///
/// [`Error::OtherData`] if it is another one; a file that cannot be read.
pub fn check_data(dir: &Path, suite: &Suite) -> Result<(), Error> {
    let folder = EvalFolder {
        dir: dir.into(),
        facts: Facts::new(),
    };
    let marker = folder.marker()?;
    let known = marker
        .as_ref()
        .and_then(|marker| marker.made_from.get(DATA));
    match known {
        Some(known) if *known != content(suite) => Err(Error::OtherData { path: dir.into() }),
        _ => Ok(()),
    }
}

/// Hash of the sentences with schema and gold.
fn content(suite: &Suite) -> String {
    let mut hasher = blake3::Hasher::new();
    for set in &suite.sets {
        // A value that could not be written would be one that could not have been read.
        let written = serde_json::to_writer(&mut hasher, &(&set.name, &set.examples));
        debug_assert!(written.is_ok());
    }
    hasher.finalize().to_hex().to_string()
}

/// As much of a value as a message has room for.
fn shown(value: &str) -> String {
    let short: String = value.chars().take(60).collect();
    let cut = if short.len() < value.len() { "…" } else { "" };
    short + cut
}

/// The hash of a file, if it is there.
fn hash(path: &Path) -> Result<Option<String>, Error> {
    let read = || -> io::Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(fs::File::open(path)?)?;
        Ok(hasher.finalize().to_hex().to_string())
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        hash => hash.map(Some).map_err(|source| Error::Read {
            path: path.into(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULTS: &str = "results.json";

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            let dir = tempfile::tempdir().expect("a folder");
            Place { dir }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).expect("written");
        }

        fn of(&self, scorer: &str) -> EvalFolder {
            let suite = Suite {
                name: "north".into(),
                sets: Vec::new(),
            };
            let scorer = scorer.parse().expect("a scorer");
            EvalFolder::new(self.dir.path(), &suite, scorer, &EvalOptions::default())
        }

        fn begin(&self, scorer: &str) -> Result<Work, Error> {
            self.of(scorer).begin(&self.path("log.jsonl"))
        }

        fn finished(&self) {
            assert_eq!(self.begin("exact").expect("free"), Work::Ask);
            self.write(
                PREDICTIONS,
                "{\"dataset\":\"a\",\"index\":0,\"completion\":\"\"}\n",
            );
            self.write(RESULTS, "{}\n");
            self.write(SCORES_FILE, "{}\n");
            self.of("exact").finish().expect("finished");
        }

        #[track_caller]
        fn check_refused(&self, scorer: &str, words: &str) {
            let files = || {
                let entries = fs::read_dir(self.dir.path()).expect("listed").flatten();
                let read = |path: PathBuf| (path.clone(), fs::read(path).expect("readable"));
                let files = entries.map(|entry| read(entry.path()));
                files.collect::<BTreeMap<_, _>>()
            };
            let before = files();
            let message = self.begin(scorer).expect_err("refused").to_string();
            assert!(message.contains(words), "{message}");
            assert_eq!(files(), before, "nothing is touched");
        }
    }

    #[test]
    fn a_finished_evaluation_is_not_made_again_and_no_other_one_replaces_it() {
        let place = Place::new();
        place.finished();
        assert_eq!(place.begin("exact").expect("known"), Work::Nothing);
        place.check_refused(
            "strict",
            "another scorer: expected \"strict\", found \"exact\"",
        );
    }

    #[test]
    fn what_was_begun_goes_on_with_whatever_lies_there() {
        let place = Place::new();
        assert_eq!(place.begin("exact").expect("free"), Work::Ask);
        place.write(RESULTS, "half of it");
        assert_eq!(place.begin("exact").expect("begun"), Work::Ask);
        assert_eq!(place.begin("strict").expect("only begun"), Work::Ask);
    }

    #[test]
    fn results_that_nobody_claims_stay() {
        let place = Place::new();
        place.write(RESULTS, "mine");
        place.check_refused("exact", "results.json: ");
        // The log that lies beside them says whose they are.
        place.write("log.jsonl", "an answer");
        assert_eq!(place.begin("exact").expect("its own"), Work::Ask);
        place.write(MARKER, "{");
        place.check_refused("exact", "evaluation.json: ");
    }

    #[test]
    fn a_report_that_is_damaged_is_made_again_from_the_answers() {
        let place = Place::new();
        place.finished();
        place.write(RESULTS, "{ }\n");
        let work = place.begin("exact").expect("answers are there");
        assert!(matches!(work, Work::Report(answers) if answers.len() == 1));
        fs::remove_file(place.path(RESULTS)).expect("removed");
        let work = place.begin("exact").expect("answers are there");
        assert!(matches!(work, Work::Report(_)));
        place.write(PREDICTIONS, "");
        place.check_refused("exact", "predictions.jsonl: ");
    }
}
