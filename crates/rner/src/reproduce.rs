//! The reproduction of the paper: the visible list of stages.
//!
//! data → cot → sft-source, sft-plain, sft-cot → grpo → an evaluation for each
//! row → report, for every seed. A stage is skipped if its inputs, its part of the recipe and the
//! program are those of its done marker, and goes on from where it was
//! interrupted otherwise.

mod cot;
mod done;
mod rows;
mod step;

use std::path::{Path, PathBuf};

pub(crate) use done::DoneBefore;

use ner_cot::Funnel;
use ner_datasets::read_examples;
use ner_eval::compare::RunScores;
use ner_eval::steps::{SeedScores, Steps, compare_steps};
use ner_eval::{EvalOptions, EvalResult, Prompting, Suite};
use ner_score::Scorer;

use crate::backend;
use crate::data::{Places, RunProtocol};
use crate::error::{Context, Error, Result};
use crate::recipe::{Recipe, Row};
use crate::report::{self, ModelResult, ReportData, Setting, StageTime};
use crate::run_dir::{Inputs, RunDir, hash_path};
use crate::session::Session;
use crate::stages::{EvalJob, GrpoJob, MODEL, ModelDir, SftJob, Sources};

/// A whole run: every seed, then the report.
struct Run<'a> {
    recipe: &'a Recipe,
    dir: &'a RunDir,
    session: &'a Session,
    report: Collected,
    /// Whether a stage of other work was set aside.
    has_set_aside: bool,
}

/// What the report needs of the stages.
#[derive(Default)]
struct Collected {
    funnel: Option<Funnel>,
    stages: Vec<StageTime>,
    results: Vec<ModelResult>,
    samples: Vec<report::Sample>,
    /// What the data of the run are; of the first seed, as for the others only the order differs.
    protocol: Option<RunProtocol>,
    /// The counts of every sentence, by row and seed.
    scores: Vec<(Row, u64, RunScores)>,
}

/// A run that is done.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// What the report tells; [`report::text_table`] makes a table of its results.
    pub report: ReportData,
    /// The page, `report.html`.
    pub page: PathBuf,
}

/// The teacher, the judge and the report know entities alone.
fn check_entities(recipe: &Recipe) -> Result<()> {
    match recipe.model.task {
        task if task.is_entities() => Ok(()),
        task => Err(Error::usage(format!(
            "model.task: `rner reproduce` is for entities, found {task}; `rner sft`, `rner grpo` and `rner eval` are for \
             it too"
        ))),
    }
}

/// Runs every stage of a recipe in the folder of a run: data → cot → sft → grpo → evaluations → report.
///
/// A stage that was done before with the same inputs, the same part of the recipe and the same program is left as it
/// is. One that was made from something else is refused, or set aside where [`RunDir::setting_aside`] says so.
///
/// # Errors
/// Whatever ends a stage; a stage that was made from something else; an interruption, after which the same call goes on
/// from there.
pub fn reproduce(recipe: &Recipe, dir: &RunDir, session: &Session) -> Result<Reproduction> {
    // The first stage that computes would find out too, after everything before it was downloaded and paid for.
    backend::check_built(recipe.run.backend)?;
    crate::data::check(&recipe.data)?;
    check_entities(recipe)?;
    refuse(recipe, dir.root())?;
    // Before the recipe is written: it shows the prompt that all models of the run are asked with.
    let asking = ModelDir::find(&recipe.model.base, session)?.asked_under(recipe)?;
    if let Some(note) = &asking.note {
        session.line(&format!("note: {note}"));
    }
    let recipe = &asking.recipe;
    check_entities(recipe)?;
    // A stage may refuse to replace what was made with another one; this one describes the run once all are done.
    if !dir.has_recipe() {
        dir.write_recipe(&recipe.to_toml())?;
    }
    let mut run = Run {
        recipe,
        dir,
        session,
        report: Collected::default(),
        has_set_aside: false,
    };
    for seed in recipe.run.all_seeds() {
        SeedRun::new(&mut run, seed)?.all()?;
    }
    dir.write_recipe(&recipe.to_toml())?;
    run.write_report()
}

