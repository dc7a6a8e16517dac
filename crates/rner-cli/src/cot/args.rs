//! What can be typed after `rner cot`.

use std::path::PathBuf;

use chat_client::Structured;
use clap::{Args, Subcommand};
use ner_cot::audit::Manner;
use ner_cot::export::Format;
use ner_cot::rules::Rule;
use ner_cot::source::Shard;
use rner::cot::Decisions;
use rner::recipe::Cot;
use rner_cli::args::{ForceArgs, RecipeArgs, TeacherArgs};
use rner_cli::reading::InputArgs;

use super::money::MoneyArgs;
use super::types::{TypeArgs, language};

/// `rner cot …`
#[derive(Debug, Subcommand)]
pub(crate) enum CotCommand {
    /// Annotate sentences with reasoning and keep what passes.
    Generate(Box<GenerateArgs>),
    /// Say where a folder stands: rows, reasons of rejection, tokens, dollars.
    Status(StatusArgs),
    /// Write the dataset of a folder again, with other rules, thresholds or formats; sends nothing.
    Export(Box<ExportArgs>),
    /// Show samples with their entities beside the reasoning, as one HTML page.
    View(ViewArgs),
    /// Take results of a batch service over into a folder's journal.
    Import {
        /// Folder of `rner cot generate --batch`.
        dir: PathBuf,
        /// Files of results, one JSON object a line.
        #[arg(required = true)]
        results: Vec<PathBuf>,
    },
    /// Put the shards of a run together.
    Merge {
        /// Folders of `rner cot generate --shard`.
        #[arg(required = true)]
        dirs: Vec<PathBuf>,
        /// Folder for the whole.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        force: ForceArgs,
    },
    /// Make a folder's journal smaller: without damaged lines and replaced answers.
    Compact {
        /// Folder of `rner cot generate`.
        dir: PathBuf,
    },
    /// Look for near-duplicates and for sentences of evaluation data, before anything is asked.
    Check(CheckArgs),
    /// Count how often the rules are wrong: right answers they reject, contradictions they miss.
    Audit(AuditArgs),
    /// Serve the simulated teacher and judge until interrupted.
    ServeTeacher {
        /// Examples that it knows, in any format that `rner data` knows.
        #[arg(long, value_name = "FILE")]
        data: PathBuf,
        #[command(flatten)]
        input: InputArgs,
        /// Seed of its mistakes.
        #[arg(long, default_value_t = 42)]
        seed: u64,
    },
}

/// Flags of `rner cot generate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) teacher: TeacherArgs,
    /// Sentences, in any format that `rner data` knows; with annotation or without, with lists of types or without.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) types: TypeArgs,
    #[command(flatten)]
    pub(crate) rows: RowArgs,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    #[command(flatten)]
    pub(crate) money: MoneyArgs,
    /// End with exactly so many accepted rows, the first of the source.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) target: Option<usize>,
    /// Folder with teacher.txt and judge.txt in place of the built-in prompts.
    #[arg(long, value_name = "DIR")]
    pub(crate) prompts: Option<PathBuf>,
    /// Ask the teacher's server to keep to the form of the answer: none, json-object, json-schema,
    /// structured-outputs (vLLM), guided-json (vLLM before 0.12).
    #[arg(long, value_name = "HOW")]
    pub(crate) structured: Option<Structured>,
    /// The same for the judge's server.
    #[arg(long, value_name = "HOW")]
    pub(crate) judge_structured: Option<Structured>,
    /// Print what it would cost, and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ask about so many rows first (their answers are kept), print what the rest would cost, and end.
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<usize>,
    /// Send nothing; write what is to be asked as files for a batch service to this folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["sample", "dry_run", "target"])]
    pub(crate) batch: Option<PathBuf>,
    /// Go on in a folder whose answers were asked for with other models, prompts, sampling or types.
    #[arg(long)]
    pub(crate) allow_change: bool,
    /// Go on even if most of the teacher's answers run out of tokens.
    #[arg(long)]
    pub(crate) allow_cut_off: bool,
    /// Ask once more what a server would not answer before: a filter, a prompt that is too long.
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Files to write: jsonl, json (as the paper's dataset), parquet. May be repeated.
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub(crate) format: Vec<Format>,
    /// Licence of the source, for the dataset card.
    #[arg(long, value_name = "NAME")]
    pub(crate) license: Option<String>,
    /// Language of the sentences, such as en, for the dataset card. May be repeated.
    #[arg(long, value_name = "CODE", value_parser = language)]
    pub(crate) language: Vec<String>,
    /// Folder for the dataset, its card, funnel.json and the journal.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Which rows are asked about.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RowArgs {
    /// Take this many sentences.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Only part I of N, by a hash of the rows; each part has its own folder.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Leave out rows as similar as this to an earlier one, from 0 to 1.
    #[arg(long, value_name = "SHARE")]
    pub(crate) near_duplicates: Option<f64>,
    /// Leave out sentences of these evaluation sets: files, or a folder with CrossNER and MIT. May be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) exclude: Vec<PathBuf>,
}

