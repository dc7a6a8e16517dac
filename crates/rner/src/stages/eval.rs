//! Evaluation: a model answers the benchmark, greedily.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lm_generate::{Finish, Generated, Generator, Request, Sampling};
use lm_kernels::{LmOps, TrainBackend};
use lm_model::{ChatTokenizer, Qwen3};
use ner_eval::{
    Answer, BoxError, Completer, EvalOptions, EvalResult, Prediction, Suite, evaluate_from,
};
use ner_types::PromptTemplate;

use super::{Answering, ModelDir};
use crate::backend::{Device, Inner, Task};
use crate::interrupt::{self, Interrupted};
use crate::progress::Progress;
use crate::recipe::Eval;
use crate::run_dir::write_json;

/// Full batches between two additions to the file of predictions: enough that
/// the batch seldom runs empty, few enough that little is lost by a crash.
const BATCHES_PER_SAVE: usize = 4;

/// An evaluation run.
pub(crate) struct EvalJob<'a> {
    /// Name for the progress line.
    pub(crate) label: String,
    /// The model.
    pub(crate) model: ModelDir,
    /// The benchmark.
    pub(crate) suite: &'a Suite,
    /// How the weights are kept in memory.
    pub(crate) weights: Answering,
    /// The prompt.
    pub(crate) template: PromptTemplate,
    /// Batch, length and bootstrap.
    pub(crate) config: &'a Eval,
    /// Seed of the bootstrap.
    pub(crate) seed: u64,
    /// Folder for `results.json` and `predictions.jsonl`.
    pub(crate) out: PathBuf,
}

impl Task for EvalJob<'_> {
    type Output = EvalResult;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<EvalResult> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create {}", self.out.display()))?;
        let tokenizer = self.model.tokenizer()?;
        let model = self
            .model
            .load_to_answer::<Inner<B>>(device, self.weights)?;
        let mut completer = LmCompleter::new(
            &model,
            tokenizer,
            self.config.batch,
            self.config.max_new_tokens,
        );
        let partial = self.out.join("predictions.partial.jsonl");
        let result = self.answer(&mut completer, &partial)?;
        if !result.complete {
            return Err(Interrupted.into());
        }
        ner_eval::write_predictions(&self.out.join("predictions.jsonl"), &result.predictions)?;
        write_json(&self.out.join("results.json"), &result)?;
        std::fs::remove_file(&partial).ok();
        Ok(result)
    }
}

impl EvalJob<'_> {
    fn answer(&self, completer: &mut dyn Completer, partial: &Path) -> Result<EvalResult> {
        let done = earlier_predictions(partial)?;
        let mut file = open_for_appending(partial)?;
        let progress = Progress::start(&self.label, self.suite.sentences(), "sentences");
        progress.tick(done.len(), "");
        let options = EvalOptions {
            batch_size: BATCHES_PER_SAVE * self.config.batch,
            resamples: self.config.bootstrap_resamples,
            seed: self.seed,
        };
        let mut failed = None;
        let result = evaluate_from(
            done,
            self.suite,
            &self.template,
            completer,
            &options,
            &mut |state| {
                progress.tick(state.done, "");
                if let Err(error) = append(&mut file, state.batch) {
                    failed = Some(error);
                }
                if failed.is_some() || interrupt::requested() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        );
        if let Some(error) = failed {
            return Err(error).with_context(|| format!("cannot write {}", partial.display()));
        }
        if result.is_err() {
            interrupt::check()?;
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
struct LmCompleter<B: LmOps> {
    generator: Generator<B>,
    tokenizer: ChatTokenizer,
    positions: usize,
    max_new_tokens: usize,
}

impl<B: LmOps> LmCompleter<B> {
    /// A completer that decodes up to `batch` prompts at once.
    fn new(
        model: &Qwen3<B>,
        tokenizer: ChatTokenizer,
        batch: usize,
        max_new_tokens: usize,
    ) -> Self {
        Self {
            generator: Generator::new(model, batch),
            tokenizer,
            positions: model.config().max_positions(),
            max_new_tokens,
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
            .generate(&possible, interrupt::token(), &mut ())?
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
