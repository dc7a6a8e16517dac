//! What became of every row and every answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::journal::{Failed, Part};
use crate::row_check::SourceProblem;
use crate::rules::{Finding, Rule};
use chat_client::Usage;

/// Thresholds that the report compares, because the paper does not say how
/// much its choice of 9 matters.
pub const THRESHOLDS: [u8; 4] = [7, 8, 9, 10];

/// Rejected answers of each reason that the report shows in full.
const SAMPLES_PER_REASON: usize = 5;

/// Rows that the report names of those that failed at a server; the journal has all.
const FAILED_NAMED: usize = 1000;

/// Why an answer, or a row without any, was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The first rule that the answer broke.
    Rule(Rule),
    /// The judge's score is below the threshold.
    LowScore,
    /// The judge gave no score that can be read, several times.
    JudgeUnreadable,
    /// There is nothing that could be asked about the row, by the name of its problem.
    Source(&'static str),
    /// An earlier row is nearly the same.
    NearDuplicate,
    /// The sentence is in the evaluation data.
    Leak,
    /// A server does not answer what is asked about the row.
    Failed(chat_client::Rejection),
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.name(),
            Self::LowScore => "judge_score",
            Self::JudgeUnreadable => "judge_unreadable",
            Self::Source(problem) => problem,
            Self::NearDuplicate => "near_duplicate",
            Self::Leak => "in_evaluation_data",
            Self::Failed(rejection) => rejection.name(),
        }
    }
}

/// One answer of the teacher and what was thought of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The rules that it broke.
    pub findings: Vec<Finding>,
    /// The judge's score, 0 to 10, if it was asked and could be read.
    pub score: Option<f64>,
    /// The judge's last answer as it was written; none if it was not asked.
    pub verdict: Option<String>,
    /// `None` if the answer is accepted.
    pub(crate) reason: Option<Reason>,
    /// The teacher's answer.
    pub teacher: Spent,
    /// The judge's answers.
    pub judge: Spent,
    /// The reasoning, trimmed; empty if there is none.
    pub reasoning: String,
    /// The answer as the model wrote it.
    pub content: String,
    /// Whether think tags in the reasoning are spelt otherwise than the model spelt them.
    pub is_respelt: bool,
}

impl Attempt {
    /// Name of the reason for which the answer was rejected.
    pub fn rejected_for(&self) -> Option<&'static str> {
        self.reason.map(Reason::name)
    }
}

/// Answers and tokens of one model, those read from the journal included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Answers used.
    pub answers: u64,
    /// Tokens as the server reported them.
    #[serde(flatten)]
    pub usage: Usage,
}

impl Spent {
    pub(crate) fn add(&mut self, usage: Usage) {
        self.answers += 1;
        self.usage += usage;
    }

    fn merge(&mut self, other: Self) {
        self.answers += other.answers;
        self.usage += other.usage;
    }
}

/// What a run was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the teacher.
    pub teacher_model: String,
    /// Name of the judge.
    pub judge_model: String,
    /// Version of the teacher's prompt.
    pub teacher_prompt: String,
    /// Version of the judge's prompt.
    pub judge_prompt: String,
}

/// A rejected answer, for the reader of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Index of the row in the source.
    pub row: usize,
    /// Number of the attempt, from 0.
    pub attempt: usize,
    /// Name of the reason.
    pub reason: String,
    /// What was found.
    pub detail: String,
    /// The sentence.
    pub sentence: String,
    /// The answer as the model wrote it.
    pub answer: String,
}

/// A row that failed at a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRow {
    /// Index of the row in the source.
    pub row: usize,
    /// Its identifier, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// What was asked for.
    pub part: Part,
    /// The HTTP status; 200 for an answer that has nothing in it.
    pub status: u16,
    /// Why it failed.
    pub reason: chat_client::Rejection,
    /// The server's words.
    pub message: String,
}

/// The way from source rows to accepted rows, with the losses by reason.
///
/// It depends on the source, the settings and the servers' answers only; not on
/// concurrency, and not on how often the run was interrupted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Funnel {
    /// What the run was made with.
    pub provenance: Provenance,
    /// Least score of an accepted answer.
    pub threshold: f64,
    /// Most answers asked for per row.
    pub attempts: u32,
    /// Rows of the source.
    pub rows: usize,
    /// Rows that ended with an accepted answer.
    pub accepted: usize,
    /// Rows whose attempts are used up, or that cannot be asked about.
    pub rejected: usize,
    /// Rows that a stop or a failing server left open; a rerun goes on with them.
    pub unfinished: usize,
    /// Rows whose request a server does not answer, while it answers others; they are among the rejected ones.
    #[serde(default)]
    pub failed: usize,
    /// The first of them.
    #[serde(default)]
    pub failed_rows: Vec<FailedRow>,
    /// Accepted rows in whose reasoning think tags are spelt otherwise than the model spelt them.
    #[serde(default)]
    pub respelt: usize,
    /// Accepted rows by the number of the accepted attempt, from 0.
    pub accepted_at_attempt: Vec<usize>,
    /// Rejected rows by the reason of their last attempt.
    pub rejected_rows: BTreeMap<String, usize>,
    /// Answers of the teacher that were examined. Equal source rows share theirs.
    pub answers: usize,
    /// Rejected answers by the first reason found.
    pub rejected_answers: BTreeMap<String, usize>,
    /// Answers that broke a rule, by rule; an answer may break several.
    pub findings: BTreeMap<String, usize>,
    /// Judged answers by score, rounded down: 0, 1, …, 10.
    pub judge_scores: [usize; 11],
    /// Judged answers that a threshold would accept.
    pub accepted_at_threshold: BTreeMap<u8, usize>,
    /// The teacher's answers and tokens.
    pub teacher: Spent,
    /// The judge's answers and tokens.
    pub judge: Spent,
    /// The first rejected answers of each reason.
    pub samples: Vec<Rejection>,
}

