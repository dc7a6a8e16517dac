//! Evaluation: a model answers the benchmark, greedily.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lm_generate::{Finish, Generated, Generator, Request, Sampling};
use lm_kernels::{LmOps, TrainBackend};
use lm_model::{ChatTokenizer, Qwen3};
use ner_eval::{
    Answer, BoxError, Completer, EvalOptions, EvalResult, Prediction, Suite, evaluate_from,
};
use ner_types::PromptTemplate;
use tokio_util::sync::CancellationToken;

use super::{Answering, ModelDir};
use crate::backend::{Device, Inner, Task, dispatch};
use crate::error::{Context, Error, Result};
use crate::recipe::Recipe;
use crate::run_dir::write_json;
use crate::session::Session;

/// Full batches between two additions to the file of predictions: enough that
/// the batch seldom runs empty, few enough that little is lost by a crash.
const BATCHES_PER_SAVE: usize = 4;

/// An evaluation run.
pub struct EvalJob<'a> {
    /// Name for the progress line.
    pub label: String,
    /// The model.
    pub model: ModelDir,
    /// The benchmark.
    pub suite: &'a Suite,
    /// How the weights are kept in memory.
    pub weights: Answering,
    /// The prompt; the recipe's if left out.
    pub template: Option<PromptTemplate>,
    /// Batch, length and bootstrap.
    pub recipe: &'a Recipe,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Folder for `results.json` and `predictions.jsonl`.
    pub out: PathBuf,
    /// When to stop, and who listens.
    pub session: &'a Session,
}

impl<'a> EvalJob<'a> {
    /// The evaluation of a recipe, asked directly.
    pub fn new(
        recipe: &'a Recipe,
        model: ModelDir,
        suite: &'a Suite,
        out: impl Into<PathBuf>,
        session: &'a Session,
    ) -> Self {
        Self {
            label: "eval".to_owned(),
            model,
            suite,
            weights: Answering::of(recipe),
            template: None,
            recipe,
            seed: recipe.run.seed,
            out: out.into(),
            session,
        }
    }

    /// Answers and scores on the recipe's backend.
    ///
    /// # Errors
    /// A model that cannot be loaded, a folder that cannot be written; an interruption, after which the same job goes
    /// on with the answers that are there.
    pub fn evaluate(self) -> Result<EvalResult> {
        dispatch(self.recipe.run.backend, self)
    }
}

impl Task for EvalJob<'_> {
    type Output = EvalResult;
    type Error = Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<EvalResult> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create {}", self.out.display()))?;
        let template = self.recipe.model.template(self.template.as_ref())?;
        let tokenizer = self.model.tokenizer()?;
        let model = self
            .model
            .load_to_answer::<Inner<B>>(device, self.weights)?;
        let mut completer = LmCompleter::new(
            &model,
            tokenizer,
            self.recipe.eval.batch,
            self.recipe.eval.max_new_tokens,
            self.session.stop().clone(),
        );
        let partial = self.out.join("predictions.partial.jsonl");
        let result = self.answer(&template, &mut completer, &partial)?;
        if !result.complete {
            return Err(Error::Interrupted);
        }
        ner_eval::write_predictions(&self.out.join("predictions.jsonl"), &result.predictions)?;
        write_json(&self.out.join("results.json"), &result)?;
        std::fs::remove_file(&partial).ok();
        Ok(result)
    }
}