/// Refuses what would overwrite the files of somebody else, ask a teacher for everything again, or do nothing.
fn refuse(recipe: &Recipe, root: &Path) -> Result<()> {
    RunDir::check_own(root).map_err(|error| Error::usage(error.to_string()))?;
    if recipe.rows().is_empty() {
        return Err(Error::usage(NOTHING_TO_DO));
    }
    cot::journal_takes(recipe, root)
}

/// What is said of `run.rows` if none of them is left.
pub(crate) const NOTHING_TO_DO: &str = "run.rows has no row that can be made: \"source\" alone needs data.cot = \"generate\"; add another row";

impl Run<'_> {
    fn write_report(self) -> Result<Reproduction> {
        let lines = crate::run_dir::read_metrics(&self.dir.path("metrics.jsonl"))?;
        let steps = self.report.steps(self.recipe)?;
        let data = ReportData {
            title: format!("rner: {}", self.recipe.run.name),
            created: report::now_utc(),
            machine: report::Machine::here(self.recipe.run.backend.name()),
            program: report::Program::here(),
            simulated_teacher: self.recipe.cot.teacher().is_none()
                && self.recipe.data.cot == "generate",
            notes: notes(self.recipe, &self.report.stages),
            setting: Setting {
                data: self.report.protocol,
                base: self.recipe.model.base.clone(),
            },
            steps,
            funnel: self.report.funnel,
            stages: self.report.stages,
            charts: report::charts(&lines),
            results: self.report.results,
            samples: self.report.samples,
            recipe: self.recipe.to_toml(),
        };
        report::write(self.dir.root(), &data)?;
        Ok(Reproduction {
            report: data,
            page: self.dir.path("report.html"),
        })
    }
}

fn notes(recipe: &Recipe, stages: &[StageTime]) -> Vec<String> {
    let mut notes = Vec::new();
    if recipe.data.eval == "tiny" {
        notes.push(
            "The benchmark is the toy corpus of this project: seven domains in the manner of \
             CrossNER and MIT, with types, names and sentence shapes that fine-tuning never saw. \
             The base model has read plain sentences of these domains with other names and shapes, \
             and knows which words mean nearly the same; it was never asked for these types. \
             Scores are comparable with each other, not with the paper's."
                .to_owned(),
        );
    }
    if let Some(stage) = stages.iter().find(|stage| stage.name.starts_with("source")) {
        notes.push(format!(
            "The source's annotation of the training sentences is simulated too: gold with the teacher's mistakes, \
             which nothing filters. {}.",
            stage.summary
        ));
    }
    notes
}

/// One seed of a run.
struct SeedRun<'r, 'a> {
    run: &'r mut Run<'a>,
    seed: u64,
    root: PathBuf,
    base: ModelDir,
}

impl<'r, 'a> SeedRun<'r, 'a> {
    fn new(run: &'r mut Run<'a>, seed: u64) -> Result<Self> {
        let base = ModelDir::find(&run.recipe.model.base, run.session)?;
        let root = match run.recipe.run.seeds {
            1 => run.dir.root().to_owned(),
            _ => run.dir.path(&format!("seed-{seed}")),
        };
        Ok(Self {
            run,
            seed,
            root,
            base,
        })
    }

    /// The list of stages.
    fn all(mut self) -> Result<()> {
        if self.run.recipe.run.seeds > 1 {
            self.run.session.line(&format!("seed {}", self.seed));
        }
        let data = self.data()?;
        let models = self.train(&data)?;
        self.evaluate(&data, &models)
    }

    fn data(&mut self) -> Result<PathBuf> {
        let data = &self.run.recipe.data;
        // Before the stage is looked at: it is done only if what it read is still the same.
        let places = Places::ready(data, self.run.session)?;
        let pending = self.pending_anywhere("data", places.inputs(), &["data"], "");
        let seed = self.seed;
        self.stage(&pending, &Sources::outputs(data), |stage| {
            let sources = Sources::read(&places, data, seed)?;
            sources.write(stage.dir())?;
            Ok(sources.summary())
        })?;
        if self.run.report.protocol.is_none() {
            self.run.report.protocol = Some(RunProtocol::read(pending.stage.dir())?);
        }
        Ok(pending.stage.dir().to_owned())
    }