impl Funnel {
    pub(crate) fn new(provenance: Provenance, threshold: f64, attempts: u32) -> Self {
        Self {
            provenance,
            threshold,
            attempts,
            accepted_at_attempt: vec![0; attempts as usize],
            accepted_at_threshold: THRESHOLDS.map(|threshold| (threshold, 0)).into(),
            ..Self::default()
        }
    }

    /// Judged answers.
    pub fn judged(&self) -> usize {
        self.judge_scores.iter().sum()
    }

    /// Rows that nothing was asked about, by reason.
    pub fn not_asked(&self) -> impl Iterator<Item = (&str, usize)> {
        let of_selection = [Reason::NearDuplicate, Reason::Leak].map(Reason::name);
        let reasons = SourceProblem::NAMES.into_iter().chain(of_selection);
        reasons.filter_map(|reason| Some((reason, *self.rejected_rows.get(reason)?)))
    }

    /// Counts a row that ended as `attempts` say; its answers only if no equal row came before.
    pub(crate) fn add_row(
        &mut self,
        row: usize,
        sentence: &str,
        attempts: &[Attempt],
        is_new: bool,
    ) {
        self.add_attempts(row, sentence, attempts, is_new);
        match attempts.last().and_then(|last| last.reason) {
            Some(reason) => self.reject(reason, 1),
            None => {
                self.respelt += usize::from(attempts.last().is_some_and(|last| last.is_respelt));
                self.accepted += 1;
                let number = attempts.len().saturating_sub(1);
                if let Some(count) = self.accepted_at_attempt.get_mut(number) {
                    *count += 1;
                }
            }
        }
    }

    fn add_attempts(&mut self, row: usize, sentence: &str, attempts: &[Attempt], is_new: bool) {
        for (number, attempt) in attempts.iter().enumerate().filter(|_| is_new) {
            self.add_attempt(attempt);
            if let Some(reason) = attempt.reason {
                self.add_sample(row, number, reason, sentence, attempt);
            }
        }
    }

    /// Counts a row that a server fails after these attempts.
    pub(crate) fn add_failed(
        &mut self,
        row: (usize, &ner_types::Example),
        attempts: &[Attempt],
        failed: Failed<'_>,
        is_new: bool,
    ) {
        let (number, example) = row;
        self.add_attempts(number, &example.sentence, attempts, is_new);
        self.reject(Reason::Failed(failed.reason), 1);
        self.failed += 1;
        if self.failed_rows.len() < FAILED_NAMED {
            self.failed_rows.push(FailedRow {
                row: number,
                guid: example.guid.clone(),
                part: failed.part,
                status: failed.status,
                reason: failed.reason,
                message: failed.message.into_owned(),
            });
        }
    }

    /// Counts rows that ended without acceptance.
    pub(crate) fn reject(&mut self, reason: Reason, rows: usize) {
        self.rejected += rows;
        *self.rejected_rows.entry(reason.name().into()).or_default() += rows;
    }

    fn add_attempt(&mut self, attempt: &Attempt) {
        self.answers += 1;
        self.teacher.merge(attempt.teacher);
        self.judge.merge(attempt.judge);
        for finding in &attempt.findings {
            *self.findings.entry(finding.rule.name().into()).or_default() += 1;
        }
        if let Some(reason) = attempt.reason {
            *self
                .rejected_answers
                .entry(reason.name().into())
                .or_default() += 1;
        }
        if let Some(score) = attempt.score {
            // Scores lie in 0..=10, so the floor is an index.
            self.judge_scores[score as usize] += 1;
            for (&threshold, count) in &mut self.accepted_at_threshold {
                *count += usize::from(score >= f64::from(threshold));
            }
        }
    }

    fn add_sample(
        &mut self,
        row: usize,
        number: usize,
        reason: Reason,
        sentence: &str,
        attempt: &Attempt,
    ) {
        let reason = reason.name();
        let known = self.samples.iter().filter(|sample| sample.reason == reason);
        if known.count() >= SAMPLES_PER_REASON {
            return;
        }
        let detail = match (attempt.findings.first(), attempt.score) {
            (Some(finding), _) => finding.detail.clone(),
            (None, Some(score)) => format!("the judge gave {score}"),
            (None, None) => "the judge gave no score".into(),
        };
        self.samples.push(Rejection {
            row,
            attempt: number,
            reason: reason.into(),
            detail,
            sentence: sentence.into(),
            answer: attempt.content.clone(),
        });
    }
}
