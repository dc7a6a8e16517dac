//! The card of a dataset: what it is, how it was made, what it cost, what is wrong with it.
//!
//! The card is the README of a dataset repository on the Hugging Face hub: a
//! block of YAML that the hub reads, then Markdown. It says what it is given and
//! guesses nothing; a licence least of all.

mod markdown;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::markdown::{code_block, inline, thousands, yaml_string, yaml_strings};
use self::tables::{acceptance, rejections, removed, usage};
use crate::rule::{Rule, Rules};

/// A model that took part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardModel {
    /// Its name as the server reported it, or else as it was asked for.
    pub model: String,
    /// Its revision, where it is known.
    pub revision: Option<String>,
    /// How it sampled, in words or as JSON.
    pub sampling: Option<String>,
    /// The version of its prompt, see [`crate::prompts::Template::version`].
    pub prompt_version: String,
    /// The text of its prompt template.
    pub prompt: String,
    /// Answers used, those read from a journal included.
    pub answers: u64,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Tokens of the answers.
    pub completion_tokens: u64,
    /// What the tokens cost in US dollars, if prices are known.
    pub dollars: Option<f64>,
}

/// Sentences that were removed because they stand elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardRemoved {
    /// Near-duplicates of earlier rows; `None` if they were not looked for.
    pub near_duplicates: Option<usize>,
    /// Rows that stand in an evaluation set, by the set's name; `None` if this
    /// was not looked at.
    pub leakage: Option<BTreeMap<String, usize>>,
}

/// What a card says. All values are given; nothing is read from files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Card {
    /// Title of the dataset.
    pub name: String,
    /// Identifier of the source's licence, as the hub spells it, such as `cc-by-4.0`.
    pub license: Option<String>,
    /// Codes of the languages, such as `en`.
    pub languages: Vec<String>,
    /// Names of the data files, beside the card.
    pub data_files: Vec<String>,
    /// Where the sentences come from, in words.
    pub source: Option<String>,
    /// Rows of the source.
    pub source_rows: usize,
    /// Rows of the dataset.
    pub rows: usize,
    /// The teacher.
    pub teacher: CardModel,
    /// The judge.
    pub judge: CardModel,
    /// Least score of an accepted answer.
    pub threshold: f64,
    /// Most answers asked for per row.
    pub attempts: u32,
    /// The rules, on and off.
    pub rules: Rules,
    /// Judged answers.
    pub judged: usize,
    /// Judged answers that a threshold would accept.
    pub accepted_at_threshold: BTreeMap<u8, usize>,
    /// Accepted rows by the number of the accepted attempt, from 0.
    pub accepted_at_attempt: Vec<usize>,
    /// Rejected answers by reason.
    pub rejected_answers: BTreeMap<String, usize>,
    /// Rejected rows by the reason of their last attempt.
    pub rejected_rows: BTreeMap<String, usize>,
    /// Rows left open.
    pub unfinished: usize,
    /// Rows removed.
    pub removed: CardRemoved,
    /// Known limits beyond those that every such dataset has, one sentence each.
    pub limits: Vec<String>,
}

/// Limits of the method, whatever the models.
const LIMITS: [&str; 4] = [
    "Entities, types and reasoning are a model's, not a person's; nobody has read them.",
    "The judge is a model too: its scores depend on its prompt, and its errors are likely to be those of the teacher.",
    "Rows that the teacher fails on are missing, so hard sentences are rarer here than in the source.",
    "The reasoning is a text that leads to the answer; it need not be how the teacher came to it.",
];

/// The card as Markdown with its YAML block.
pub fn dataset_card(card: &Card) -> String {
    let sections = [
        front_matter(card),
        introduction(card),
        license(card),
        fields(),
        making(card),
        acceptance(card),
        rejections(card),
        removed(card),
        usage(card),
        limits(card),
        prompts(card),
    ];
    sections.join("\n")
}

fn front_matter(card: &Card) -> String {
    let license = hub_license(card.license.as_deref().unwrap_or("unknown"));
    let name = yaml_string(&card.name);
    let languages = yaml_strings("language", &card.languages);
    let size = size_category(card.rows);
    let paths = card.data_files.iter();
    let paths: String = paths
        .map(|path| format!("    - {}\n", yaml_string(path)))
        .collect();
    let configs = if paths.is_empty() {
        String::new()
    } else {
        format!(
            "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path:\n{paths}"
        )
    };
    format!(
        "---\npretty_name: {name}\n{license}{languages}task_categories:\n- token-classification\n\
         size_categories:\n- {size}\ntags:\n- named-entity-recognition\n- chain-of-thought\n- synthetic\n{configs}---\n"
    )
}

