//! Evaluation: a model answers the benchmark, greedily.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, Result};
use lm_generate::{Finish, Generated, Generator, Request, Sampling};
use lm_kernels::{LmOps, TrainBackend};
use lm_model::{ChatTokenizer, Qwen3};
use ner_eval::{
    Answer, BoxError, Completer, EvalOptions, EvalResult, Observer, PredictionLog, RunIdentity,
    Suite, evaluate_logged,
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

/// Name of the file in which answers are kept while the evaluation runs.
pub(crate) const LOG: &str = "predictions.partial.jsonl";

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
        // Before the model is loaded, so that answers of another one are refused at once.
        let mut log = PredictionLog::open(&self.out.join(LOG), &self.identity()?)?;
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
        let result = self.answer(&mut completer, &mut log)?;
        if !result.complete {
            return Err(Interrupted.into());
        }
        ner_eval::prediction::write_predictions(
            &self.out.join("predictions.jsonl"),
            &result.predictions,
        )?;
        write_json(&self.out.join("results.json"), &result)?;
        log.remove()?;
        Ok(result)
    }
}

impl EvalJob<'_> {
    /// What the answers depend on, so that those of another model or prompt are not taken for this run's.
    fn identity(&self) -> Result<RunIdentity> {
        let source = self.model.path.display().to_string();
        Ok(RunIdentity::new(self.suite, source, &self.template)
            .with_files(self.model.hash()?)
            .with("max_new_tokens", self.config.max_new_tokens)
            .with("dtype", format!("{:?}", self.weights.dtype))
            .with("quantize", format!("{:?}", self.weights.quantize)))
    }

    fn answer(&self, completer: &mut dyn Completer, log: &mut PredictionLog) -> Result<EvalResult> {
        let progress = Progress::start(&self.label, self.suite.sentences(), "sentences");
        let options = EvalOptions {
            batch_size: BATCHES_PER_SAVE * self.config.batch,
            resamples: self.config.bootstrap_resamples,
            seed: self.seed,
        };
        let result = evaluate_logged(
            log,
            self.suite,
            &self.template,
            completer,
            &options,
            interrupt::token(),
            &mut Ticks(&progress),
        );
        if result.is_err() {
            interrupt::check()?;
        }
        let result = result?;
        progress.finish(&format!("mean F1 {:.1}", result.mean_f1));
        Ok(result)
    }
}

/// The progress line of an evaluation.
pub(crate) struct Ticks<'a>(pub(crate) &'a Progress);

impl Observer for Ticks<'_> {
    fn on_start(&mut self, done: usize, _total: usize) {
        self.0.tick(done, "");
    }

    fn on_batch(&mut self, progress: &ner_eval::Progress<'_>) {
        self.0.tick(progress.done, "");
    }
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
            .generate(&possible, &mut |_| {
                if interrupt::requested() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?
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
