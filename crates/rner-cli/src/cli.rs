//! What can be typed: commands and their flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rner::reasoning::Reasoning;
use rner_cli::args::{ForceArgs, RecipeArgs, TeacherArgs, TrackArgs, quoted};
use rner_cli::reading::InputArgs;

use crate::calibrate::CalibrateArgs;
use crate::cot::CotCommand;
use crate::export::ExportArgs;
use crate::extract::dial::DialArgs;
use crate::extract::{ExtractArgs, FormArg};
use crate::lab::LabArgs;
use crate::ner::data::DataArgs;
use crate::ner::eval_compare::CompareArgs;
use crate::ner::eval_few_shot::FewShotArgs;
use crate::ner::eval_suite::{SuiteArgs, TrainArgs};
use crate::ner::eval_url::UrlArgs;
use crate::ner::score::ScoreArgs;
use crate::prompt::PromptArgs;
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
    /// Write a run's report again, or the page of one `rner sft` or `rner grpo`.
    Report {
        /// Folder of the run, or of the training.
        run: PathBuf,
    },
    /// Extract entities from a sentence, and show the reasoning as it is written; or from the sentences of a file.
    Extract(Box<ExtractArgs>),
    /// Find out on annotated rows what the confidences of a model are worth, for `rner extract --risk`.
    Calibrate(Box<CalibrateArgs>),
    /// Write what `rner extract` found, kept as JSON lines, in another form: a page, a table, what spaCy, GLiNER or an
    /// annotation tool reads.
    Export(ExportArgs),
    /// Print the very text that a model gets about a sentence, for programs that ask it themselves.
    Prompt(Box<PromptArgs>),
    /// Serve a model to programs that speak the OpenAI protocol, on this machine only.
    Serve(ServeArgs),
    /// Measure how fast something is: `rner-lab bench`.
    #[command(hide = true, disable_help_flag = true)]
    Bench(LabArgs),
    /// Compare with reference values: `rner-lab parity`.
    #[command(hide = true, disable_help_flag = true)]
    Parity(LabArgs),
    /// Show the kernels of a backend: `rner-lab backend`.
    #[command(hide = true, disable_help_flag = true)]
    Backend(LabArgs),
    /// The toy world: `rner-lab tiny`.
    #[command(hide = true, disable_help_flag = true)]
    Tiny(LabArgs),
}

/// Flags of `rner reproduce`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReproduceArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) track: TrackArgs,
    #[command(flatten)]
    pub(crate) teacher: TeacherArgs,
    #[command(flatten)]
    pub(crate) rollout: RolloutArgs,
    /// Everything in a minute or so, with no claim about the scores.
    #[arg(long, conflicts_with = "profile")]
    pub(crate) smoke: bool,
    /// Repeat the run over this many seeds.
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<usize>,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
    /// Take this many sentences of each set.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print what would be done and what stands against it, and do nothing; only teacher, judge and rollout servers are
    /// asked for their models.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ask no server before the run begins.
    #[arg(long)]
    pub(crate) offline: bool,
    /// With --dry-run: print what was found as JSON, without the plan.
    #[arg(long, requires = "dry_run")]
    pub(crate) json: bool,
    /// Print what each built-in profile takes of a device, and end.
    #[arg(long)]
    pub(crate) list_profiles: bool,
    /// Folder of the run; runs/NAME if left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Where the data of `rner reproduce` comes from. A source is a name of `rner data list`, a file or a folder.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SourceArgs {
    /// Train on the training splits of a source and score its test splits; the prompts of GRPO come from it too. A run
    /// on the sets that are scored is in-domain, not zero-shot: see --hold-out.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) data: Option<String>,
    /// Sentences for the teacher: `data.train`.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) train: Option<String>,
    /// Chains of thought: `generate`, `published`, or a source with reasoning: `data.cot`.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) cot: Option<String>,
    /// Prompts of GRPO: `data.grpo`.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) grpo: Option<String>,
    /// The benchmark: `data.eval`.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) eval: Option<String>,
    /// Folder with sets of a group that cannot be fetched, in InstructUIE's layout: `data.folder`.
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Score this set of the benchmark alone and train on nothing of it; may be repeated.
    #[arg(long, value_name = "SET")]
    pub(crate) hold_out: Vec<String>,
    /// Accept a licence, such as cc-by-nc-4.0; may be repeated.
    #[arg(long, value_name = "LICENCE")]
    pub(crate) accept_licence: Vec<String>,
    /// Folder of downloads, for all runs: `data.cache`.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
}

