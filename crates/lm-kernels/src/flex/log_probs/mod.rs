//! Log-probabilities of given tokens, a chunk of rows of logits at a time.

mod gradients;

use std::ops::Range;

use burn::tensor::Shape;
use burn_flex::FlexTensor;

use super::{
    buffer::{Input, Output, integers, tensor, with_scratch},
    matrix::{Mat, MatMut},
    parallel::for_chunks,
    simd::{LANES, exp, max, total, vectorised},
    weight::Weight,
};
use crate::types::LogitsLeft;
pub(super) use gradients::{backward, forward_and_backward};

/// Rows of logits held at once, unless the vocabulary is large.
const ROWS: usize = 512;
/// Logits held at once when the vocabulary is large, and the most that are kept for the backward pass (64 MiB).
const LOGITS: usize = 1 << 24;
/// Rows per task.
const TASK: usize = 16;

/// The activations, the output matrix and the targets, checked once.
struct Problem {
    x: Input,
    weight: Weight,
    targets: Vec<usize>,
    inverse_temperature: f32,
}

impl Problem {
    fn new(x: FlexTensor, weight: FlexTensor, targets: FlexTensor, temperature: f64) -> Self {
        let (x, weight, targets) = (Input::new(x), Weight::new(weight), integers(targets));
        let vocab = weight.rows();
        if let Some(target) = targets.iter().find(|&&target| target >= vocab) {
            panic!("linear_log_probs: target {target}, expected one below {vocab}");
        }
        Self {
            x,
            weight,
            targets,
            inverse_temperature: (1.0 / temperature) as f32,
        }
    }

    fn vocab(&self) -> usize {
        self.weight.rows()
    }

    fn dim(&self) -> usize {
        self.weight.cols()
    }

    fn rows(&self, (start, len): (usize, usize)) -> Mat<'_> {
        Mat::new(&self.x[start * self.dim()..], len, self.dim())
    }

    /// Chunks `(start, len)` of rows whose logits are held at once.
    fn chunks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let most = (LOGITS / self.vocab().max(1)).clamp(TASK, ROWS);
        let total = self.targets.len();
        let chunk = move |start| (start, most.min(total - start));
        (0..total).step_by(most).map(chunk)
    }

    /// The places of a chunk's logits among those of all rows.
    fn place(&self, (start, len): (usize, usize)) -> Range<usize> {
        start * self.vocab()..(start + len) * self.vocab()
    }

    fn project(&self, chunk: (usize, usize), logits: MatMut<'_>) {
        let scale = self.inverse_temperature;
        self.weight.project(logits, self.rows(chunk), scale);
    }

    /// Runs `f` with the scaled logits of every chunk `(start, len)` of rows.
    fn for_logits(&self, mut f: impl FnMut((usize, usize), &mut [f32])) {
        for chunk in self.chunks() {
            with_scratch(chunk.1 * self.vocab(), |logits| {
                self.project(chunk, MatMut::new(logits, chunk.1, self.vocab()));
                f(chunk, logits);
            });
        }
    }
}

/// The logits are kept if that is wanted and they are few enough.
pub(super) fn forward(
    [x, weight, targets]: [FlexTensor; 3],
    temperature: f64,
    keep_logits: bool,
) -> ([FlexTensor; 2], LogitsLeft<FlexTensor>) {
    let problem = Problem::new(x, weight, targets, temperature);
    let count = problem.targets.len();
    let mut stats = vec![[0.0; 3]; count];
    let logits = if keep_logits && count * problem.vocab() <= LOGITS {
        Some(kept_logits(&problem, &mut stats))
    } else {
        problem.for_logits(|chunk, logits| statistics(&problem, chunk, logits, &mut stats));
        None
    };
    let [log_probs, entropy, lse] = columns(&stats);
    ([log_probs, entropy], LogitsLeft { lse, logits })
}

/// The scaled logits of all rows; fills in the statistics.
fn kept_logits(problem: &Problem, stats: &mut [[f32; 3]]) -> FlexTensor {
    let (count, vocab) = (problem.targets.len(), problem.vocab());
    let mut kept = Output::new(count * vocab);
    for chunk in problem.chunks() {
        let slots = &mut kept.slots(count * vocab)[problem.place(chunk)];
        problem.project(chunk, MatMut::unwritten(slots, chunk.1, vocab));
        // SAFETY: `project` writes the whole product.
        let logits = unsafe { slots.assume_init_ref() };
        statistics(problem, chunk, logits, stats);
    }
    // SAFETY: the chunks cover all rows.
    unsafe { kept.finish(Shape::new([count, vocab])) }
}

/// The statistics of all rows as one tensor each.
fn columns(stats: &[[f32; 3]]) -> [FlexTensor; 3] {
    let shape = Shape::new([stats.len()]);
    [0, 1, 2].map(|i| tensor(stats.iter().map(|row| row[i]).collect(), shape.clone()))
}

/// Fills in the statistics of a chunk of rows.
fn statistics(
    problem: &Problem,
    (start, len): (usize, usize),
    logits: &[f32],
    stats: &mut [[f32; 3]],
) {
    let vocab = problem.vocab();
    let (stats, targets) = (&mut stats[start..start + len], &problem.targets[start..]);
    for_chunks(stats, TASK, logits.len(), |task, stats| {
        let rows = logits[task * TASK * vocab..].chunks_exact(vocab);
        for ((row, &target), stats) in rows.zip(&targets[task * TASK..]).zip(stats) {
            *stats = row_statistics(row, target);
        }
    });
}

vectorised! {
    /// Log-probability of the target, entropy and log-sum-exp of a row of logits.
    fn row_statistics(row: &[f32], target: usize) -> [f32; 3] {
        let max = max(row);
        let (mut sums, mut moments) = ([0.0; LANES], [0.0; LANES]);
        let mut chunks = row.chunks_exact(LANES);
        for chunk in &mut chunks {
            for i in 0..LANES {
                let shifted = chunk[i] - max;
                let weight = exp(shifted);
                sums[i] += weight;
                moments[i] += weight * shifted;
            }
        }
        let (mut sum, mut moment) = (total(sums), total(moments));
        for x in chunks.remainder() {
            sum += exp(x - max);
            moment += exp(x - max) * (x - max);
        }
        let lse = max + sum.ln();
        [row[target] - lse, sum.ln() - moment / sum, lse]
    }
}
