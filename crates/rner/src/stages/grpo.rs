//! Reasoning enhancement: GRPO with the NER rewards.

mod decoder;
mod engine;
mod held;
mod reward;
mod table;
mod told;

use std::path::{Path, PathBuf};

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use lm_grpo::{Environment, GrpoConfig, Outcome, Prompt, train_grpo_on};
use lm_kernels::TrainBackend;
use lm_model::ChatTokenizer;
use lm_train::{Resume, RunFiles, verify_checkpoint};
use ner_types::{Example, PromptTemplate};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use self::decoder::Decoder;
pub(crate) use self::engine::endpoint as rollout_endpoint;
use self::held::HeldEngine;
pub use self::reward::NerReward;
pub use self::table::CompletionTable;
use self::told::Told;
use super::told::RowFaults;
use super::{ModelDir, Watch, check_task, sft};
use crate::backend::{self, Device, Task};
use crate::decoding::Decoding;
use crate::error::{Error, Result};
use crate::form::Form;
use crate::model_prompt::{MODEL_PROMPT, ModelPrompt};
use crate::recipe::{Grpo, Method, Recipe};
use crate::session::Session;

/// A reinforcement learning run.
pub struct GrpoJob<'a> {
    /// The fine-tuned model, also the reference of the KL penalty.
    pub base: ModelDir,
    /// Annotated sentences to practise on.
    pub examples: &'a [Example],
    /// The prompt; the recipe's if left out.
    pub template: Option<PromptTemplate>,
    /// Hyperparameters, adapters and devices.
    pub recipe: &'a Recipe,
    /// Seed of prompts and samples.
    pub seed: u64,
    /// Folder for `metrics.jsonl` and the files of TensorBoard.
    pub log: PathBuf,
    /// Folder for `model/`, with LoRA `adapter/`, `best/` if it is another model, and, while training, `checkpoints/`.
    pub out: PathBuf,
    /// When to stop, and who listens.
    pub session: &'a Session,
}

impl<'a> GrpoJob<'a> {
    /// The reinforcement learning of a recipe, everything in the folder `out`.
    pub fn new(
        recipe: &'a Recipe,
        base: ModelDir,
        examples: &'a [Example],
        out: impl Into<PathBuf>,
        session: &'a Session,
    ) -> Self {
        let out = out.into();
        Self {
            base,
            examples,
            template: None,
            recipe,
            seed: recipe.run.seed,
            log: out.clone(),
            out,
            session,
        }
    }

    /// Trains on the recipe's backend, and says in a few words what was done.
    ///
    /// # Errors
    /// Prompts, a model or hyperparameters that cannot be trained with; an interruption, after which the same job
    /// goes on from its last checkpoint.
    pub fn train(self) -> Result<String> {
        backend::dispatch(self.recipe.run.backend, self)
    }
}

impl Task for GrpoJob<'_> {
    type Output = String;
    type Error = Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<String> {
        let Recipe { grpo, .. } = self.recipe;
        let dtype = self.recipe.model.dtype;
        let devices = backend::devices::<B>(device, self.recipe.hardware.gpus)?;
        let tokenizer = self.base.tokenizer()?;
        let decoder = Decoder::new(&tokenizer, grpo.stop);
        let Tasks {
            prompts,
            reward,
            table,
            too_long,
        } = self.tasks(&tokenizer)?;
        let held_out = hold_out(prompts.len(), grpo, self.seed);
        let config = trainer_config(self.recipe, self.seed);
        let policy = self.base.load_to_train::<B>(device, dtype.precision())?;
        // The reference shares the weights of the policy: with LoRA for good, because these never
        // change, else until the first update.
        let reference = (config.beta > 0.0).then(|| policy.valid());
        let policy = match grpo.method {
            Method::Full => policy,
            Method::Lora => self.base.adapt(policy, &self.recipe.lora, self.seed)?,
        };
        let asked = self.asked()?;
        let checkpoints = self.out.join("checkpoints");
        let files = RunFiles {
            resume: Resume::Latest,
            checkpoints: Some(checkpoints.clone()),
            attach: self.base.tokenizer_files(),
            texts: vec![(MODEL_PROMPT.to_owned(), asked.to_json())],
        };
        let mut engine = if grpo.form == Form::Free && !grpo.drafts {
            engine::choose(&grpo.rollout, grpo.rollout_batch, &self.out)?
        } else {
            let decoding = Decoding::of(grpo.form, &tokenizer)?
                .with_task(self.recipe.model.task)
                .with_drafts(grpo.drafts);
            let asked = prompts.iter().zip(table.asked());
            Box::new(HeldEngine::new(grpo.rollout_batch, decoding, asked))
        };
        let (unit, log) = ("rollout batches", self.log.as_path());
        let mut watch = Watch::open("grpo", self.seed, unit, log, self.recipe, self.session)?;
        watch.completions = Some(table);
        let environment = Environment {
            prompts: &prompts,
            held_out: &held_out,
            decoder: &decoder,
            reward: &reward,
            reference,
            engine: &mut *engine,
        };
        let stop = watch.token();
        let outcome = train_grpo_on(
            &devices,
            policy,
            environment,
            &config,
            &files,
            &stop,
            &mut watch,
        )?;
        let told = Told {
            prompts: prompts.len() - held_out.len(),
            held_out: held_out.len(),
            too_long,
            limit: grpo.max_prompt_length,
            faults: RowFaults::of(self.examples),
        };
        let summary = summary(&told, &config, &outcome);
        watch.finish(&summary)?;
        if outcome.stopped {
            return Err(Error::Interrupted);
        }
        self.base.save_trained(&outcome.model, &asked, &self.out)?;
        if outcome.best.is_some() && !config.load_best {
            keep_best(&checkpoints, &self.out)?;
        }
        // The model is complete; the optimizer's state is only for going on.
        atomic_files::remove_dir(&checkpoints).ok();
        Ok(summary)
    }
}

