//! Log-probabilities of given tokens, a block of rows at a time.
//!
//! The products are Burn's. What lies between them, the softmax statistics and the gradient of the logits, is one pass
//! over the logits each; the gradient is written over them.

mod kernels;

use burn::tensor::{DType, Shape, Tensor, TensorMetadata, backend::Backend};
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};

use super::launch::{UNITS, addresses, dense, elementwise, empty, grid, owned, units};
use crate::convert::{full, primitive, tensor};
use crate::reference;
use crate::types::{HeadGrads, LogProbsGrad, LogitsLeft, Needs};
use kernels::{gradient_kernel, statistics_kernel};

/// Rows of logits that are held at once, the same as in the default body.
const CHUNK: usize = 512;

/// Bytes of logits that are kept for the backward pass at most, the same as on the other backends.
const KEPT_BYTES: usize = 64 << 20;

/// What both passes read: the activations and the weight in one type, the targets, and the temperature.
pub(super) struct Scored<R: CubeRuntime> {
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
    targets: CubeTensor<R>,
    temperature: f64,
}

impl<R: CubeRuntime> Scored<R> {
    pub(super) fn new([x, weight, targets]: [CubeTensor<R>; 3], temperature: f64) -> Self {
        Self {
            x,
            weight,
            targets,
            temperature,
        }
    }
}

/// A block of rows: the first, and how many.
type Chunk = (usize, usize);

/// [`Scored`] with the weight in the type of the activations.
struct Problem<B: Backend, R: CubeRuntime> {
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    weight_type: DType,
    targets: CubeTensor<R>,
    inverse_temperature: f32,
}

impl<B, R> Problem<B, R>
where
    R: CubeRuntime,
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    fn new(scored: Scored<R>) -> Self {
        let (x, weight) = (tensor::<B, 2>(scored.x), tensor::<B, 2>(scored.weight));
        Self {
            weight_type: weight.dtype(),
            weight: weight.cast(x.dtype()),
            x,
            targets: dense(scored.targets),
            inverse_temperature: (1.0 / scored.temperature) as f32,
        }
    }

    fn tokens(&self) -> usize {
        self.x.dims()[0]
    }

    fn chunks(&self) -> impl Iterator<Item = Chunk> + use<B, R> {
        let total = self.tokens();
        let chunk = move |first| (first, CHUNK.min(total - first));
        (0..total).step_by(CHUNK).map(chunk)
    }

    /// All rows as one block, if the logits are few enough to keep.
    fn whole(&self) -> Option<Chunk> {
        let bytes = self.tokens() * self.weight.dims()[0] * self.x.dtype().size();
        (bytes <= KEPT_BYTES).then_some((0, self.tokens()))
    }

    fn rows(&self, (first, len): Chunk) -> Tensor<B, 2> {
        self.x.clone().narrow(0, first, len)
    }

    /// The logits of a block, not divided by the temperature.
    fn logits(&self, chunk: Chunk) -> CubeTensor<R> {
        primitive(reference::linear(self.rows(chunk), self.weight.clone()))
    }

    /// Three columns of unspecified values, `[T]` each.
    fn columns(&self) -> [CubeTensor<R>; 3] {
        let like = primitive(self.x.clone());
        let column = |_| empty(&like, Shape::new([self.tokens()]), DType::F32);
        [0, 1, 2].map(column)
    }

    /// The columns, block by block.
    fn statistics(&self) -> [CubeTensor<R>; 3] {
        let columns = self.columns();
        for chunk in self.chunks() {
            self.write_statistics(&columns, chunk, self.logits(chunk));
        }
        columns
    }

    /// The columns, and the logits of all rows, computed as the one block `whole`.
    fn statistics_and_logits(&self, whole: Chunk) -> ([CubeTensor<R>; 3], Option<CubeTensor<R>>) {
        let columns = self.columns();
        let logits = dense(self.logits(whole));
        self.write_statistics(&columns, whole, logits.clone());
        (columns, Some(logits))
    }

    /// Writes a block's part of the columns.
    fn write_statistics(&self, columns: &[CubeTensor<R>; 3], chunk: Chunk, logits: CubeTensor<R>) {
        let (first, len) = chunk;
        let (logits, targets) = (dense(logits), self.targets.clone());
        let [log_probs, entropies, lses] = columns.each_ref().map(CubeTensor::clone);
        let types = [logits.dtype.into(), targets.dtype.into()];
        statistics_kernel::launch(
            &logits.client.clone(),
            grid(&logits, len),
            units(),
            addresses(&[&logits, &targets]),
            logits.into_array_arg(),
            targets.into_array_arg(),
            log_probs.into_array_arg(),
            entropies.into_array_arg(),
            lses.into_array_arg(),
            len,
            first,
            self.weight.dims()[0],
            self.inverse_temperature,
            UNITS,
            types,
        );
    }

    /// The gradient of a block's logits, which are written over if nobody else holds them.
    fn dlogits(
        &self,
        (first, _): Chunk,
        logits: CubeTensor<R>,
        grads: &RowGradients<R>,
    ) -> Tensor<B, 2> {
        let (logits, targets) = (owned(logits), &self.targets);
        let elements = logits.shape().num_elements();
        let types = [
            logits.dtype.into(),
            targets.dtype.into(),
            grads.grad.dtype.into(),
        ];
        gradient_kernel::launch(
            &logits.client,
            elementwise(&logits, elements),
            units(),
            addresses(&[&logits, targets]),
            logits.clone().into_array_arg(),
            targets.clone().into_array_arg(),
            grads.lses.clone().into_array_arg(),
            grads.grad.clone().into_array_arg(),
            grads.entropies.clone().into_array_arg(),
            grads.entropy_grad.clone().into_array_arg(),
            elements,
            first,
            self.weight.dims()[0],
            self.inverse_temperature,
            grads.with_entropy,
            types,
        );
        tensor(logits)
    }
}

