//! The parameters of a model: their names, and how many are trained.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use burn::tensor::backend::AutodiffBackend;

use crate::model::Qwen3;

impl<B: Backend> Qwen3<B> {
    /// Every parameter by its Hugging Face name, in the order of the module tree. A tied head is
    /// not listed: it is the embedding.
    pub fn named_parameters(&self) -> Vec<(String, ParamId)> {
        let mut names = Names::default();
        self.visit(&mut names);
        names.found
    }
}

impl<B: AutodiffBackend> Qwen3<B> {
    /// Whether the token embedding is trained.
    pub fn trains_embedding(&self) -> bool {
        self.model.embed_tokens.weight.val().is_require_grad()
    }

    /// Number of values that training changes: those of parameters that are not frozen.
    pub fn num_trainable(&self) -> usize {
        let mut count = Trainable(0);
        self.visit(&mut count);
        count.0
    }
}

/// Counts the values of parameters with gradients.
struct Trainable(usize);

impl<B: AutodiffBackend> ModuleVisitor<B> for Trainable {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        if value.is_require_grad() {
            self.0 += value.shape().num_elements();
        }
    }
}

/// Collects the paths of parameters.
#[derive(Default)]
struct Names {
    path: Vec<String>,
    found: Vec<(String, ParamId)>,
}

impl<B: Backend> ModuleVisitor<B> for Names {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.found.push((self.path.join("."), param.id));
    }
}