/// What is practised on.
struct Tasks {
    prompts: Vec<Prompt>,
    reward: NerReward,
    table: CompletionTable,
    /// Examples whose prompts are too long.
    too_long: usize,
}

impl GrpoJob<'_> {
    /// How the model is asked from now on; what this training does not decide is as in the tuned model.
    fn asked(&self) -> Result<ModelPrompt> {
        let template = self.recipe.model.template(self.template.as_ref())?;
        let tuned = self.base.own_prompt()?;
        Ok(ModelPrompt {
            task: self.recipe.model.task,
            reasoning: tuned.as_ref().and_then(|tuned| tuned.reasoning),
            reasoning_switch: tuned
                .as_ref()
                .and_then(|tuned| tuned.reasoning_switch.clone()),
            max_prompt_tokens: Some(self.recipe.grpo.max_prompt_length),
            max_sequence_tokens: tuned.and_then(|tuned| tuned.max_sequence_tokens),
            ..ModelPrompt::with_template(&template, self.recipe.eval.max_new_tokens)
        })
    }

    /// The prompts that are short enough, the reward that knows their gold, and the table that shows what became of
    /// them.
    fn tasks(&self, tokenizer: &ChatTokenizer) -> Result<Tasks> {
        let grpo = &self.recipe.grpo;
        check_task(self.recipe, self.examples)?;
        let (folder, every) = (self.out.join("completions"), grpo.completions_every);
        let mut table = CompletionTable::new(&folder, every);
        let template = self.recipe.model.template(self.template.as_ref())?;
        let (mut prompts, mut too_long) = (Vec::new(), 0);
        let mut reward = NerReward::new(&grpo.reward);
        for example in self.examples {
            let example = example.normalized();
            let ids = tokenizer.prompt_ids(&template.render(&example.schema, &example.sentence));
            if ids.len() > grpo.max_prompt_length {
                too_long += 1;
                continue;
            }
            prompts.push(Prompt { ids });
            reward.add(&example);
            table.add(&example);
        }
        if prompts.is_empty() {
            return Err(Error::Invalid(format!(
                "no prompt has at most {} tokens (grpo.max_prompt_length)",
                grpo.max_prompt_length
            )));
        }
        if too_long > 0 {
            let limit = grpo.max_prompt_length;
            tracing::warn!(too_long, limit, "left out prompts that are too long");
        }
        Ok(Tasks {
            prompts,
            reward,
            table,
            too_long,
        })
    }
}

impl lm_grpo::Observer for Watch {
    fn on_step(&mut self, metrics: &lm_grpo::StepMetrics) {
        let value = |name| metrics.get(name).unwrap_or(f64::NAN);
        let words = format!(
            "reward {:.2}, F1 {:.3}, {:.0} tokens long",
            value("reward"),
            value("rewards/f1/mean"),
            value("completions/mean_length")
        );
        self.step(metrics.global_step, metrics.total_steps, metrics, &words);
    }

