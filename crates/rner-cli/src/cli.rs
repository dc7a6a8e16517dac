//! What can be typed: commands and their flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::{BenchGenerateArgs, BenchGrpoArgs, BenchLoadArgs, BenchSftArgs};
use crate::bench_cot::BenchCotArgs;
use crate::bodies::BackendArgs;
use crate::cot::CotCommand;
use crate::extract::ExtractArgs;
use crate::ner::bench_score::BenchScoreArgs;
use crate::ner::data::DataArgs;
use crate::ner::eval_compare::CompareArgs;
use crate::ner::eval_few_shot::FewShotArgs;
use crate::ner::eval_suite::{SuiteArgs, TrainArgs};
use crate::ner::eval_url::UrlArgs;
use crate::ner::score::ScoreArgs;
use crate::recipe::Backend;
use crate::serve::ServeArgs;

/// Named entity recognition that reasons: from a teacher's chains of thought to
/// a fine-tuned and reinforced Qwen3, scored zero-shot.
#[derive(Debug, Parser)]
#[command(name = "rner", version, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every stage of the paper and write a report.
    Reproduce(Box<ReproduceArgs>),
    /// Chains of thought: generate a dataset, look at it, change what is accepted, serve the simulated teacher.
    #[command(subcommand)]
    Cot(CotCommand),
    /// Fine-tune a model on an NER-CoT dataset.
    Sft(SftArgs),
    /// Improve a fine-tuned model by GRPO.
    Grpo(GrpoArgs),
    /// Score a model, a server or a file of answers on a benchmark.
    Eval(Box<EvalArgs>),
    /// Datasets: list, fetch, convert, count, sample and check them.
    Data(DataArgs),
    /// Score predictions with one of the field's scorers.
    Score(ScoreArgs),
    /// Measure how fast something is, as JSON.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Compare this program with reference values of transformers, PEFT and PyTorch.
    Parity(ParityArgs),
    /// Show which operations of the model have their own kernel on a backend.
    Backend(BackendArgs),
    /// Write a run's report again.
    Report {
        /// Folder of the run.
        run: PathBuf,
    },
    /// Extract entities from one sentence, and show the reasoning as it is written.
    Extract(Box<ExtractArgs>),
    /// Serve a model to programs that speak the OpenAI protocol, on this machine only.
    Serve(ServeArgs),
    /// The toy world: its corpus and its base model.
    #[command(subcommand)]
    Tiny(TinyCommand),
}

/// `rner bench`.
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
    /// Time steps of GRPO, rollouts included, and their memory on a random model.
    Grpo(BenchGrpoArgs),
}

/// Where hyperparameters come from.
#[derive(Clone, Debug, Args)]
pub(crate) struct RecipeArgs {
    /// Profile by name (tiny, smoke, paper-8b, qwen3-1.7b, qwen3-0.6b-lora) or path of a recipe file.
    #[arg(long, default_value = "tiny")]
    pub(crate) profile: String,
    /// Override one key of the recipe; may be repeated.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Burn backend.
    #[arg(long, value_enum)]
    pub(crate) backend: Option<Backend>,
    /// Seed of all randomness.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// Where teacher and judge are.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TeacherArgs {
    /// Base address of an OpenAI-compatible teacher, such as http://localhost:8000/v1.
    #[arg(long, value_name = "URL")]
    pub(crate) teacher_url: Option<String>,
    /// Base address of the judge; the teacher's if left out.
    #[arg(long, value_name = "URL")]
    pub(crate) judge_url: Option<String>,
    /// Model name of the teacher.
    #[arg(long, value_name = "NAME")]
    pub(crate) teacher_model: Option<String>,
    /// Model name of the judge.
    #[arg(long, value_name = "NAME")]
    pub(crate) judge_model: Option<String>,
    /// Environment variable that holds the API key.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) key_env: Option<String>,
}