impl EvalJob<'_> {
    fn answer(
        &self,
        template: &PromptTemplate,
        completer: &mut dyn Completer,
        partial: &Path,
    ) -> Result<EvalResult> {
        let done = earlier_predictions(partial)?;
        let mut file = open_for_appending(partial)?;
        let progress = self
            .session
            .start(&self.label, self.suite.sentences(), "sentences");
        progress.tick(done.len(), "");
        let options = EvalOptions {
            batch_size: BATCHES_PER_SAVE * self.recipe.eval.batch,
            resamples: self.recipe.eval.bootstrap_resamples,
            seed: self.seed,
        };
        let mut failed = None;
        let result = evaluate_from(
            done,
            self.suite,
            template,
            completer,
            &options,
            &mut |state| {
                progress.tick(state.done, "");
                if let Err(error) = append(&mut file, state.batch) {
                    failed = Some(error);
                }
                if failed.is_some() || self.session.is_stopped() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        );
        if let Some(error) = failed {
            return Err(error).with_context(|| format!("cannot write {}", partial.display()));
        }
        if result.is_err() {
            self.session.check()?;
        }
        let result = result?;
        progress.finish(&format!("mean F1 {:.1}", result.mean_f1));
        Ok(result)
    }
}

/// Predictions that an interrupted evaluation left; a torn last line is dropped.
fn earlier_predictions(path: &Path) -> Result<Vec<Prediction>> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(Vec::new());
    };
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    if whole < text.len() {
        std::fs::write(path, &text[..whole])
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if whole == 0 {
        return Ok(Vec::new());
    }
    Ok(ner_eval::read_predictions(path)?)
}

fn open_for_appending(path: &Path) -> Result<std::fs::File> {
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn append(file: &mut std::fs::File, batch: &[Prediction]) -> std::io::Result<()> {
    let mut text = String::new();
    for prediction in batch {
        text.push_str(&serde_json::to_string(prediction).map_err(std::io::Error::other)?);
        text.push('\n');
    }
    file.write_all(text.as_bytes())
}

/// A model in this process as a [`Completer`]: greedy, in batches.
pub struct LmCompleter<B: LmOps> {
    generator: Generator<B>,
    tokenizer: ChatTokenizer,
    positions: usize,
    max_new_tokens: usize,
    stop: CancellationToken,
}

impl<B: LmOps> LmCompleter<B> {
    /// A completer that decodes up to `batch` prompts at once, and fails once `stop` is cancelled.
    pub fn new(
        model: &Qwen3<B>,
        tokenizer: ChatTokenizer,
        batch: usize,
        max_new_tokens: usize,
        stop: CancellationToken,
    ) -> Self {
        Self {
            generator: Generator::new(model, batch),
            tokenizer,
            positions: model.config().max_positions(),
            max_new_tokens,
            stop,
        }
    }

    /// The request for a prompt, or `None` if the model has no room for it.
    fn request(&self, prompt: &str) -> Option<Request> {
        let prompt = self.tokenizer.prompt_ids(prompt);
        let room = self.positions.checked_sub(prompt.len())?;
        let max_new_tokens = self.max_new_tokens.min(room);
        (max_new_tokens > 0).then(|| Request {
            prompt,
            n: 1,
            sampling: Sampling {
                max_new_tokens,
                stop: self.tokenizer.stop_ids(),
                ..Sampling::greedy()
            },
        })
    }

    fn answer(&self, generated: &Generated) -> Answer {
        Answer {
            text: self.tokenizer.decode(&generated.ids),
            truncated: generated.finish == Finish::Length,
            tokens: generated.ids.len(),
        }
    }
}

impl<B: LmOps> Completer for LmCompleter<B> {
    fn complete(&mut self, prompts: &[String]) -> Result<Vec<Answer>, BoxError> {
        let requests: Vec<Option<Request>> = prompts.iter().map(|p| self.request(p)).collect();
        let possible: Vec<Request> = requests.iter().flatten().cloned().collect();
        let mut generated = self
            .generator
            .generate(&possible, &self.stop, &mut ())?
            .into_iter();
        // A prompt that is too long has no answer, which the result counts as truncated.
        let none = Answer {
            truncated: true,
            ..Answer::default()
        };
        Ok(requests
            .iter()
            .map(|request| {
                let group = request.as_ref().and_then(|_| generated.next());
                match group.as_deref() {
                    Some([one, ..]) => self.answer(one),
                    _ => none.clone(),
                }
            })
            .collect())
    }
}