/// Flags of `rner sft`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SftArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) track: TrackArgs,
    /// Checkpoint to start from; the recipe's base model if left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Annotated examples, in any format that `rner data` knows; those with `cot` have reasoning.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Examples to evaluate on while training (see `sft.train.eval_every`); without this, `sft.eval_share` of the
    /// examples is held out.
    #[arg(long, value_name = "FILE")]
    pub(crate) eval_data: Option<PathBuf>,
    /// Train on the answers alone.
    #[arg(long)]
    pub(crate) no_cot: bool,
    /// Prompt template; the model's own if left out, or else the recipe's.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    /// Folder for the model.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Flags of `rner grpo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GrpoArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) track: TrackArgs,
    /// Fine-tuned checkpoint to start from.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Annotated examples, in any format that `rner data` knows.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Prompt template; the model's own if left out, or else the recipe's.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rollout: RolloutArgs,
    /// Folder for the model.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Who samples the completions of GRPO: keys of `[grpo.rollout]`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RolloutArgs {
    /// Base address of an OpenAI-compatible server (vLLM, SGLang, `rner serve`) that samples the completions, in place
    /// of this program.
    #[arg(long, value_name = "URL")]
    pub(crate) rollout_url: Option<String>,
    /// Name of the base model on that server.
    #[arg(long, value_name = "NAME")]
    pub(crate) rollout_model: Option<String>,
    /// How the server gets the policy: `adapter` (LoRA, by /v1/load_lora_adapter), `never`, or the method that makes it
    /// read a folder again.
    #[arg(long, value_name = "HOW")]
    pub(crate) rollout_sync: Option<String>,
    /// Largest mean difference between the server's log-probabilities and the trainer's, in nats, at which a batch
    /// counts.
    #[arg(long, value_name = "NATS")]
    pub(crate) rollout_tolerance: Option<f64>,
}

impl RolloutArgs {
    /// The flags as overrides of a recipe.
    pub(crate) fn sets(&self) -> Vec<String> {
        let text = |key: &str, given: &Option<String>| Some(quoted(key, given.as_ref()?));
        let tolerance = self.rollout_tolerance;
        [
            text("grpo.rollout.url", &self.rollout_url),
            text("grpo.rollout.model", &self.rollout_model),
            text("grpo.rollout.sync", &self.rollout_sync),
            tolerance.map(|nats| format!("grpo.rollout.tolerance={nats}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// How an answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Prompting {
    /// The prompt as it is.
    Direct,
    /// With a sentence that asks for reasoning first.
    StepByStep,
}

impl From<Prompting> for ner_eval::Prompting {
    fn from(prompting: Prompting) -> Self {
        match prompting {
            Prompting::Direct => Self::Direct,
            Prompting::StepByStep => Self::StepByStep,
        }
    }
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
    /// Benchmark: `tiny`, the folder of the suite's data, a folder of SET.jsonl files, or a file of annotated sentences
    /// in any format that `rner data` knows.
    #[arg(long, value_name = "DIR", default_value = "tiny")]
    pub(crate) data: String,
    /// Take this many sentences of each set.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// How to ask.
    #[arg(long, value_enum, default_value = "direct")]
    pub(crate) prompting: Prompting,
    #[command(flatten)]
    pub(crate) dial: DialArgs,
    /// The form that answers are held to while they are written, and free ones beside them, into free of --out, because
    /// a form can hurt.
    #[arg(long, value_enum, conflicts_with = "budget")]
    pub(crate) form: Option<FormArg>,
    /// Evaluate once with each of these budgets for the reasoning, such as 0,16,64,full: into budget-N of --out, with
    /// F1 against tokens and time in curve.json and curve.html.
    #[arg(
        long,
        value_name = "N,N,..",
        value_delimiter = ',',
        conflicts_with = "reasoning"
    )]
    pub(crate) budget: Vec<Reasoning>,
    /// Prompt template; the model's own if left out, or else the recipe's.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    /// Folder for predictions.jsonl, scores.json, results.json and results.html.
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) out: Option<PathBuf>,
}

/// Whose answers are scored; `--url` is the third.
#[derive(Clone, Debug, Args)]
pub(crate) struct EvalSource {
    /// Model to score: a folder or an id of the Hugging Face Hub.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["predictions", "url"])]
    pub(crate) model: Option<PathBuf>,
    /// Answers that were made elsewhere: JSON lines with "completion" or "entities", or any format of `rner data
    /// formats`; matched by "id", by "dataset" and "index", by "sentence", or, if they say none, by line.
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
