//! Log-probabilities of given tokens, a chunk of rows at a time.

use tch::{Kind, Tensor};

use super::full;
use crate::types::{HeadGrads, LEAST_LOG_PROB, LogProbsGrad, Needs};

/// Rows of logits held at once, unless the vocabulary is large.
const ROWS: i64 = 512;
/// The fewest rows at once: below, adding up the gradient of the weight costs more than the products.
const FEWEST_ROWS: i64 = 128;
/// Logits held at once when the vocabulary is large, and the most that are kept for the backward pass (64 MiB).
const LOGITS: i64 = 1 << 24;

/// The operation's inputs: activations `[T, H]`, output matrix `[V, H]` in their type, targets `[T]`.
pub(super) struct Problem {
    x: Tensor,
    weight: Tensor,
    weight_kind: Kind,
    targets: Tensor,
    temperature: f64,
}

impl Problem {
    pub(super) fn new(x: &Tensor, weight: &Tensor, targets: &Tensor, temperature: f64) -> Self {
        Self {
            x: x.shallow_clone(),
            weight: weight.to_kind(x.kind()),
            weight_kind: weight.kind(),
            targets: targets.to_kind(Kind::Int64).unsqueeze(1),
            temperature,
        }
    }

    /// Log-probabilities, entropies and log-sum-exp of the scaled logits, each `[T]`, and those logits if they are to
    /// be kept and not too many.
    pub(super) fn statistics(&self, keep_logits: bool) -> ([Tensor; 3], Option<Tensor>) {
        let (rows, vocab) = (self.x.size()[0], self.weight.size()[0]);
        let columns = self.columns();
        let all = || Tensor::empty([rows, vocab], (Kind::Float, self.x.device()));
        let kept = (keep_logits && rows * vocab <= LOGITS).then(all);
        for chunk in self.chunks() {
            let logits = match &kept {
                Some(kept) => self.write_logits(&chunk.rows(kept), chunk),
                None => self.logits(chunk),
            };
            self.write(&columns, chunk, &logits);
        }
        (columns, kept)
    }

    /// Gradients of the activations and of the weight for those of log-probabilities and entropies, as
    /// [`reference::linear_log_probs_bwd`](crate::reference::linear_log_probs_bwd). `kept` is written over.
    pub(super) fn gradients(
        &self,
        lse: &Tensor,
        kept: Option<Tensor>,
        grad: &LogProbsGrad<Tensor>,
        needs: Needs,
    ) -> HeadGrads<Tensor> {
        let mut sums = Sums::new(self, needs);
        let column = |values: &Tensor| full(values).unsqueeze(1);
        let grads = RowGradients {
            lse: column(lse),
            grad: column(&grad.log_probs) / self.temperature,
            entropy: grad.entropy.as_ref().map(|of| {
                let slope = column(&of.grad) / self.temperature;
                [column(&of.entropy), slope]
            }),
        };
        for chunk in self.chunks() {
            let logits = match &kept {
                Some(kept) => chunk.rows(kept),
                None => self.logits(chunk),
            };
            let dlogits = self.dlogits(logits, chunk, &grads);
            sums.add(self, chunk, &dlogits);
        }
        sums.finish(self)
    }

    /// [`Problem::statistics`], and from the same logits the gradients for those of the log-probabilities, `grad`.
    pub(super) fn statistics_and_gradients(
        &self,
        grad: &Tensor,
        needs: Needs,
    ) -> ([Tensor; 3], HeadGrads<Tensor>) {
        let mut sums = Sums::new(self, needs);
        let columns = self.columns();
        let grads = RowGradients {
            lse: columns[2].unsqueeze(1),
            grad: full(grad).unsqueeze(1) / self.temperature,
            entropy: None,
        };
        for chunk in self.chunks() {
            let logits = self.logits(chunk);
            self.write(&columns, chunk, &logits);
            let dlogits = self.dlogits(logits, chunk, &grads);
            sums.add(self, chunk, &dlogits);
        }
        (columns, sums.finish(self))
    }

    /// The gradient of a chunk's unscaled logits in the type of the activations, computed in their place.
    fn dlogits(&self, mut logits: Tensor, chunk: Chunk, grads: &RowGradients) -> Tensor {
        let grad = chunk.rows(&grads.grad);
        let mut log_probs = logits.g_sub_(&chunk.rows(&grads.lse));
        let share = match &grads.entropy {
            None => grad.shallow_clone(),
            Some([entropy, slope]) => {
                // A probability of zero contributes nothing, however low its logarithm is.
                let surprise = log_probs.clamp_min(f64::from(LEAST_LOG_PROB)) + chunk.rows(entropy);
                surprise * chunk.rows(slope) + &grad
            }
        };
        let mut scaled = log_probs.exp_().g_mul_(&-share);
        let _ = scaled.scatter_add_(1, &chunk.rows(&self.targets), &grad);
        scaled.to_kind(self.x.kind())
    }

