//! Files of one text that commands read back: recipes, reports, scores, answers, metrics, fetched data.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ner_datasets::{LabelMap, read_labels};
use ner_eval::compare::{RunScores, compare_runs};
use ner_eval::prediction::{Prediction, read_predictions, write_predictions};
use ner_eval::{EvalOptions, EvalSet, Suite, SuiteSpec};
use ner_score::Scorer;
use ner_types::{Entity, Example};
use rner::recipe::Recipe;
use rner::report::{Machine, Program, ReportData, StageTime};
use rner::run_dir::read_metrics;
use serde_json::json;

use super::fetched;
use super::subject::{Proof, Reading, Subject, words};

/// A kind whose writing and reading are short.
pub(super) struct Text {
    name: &'static str,
    proof: Proof,
    /// End of the name of the files that are damaged.
    target: &'static str,
    write: fn(&Path) -> Result<()>,
    read: fn(&Path) -> Result<Reading>,
}

impl Text {
    pub(super) const ALL: [Self; 10] = [
        Self::open("recipes", recipe::write, recipe::read),
        Self::open("jobs", job::write, job::read),
        Self::open("reports", report::write, report::read),
        Self::open("scores", scores::write, scores::read),
        Self::open("predictions", predictions::write, predictions::read),
        Self::open("metrics", metrics::write, metrics::read),
        Self::open("suites and label maps", suite::write, suite::read),
        Self::fetched("", fetched::read_pinned),
        // Without a hash in the catalogue, one of these two is the proof of the other.
        Self::fetched(fetched::PATH, fetched::read_known),
        Self::fetched(fetched::RECEIPT, fetched::read_known),
    ];

    const fn open(
        name: &'static str,
        write: fn(&Path) -> Result<()>,
        read: fn(&Path) -> Result<Reading>,
    ) -> Self {
        Self {
            name,
            proof: Proof::Open,
            target: "",
            write,
            read,
        }
    }
}

impl Text {
    const fn fetched(target: &'static str, read: fn(&Path) -> Result<Reading>) -> Self {
        Self {
            name: "fetched data",
            proof: Proof::Hashed,
            target,
            write: fetched::write,
            read,
        }
    }
}

impl Subject for Text {
    fn name(&self) -> &'static str {
        self.name
    }

    fn proof(&self) -> Proof {
        self.proof
    }

    fn is_target(&self, file: &Path) -> bool {
        let name = file.to_string_lossy();
        name.ends_with(self.target) && !name.ends_with(".lock")
    }

    fn write(&self, dir: &Path) -> Result<()> {
        (self.write)(dir)
    }

    fn read(&self, dir: &Path) -> Result<Reading> {
        (self.read)(dir)
    }
}

/// A reading that ended in an error.
fn refused(error: impl std::fmt::Display) -> Result<Reading> {
    Ok(Err(error.to_string()))
}

mod recipe {
    use super::*;

    pub(super) fn write(dir: &Path) -> Result<()> {
        let text = Recipe::resolve("smoke", &[])?.to_toml();
        std::fs::write(dir.join("recipe.toml"), text).context("recipe.toml")
    }

    /// A recipe is the same when it is written and read again.
    pub(super) fn read(dir: &Path) -> Result<Reading> {
        let resolve = |name: &str| Recipe::resolve(&dir.join(name).display().to_string(), &[]);
        let mut recipe = match resolve("recipe.toml") {
            Ok(recipe) => recipe,
            // A value out of its range is named by its key, which may as well come from a flag.
            Err(error) => return refused(format!("recipe.toml: {error}")),
        };
        recipe.notes.clear();
        std::fs::write(dir.join("again.toml"), recipe.to_toml())?;
        let mut again = resolve("again.toml").context("read again")?;
        again.notes.clear();
        ensure!(again == recipe, "read again, the recipe is another");
        Ok(Ok(recipe.hash()))
    }
}

mod job {
    use rner::cot::Job;

    use super::*;

    pub(super) fn write(dir: &Path) -> Result<()> {
        std::fs::write(dir.join("rows.jsonl"), "{}\n")?;
        let cot = Recipe::resolve("smoke", &[])?.cot;
        Job::new(&dir.join("rows.jsonl"), cot, 7)?.write(dir)?;
        Ok(std::fs::remove_file(dir.join("rows.jsonl"))?)
    }

