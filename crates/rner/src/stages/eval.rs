//! Evaluation: a model answers the benchmark, greedily.

use std::path::PathBuf;
use std::time::Instant;

use lm_generate::{Finish, Generated, Generator, Request, Sampling, Thought};
use lm_kernels::{LmOps, TrainBackend};
use lm_model::{ChatTokenizer, Qwen3};
use ner_eval::{
    Answer, BoxError, Completer, EvalOptions, EvalResult, Observer, PredictionLog, Question,
    RunIdentity, Suite, evaluate_logged,
};
use ner_types::PromptTemplate;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Answering, ModelDir, check_task};
use crate::backend::{Device, Inner, Task, dispatch};
use crate::decoding::{Decoding, Wanted};
use crate::dial::{Dial, told};
use crate::error::{Context, Error, Result};
use crate::form::Form;
use crate::reasoning::Reasoning;
use crate::recipe::Recipe;
use crate::run_dir::write_json;
use crate::session::{Part, Session};

/// Full batches between two additions to the file of predictions: enough that
/// the batch seldom runs empty, few enough that little is lost by a crash.
const BATCHES_PER_SAVE: usize = 4;

/// Name of the file in which answers are kept while the evaluation runs.
pub const LOG: &str = "predictions.partial.jsonl";

/// Name of the file that says how long the last answers took.
pub const SPEED: &str = "speed.json";

/// How long some answers took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Speed {
    /// Sentences that were answered.
    pub sentences: usize,
    /// Seconds for all of them.
    pub seconds: f64,
}

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
    /// Whether the [`LOG`] stays when all answers are there, for a caller who writes more and removes it afterwards.
    pub keep_log: bool,
    /// Whether [`SPEED`] says how long the answers took.
    pub is_timed: bool,
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
            keep_log: false,
            is_timed: false,
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
        let sets = self.suite.sets.iter();
        check_task(self.recipe, sets.flat_map(|set| &set.examples))?;
        atomic_files::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create {}", self.out.display()))?;
        let template = self.asked()?;
        // Before the model is loaded, so that answers of another one are refused at once.
        let mut log = PredictionLog::open(&self.out.join(LOG), &self.identity()?)?;
        let tokenizer = self.model.tokenizer()?;
        let model = self
            .model
            .load_to_answer::<Inner<B>>(device, self.weights)?;
        let eval = &self.recipe.eval;
        let decoding = Decoding::of(eval.reasoning.form(eval.form), &tokenizer)?
            .with_task(self.recipe.model.task)
            .with_drafts(eval.drafts);
        let stop = self.session.stop().clone();
        let mut completer =
            LmCompleter::new(&model, tokenizer, eval.batch, eval.max_new_tokens, stop)
                .with_decoding(decoding)
                .with_dial(self.dial()?);
        let result = self.answer(&template, &mut completer, &mut log)?;
        if !result.complete {
            return Err(Error::Interrupted);
        }
        ner_eval::prediction::write_predictions(
            &self.out.join("predictions.jsonl"),
            &result.predictions,
        )?;
        write_json(&self.out.join("results.json"), &result)?;
        if !self.keep_log {
            log.remove()?;
        }
        Ok(result)
    }
}