/// Flags of `rner reproduce`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReproduceArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) teacher: TeacherArgs,
    /// Everything in a minute or so, with no claim about the scores.
    #[arg(long, conflicts_with = "profile")]
    pub(crate) smoke: bool,
    /// Repeat the run over this many seeds.
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<usize>,
    /// Real datasets instead of the toy corpus: a directory with CrossNER and MIT.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Take this many sentences of each set.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Folder of the run; runs/NAME if left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Flags of `rner sft`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SftArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// Checkpoint to start from; the recipe's base model if left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Annotated examples: a JSONL or JSON file in NER-CoT's format.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Examples to evaluate on while training (see `sft.eval_every`); without this, `sft.eval_share` of the
    /// examples is held out.
    #[arg(long, value_name = "FILE")]
    pub(crate) eval_data: Option<PathBuf>,
    /// Train on the answers alone.
    #[arg(long)]
    pub(crate) no_cot: bool,
    /// Prompt template; the recipe's if left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    /// Folder for the model.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// Flags of `rner grpo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GrpoArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// Fine-tuned checkpoint to start from.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Annotated examples: a JSONL or JSON file in NER-CoT's format.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Prompt template; the recipe's if left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rollout: RolloutArgs,
    /// Folder for the model.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// Who samples the completions of `rner grpo`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RolloutArgs {
    /// Base address of an OpenAI-compatible server (vLLM, SGLang, `rner serve`) that samples the completions, in place of
    /// this program.
    #[arg(long, value_name = "URL")]
    pub(crate) rollout_url: Option<String>,
    /// Name of the base model on that server.
    #[arg(long, value_name = "NAME", requires = "rollout_url")]
    pub(crate) rollout_model: Option<String>,
    /// How the server gets the policy: `adapter` (LoRA, by /v1/load_lora_adapter), `never`, or the method that makes it
    /// read a folder again.
    #[arg(
        long,
        value_name = "HOW",
        default_value = "adapter",
        requires = "rollout_url"
    )]
    pub(crate) rollout_sync: String,
    /// Largest mean difference between the server's log-probabilities and the trainer's, in nats, at which a batch counts.
    #[arg(long, value_name = "NATS", requires = "rollout_url")]
    pub(crate) rollout_tolerance: Option<f64>,
}

/// How an answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Prompting {
    /// The prompt as it is.
    Direct,
    /// With a sentence that asks for reasoning first.
    StepByStep,
}

/// Flags of `rner eval`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    pub(crate) command: Option<EvalCommand>,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) source: EvalSource,
    #[command(flatten)]
    pub(crate) suite: SuiteArgs,
    #[command(flatten)]
    pub(crate) train: TrainArgs,
    #[command(flatten)]
    pub(crate) url: UrlArgs,
    /// Benchmark: `tiny`, the folder of the suite's data, or a folder of SET.jsonl files.
    #[arg(long, value_name = "DIR", default_value = "tiny")]
    pub(crate) data: String,
    /// Take this many sentences of each set.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// How to ask.
    #[arg(long, value_enum, default_value = "direct")]
    pub(crate) prompting: Prompting,
    /// Prompt template; the recipe's if left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    /// Folder for results.json, predictions.jsonl and, for a suite, the page.
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) out: Option<PathBuf>,
}

/// Whose answers are scored; `--url` is the third.
#[derive(Clone, Debug, Args)]
pub(crate) struct EvalSource {
    /// Model to score: a folder or an id of the Hugging Face Hub.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["predictions", "url"])]
    pub(crate) model: Option<PathBuf>,
    /// Answers that were made elsewhere: lines of {"dataset", "index", "completion"}.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) predictions: Option<PathBuf>,
}

/// `rner eval compare` and its like.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// What one run gained over another, set by set, with p-values.
    Compare(CompareArgs),
    /// Draw the small training parts of a few-shot suite.
    FewShot(FewShotArgs),
}

/// Flags of `rner parity`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ParityArgs {
    /// Folder of reference values, laid out like fixtures/parity.
    pub(crate) dir: PathBuf,
    /// Burn backend.
    #[arg(long, value_enum, default_value = "flex")]
    pub(crate) backend: Backend,
    /// Folder with CrossNER and MIT, for reference scores of predictions; DIR/../datasets if left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) datasets: Option<PathBuf>,
    /// Print JSON instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `rner tiny …`
#[derive(Debug, Subcommand)]
pub(crate) enum TinyCommand {
    /// Write the toy corpus as JSONL files.
    Corpus {
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Folder for the files.
        #[arg(long, value_name = "DIR", default_value = "runs/tiny-corpus")]
        out: PathBuf,
    },
    /// Pretrain the toy's base model from its seed.
    Pretrain(PretrainArgs),
}

/// Flags of `rner tiny pretrain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PretrainArgs {
    /// Folder for the checkpoint.
    #[arg(long, value_name = "DIR", default_value = "fixtures/tiny-base")]
    pub(crate) out: PathBuf,
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
    pub(crate) workers: std::num::NonZero<usize>,
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
    #[arg(long, value_enum, default_value = "flex")]
    pub(crate) backend: Backend,
}