/// What decides about answers.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RuleArgs {
    /// Switch a rule off, such as language or leak. May be repeated.
    #[arg(long, value_name = "RULE")]
    pub(crate) no_rule: Vec<Rule>,
    /// Lowest judge score that is accepted.
    #[arg(long, value_name = "SCORE")]
    pub(crate) threshold: Option<f64>,
    /// Attempts for one sentence.
    #[arg(long, value_name = "K")]
    pub(crate) attempts: Option<usize>,
}

impl RuleArgs {
    /// The decisions that the flags are.
    pub(crate) fn decisions(&self) -> Decisions {
        Decisions {
            no_rules: self.no_rule.clone(),
            threshold: self.threshold,
            attempts: self.attempts,
        }
    }
}

/// How fast requests are sent.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FlowArgs {
    /// Most requests in flight at each server; fewer are if it cannot take them.
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<usize>,
    /// Always keep that many in flight.
    #[arg(long)]
    pub(crate) fixed_concurrency: bool,
    /// Requests per minute, at each server.
    #[arg(long, value_name = "N")]
    pub(crate) rpm: Option<u32>,
    /// Tokens per minute, at each server.
    #[arg(long, value_name = "N")]
    pub(crate) tpm: Option<u32>,
    /// Receive answers in pieces, which keeps long ones from timing out.
    #[arg(long)]
    pub(crate) stream: bool,
    /// Longest wait for the first byte of an answer, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) first_byte_timeout: Option<u64>,
    /// Longest wait between two pieces of an answer, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_timeout: Option<u64>,
    /// Longest time of a request in all, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// File that holds the teacher's API key.
    #[arg(long, value_name = "FILE", conflicts_with = "key_env")]
    pub(crate) key_file: Option<PathBuf>,
    /// Environment variable that holds the judge's API key. The teacher's key goes to the teacher's server only.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) judge_key_env: Option<String>,
    /// Do not ask the servers for the names of their models first.
    #[arg(long)]
    pub(crate) no_model_check: bool,
    /// Wait for the disk once for so many answers, not for each; a power failure could then lose as many.
    #[arg(long, value_name = "ANSWERS")]
    pub(crate) sync_every: Option<usize>,
}

