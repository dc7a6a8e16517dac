//! `[cot]`: teacher, validation and judge, how their servers are asked and what that may cost.
//!
//! Every flag of `rner cot generate` that is not about its source is one of these keys.

use std::collections::BTreeMap;

use chat_client::Structured;
use ner_cot::rules::Rule;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{RecipeError, range};
use super::peak::DailyPeak;

/// Keys that change no answer and decide about none: another value of them asks for nothing again.
const NOT_DECIDING: [&str; 28] = [
    "teacher_url",
    "judge_url",
    "key_env",
    "key_file",
    "judge_key_env",
    "check_models",
    "concurrency",
    "fixed_concurrency",
    "rpm",
    "tpm",
    "stream",
    "first_byte_timeout",
    "idle_timeout",
    "timeout",
    "sync_every",
    "price_in",
    "price_cached_in",
    "price_out",
    "judge_price_in",
    "judge_price_cached_in",
    "judge_price_out",
    "peak",
    "budget_usd",
    "budget_tokens",
    "journal",
    "allow_change",
    "allow_cut_off",
    "retry_failed",
];

/// Fields of a request that other keys or the pipeline decide.
const FIELDS_OF_A_REQUEST: [&str; 10] = [
    "model",
    "messages",
    "temperature",
    "max_tokens",
    "seed",
    "stream",
    "stream_options",
    "response_format",
    "structured_outputs",
    "guided_json",
];

/// `[cot]`: teacher, validation and judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cot {
    /// Base address of an OpenAI-compatible server, or `simulated`.
    pub teacher_url: String,
    /// The same for the judge.
    pub judge_url: String,
    /// Model name sent to the teacher.
    pub teacher_model: String,
    /// Model name sent to the judge.
    pub judge_model: String,
    /// Environment variable that holds the teacher's API key. Where it is not set, no key is sent.
    pub key_env: String,
    /// File that holds the teacher's API key, in place of the variable.
    #[serde(default)]
    pub key_file: String,
    /// Environment variable of the judge's key; the teacher's key is used if both are behind the same address.
    #[serde(default)]
    pub judge_key_env: String,
    /// Ask the servers for the names of their models before the first question.
    #[serde(default = "yes")]
    pub check_models: bool,

    /// Attempts for one sentence before it is given up.
    pub attempts: usize,
    /// Lowest judge score (0 to 10) that is accepted.
    pub judge_threshold: f64,
    /// Most tokens of a teacher's answer, reasoning included.
    pub max_tokens: usize,
    /// The teacher's sampling temperature.
    pub temperature: f64,
    /// How the teacher's server is asked to keep to the form of the answer.
    #[serde(default)]
    pub structured: Structured,
    /// The same for the judge's server.
    #[serde(default)]
    pub judge_structured: Structured,
    /// Further fields of the request to the teacher, such as `reasoning_effort = "low"`.
    #[serde(default)]
    pub teacher_extra: toml::Table,
    /// Further fields of the request to the judge.
    #[serde(default)]
    pub judge_extra: toml::Table,
    /// Folder with `teacher.txt` and `judge.txt` in place of the built-in prompts; empty for these.
    #[serde(default)]
    pub prompts: String,
    /// Rules that are switched off.
    #[serde(default)]
    pub rules_off: Vec<Rule>,

    /// Leave sentences of `data.eval` out of what the teacher is asked about.
    #[serde(default = "yes")]
    pub exclude_eval: bool,
    /// Leave out rows as similar as this to an earlier one, up to 1; 0 leaves none out.
    #[serde(default)]
    pub near_duplicates: f64,
    /// End with exactly so many accepted rows, the first of the source; 0 means all of them.
    #[serde(default)]
    pub target: usize,

    /// Most requests in flight at each server.
    pub concurrency: usize,
    /// Always keep that many in flight, where fewer are if a server cannot take them.
    #[serde(default)]
    pub fixed_concurrency: bool,
    /// Requests per minute at each server; 0 means any number.
    #[serde(default)]
    pub rpm: u32,
    /// Tokens per minute at each server; 0 means any number.
    #[serde(default)]
    pub tpm: u32,
    /// Receive answers in pieces, which keeps long ones from timing out.
    #[serde(default)]
    pub stream: bool,
    /// Longest wait for the first byte of an answer in seconds; 0 means 10 minutes.
    #[serde(default)]
    pub first_byte_timeout: u64,
    /// Longest wait between two pieces of an answer in seconds; 0 means 2 minutes.
    #[serde(default)]
    pub idle_timeout: u64,
    /// Longest time of a request in seconds; 0 means 30 minutes.
    #[serde(default)]
    pub timeout: u64,
    /// Answers for which the disk is waited for once; 0 waits for every answer.
    #[serde(default)]
    pub sync_every: usize,

    /// US dollars per million tokens to the teacher; 0 for both directions means that nothing is known.
    #[serde(default)]
    pub price_in: f64,
    /// The same for tokens that the server has in its cache; 0 means the price of the others.
    #[serde(default)]
    pub price_cached_in: f64,
    /// US dollars per million tokens from the teacher.
    #[serde(default)]
    pub price_out: f64,
    /// US dollars per million tokens to the judge.
    #[serde(default)]
    pub judge_price_in: f64,
    /// The same for cached tokens.
    #[serde(default)]
    pub judge_price_cached_in: f64,
    /// US dollars per million tokens from the judge.
    #[serde(default)]
    pub judge_price_out: f64,
    /// Hours (UTC) at which both cost more, such as `08:30-16:30x2`; empty for none.
    #[serde(default)]
    pub peak: String,
    /// Stop before the answers of the journal have cost more dollars; 0 means no limit.
    #[serde(default)]
    pub budget_usd: f64,
    /// Stop before the answers of the journal have taken more tokens; 0 means no limit.
    #[serde(default)]
    pub budget_tokens: u64,

    /// Folder of the journal, which several runs may share one after the other; empty for `teacher/` of the run.
    #[serde(default)]
    pub journal: String,
    /// Go on in a journal whose answers were asked for with other models, prompts or sampling.
    #[serde(default)]
    pub allow_change: bool,
    /// Go on even if half of the teacher's last answers ran out of tokens.
    #[serde(default)]
    pub allow_cut_off: bool,
    /// Ask once more what a server would not answer before for a reason of the request's own, such as a filter.
    #[serde(default)]
    pub retry_failed: bool,
}