    /// The scaled logits of a chunk in 32 bits.
    fn logits(&self, chunk: Chunk) -> Tensor {
        let logits = full(&chunk.rows(&self.x).mm(&self.weight.tr()));
        self.scaled(logits)
    }

    /// [`Problem::logits`] into memory that is there already.
    fn write_logits(&self, out: &Tensor, chunk: Chunk) -> Tensor {
        let (x, weight) = (chunk.rows(&self.x), self.weight.tr());
        let logits = match x.kind() {
            Kind::Float => x.mm_out(out, &weight),
            _ => {
                let mut out = out.shallow_clone();
                out.copy_(&x.mm(&weight));
                out
            }
        };
        self.scaled(logits)
    }

    fn scaled(&self, mut logits: Tensor) -> Tensor {
        match self.temperature {
            1.0 => logits,
            temperature => logits.g_div_scalar_(temperature),
        }
    }

    fn columns(&self) -> [Tensor; 3] {
        let rows = self.x.size()[0];
        std::array::from_fn(|_| Tensor::empty([rows], (Kind::Float, self.x.device())))
    }

    /// Writes a chunk's part of the columns.
    ///
    /// The largest probability is one over the softmax's denominator, which libtorch keeps to itself.
    fn write(&self, columns: &[Tensor; 3], chunk: Chunk, logits: &Tensor) {
        let mut probs = logits.softmax(1, Kind::Float);
        let lse = logits.amax([1_i64], true) - probs.amax([1_i64], true).log();
        let target = logits.gather(1, &chunk.rows(&self.targets), false) - &lse;
        // A logit of negative infinity has no probability and adds nothing.
        let weighted = probs.g_mul_(&logits.clamp_min(f64::from(f32::MIN)));
        let entropy =
            lse.squeeze_dim(1) - weighted.sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
        let found = [target.squeeze_dim(1), entropy, lse.squeeze_dim(1)];
        for (column, values) in columns.iter().zip(found) {
            chunk.rows(column).copy_(&values);
        }
    }

    fn chunks(&self) -> impl Iterator<Item = Chunk> {
        let (rows, vocab) = (self.x.size()[0], self.weight.size()[0].max(1));
        let most = (LOGITS / 2 / vocab).clamp(FEWEST_ROWS, ROWS);
        (0..rows).step_by(most as usize).map(move |start| Chunk {
            start,
            len: most.min(rows - start),
        })
    }
}

/// Gradients of the activations and of the weight, to which every chunk of rows adds its part.
struct Sums {
    dx: Option<Tensor>,
    dweight: Option<Tensor>,
}

impl Sums {
    fn new(problem: &Problem, needs: Needs) -> Self {
        let weight = || full(&problem.weight).zeros_like();
        Self {
            dx: needs.x.then(|| problem.x.empty_like()),
            dweight: needs.weight.then(weight),
        }
    }

    fn add(&mut self, problem: &Problem, chunk: Chunk, dlogits: &Tensor) {
        if let Some(dx) = &self.dx {
            let _ = dlogits.mm_out(&chunk.rows(dx), &problem.weight);
        }
        if let Some(sum) = &mut self.dweight {
            add_product(sum, &dlogits.tr(), &chunk.rows(&problem.x));
        }
    }

    fn finish(self, problem: &Problem) -> HeadGrads<Tensor> {
        HeadGrads {
            x: self.dx,
            weight: self.dweight.map(|sum| sum.to_kind(problem.weight_kind)),
        }
    }
}

/// What the gradients of logits depend on besides them, each `[T, 1]`; gradients are divided by the temperature.
struct RowGradients {
    lse: Tensor,
    /// Of the log-probabilities.
    grad: Tensor,
    /// The entropies and their gradients.
    entropy: Option<[Tensor; 2]>,
}

/// Some consecutive rows.
#[derive(Clone, Copy)]
struct Chunk {
    start: i64,
    len: i64,
}

impl Chunk {
    fn rows(self, x: &Tensor) -> Tensor {
        x.narrow(0, self.start, self.len)
    }
}

/// Adds `a · b` to a sum in 32 bits.
fn add_product(sum: &mut Tensor, a: &Tensor, b: &Tensor) {
    let _ = match a.kind() {
        Kind::Float => sum.addmm_(a, b),
        _ => sum.g_add_(&a.mm(b)),
    };
}
