//! The distributions that tokens are drawn from, after temperature, top-k and top-p.

use anyhow::{Context, Result, ensure};
use lm_generate::{Sampling, probabilities};
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
            compare(&file.logits, case)
        });
    }
    Ok(())
}

impl Case {
    fn name(&self) -> String {
        format!(
            "temperature {}, top-k {}, top-p {}",
            self.temperature, self.top_k, self.top_p
        )
    }

    fn sampling(&self) -> Sampling {
        Sampling {
            max_new_tokens: 1,
            temperature: self.temperature,
            top_k: (self.top_k > 0).then_some(self.top_k),
            top_p: (self.top_p < 1.0).then_some(self.top_p),
            stop: Vec::new(),
            seed: 0,
        }
    }
}

fn compare(logits: &[Vec<f64>], case: &Case) -> Result<Comparison> {
    let (rows, expected) = (logits.len(), case.probabilities.len());
    ensure!(
        rows == expected,
        "expected {rows} distributions, found {expected}"
    );
    let mut comparison = Comparison::new(TOLERANCE);
    for (i, (row, expected)) in logits.iter().zip(&case.probabilities).enumerate() {
        let found = probabilities(row, &case.sampling());
        let found =
            found.with_context(|| format!("row {i} of the logits gives no distribution"))?;
        comparison.numbers(&format!("row {i}"), &found, expected)?;
    }
    Ok(comparison)
}