    fn sft(&mut self, name: &str, dataset: &Path, with_cot: bool) -> Result<ModelDir> {
        let recipe = self.run.recipe;
        let mut inputs = input("dataset", dataset)?;
        inputs.extend(input("base", &self.base.path)?);
        // The number of devices is a factor of the batch.
        let pending = self.pending(name, inputs, &["model", "lora", "sft", "hardware"]);
        let (seed, base, session) = (self.seed, self.base.clone(), self.run.session);
        let log = self.run.dir.root().to_owned();
        self.stage(&pending, &[MODEL], |stage| {
            let examples = read_examples(dataset)?;
            let job = SftJob::new(recipe, base, &examples, stage.dir(), session);
            let job = SftJob {
                with_cot,
                seed,
                name: name.to_owned(),
                log,
                ..job
            };
            job.train()
        })?;
        Ok(ModelDir::at(pending.stage.path(MODEL)))
    }

    fn grpo(&mut self, data: &Path, tuned: &ModelDir) -> Result<ModelDir> {
        let recipe = self.run.recipe;
        let prompts = data.join("rl.jsonl");
        let mut inputs = input("prompts", &prompts)?;
        inputs.extend(input("tuned", &tuned.path)?);
        let pending = self.pending("grpo", inputs, &["model", "lora", "grpo"]);
        let (seed, session) = (self.seed, self.run.session);
        let log = self.run.dir.root().to_owned();
        self.stage(&pending, &[MODEL], |stage| {
            let examples = read_examples(&prompts)?;
            let job = GrpoJob::new(recipe, tuned.clone(), &examples, stage.dir(), session);
            GrpoJob { seed, log, ..job }.train()
        })?;
        Ok(ModelDir::at(pending.stage.path(MODEL)))
    }

    fn eval(
        &mut self,
        row: Row,
        model: &ModelDir,
        suite: &Suite,
        prompting: Prompting,
    ) -> Result<()> {
        let (recipe, name) = (self.run.recipe, row.evaluation());
        let mut inputs = input("model", &model.path)?;
        inputs.extend(input(
            "suite",
            &self.root.join("stage-1-data").join("eval"),
        )?);
        let pending = self.pending(name, inputs, &["model", "eval"]);
        let (seed, session) = (self.seed, self.run.session);
        let outputs = ["results.json", "predictions.jsonl"];
        self.stage(&pending, &outputs, |stage| {
            let template = recipe.model.template(None)?;
            let job = EvalJob::new(recipe, model.clone(), suite, stage.dir(), session);
            let job = EvalJob {
                label: name.to_owned(),
                template: Some(prompting.apply(&template)),
                seed,
                ..job
            };
            let result = job.evaluate()?;
            Ok(format!("mean F1 {:.2}", result.mean_f1))
        })?;
        let mut result: EvalResult = read_json(&pending.stage.path("results.json"))?;
        result.predictions =
            ner_eval::prediction::read_predictions(&pending.stage.path("predictions.jsonl"))?;
        self.run.report.add(row, seed, result, suite);
        Ok(())
    }
}

impl Collected {
    /// Keeps the scores and the counts of an evaluation, and some of its answers to look at.
    fn add(&mut self, row: Row, seed: u64, mut result: EvalResult, suite: &Suite) {
        let scores = RunScores::new(suite, &result.predictions, Scorer::default());
        self.scores.push((row, seed, scores));
        self.samples
            .extend(report::pick_samples(row.title(), &result, suite));
        // The report keeps scores, not six thousand completions.
        result.predictions = Vec::new();
        self.results.push(ModelResult {
            name: row.title().to_owned(),
            seed,
            result,
        });
    }

    /// The tests between the rows.
    fn steps(&self, recipe: &Recipe) -> Result<Steps> {
        let runs = self.scores.iter().map(|(row, seed, scores)| SeedScores {
            name: row.title(),
            seed: row.training().map(|_| *seed),
            scores,
        });
        let options = EvalOptions {
            resamples: recipe.eval.bootstrap_resamples,
            seed: recipe.run.seed,
            ..EvalOptions::default()
        };
        let steps = Row::STEPS.map(|(from, to)| (from.title(), to.title()));
        Ok(compare_steps(&runs.collect::<Vec<_>>(), &steps, &options)?)
    }
}

fn input(name: &str, path: &Path) -> Result<Inputs> {
    Ok(Inputs::from([(name.to_owned(), hash_path(path)?)]))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
}
