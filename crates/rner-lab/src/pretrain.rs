//! Pretraining of the tiny base model on generated text.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use atomic_files::Lock;
use lm_kernels::TrainBackend;
use lm_model::checkpoint::{self, SaveDtype};
use lm_model::{ChatTokenizer, Pieces, Qwen3, Qwen3Config};
use lm_train::{
    Observer, OptimConfig, Outcome, OverLength, Resume, RunFiles, Sample, ScheduleKind, SftConfig,
    StepMetrics, train_sft_on,
};
use ner_toy::pretraining::{Document, Documents, vocabulary};
use rner::backend::{Device, Task};
use rner::run_dir::write_json;
use rner::session::{Part, Session, human};
use rner_cli::interrupt;
use rner_cli::progress::Terminal;
use serde::Serialize;

/// Documents that the tokenizer is trained on.
const TOKENIZER_DOCUMENTS: usize = 30_000;
/// Longest document in tokens.
const MAX_LENGTH: usize = 512;

/// What to pretrain.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PretrainConfig {
    /// Seed of text, weights and order.
    pub(crate) seed: u64,
    /// Tokens to train on.
    pub(crate) tokens: usize,
    /// Tokens of the second phase, which has more general sentence shapes than the first.
    pub(crate) varied_tokens: usize,
    /// Tokens of the third phase, which has exercises that are thought about.
    pub(crate) thinking_tokens: usize,
    /// Tokens of one optimizer step.
    pub(crate) batch_tokens: usize,
    /// Peak learning rate.
    pub(crate) lr: f64,
    /// Entries of the vocabulary.
    pub(crate) vocabulary: usize,
    /// Width of the model.
    pub(crate) hidden: usize,
    /// Layers.
    pub(crate) layers: usize,
    /// Workers that share every batch. How many there are changes the rounding, and with it the weights.
    pub(crate) workers: usize,
}

/// The pretraining as a task for any backend.
pub(crate) struct Pretrain {
    /// What to pretrain.
    pub(crate) config: PretrainConfig,
    /// Where the checkpoint goes.
    pub(crate) out: PathBuf,
    /// Where unfinished work is kept.
    pub(crate) work: PathBuf,
}

/// How the checkpoint beside it came to be.
#[derive(Serialize)]
struct Record<'a> {
    config: &'a PretrainConfig,
    parameters: usize,
    tokens: u64,
    steps: usize,
    final_loss: f64,
    minutes: f64,
    cores: usize,
    program_version: &'static str,
    command: &'static str,
}

impl Task for Pretrain {
    type Output = ();
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<()> {
        let _locks = [Lock::folder(&self.out)?, Lock::folder(&self.work)?];
        let begun = Instant::now();
        let tokenizer = train_tokenizer(&self.config)?;
        let model_config = model_config(&self.config, &tokenizer);
        let model = model_config.init::<B>(device, self.config.seed);
        let mut watch = Watch::new();
        let phases = self.phases(&tokenizer)?;
        let (mut model, mut steps) = (model, 0);
        for phase in &phases {
            let outcome = self.phase(model, phase, &mut watch)?;
            steps += outcome.steps;
            model = outcome.model;
        }
        checkpoint::save(&model, &model_config, &self.out, SaveDtype::Bf16)?;
        tokenizer.save(&self.out)?;
        let record = Record {
            config: &self.config,
            parameters: model_config.num_parameters(),
            tokens: phases.iter().map(Phase::tokens).sum(),
            steps,
            final_loss: watch.last.as_ref().map_or(f64::NAN, |m| m.loss),
            minutes: phases.iter().map(|p| p.seconds(&self.work)).sum::<f64>() / 60.0,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            program_version: env!("CARGO_PKG_VERSION"),
            command: "cargo xtask pretrain-tiny",
        };
        write_json(&self.out.join("pretraining.json"), &record)?;
        watch.progress.finish(&format!("{}", self.out.display()));
        println!(
            "pretrained in {}: {}",
            human(begun.elapsed()),
            self.out.display()
        );
        Ok(())
    }
}

/// A part of the pretraining, with a learning rate schedule of its own.
struct Phase {
    name: &'static str,
    samples: Vec<Sample>,
    lr: f64,
}

/// File in a phase's folder with the time it took so far.
const SECONDS: &str = "seconds";

impl Phase {
    fn tokens(&self) -> u64 {
        self.samples
            .iter()
            .map(|sample| sample.ids.len() as u64)
            .sum()
    }

