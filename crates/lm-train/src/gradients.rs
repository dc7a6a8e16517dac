//! Gradients of a module by parameter, summed over backward passes.
//!
//! Gradients are held flat, as `Tensor<B, 1>`, so that tensors of every rank share one map; for dense
//! tensors the reshape costs nothing.

use std::collections::HashMap;

use burn::module::{AutodiffModule, ModuleVisitor, Param, ParamId};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor};

/// Gradients by parameter id, in the order in which they were first added.
///
/// The order matters: the global norm is a floating-point sum, and a resumed run gives its parameters
/// new ids, so summing in the order of ids would not repeat.
#[derive(Debug)]
pub struct ParamGradients<B: Backend> {
    order: Vec<ParamId>,
    tensors: HashMap<ParamId, Tensor<B, 1>>,
}

impl<B: Backend> Default for ParamGradients<B> {
    fn default() -> Self {
        Self {
            order: Vec::new(),
            tensors: HashMap::new(),
        }
    }
}

impl<B: Backend> ParamGradients<B> {
    /// Adds `gradient` to what is held for `id`.
    ///
    /// # Panics
    /// If `gradient` has another number of elements than the one already held.
    pub fn add<const D: usize>(&mut self, id: ParamId, gradient: Tensor<B, D>) {
        let elements = gradient.shape().num_elements();
        let gradient = gradient.reshape([elements]);
        let sum = match self.tensors.remove(&id) {
            Some(sum) => sum + gradient,
            None => {
                self.order.push(id);
                gradient
            }
        };
        self.tensors.insert(id, sum);
    }

    /// The gradient of one parameter, flat.
    pub fn get(&self, id: ParamId) -> Option<&Tensor<B, 1>> {
        self.tensors.get(&id)
    }

    /// Removes and returns the gradient of one parameter, flat.
    pub fn take(&mut self, id: ParamId) -> Option<Tensor<B, 1>> {
        self.tensors.remove(&id)
    }

    /// Number of parameters with a gradient.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether no parameter has a gradient.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The sum of squares of every tensor, `[len]`, still on the device; `None` if there are no gradients.
    ///
    /// The global norm is the root of their sum. Leaving the last sum to the host costs one transfer for
    /// any number of parameters, and lets the caller read other numbers in the same transfer.
    pub fn square_norms(&self) -> Option<Tensor<B, 1>> {
        let squares: Vec<_> = self
            .iter()
            .map(|(_, tensor)| sum_of_squares(tensor))
            .collect();
        (!squares.is_empty()).then(|| Tensor::cat(squares, 0))
    }

    /// The global norm: the Euclidean norm of all gradients taken as one vector. Waits for the device.
    pub fn norm(&self) -> f64 {
        self.square_norms().map_or(0.0, |squares| {
            read_scalars(squares).iter().sum::<f64>().sqrt()
        })
    }

    /// The gradients in the order in which they were first added.
    pub fn iter(&self) -> impl Iterator<Item = (ParamId, &Tensor<B, 1>)> {
        self.order
            .iter()
            .filter_map(|id| self.tensors.get(id).map(|tensor| (*id, tensor)))
    }
}

/// Elements whose squares are held at once.
const SQUARES: usize = 1 << 22;

/// The sum of the squares of all elements, `[1]`. The table of a large vocabulary is longer than anything else in a
/// step, and so would its squares be.
fn sum_of_squares<B: Backend>(tensor: &Tensor<B, 1>) -> Tensor<B, 1> {
    let [elements] = tensor.dims();
    let part = |start: usize| {
        let part = tensor
            .clone()
            .narrow(0, start, SQUARES.min(elements - start));
        part.cast(DType::F32).square().sum()
    };
    let parts = (0..elements).step_by(SQUARES).map(part);
    let sum = parts.reduce(|sum, part| sum + part);
    sum.unwrap_or_else(|| Tensor::zeros([1], &tensor.device()))
}

/// Reads a tensor's values; waits for the device.
pub(crate) fn read_scalars<B: Backend>(tensor: Tensor<B, 1>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Sums the gradients of several backward passes over the same module.
///
/// Each loss must already carry its share of the step (such as 1 / number of target tokens of the whole
/// step): the accumulator adds, it does not average.
#[derive(Debug)]
pub struct GradientAccumulator<B: AutodiffBackend> {
    sum: ParamGradients<B::InnerBackend>,
}

impl<B: AutodiffBackend> Default for GradientAccumulator<B> {
    fn default() -> Self {
        Self {
            sum: ParamGradients::default(),
        }
    }
}

impl<B: AutodiffBackend> GradientAccumulator<B> {
    /// An accumulator that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the gradients of every parameter of `module`, as returned by `loss.backward()`.
    /// Parameters that the loss does not depend on, or that require no gradient, are passed over.
    pub fn add<M: AutodiffModule<B>>(&mut self, module: &M, gradients: B::Gradients) {
        let mut collector = Collector::<B> {
            gradients,
            sum: &mut self.sum,
        };
        module.visit(&mut collector);
    }

    /// Adds the gradient of one parameter that no graph led to.
    pub fn add_one<const D: usize>(&mut self, id: ParamId, gradient: Tensor<B::InnerBackend, D>) {
        self.sum.add(id, gradient);
    }

    /// The sums.
    pub fn finish(self) -> ParamGradients<B::InnerBackend> {
        self.sum
    }
}

struct Collector<'a, B: AutodiffBackend> {
    gradients: B::Gradients,
    sum: &'a mut ParamGradients<B::InnerBackend>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Collector<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = param.val().grad_remove(&mut self.gradients) {
            self.sum.add(param.id, gradient);
        }
    }
}
