//! The distributions that tokens are drawn from, after repetition penalty, temperature, top-k, top-p and min-p.

use anyhow::{Context, Result, ensure};
use lm_kernels::sampling::{SamplingParams, probabilities};
use serde::Deserialize;

use super::board::Board;
use super::compare::{Comparison, Tolerance};
use super::files::read_json;
use super::layout::Part;

/// In double precision.
const TOLERANCE: Tolerance = Tolerance::Absolute(1e-9);

#[derive(Deserialize)]
struct File {
    logits: Vec<Vec<f64>>,
    /// For each row of logits, the tokens so far; only a repetition penalty needs them.
    #[serde(default)]
    contexts: Vec<Vec<u32>>,
    cases: Vec<Case>,
}

/// A parameter that is not known here would change the distribution, so it is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    temperature: f64,
    /// 0 for all.
    #[serde(default)]
    top_k: usize,
    /// 1 for all.
    #[serde(default = "all")]
    top_p: f64,
    /// 0 for all.
    #[serde(default)]
    min_p: f64,
    /// 1 for none.
    #[serde(default = "all")]
    repetition_penalty: f64,
    /// One distribution for each row of logits.
    probabilities: Vec<Vec<f64>>,
}

fn all() -> f64 {
    1.0
}

/// Compares every case.
pub(super) fn check(part: &Part, board: &mut Board) -> Result<()> {
    let file: File = read_json(&part.path)?;
    for case in &file.cases {
        board.run(format!("{}: {}", part.name, case.name()), || {
            compare(&file, case)
        });
    }
    Ok(())
}

impl Case {
    fn name(&self) -> String {
        let mut name = format!(
            "temperature {}, top-k {}, top-p {}",
            self.temperature, self.top_k, self.top_p
        );
        if self.min_p > 0.0 {
            name += &format!(", min-p {}", self.min_p);
        }
        if self.is_penalised() {
            name += &format!(", penalty {}", self.repetition_penalty);
        }
        name
    }

    fn is_penalised(&self) -> bool {
        self.repetition_penalty != 1.0
    }

    fn params(&self) -> SamplingParams {
        SamplingParams {
            temperature: self.temperature,
            top_k: (self.top_k > 0).then_some(self.top_k),
            top_p: (self.top_p < 1.0).then_some(self.top_p),
            min_p: (self.min_p > 0.0).then_some(self.min_p),
            repetition_penalty: self.is_penalised().then_some(self.repetition_penalty),
        }
    }
}

fn compare(file: &File, case: &Case) -> Result<Comparison> {
    let (rows, expected) = (file.logits.len(), case.probabilities.len());
    ensure!(
        rows == expected,
        "expected {rows} distributions, found {expected}"
    );
    let contexts = file.contexts.len();
    ensure!(
        contexts == rows || !case.is_penalised(),
        "a penalty needs {rows} contexts, found {contexts}"
    );
    let mut comparison = Comparison::new(TOLERANCE);
    for (i, (row, expected)) in file.logits.iter().zip(&case.probabilities).enumerate() {
        let context = file.contexts.get(i).into_iter().flatten().copied();
        let found = probabilities(row, context, &case.params());
        let found =
            found.with_context(|| format!("row {i} of the logits gives no distribution"))?;
        comparison.numbers(&format!("row {i}"), &found, expected)?;
    }
    Ok(comparison)
}