    fn on_rollout(&mut self, step: usize, rows: &[lm_grpo::CompletionRow<'_>]) {
        if let Some(Err(error)) = self
            .completions
            .as_ref()
            .map(|table| table.write(step, rows))
        {
            self.fail(error);
        }
    }

    fn on_evaluation(&mut self, evaluation: &lm_grpo::Evaluation) {
        self.record(evaluation.global_step, evaluation);
        let best = if evaluation.is_best {
            ", the best so far"
        } else {
            ""
        };
        let words = format!("evaluation reward {:.3}{best}", evaluation.reward);
        self.note(evaluation.global_step, &words);
    }
}

/// The trainer's configuration, completed by what the recipe says elsewhere.
fn trainer_config(recipe: &Recipe, seed: u64) -> GrpoConfig {
    let train = &recipe.grpo.train;
    GrpoConfig {
        seed,
        optim: sft::optim(&train.optim, recipe),
        ..train.clone()
    }
}

/// A random share of the prompts to evaluate on, at least one if there is an evaluation.
fn hold_out(prompts: usize, grpo: &Grpo, seed: u64) -> Vec<usize> {
    let share = (prompts as f64 * grpo.eval_share).round() as usize;
    let least = usize::from(grpo.train.eval_every.is_some());
    let count = share.max(least);
    let mut order: Vec<usize> = (0..prompts).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order.truncate(count.min(prompts.saturating_sub(1)));
    order.sort_unstable();
    order
}

/// Moves the best model out of the checkpoints, which are removed, beside the last one. A run that was killed after
/// that has it there already. One that is not what was written is kept too, under a name that says so.
fn keep_best(checkpoints: &Path, out: &Path) -> Result<()> {
    let (best, kept) = (checkpoints.join("best"), out.join("best"));
    if !best.exists() && kept.exists() {
        return Ok(());
    }
    let kept = match verify_checkpoint(&best) {
        Err(error @ lm_train::Error::Corrupt { .. }) => {
            let damaged = out.join("damaged-best");
            tracing::warn!(%error, now = %damaged.display(), "the best model is damaged");
            damaged
        }
        verified => verified.map(|()| kept)?,
    };
    atomic_files::remove_dir(&kept)?;
    Ok(atomic_files::rename(&best, &kept)?)
}

/// What a run did, in a few words.
fn summary<B: AutodiffBackend>(told: &Told, config: &GrpoConfig, outcome: &Outcome<B>) -> String {
    let best = match outcome.best {
        Some(best) => format!(
            ", evaluation reward {:.3} after {}",
            best.reward, best.global_step
        ),
        None => String::new(),
    };
    let steps = outcome.steps;
    let data = told.words(steps, config);
    format!("{data}, {steps} rollout batches{best}")
}

#[cfg(test)]
mod tests {
    use ner_types::Example;

    use super::{GrpoJob, hold_out, keep_best};
    use crate::recipe::Recipe;
    use crate::session::Session;
    use crate::stages::ModelDir;

    #[test]
    fn a_best_model_that_was_moved_before_a_kill_stays() {
        let out = tempfile::tempdir().expect("a folder");
        let (checkpoints, kept) = (out.path().join("checkpoints"), out.path().join("best"));
        let write = |text: &str| {
            std::fs::create_dir_all(checkpoints.join("best")).expect("made");
            std::fs::write(checkpoints.join("best/model"), text).expect("written");
        };
        let found = || std::fs::read_to_string(kept.join("model")).expect("read");
        write("one");
        for _ in 0..2 {
            keep_best(&checkpoints, out.path()).expect("kept");
            assert_eq!(found(), "one");
        }
        write("two");
        keep_best(&checkpoints, out.path()).expect("kept");
        assert_eq!(found(), "two");
        write("three");
        std::fs::write(checkpoints.join("best/checkpoint.json"), "{}").expect("written");
        keep_best(&checkpoints, out.path()).expect("kept");
        assert!(out.path().join("damaged-best/model").exists());
        assert_eq!(found(), "two");
    }

    #[test]
    fn prompts_that_are_too_long_are_counted() {
        let session = Session::silent();
        let base = ModelDir::find("../../fixtures/tiny-base", &session).expect("a model");
        let tokenizer = base.tokenizer().expect("a tokenizer");
        let example = |sentence: String| Example {
            sentence,
            schema: vec!["person".into()],
            ..Example::default()
        };
        let long = "Ada Brel left Port Halvek. ".repeat(200);
        let examples = [example("Ada Brel left.".into()), example(long)];
        let recipe = Recipe::resolve("tiny", &[]).expect("a recipe");
        let dir = tempfile::tempdir().expect("a folder");
        let job = GrpoJob::new(&recipe, base, &examples, dir.path(), &session);
        let tasks = job.tasks(&tokenizer).expect("a prompt");
        assert_eq!((tasks.prompts.len(), tasks.too_long), (1, 1));
    }

    #[test]
    fn a_share_of_the_prompts_is_held_out() {
        let held_out = |prompts, share: &str, seed| {
            let sets = [
                "grpo.train.eval_every=1".into(),
                format!("grpo.eval_share={share}"),
            ];
            // The share comes first: an evaluation without one is refused.
            let sets: Vec<String> = sets.into_iter().rev().collect();
            let recipe = Recipe::resolve("tiny", &sets).expect("a recipe");
            hold_out(prompts, &recipe.grpo, seed)
        };
        let found = held_out(40, "0.1", 1);
        assert_eq!(found.len(), 4);
        assert!(found.is_sorted() && found.iter().all(|&prompt| prompt < 40));
        assert_eq!(found, held_out(40, "0.1", 1));
        assert_ne!(found, held_out(40, "0.1", 2));
        assert_eq!(held_out(3, "0.01", 1).len(), 1);
        // One is left to train on.
        assert_eq!(held_out(2, "0.99", 1).len(), 1);
        let recipe = Recipe::resolve("tiny", &[]).expect("a recipe");
        assert!(hold_out(40, &recipe.grpo, 1).is_empty());
    }
}