/// Licences as the hub spells them, those that datasets and texts have.
const LICENSES: &[&str] = &[
    "afl-3.0",
    "agpl-3.0",
    "apache-2.0",
    "artistic-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsl-1.0",
    "c-uda",
    "cc",
    "cc-by-2.0",
    "cc-by-2.5",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-nc-2.0",
    "cc-by-nc-3.0",
    "cc-by-nc-4.0",
    "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "cdla-permissive-2.0",
    "gfdl",
    "gpl-3.0",
    "isc",
    "mit",
    "mpl-2.0",
    "odbl",
    "odc-by",
    "pddl",
    "unlicense",
    "unknown",
];

/// The lines about the licence. The hub knows licences by identifiers, and calls any other one `other`.
fn hub_license(license: &str) -> String {
    let words: Vec<&str> = license.split_whitespace().collect();
    let id = words.join("-").to_lowercase();
    if LICENSES.contains(&id.as_str()) {
        return format!("license: {id}\n");
    }
    format!("license: other\nlicense_name: {}\n", yaml_string(license))
}

/// The hub's name for so many rows.
fn size_category(rows: usize) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        10_000_000..100_000_000 => "10M<n<100M",
        100_000_000..1_000_000_000 => "100M<n<1B",
        _ => "n>1B",
    }
}

fn introduction(card: &Card) -> String {
    let source = card.source.as_deref().map_or_else(
        || "The source of the sentences was not stated.".into(),
        |source| format!("The sentences come from {}.", inline(source)),
    );
    format!(
        "# {}\n\n{} sentences with named entities and the reasoning that leads to them. A teacher model annotated \
         each sentence anew, without seeing any annotation of the source; structural rules and a judge model decided \
         what was kept. The method is that of *A Reasoning Paradigm for Named Entity Recognition* (arXiv 2511.11978), \
         with prompts of our own. {source}\n",
        inline(&card.name),
        thousands(card.rows as u64)
    )
}

fn license(card: &Card) -> String {
    let text = match &card.license {
        Some(license) => format!(
            "The source's licence is {}. The terms of the teacher's and the judge's providers may limit the use of \
             what their models wrote.",
            inline(license)
        ),
        None => "**Warning: the licence of the source is unknown.** Find it out before this dataset is shared or \
                 used. The terms of the teacher's and the judge's providers may limit its use as well."
            .into(),
    };
    format!("## Licence\n\n{text}\n")
}

fn fields() -> String {
    "## Fields\n\n\
     | Field | Meaning |\n|---|---|\n\
     | `guid` | identifier of the row in its source, or null |\n\
     | `dataset` | name of the source, or null |\n\
     | `sentence` | the sentence |\n\
     | `schema` | the entity types asked for |\n\
     | `cot` | the teacher's reasoning |\n\
     | `entities` | list of `text` and `label`; texts stand in the sentence letter by letter |\n\
     | `provenance` | models, attempt (from 1), score and tokens of the row, where the format has them |\n"
        .into()
}

fn making(card: &Card) -> String {
    let mut out = String::from(
        "## How it was made\n\n| | Model | Revision | Sampling | Prompt |\n|---|---|---|---|---|\n",
    );
    for (role, model) in [("Teacher", &card.teacher), ("Judge", &card.judge)] {
        let (revision, sampling) = (or_unknown(&model.revision), or_unknown(&model.sampling));
        let (name, version) = (inline(&model.model), inline(&model.prompt_version));
        out += &format!("| {role} | {name} | {revision} | {sampling} | {version} |\n");
    }
    let (on, off): (Vec<Rule>, Vec<Rule>) =
        (Rule::ALL.into_iter()).partition(|&rule| card.rules.contains(rule));
    let limits = &card.rules.limits;
    out += &format!(
        "\nAt most {} answers per row; an answer is accepted at a score of {} of 10.\n\n\
         Rules on: {}. Rules off: {}. Reasoning of {} to {} characters; share of foreign letters at most {}; loops \
         from {} repetitions, in runs of {} words.\n",
        card.attempts,
        card.threshold,
        names(&on),
        names(&off),
        limits.min_reasoning_chars,
        limits.max_reasoning_chars,
        limits.max_foreign_share,
        limits.loop_repeats,
        limits.loop_words
    );
    out
}

fn names(rules: &[Rule]) -> String {
    let names: Vec<_> = rules.iter().map(|rule| format!("`{rule}`")).collect();
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

fn or_unknown(text: &Option<String>) -> String {
    text.as_deref().map_or_else(|| "unknown".into(), inline)
}

fn limits(card: &Card) -> String {
    let own = card.limits.iter().map(|limit| inline(limit));
    let lines = LIMITS.iter().map(ToString::to_string).chain(own);
    let lines: String = lines.map(|line| format!("- {line}\n")).collect();
    format!("## Known limits\n\n{lines}")
}

fn prompts(card: &Card) -> String {
    let mut out = String::from("## Prompts\n");
    for (role, model) in [("Teacher", &card.teacher), ("Judge", &card.judge)] {
        let version = inline(&model.prompt_version);
        out += &format!(
            "\n{role}, version {version}:\n\n{}",
            code_block(&model.prompt)
        );
    }
    out
}