impl FlowArgs {
    /// Puts what was typed in the place of what the recipe says.
    fn apply(&self, cot: &mut Cot) {
        let set = |key: &mut u64, given: Option<u64>| *key = given.unwrap_or(*key);
        set(&mut cot.first_byte_timeout, self.first_byte_timeout);
        set(&mut cot.idle_timeout, self.idle_timeout);
        set(&mut cot.timeout, self.timeout);
        cot.concurrency = self.concurrency.unwrap_or(cot.concurrency);
        cot.fixed_concurrency |= self.fixed_concurrency;
        cot.rpm = self.rpm.unwrap_or(cot.rpm);
        cot.tpm = self.tpm.unwrap_or(cot.tpm);
        cot.stream |= self.stream;
        cot.check_models &= !self.no_model_check;
        cot.sync_every = self.sync_every.unwrap_or(cot.sync_every);
        if let Some(file) = &self.key_file {
            cot.key_file = file.display().to_string();
        }
        if let Some(variable) = &self.judge_key_env {
            cot.judge_key_env.clone_from(variable);
        }
    }
}

impl GenerateArgs {
    /// Puts what was typed in the place of what the recipe says.
    pub(crate) fn apply(&self, cot: &mut Cot) {
        self.flow.apply(cot);
        self.money.apply(cot);
        cot.near_duplicates = self.rows.near_duplicates.unwrap_or(cot.near_duplicates);
        cot.target = self.target.unwrap_or(cot.target);
        cot.structured = self.structured.unwrap_or(cot.structured);
        cot.judge_structured = self.judge_structured.unwrap_or(cot.judge_structured);
        cot.allow_change |= self.allow_change;
        cot.allow_cut_off |= self.allow_cut_off;
        cot.retry_failed |= self.retry_failed;
        if let Some(prompts) = &self.prompts {
            cot.prompts = prompts.display().to_string();
        }
    }
}

/// Flags of `rner cot status`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    /// Folder of `rner cot generate`; it may be at work.
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    #[command(flatten)]
    pub(crate) money: MoneyArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `rner cot export`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// Folder of `rner cot generate`.
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    #[command(flatten)]
    pub(crate) money: MoneyArgs,
    /// End with exactly so many accepted rows.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) target: Option<usize>,
    /// Files to write: jsonl, json (as the paper's dataset), parquet. May be repeated.
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub(crate) format: Vec<Format>,
    /// Licence of the source, for the dataset card.
    #[arg(long, value_name = "NAME")]
    pub(crate) license: Option<String>,
    /// Language of the sentences, such as en, for the dataset card. May be repeated.
    #[arg(long, value_name = "CODE", value_parser = language)]
    pub(crate) language: Vec<String>,
    /// Folder for the files; the run's own if left out, where they are written again.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Flags of `rner cot view`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ViewArgs {
    /// Folder of `rner cot generate`.
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// Accepted rows to show, and rejected ones of each reason.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(crate) rows: usize,
    /// The page; view.html in the folder if left out, where it is written again.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Flags of `rner cot check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// Sentences, in any format that `rner data` knows.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Take this many sentences.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// How similar near-duplicates are, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = ner_cot::near::NearDuplicates::DEFAULT_THRESHOLD)]
    pub(crate) near_duplicates: f64,
    /// Evaluation sets: files, or a folder with CrossNER and MIT. May be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) against: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `rner cot audit`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AuditArgs {
    /// Annotated sentences: files that `rner data` knows, folders of them, or a folder with CrossNER and MIT, whose
    /// train splits are read. May be repeated; without any, only the hand-written chains are looked at. A row's own
    /// reasoning is looked at too.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) data: Vec<PathBuf>,
    /// Take this many sentences of each file or set.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Only reasoning in this manner: evidence, terse, second_thoughts, markdown, other_language. May be repeated.
    #[arg(long, value_name = "MANNER")]
    pub(crate) manner: Vec<Manner>,
    /// Switch a rule off, such as language or leak. May be repeated.
    #[arg(long, value_name = "RULE")]
    pub(crate) no_rule: Vec<Rule>,
    /// Show so many wrong verdicts of each kind.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) show: usize,
    /// Seed of the reasoning and of the contradictions.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A number of rows of which 0 would mean all.
fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1; leave it out for all rows".to_owned()),
        Ok(rows) => Ok(rows),
        Err(error) => Err(format!("{error}")),
    }
}