/// What the gradient of a row of logits depends on besides the logits, `[T]` each and dense.
struct RowGradients<R: CubeRuntime> {
    lses: CubeTensor<R>,
    /// Of the log-probabilities.
    grad: CubeTensor<R>,
    entropies: CubeTensor<R>,
    entropy_grad: CubeTensor<R>,
    /// Without a gradient of entropies the kernel reads neither of the two columns before.
    with_entropy: bool,
}

impl<R: CubeRuntime> RowGradients<R> {
    fn new(lses: CubeTensor<R>, grad: LogProbsGrad<CubeTensor<R>>) -> Self {
        let with_entropy = grad.entropy.is_some();
        let (entropies, entropy_grad) = match grad.entropy {
            Some(of) => (of.entropy, of.grad),
            None => (lses.clone(), grad.log_probs.clone()),
        };
        let [lses, grad] = [lses, grad.log_probs].map(dense);
        let [entropies, entropy_grad] = [entropies, entropy_grad].map(dense);
        Self {
            lses,
            grad,
            entropies,
            entropy_grad,
            with_entropy,
        }
    }
}

/// Gradients of the activations and of the weight, to which every block of rows adds its part.
struct Sums<B: Backend> {
    dx: Option<Vec<Tensor<B, 2>>>,
    dweight: Option<Tensor<B, 2>>,
}

impl<B, R> Problem<B, R>
where
    R: CubeRuntime,
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    fn sums(&self, needs: Needs) -> Sums<B> {
        let zeros = || full(self.weight.zeros_like());
        Sums {
            dx: needs.x.then(Vec::new),
            dweight: needs.weight.then(zeros),
        }
    }

    fn add(&self, sums: &mut Sums<B>, chunk: Chunk, dlogits: Tensor<B, 2>) {
        if let Some(dx) = &mut sums.dx {
            dx.push(dlogits.clone().matmul(self.weight.clone()));
        }
        if let Some(sum) = sums.dweight.take() {
            let product = dlogits.transpose().matmul(self.rows(chunk));
            sums.dweight = Some(sum + full(product));
        }
    }

    fn finish(&self, sums: Sums<B>) -> HeadGrads<CubeTensor<R>> {
        let dweight = sums.dweight.map(|sum| sum.cast(self.weight_type));
        let dx = sums.dx.map(|parts| Tensor::cat(parts, 0));
        let grads = HeadGrads {
            x: dx,
            weight: dweight,
        };
        grads.map(primitive)
    }
}

/// [`LmOps::lm_linear_log_probs`](crate::LmOps::lm_linear_log_probs). Logits that are kept were not divided by the
/// temperature.
pub(super) fn forward<B, R>(
    scored: Scored<R>,
    keep_logits: bool,
) -> ([CubeTensor<R>; 2], LogitsLeft<CubeTensor<R>>)
where
    R: CubeRuntime,
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    let problem = Problem::<B, R>::new(scored);
    let whole = problem.whole().filter(|_| keep_logits);
    let ([log_probs, entropy, lse], logits) = match whole {
        Some(whole) => problem.statistics_and_logits(whole),
        None => (problem.statistics(), None),
    };
    ([log_probs, entropy], LogitsLeft { lse, logits })
}

/// [`LmOps::lm_linear_log_probs_bwd`](crate::LmOps::lm_linear_log_probs_bwd).
pub(super) fn backward<B, R>(
    scored: Scored<R>,
    left: LogitsLeft<CubeTensor<R>>,
    grad: LogProbsGrad<CubeTensor<R>>,
    needs: Needs,
) -> HeadGrads<CubeTensor<R>>
where
    R: CubeRuntime,
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    let problem = Problem::<B, R>::new(scored);
    let grads = RowGradients::new(left.lse, grad);
    let mut sums = problem.sums(needs);
    if let Some(logits) = left.logits {
        let whole = (0, problem.tokens());
        let dlogits = problem.dlogits(whole, logits, &grads);
        problem.add(&mut sums, whole, dlogits);
        return problem.finish(sums);
    }
    for chunk in problem.chunks() {
        let dlogits = problem.dlogits(chunk, problem.logits(chunk), &grads);
        problem.add(&mut sums, chunk, dlogits);
    }
    problem.finish(sums)
}

/// [`LmOps::lm_linear_log_probs_with_grads`](crate::LmOps::lm_linear_log_probs_with_grads).
pub(super) fn forward_and_backward<B, R>(
    scored: Scored<R>,
    grad: CubeTensor<R>,
    needs: Needs,
) -> ([CubeTensor<R>; 2], HeadGrads<CubeTensor<R>>)
where
    R: CubeRuntime,
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    let problem = Problem::<B, R>::new(scored);
    let columns = problem.columns();
    let grads = RowGradients::new(columns[2].clone(), LogProbsGrad::of_log_probs(grad));
    let mut sums = problem.sums(needs);
    for chunk in problem.chunks() {
        let logits = dense(problem.logits(chunk));
        problem.write_statistics(&columns, chunk, logits.clone());
        let dlogits = problem.dlogits(chunk, logits, &grads);
        problem.add(&mut sums, chunk, dlogits);
    }
    let [log_probs, entropy, _] = columns;
    ([log_probs, entropy], problem.finish(sums))
}