impl EvalJob<'_> {
    /// What the answers depend on, so that those of another model or prompt are not taken for this run's.
    ///
    /// # Errors
    /// A file of the model that cannot be read, or a prompt that is none.
    pub fn identity(&self) -> Result<RunIdentity> {
        let source = self.model.path.display().to_string();
        // Free answers have the identity that they had before there were forms and dials, so that their runs go on.
        let identity = RunIdentity::new(self.suite, source, &self.asked()?);
        let identity = match self.recipe.eval.form {
            Form::Free => identity,
            form => identity.with("form", form.name()),
        };
        let identity = match self.recipe.eval.reasoning {
            Reasoning::Free => identity,
            reasoning => identity.with("reasoning", reasoning),
        };
        Ok(identity
            .with_files(self.model.hash()?)
            .with("max_new_tokens", self.recipe.eval.max_new_tokens)
            .with("dtype", format!("{:?}", self.weights.dtype))
            .with("quantize", format!("{:?}", self.weights.quantize)))
    }

    fn dial(&self) -> Result<Dial> {
        let own = self.model.own_prompt()?;
        Ok(Dial::new(self.recipe.eval.reasoning, own.as_ref()))
    }

    /// The prompt with the switch that the dial asks for.
    fn asked(&self) -> Result<PromptTemplate> {
        let template = self.recipe.model.template(self.template.as_ref())?;
        Ok(self.dial()?.template(&template))
    }

    fn answer(
        &self,
        template: &PromptTemplate,
        completer: &mut dyn Completer,
        log: &mut PredictionLog,
    ) -> Result<EvalResult> {
        let progress = self
            .session
            .start(&self.label, self.suite.sentences(), "sentences");
        let options = EvalOptions {
            batch_size: BATCHES_PER_SAVE * self.recipe.eval.batch,
            resamples: self.recipe.eval.bootstrap_resamples,
            seed: self.seed,
        };
        let (known, begun) = (log.read()?.len(), Instant::now());
        let result = evaluate_logged(
            log,
            self.suite,
            template,
            completer,
            &options,
            self.session.stop(),
            &mut Ticks(progress.as_ref()),
        );
        if result.is_err() {
            self.session.check()?;
        }
        let result = result?;
        let asked = result.predictions.len() - known;
        // Answers that were there before say nothing of the time that they took.
        if self.is_timed && asked > 0 {
            let speed = Speed {
                sentences: asked,
                seconds: begun.elapsed().as_secs_f64(),
            };
            write_json(&self.out.join(SPEED), &speed)?;
        }
        progress.finish(&format!("mean F1 {:.1}", result.mean_f1));
        Ok(result)
    }
}

/// The progress line of an evaluation.
pub struct Ticks<'a>(pub &'a dyn Part);

impl Observer for Ticks<'_> {
    fn on_start(&mut self, done: usize, _total: usize) {
        self.0.tick(done, "");
    }

    fn on_batch(&mut self, progress: &ner_eval::Progress<'_>) {
        self.0.tick(progress.done, "");
    }
}

/// A model in this process as a [`Completer`]: greedy, in batches.
pub struct LmCompleter<B: LmOps> {
    generator: Generator<B>,
    tokenizer: ChatTokenizer,
    positions: usize,
    max_new_tokens: usize,
    stop: CancellationToken,
    decoding: Decoding,
    dial: Dial,
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
            decoding: Decoding::default(),
            dial: Dial::default(),
        }
    }

    /// With answers that are written in another way: held to a form, or without drafts.
    #[must_use]
    pub fn with_decoding(self, decoding: Decoding) -> Self {
        Self { decoding, ..self }
    }

    /// With reasoning that ends at the budget of this dial.
    #[must_use]
    pub fn with_dial(self, dial: Dial) -> Self {
        Self { dial, ..self }
    }

    /// What is wanted for a question, or `None` if the model has no room for it.
    fn wanted(&self, question: &Question) -> crate::Result<Option<Wanted>> {
        let Some(request) = self.request(&question.prompt) else {
            return Ok(None);
        };
        let grammar = self
            .decoding
            .grammar(&question.schema, &question.sentence)?;
        Ok(Some(Wanted { request, grammar }))
    }

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

    fn answer(&self, generated: &Generated, thought: Option<Thought>) -> Answer {
        Answer {
            thought: thought.map(told),
            text: self.tokenizer.decode(&generated.ids),
            truncated: generated.finish == Finish::Length,
            tokens: generated.ids.len(),
        }
    }
}

impl<B: LmOps> Completer for LmCompleter<B> {
    fn complete(&mut self, questions: &[Question]) -> Result<Vec<Answer>, BoxError> {
        let mut has_room = Vec::with_capacity(questions.len());
        let mut possible = Vec::new();
        for question in questions {
            let wanted = self.wanted(question)?;
            has_room.push(wanted.is_some());
            possible.extend(wanted);
        }
        let requests: Vec<&Request> = possible.iter().map(|one| &one.request).collect();
        let mut limit = self.dial.limit(&self.tokenizer, &requests, ());
        let generator = &mut self.generator;
        let written = self
            .decoding
            .write(generator, possible, &self.stop, &mut limit)??;
        let mut written = written.into_iter().enumerate();
        // A prompt that is too long has no answer, which the result counts as truncated.
        let none = Answer {
            truncated: true,
            ..Answer::default()
        };
        let answer = |has_room: bool| {
            let written = has_room.then(|| written.next()).flatten();
            let one = written.as_ref();
            let one = one.and_then(|(number, it)| Some((*number, it.group.first()?)));
            one.map_or_else(
                || none.clone(),
                |(number, one)| self.answer(one, limit.take(number, 0)),
            )
        };
        Ok(has_room.into_iter().map(answer).collect())
    }
}
