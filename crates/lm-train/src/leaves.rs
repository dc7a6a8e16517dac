//! Parameters as new leaves of the graph.

use burn::module::{AutodiffModule, ModuleMapper, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

/// The same module, its values shared and not copied, with every trainable parameter a leaf that no backward pass has
/// seen.
///
/// A backward pass takes its leaves off the list of graphs. What is computed from such a leaf afterwards starts a graph
/// without it, and at the end of any backward pass Burn 0.21 drops all graphs of the process of which nobody holds
/// a tensor: also one that another thread is about to extend, whose gradients are then missing without
/// an error (tracel-ai/burn#5573). A new leaf is part of the graph, and the module holds it. So every backward pass
/// needs leaves of its own wherever two threads train, such as the workers of a run on several devices.
pub(crate) fn with_new_leaves<B: AutodiffBackend, M: AutodiffModule<B>>(module: &M) -> M {
    module.clone().map(&mut NewLeaves)
}

struct NewLeaves;

impl<B: AutodiffBackend> ModuleMapper<B> for NewLeaves {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if !param.val().is_require_grad() {
            return param;
        }
        let (id, tensor, mapper) = param.consume();
        let leaf = Tensor::from_inner(tensor.inner()).require_grad();
        Param::from_mapped_value(id, leaf, mapper)
    }
}