fn yes() -> bool {
    true
}

impl Cot {
    /// The teacher's address; none if it is simulated.
    pub fn teacher(&self) -> Option<&str> {
        (self.teacher_url != "simulated").then_some(self.teacher_url.as_str())
    }

    /// The judge's address; none if it is simulated.
    pub fn judge(&self) -> Option<&str> {
        (self.judge_url != "simulated").then_some(self.judge_url.as_str())
    }

    /// Whether the program itself is teacher and judge, so that no answer costs anything.
    pub fn is_simulated(&self) -> bool {
        self.teacher().is_none() && self.judge().is_none()
    }

    /// The keys that shape answers or decide about them, and who gives them: what a finished stage depends on.
    ///
    /// The addresses are not among them: the same model behind another one does the same work.
    pub(crate) fn deciding(&self) -> toml::Table {
        let mut table = toml::Table::try_from(self).unwrap_or_default();
        for key in NOT_DECIDING {
            table.remove(key);
        }
        let simulated = [self.teacher().is_none(), self.judge().is_none()];
        table.insert("simulated".into(), simulated.to_vec().into());
        table
    }

    /// Whether another section gives the same answers and decisions, however its servers are asked.
    pub fn decides_like(&self, other: &Self) -> bool {
        let of = |cot: &Self| {
            let mut table = cot.deciding();
            table.remove("simulated");
            table
        };
        of(self) == of(other)
    }

    pub(super) fn validate(&self) -> Result<(), RecipeError> {
        let positive = [
            ("cot.concurrency", self.concurrency),
            ("cot.attempts", self.attempts),
            ("cot.max_tokens", self.max_tokens),
        ];
        for (key, value) in positive {
            range(key, value, value >= 1, "at least 1")?;
        }
        let within = [
            ("cot.judge_threshold", self.judge_threshold, 10.0),
            ("cot.near_duplicates", self.near_duplicates, 1.0),
        ];
        for (key, value, most) in within {
            let expected = format!("between 0 and {most}");
            range(key, value, (0.0..=most).contains(&value), &expected)?;
        }
        self.validate_money()?;
        check_extra("cot.teacher_extra", &self.teacher_extra)?;
        check_extra("cot.judge_extra", &self.judge_extra)
    }

    fn validate_money(&self) -> Result<(), RecipeError> {
        let dollars = [
            ("cot.price_in", self.price_in),
            ("cot.price_cached_in", self.price_cached_in),
            ("cot.price_out", self.price_out),
            ("cot.judge_price_in", self.judge_price_in),
            ("cot.judge_price_cached_in", self.judge_price_cached_in),
            ("cot.judge_price_out", self.judge_price_out),
            ("cot.budget_usd", self.budget_usd),
        ];
        for (key, value) in dollars {
            range(key, value, value >= 0.0, "a number of at least 0")?;
        }
        let price = self.price_in + self.price_out + self.judge_price_in + self.judge_price_out;
        let ok = self.budget_usd == 0.0 || price > 0.0;
        let expected = "0, or a price too: cot.price_in and cot.price_out, --price IN/OUT";
        range("cot.budget_usd", self.budget_usd, ok, expected)?;
        let peak = self.daily_peak();
        peak.map(|_| ())
            .or_else(|expected| range("cot.peak", &self.peak, false, &expected))
    }

    /// The hours at which both servers cost more.
    ///
    /// # Errors
    /// What was expected, if the key cannot be read.
    pub fn daily_peak(&self) -> Result<Option<DailyPeak>, String> {
        match self.peak.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some),
        }
    }
}

/// A table of a recipe as fields of a request.
pub fn json_fields(table: &toml::Table) -> BTreeMap<String, Value> {
    let field = |(key, value): (&String, &toml::Value)| (key.clone(), serde_json::json!(value));
    table.iter().map(field).collect()
}

/// Refuses a field that something else decides, which would then stand in the request twice.
fn check_extra(key: &str, extra: &toml::Table) -> Result<(), RecipeError> {
    let taken = extra
        .keys()
        .find(|name| FIELDS_OF_A_REQUEST.contains(&name.as_str()));
    let expected = "fields that no other key of [cot] decides";
    range(
        key,
        taken.map_or("", String::as_str),
        taken.is_none(),
        expected,
    )
}
