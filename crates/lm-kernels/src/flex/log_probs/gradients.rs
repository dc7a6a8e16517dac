//! Gradients of log-probabilities, after the forward pass or together with it.

use burn::tensor::DType;
use burn_flex::FlexTensor;

use super::super::{
    buffer::{InPlace, Input, Output, cast, tensor},
    matrix::{Mat, MatMut, Threads, multiply_add},
    parallel::{for_chunks, for_chunks2},
    simd::{LANES, exp, max, total, vectorised},
};
use super::{Problem, TASK, columns};
use crate::types::{HeadGrads, LEAST_LOG_PROB, LogProbsGrad, LogitsLeft, Needs};

/// Gradients of the activations and of the weight, to which every chunk of rows adds its part.
struct Sums {
    needs: Needs,
    dx: Output,
    dweight: Vec<f32>,
}

impl Sums {
    fn new(problem: &Problem, needs: Needs) -> Self {
        let weight_len = problem.vocab() * problem.dim();
        Self {
            needs,
            dx: Output::new(if needs.x { problem.x.len() } else { 0 }),
            dweight: vec![0.0; if needs.weight { weight_len } else { 0 }],
        }
    }

    /// Adds the part of the chunk `(start, len)`, whose logits have the gradients `dlogits`.
    fn add(&mut self, problem: &Problem, (start, len): (usize, usize), dlogits: &[f32]) {
        let dlogits = Mat::new(dlogits, len, problem.vocab());
        if self.needs.x {
            let rows = &mut self.dx.slots(problem.x.len())[start * problem.dim()..];
            let product = MatMut::unwritten(rows, len, problem.dim());
            problem.weight.project_back(product, dlogits);
        }
        if self.needs.weight {
            let sum = MatMut::new(&mut self.dweight, problem.vocab(), problem.dim());
            let rows = problem.rows((start, len));
            multiply_add(sum, dlogits.t(), rows, Threads::Auto);
        }
    }

    /// The sums as tensors of the given types.
    ///
    /// # Safety
    /// All chunks of the problem have been added.
    unsafe fn finish(self, problem: &Problem, dtypes: [DType; 2]) -> HeadGrads<FlexTensor> {
        let dx = self.needs.x.then(|| {
            // SAFETY: the chunks cover all rows, and `project_back` writes each whole.
            let dx = unsafe { self.dx.finish(problem.x.shape().clone()) };
            cast(dx, dtypes[0])
        });
        let dweight = self.needs.weight.then(|| {
            let dweight = tensor(self.dweight, problem.weight.shape().clone());
            cast(dweight, dtypes[1])
        });
        HeadGrads {
            x: dx,
            weight: dweight,
        }
    }
}

/// Gradients after a forward pass.
pub(in super::super) fn backward(
    [x, weight, targets]: [FlexTensor; 3],
    left: LogitsLeft<FlexTensor>,
    grad: LogProbsGrad<FlexTensor>,
    temperature: f64,
    needs: Needs,
) -> HeadGrads<FlexTensor> {
    let dtypes = [x.dtype(), weight.dtype()];
    let problem = Problem::new(x, weight, targets, temperature);
    let grads = RowGradients::new(left.lse, grad);
    let mut sums = Sums::new(&problem, needs);
    let mut step = |chunk, logits: &mut [f32]| {
        logits_to_gradients(&problem, chunk, logits, &grads);
        sums.add(&problem, chunk, logits);
    };
    match left.logits.map(InPlace::new) {
        Some(mut kept) => problem
            .chunks()
            .for_each(|chunk| step(chunk, &mut kept.values()[problem.place(chunk)])),
        None => problem.for_logits(step),
    }
    // SAFETY: both ways go through all chunks.
    unsafe { sums.finish(&problem, dtypes) }
}

/// A forward pass and, from the same logits, the gradients for those of the log-probabilities, `grad`.
pub(in super::super) fn forward_and_backward(
    [x, weight, targets]: [FlexTensor; 3],
    temperature: f64,
    grad: FlexTensor,
    needs: Needs,
) -> ([FlexTensor; 2], HeadGrads<FlexTensor>) {
    let dtypes = [x.dtype(), weight.dtype()];
    let problem = Problem::new(x, weight, targets, temperature);
    let grad = Input::new(grad);
    let mut stats = vec![[0.0; 3]; problem.targets.len()];
    let mut sums = Sums::new(&problem, needs);
    problem.for_logits(|(start, len), logits| {
        let stats = &mut stats[start..start + len];
        statistics_and_gradients(&problem, start, logits, stats, &grad);
        sums.add(&problem, (start, len), logits);
    });
    // SAFETY: `for_logits` goes through all chunks.
    let grads = unsafe { sums.finish(&problem, dtypes) };
    let [log_probs, entropy, _] = columns(&stats);
    ([log_probs, entropy], grads)
}