    /// What all commands over a folder of `rner cot generate` begin with.
    pub(super) fn read(dir: &Path) -> Result<Reading> {
        let job = match Job::read(dir) {
            Ok(job) => job,
            Err(error) => return Ok(Err(words(&error))),
        };
        job.write(dir)?;
        let again = Job::read(dir).context("read again")?;
        ensure!(json!(again) == json!(job), "read again, the job is another");
        if let Err(error) = job.pipeline_config() {
            return Ok(Err(format!("job.json: {}", words(&error))));
        }
        Ok(Ok(json!(job).to_string()))
    }
}

mod report {
    use super::*;

    pub(super) fn write(dir: &Path) -> Result<()> {
        let sample = rner::report::Sample {
            model: "SFT".into(),
            set: "harbours".into(),
            sentence: "Ada Brel left Port Halvek.".into(),
            gold: vec![Entity::new("Ada Brel", "person")],
            completion: "<think>\n\"Ada Brel\" leaves.\n</think>\n{\"entities\": {\"person\": [\"Ada Brel\"]}}".into(),
        };
        let result = json!({
            "suite": "tiny", "sets": [{
                "name": "harbours", "sentences": 10, "unanswered": 0,
                "counts": {"tp": 1, "predicted": 2, "gold": 3},
                "precision": 50.0, "recall": 33.3, "f1": 40.0, "interval": {"low": 1.0, "high": 90.0},
                "parse_failures": 1, "schema_violations": 2, "hallucinated_entities": 3, "truncated": 0,
                "reasoning_chars": {"count": 9, "median": 120, "p95": 300}
            }],
            "mean_f1": 40.0, "mean_f1_paper": 40.0, "interval": {"low": 38.0, "high": 42.0},
            "resamples": 100, "seed": 42, "complete": true
        });
        let model = json!({"name": "SFT", "seed": 42, "result": result});
        let stage = |name: &str, seconds| StageTime {
            name: name.into(),
            seconds,
            skipped: false,
            summary: "one model".into(),
        };
        let lines = (1..40_u32).map(|step| {
            json!({"stage": "sft-cot", "seed": 42, "global_step": step, "loss": 2.0 / f64::from(step)})
        });
        let data = ReportData {
            title: "a run".into(),
            created: "today".into(),
            machine: Machine::here("flex"),
            program: Program::here(),
            simulated_teacher: true,
            notes: vec!["A note.".into()],
            funnel: Some(ner_cot::Funnel::default()),
            stages: vec![stage("data", 0.5), stage("sft-cot", 75.25)],
            charts: rner::report::charts(&lines.collect::<Vec<_>>()),
            results: vec![serde_json::from_value(model)?],
            setting: rner::report::Setting::default(),
            steps: ner_eval::steps::Steps::default(),
            samples: vec![sample],
            recipe: "# a recipe\n".into(),
        };
        rner::report::write(dir, &data)?;
        Ok(std::fs::remove_file(dir.join("report.html"))?)
    }

    /// `rner report`: whatever is read has a page.
    pub(super) fn read(dir: &Path) -> Result<Reading> {
        let data = match rner::report::read(dir) {
            Ok(data) => data,
            Err(error) => return refused(error),
        };
        rner::report::write(dir, &data).context("the page")?;
        rner::report::text_table(&data);
        Ok(Ok(std::fs::read_to_string(dir.join("report.html"))?))
    }
}

mod scores {
    use super::*;

    fn suite() -> Suite {
        let example = |i: usize| Example {
            sentence: format!("Ada Brel left Port Halvek on day {i}."),
            schema: vec!["person".into(), "city".into()],
            entities: vec![
                Entity::new("Ada Brel", "person"),
                Entity::new("Port Halvek", "city"),
            ],
            ..Example::default()
        };
        Suite {
            name: "one set".into(),
            sets: vec![EvalSet {
                name: "one".into(),
                examples: (0..12).map(example).collect(),
            }],
        }
    }

    pub(super) fn write(dir: &Path) -> Result<()> {
        for (folder, right) in [("a", 3), ("b", 9)] {
            let answer = |index: usize| Prediction {
                dataset: "one".into(),
                index,
                completion: if index < right {
                    "{\"entities\": {\"person\": [\"Ada Brel\"]}}".into()
                } else {
                    "{\"entities\": {\"person\": [\"Brel\"]}}".into()
                },
                truncated: false,
                tokens: Some(9),
                thought: None,
            };
            let answers: Vec<Prediction> = (0..12).map(answer).collect();
            let folder = dir.join(folder);
            std::fs::create_dir(&folder)?;
            RunScores::new(&suite(), &answers, Scorer::default()).write(&folder)?;
        }
        Ok(())
    }