    /// Seconds that the phase took, interruptions left out.
    fn seconds(&self, work: &Path) -> f64 {
        let text = std::fs::read_to_string(work.join(self.name).join(SECONDS));
        text.ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0.0)
    }

    fn add_seconds(&self, work: &Path, more: f64) -> Result<()> {
        let path = work.join(self.name).join(SECONDS);
        let seconds = self.seconds(work) + more;
        std::fs::write(&path, seconds.to_string())
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Pretrain {
    /// The phases in order. Each has a rate lower than the one before, because it adds to
    /// what is learnt already.
    fn phases(&self, tokenizer: &ChatTokenizer) -> Result<Vec<Phase>> {
        let PretrainConfig {
            seed,
            lr,
            tokens,
            varied_tokens,
            thinking_tokens,
            ..
        } = self.config;
        [
            ("pretraining", Documents::new(seed), tokens, lr),
            ("varied", Documents::varied(seed), varied_tokens, lr / 2.0),
            (
                "thinking",
                Documents::thinking(seed),
                thinking_tokens,
                lr / 3.0,
            ),
        ]
        .into_iter()
        .map(|(name, documents, wanted, lr)| {
            let samples = samples(documents, wanted, tokenizer)?;
            Ok(Phase { name, samples, lr })
        })
        .collect()
    }

    fn phase<B: TrainBackend>(
        &self,
        model: Qwen3<B>,
        phase: &Phase,
        watch: &mut Watch,
    ) -> Result<Outcome<B>> {
        watch.begin(phase.name);
        let begun = Instant::now();
        let mut config = training(&self.config);
        config.optim.lr = phase.lr;
        let files = files(&self.work.join(phase.name));
        let workers = vec![model.device(); self.config.workers];
        let (samples, stop) = (&phase.samples, interrupt::token());
        let outcome = train_sft_on(&workers, model, samples, &config, &files, stop, watch)?;
        phase.add_seconds(&self.work, begun.elapsed().as_secs_f64())?;
        if outcome.stopped {
            return Err(rner::Error::Interrupted.into());
        }
        Ok(outcome)
    }
}

fn train_tokenizer(config: &PretrainConfig) -> Result<ChatTokenizer> {
    let mut texts: Vec<String> = Documents::new(config.seed)
        .take(TOKENIZER_DOCUMENTS)
        .map(|document| match document {
            Document::Plain(text) => text,
            Document::Turn { user, assistant } => format!("{user}\n{assistant}"),
        })
        .collect();
    // Nearly all words get tokens of their own, as they would from any large corpus: those of the prompt,
    // and those that are not names. Pieces are for names, and for the words that the vocabulary has no room for.
    texts.extend(std::iter::repeat_n(ner_toy::PROMPT.to_owned(), 500));
    texts.extend(std::iter::repeat_n(vocabulary().join(" "), 400));
    ChatTokenizer::train_bpe_within(&texts, config.vocabulary, Pieces::Words)
        .context("training the tokenizer")
}

/// Tokenises documents until there are enough. A plain text counts in full; of an
/// exchange only the answer does, because what a user makes up cannot be foreseen
/// and would only add noise to the gradient.
fn samples(documents: Documents, wanted: usize, tokenizer: &ChatTokenizer) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut tokens = 0;
    let progress = Terminal::session().start("text", wanted, "tokens");
    for document in documents {
        if tokens >= wanted {
            break;
        }
        interrupt::check()?;
        let sample = sample(document, tokenizer)?;
        tokens += sample.ids.len();
        progress.tick(tokens, "");
        samples.push(sample);
    }
    ensure!(!samples.is_empty(), "too few tokens asked for: {wanted}");
    Ok(samples)
}

fn sample(document: Document, tokenizer: &ChatTokenizer) -> Result<Sample> {
    Ok(match document {
        Document::Plain(text) => {
            let mut ids = tokenizer.encode_text(&text)?;
            ids.push(tokenizer.eos_id());
            Sample { ids, loss_from: 1 }
        }
        Document::Turn { user, assistant } => {
            let mut ids = tokenizer.prompt_ids(&user);
            let loss_from = ids.len();
            ids.extend(tokenizer.completion_ids(&assistant));
            Sample { ids, loss_from }
        }
    })
}

fn model_config(config: &PretrainConfig, tokenizer: &ChatTokenizer) -> Qwen3Config {
    let head_dim = 32;
    Qwen3Config {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: config.hidden,
        intermediate_size: config.hidden * 3,
        num_hidden_layers: config.layers,
        num_attention_heads: config.hidden / head_dim,
        num_key_value_heads: config.hidden / head_dim / 2,
        head_dim,
        rope_theta: 10_000.0,
        tie_word_embeddings: true,
        max_position_embeddings: 2048,
        bos_token_id: Vec::new(),
        eos_token_id: tokenizer.stop_ids(),
        ..Qwen3Config::default()
    }
}

fn training(config: &PretrainConfig) -> SftConfig {
    SftConfig {
        epochs: 1.0,
        batch_tokens: Some(config.batch_tokens),
        batch_size: None,
        optim: OptimConfig {
            lr: config.lr,
            schedule: ScheduleKind::Cosine,
            warmup_ratio: 0.02,
            min_lr_ratio: 0.05,
            weight_decay: 0.01,
            betas: [0.9, 0.98],
            ..OptimConfig::default()
        },
        seed: config.seed,
        max_length: MAX_LENGTH,
        over_length: OverLength::Skip,
        log_every: 10,
        save_every: Some(200),
        // Of one alone, damage would cost the whole run.
        save_total_limit: Some(2),
        ..SftConfig::default()
    }
}

fn files(work: &Path) -> RunFiles {
    RunFiles {
        checkpoints: Some(work.to_owned()),
        resume: Resume::Latest,
        ..RunFiles::default()
    }
}

/// Shows progress and passes Ctrl-C on.
struct Watch {
    session: Session,
    progress: Box<dyn Part>,
    phase: &'static str,
    started: bool,
    last: Option<StepMetrics>,
}

impl Watch {
    fn new() -> Self {
        let session = Terminal::session();
        Self {
            progress: session.start("pretraining", 0, "steps"),
            session,
            phase: "pretraining",
            started: false,
            last: None,
        }
    }

    fn begin(&mut self, phase: &'static str) {
        self.phase = phase;
        self.started = false;
    }
}

impl Observer for Watch {
    fn on_step(&mut self, metrics: &StepMetrics) {
        if !self.started {
            self.progress = self.session.start(self.phase, metrics.total_steps, "steps");
            self.started = true;
        }
        let extra = format!(
            "loss {:.3}, {:.0} tokens/s",
            metrics.loss, metrics.tokens_per_second
        );
        self.progress.tick(metrics.global_step, &extra);
        self.last = Some(metrics.clone());
    }
}