/// Fills in the statistics of a chunk of rows from `start`, and replaces its scaled logits by the gradients of the
/// unscaled ones.
fn statistics_and_gradients(
    problem: &Problem,
    start: usize,
    logits: &mut [f32],
    stats: &mut [[f32; 3]],
    grad: &[f32],
) {
    let vocab = problem.vocab();
    for_chunks2(
        logits.len(),
        (logits, TASK * vocab),
        (stats, TASK),
        |task, logits, stats| {
            let rows = logits.chunks_exact_mut(vocab).zip(stats);
            for (t, (row, stats)) in (start + task * TASK..).zip(rows) {
                let size = grad[t] * problem.inverse_temperature;
                *stats = row_at_once(row, problem.targets[t], size);
            }
        },
    );
}

vectorised! {
    /// Log-probability of the target, entropy and log-sum-exp of a row of logits, which is replaced by its gradients.
    fn row_at_once(row: &mut [f32], target: usize, size: f32) -> [f32; 3] {
        let (max, of_target) = (max(row), row[target]);
        let (mut sums, mut moments) = ([0.0; LANES], [0.0; LANES]);
        let mut chunks = row.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for i in 0..LANES {
                let shifted = chunk[i] - max;
                let weight = exp(shifted);
                sums[i] += weight;
                moments[i] += weight * shifted;
                chunk[i] = weight;
            }
        }
        let (mut sum, mut moment) = (total(sums), total(moments));
        for x in chunks.into_remainder() {
            let shifted = *x - max;
            *x = exp(shifted);
            sum += *x;
            moment += *x * shifted;
        }
        let share = -size / sum;
        for x in row.iter_mut() {
            *x *= share;
        }
        row[target] += size;
        let lse = max + sum.ln();
        [of_target - lse, sum.ln() - moment / sum, lse]
    }
}

/// What the gradient of a row of logits depends on besides the logits, a column each.
struct RowGradients {
    lse: Input,
    /// Of the log-probability.
    grad: Input,
    /// The entropy and its gradient.
    entropy: Option<[Input; 2]>,
}

impl RowGradients {
    fn new(lse: FlexTensor, grad: LogProbsGrad<FlexTensor>) -> Self {
        let entropy = grad.entropy.map(|of| [of.entropy, of.grad].map(Input::new));
        Self {
            lse: Input::new(lse),
            grad: Input::new(grad.log_probs),
            entropy,
        }
    }

    /// Replaces the scaled logits of row `t` by the gradients of the unscaled ones.
    fn write(&self, row: &mut [f32], t: usize, target: usize, inverse_temperature: f32) {
        let size = self.grad[t] * inverse_temperature;
        match &self.entropy {
            None => row_gradient(row, self.lse[t], size),
            Some([entropy, grad]) => {
                let slope = grad[t] * inverse_temperature;
                let even = size + slope * entropy[t];
                row_gradient_with_entropy(row, self.lse[t], even, slope);
            }
        }
        row[target] += size;
    }
}

/// Replaces scaled logits by the gradients of the unscaled ones.
fn logits_to_gradients(
    problem: &Problem,
    (start, len): (usize, usize),
    logits: &mut [f32],
    grads: &RowGradients,
) {
    let (vocab, work) = (problem.vocab(), logits.len());
    for_chunks(
        &mut logits[..len * vocab],
        TASK * vocab,
        work,
        |task, logits| {
            for (i, row) in logits.chunks_exact_mut(vocab).enumerate() {
                let t = start + task * TASK + i;
                grads.write(row, t, problem.targets[t], problem.inverse_temperature);
            }
        },
    );
}

vectorised! {
    fn row_gradient(row: &mut [f32], lse: f32, size: f32) {
        for x in row {
            *x = -size * exp(*x - lse);
        }
    }
}

vectorised! {
    /// The share `even` of a probability's gradient is the same for all, the other grows with its logarithm.
    fn row_gradient_with_entropy(row: &mut [f32], lse: f32, even: f32, slope: f32) {
        for x in row {
            let log_prob = (*x - lse).max(LEAST_LOG_PROB);
            *x = -exp(log_prob) * (even + slope * log_prob);
        }
    }
}