    /// `rner eval compare`: gains between scores that can be, or an error.
    pub(super) fn read(dir: &Path) -> Result<Reading> {
        let options = EvalOptions {
            resamples: 50,
            ..EvalOptions::default()
        };
        let runs = RunScores::read(&dir.join("a"))
            .and_then(|first| Ok((first, RunScores::read(&dir.join("b"))?)));
        let (first, second) = match runs {
            Ok(runs) => runs,
            Err(error) => return refused(error),
        };
        let gains = match compare_runs(&first, &second, &options, Default::default()) {
            Ok(gains) => gains,
            Err(error) => return refused(format!("a, b: {error}")),
        };
        for gain in &gains.sets {
            ensure!(
                [gain.first, gain.second]
                    .iter()
                    .all(|f1| (0.0..=100.0).contains(f1)),
                "an F1 of {} and {}",
                gain.first,
                gain.second
            );
        }
        gains.to_html("a", "b").context("the page")?;
        Ok(Ok(gains.to_text("a", "b")))
    }
}

mod predictions {
    use super::*;

    pub(super) fn write(dir: &Path) -> Result<()> {
        let answer = |index: usize| Prediction {
            dataset: "one".into(),
            index,
            completion: format!("<think>day {index}</think>{{\"person\": []}}"),
            truncated: index == 3,
            tokens: Some(index),
            thought: None,
        };
        let answers: Vec<Prediction> = (0..12).map(answer).collect();
        Ok(write_predictions(&dir.join("predictions.jsonl"), &answers)?)
    }

    pub(super) fn read(dir: &Path) -> Result<Reading> {
        let answers = match read_predictions(&dir.join("predictions.jsonl")) {
            Ok(answers) => answers,
            Err(error) => return refused(error),
        };
        let again = dir.join("again.jsonl");
        write_predictions(&again, &answers)?;
        ensure!(
            read_predictions(&again)? == answers,
            "read again, the answers are others"
        );
        Ok(Ok(format!("{answers:?}")))
    }
}

mod metrics {
    use super::*;

    pub(super) fn write(dir: &Path) -> Result<()> {
        let line = |step: u32| {
            let (loss, reward) = (2.0 / f64::from(step), f64::from(step) / 10.0);
            json!({"stage": "sft-cot", "seed": 42, "global_step": step, "loss": loss, "reward": reward}).to_string() + "\n"
        };
        let text: String = (1..30).map(line).collect();
        std::fs::write(dir.join("metrics.jsonl"), text).context("metrics.jsonl")
    }

    /// Curves of whatever can be read.
    pub(super) fn read(dir: &Path) -> Result<Reading> {
        match read_metrics(&dir.join("metrics.jsonl")) {
            Ok(lines) => Ok(Ok(serde_json::to_string(&rner::report::charts(&lines))?)),
            Err(error) => refused(error),
        }
    }
}

mod suite {
    use super::*;

    pub(super) fn write(dir: &Path) -> Result<()> {
        let suite = "name = \"one\"\ntitle = \"One set\"\nabout = \"A set.\"\n\n[[set]]\nname = \"one\"\nsentences = [12]\n";
        std::fs::write(dir.join("suite.toml"), suite)?;
        let map = "about = \"Other names.\"\n\n[labels]\nPER = \"person\"\nGPE = \"city\"\n";
        std::fs::write(dir.join("map.toml"), map)?;
        std::fs::write(dir.join("labels.json"), "[\"person\", \"city\"]").context("labels.json")
    }

    pub(super) fn read(dir: &Path) -> Result<Reading> {
        let suite = match SuiteSpec::load(&dir.join("suite.toml")) {
            Ok(suite) => suite,
            Err(error) => return refused(error),
        };
        let map = match LabelMap::find(&dir.join("map.toml").display().to_string()) {
            Ok(map) => map,
            Err(error) => return refused(error),
        };
        match read_labels(&dir.join("labels.json")) {
            Ok(labels) => Ok(Ok(format!("{suite:?} {map:?} {labels:?}"))),
            Err(error) => refused(error),
        }
    }
}
