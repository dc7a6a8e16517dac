//! What can be typed: commands and their flags.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use rner::recipe::Backend;
use rner_cli::args::{ForceArgs, RecipeArgs, backends};

use crate::backend::BackendArgs;
use crate::bench::{
    BenchDraftsArgs, BenchExtractArgs, BenchGenerateArgs, BenchGrpoArgs, BenchLoadArgs,
    BenchSftArgs,
};
use crate::bench_cot::BenchCotArgs;
use crate::bench_score::BenchScoreArgs;
use crate::rehearse::RehearseArgs;

/// The workshop of `rner`: is it right, how fast is it, and where does the toy model come from?
#[derive(Debug, Parser)]
#[command(name = "rner-lab", version, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure how fast something is, as JSON.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Compare this program with reference values of transformers, PEFT and PyTorch.
    Parity(ParityArgs),
    /// Show which operations of the model have their own kernel on a backend.
    Backend(BackendArgs),
    /// The toy world: its corpus and its base model.
    #[command(subcommand)]
    Tiny(TinyCommand),
    /// Run the real path against mock servers on this machine: from empty caches to the table, killed on the way.
    Rehearse(Box<RehearseArgs>),
}

/// `rner-lab bench`.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Sentences a second of the default scorer, with the reading of the answers.
    Score(BenchScoreArgs),
    /// Time and memory of loading a checkpoint, beside reading its files.
    Load(BenchLoadArgs),
    /// Requests a second of the NER-CoT pipeline, with its journal.
    Cot(BenchCotArgs),
    /// Tokens a second and memory of fine-tuning a random model of any shape.
    Sft(BenchSftArgs),
    /// Tokens a second, latency and memory of sampling from a random model of any shape.
    Generate(BenchGenerateArgs),
    /// Speed of answers with drafts beside plain decoding, and their F1 under each form.
    Extract(BenchExtractArgs),
    /// What drafts save and masks cost on given answers, in a random model of any shape.
    Drafts(BenchDraftsArgs),
    /// Time steps of GRPO, rollouts included, and their memory on a random model.
    Grpo(BenchGrpoArgs),
}

/// Flags of `rner-lab parity`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ParityArgs {
    /// Folder of reference values, laid out like fixtures/parity.
    pub(crate) dir: PathBuf,
    /// Burn backend.
    #[arg(long, value_parser = backends(), default_value = "flex")]
    pub(crate) backend: Backend,
    /// Folder with CrossNER and MIT, for reference scores of predictions; DIR/../datasets if left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) datasets: Option<PathBuf>,
    /// Print JSON instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `rner-lab tiny …`
#[derive(Debug, Subcommand)]
pub(crate) enum TinyCommand {
    /// Write the toy corpus as JSONL files.
    Corpus {
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Folder for the files.
        #[arg(long, value_name = "DIR", default_value = "runs/tiny-corpus")]
        out: PathBuf,
        #[command(flatten)]
        force: ForceArgs,
    },
    /// Pretrain the toy's base model from its seed.
    Pretrain(PretrainArgs),
}

/// Flags of `rner-lab tiny pretrain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PretrainArgs {
    /// Folder for the checkpoint.
    #[arg(long, value_name = "DIR", default_value = "fixtures/tiny-base")]
    pub(crate) out: PathBuf,
    /// Replace a model that is there although no unfinished work lies in --work.
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Folder for unfinished work; the same command goes on from it.
    #[arg(long, value_name = "DIR", default_value = "runs/pretrain-tiny")]
    pub(crate) work: PathBuf,
    /// Seed of text, weights and order.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Tokens to train on.
    #[arg(long, default_value_t = 20_000_000)]
    pub(crate) tokens: usize,
    /// Tokens of the second phase, which has more general sentence shapes than the first.
    #[arg(long, default_value_t = 12_000_000)]
    pub(crate) varied_tokens: usize,
    /// Workers that share every batch.
    #[arg(long, default_value = "1")]
    pub(crate) workers: NonZero<usize>,
    /// Tokens of the third phase, which has exercises that are thought about.
    #[arg(long, default_value_t = 3_000_000)]
    pub(crate) thinking_tokens: usize,
    /// Tokens of one optimizer step.
    #[arg(long, default_value_t = 4096)]
    pub(crate) batch_tokens: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 3e-3)]
    pub(crate) lr: f64,
    /// Width of the model; a multiple of 64.
    #[arg(long, default_value_t = 128)]
    pub(crate) hidden: usize,
    /// Layers of the model.
    #[arg(long, default_value_t = 4)]
    pub(crate) layers: usize,
    /// Entries of the vocabulary.
    #[arg(long, default_value_t = 4096)]
    pub(crate) vocabulary: usize,
    /// Burn backend.
    #[arg(long, value_parser = backends(), default_value = "flex")]
    pub(crate) backend: Backend,
}
