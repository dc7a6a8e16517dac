//! Linear layers and the embedding table.

use burn::tensor::{Shape, TensorMetadata};
use burn_flex::{FlexQTensor, FlexTensor};

use super::{
    buffer::{Input, Output, cast, integers, tensor},
    matrix::{Mat, MatMut, Threads, multiply},
    parallel::for_chunks,
    skinny::{is_skinny, products},
    weight::Weight,
};

/// Rows per task of the embedding.
const ROWS: usize = 256;

pub(super) fn linear(x: FlexTensor, weight: FlexTensor) -> FlexTensor {
    product(x, &Weight::new(weight))
}

pub(super) fn linear_quantized(x: FlexTensor, weight: FlexQTensor) -> FlexTensor {
    product(x, &Weight::quantized(weight))
}

fn product(x: FlexTensor, weight: &Weight) -> FlexTensor {
    let dtype = x.dtype();
    let x = Input::new(x);
    let (rows, outputs) = (x.dim(0), weight.rows());
    let mut out = Output::new(rows * outputs);
    if is_skinny(rows, outputs) {
        let slots = out.slots(rows * outputs);
        products(&x, rows, vec![(weight, slots)]);
    } else {
        let product = MatMut::unwritten(out.slots(rows * outputs), rows, outputs);
        weight.project(product, Mat::new(&x, rows, x.dim(1)), 1.0);
    }
    // SAFETY: both branches write every element.
    cast(unsafe { out.finish(Shape::new([rows, outputs])) }, dtype)
}

pub(super) fn linears(x: FlexTensor, weights: Vec<FlexTensor>) -> Vec<FlexTensor> {
    let rows = x.shape()[0];
    if !weights
        .iter()
        .all(|weight| is_skinny(rows, weight.shape()[0]))
    {
        return weights
            .into_iter()
            .map(|weight| linear(x.clone(), weight))
            .collect();
    }
    let dtype = x.dtype();
    let x = Input::new(x);
    let weights: Vec<Weight> = weights.into_iter().map(Weight::new).collect();
    let size = |weight: &Weight| rows * weight.rows();
    let mut outs: Vec<Output> = weights.iter().map(|w| Output::new(size(w))).collect();
    let pairs = weights.iter().zip(&mut outs);
    let pairs = pairs.map(|(weight, out)| (weight, out.slots(size(weight))));
    products(&x, rows, pairs.collect());
    let outs = outs.into_iter().zip(&weights);
    outs.map(|(out, weight)| {
        // SAFETY: `products` writes every element.
        let out = unsafe { out.finish(Shape::new([rows, weight.rows()])) };
        cast(out, dtype)
    })
    .collect()
}

pub(super) fn linear_bwd_x(weight: FlexTensor, grad: FlexTensor) -> FlexTensor {
    let dtype = grad.dtype();
    let (weight, grad) = (Weight::new(weight), Input::new(grad));
    let (rows, inputs) = (grad.dim(0), weight.cols());
    let mut out = Output::new(rows * inputs);
    let product = MatMut::unwritten(out.slots(rows * inputs), rows, inputs);
    weight.project_back(product, Mat::new(&grad, rows, weight.rows()));
    // SAFETY: `project_back` writes every element.
    cast(unsafe { out.finish(Shape::new([rows, inputs])) }, dtype)
}

pub(super) fn linear_bwd_weight(x: FlexTensor, grad: FlexTensor) -> FlexTensor {
    let dtype = grad.dtype();
    let (x, grad) = (Input::new(x), Input::new(grad));
    let (rows, inputs, outputs) = (x.dim(0), x.dim(1), grad.dim(1));
    let mut out = Output::new(outputs * inputs);
    let product = MatMut::unwritten(out.slots(outputs * inputs), outputs, inputs);
    let (grad, x) = (Mat::new(&grad, rows, outputs), Mat::new(&x, rows, inputs));
    multiply(product, grad.t(), x, 1.0, Threads::Auto);
    // SAFETY: `multiply` writes every element.
    cast(unsafe { out.finish(Shape::new([outputs, inputs])) }, dtype)
}

pub(super) fn embedding(weight: FlexTensor, ids: FlexTensor) -> FlexTensor {
    let dtype = weight.dtype();
    cast(rows_of(&Weight::new(weight), ids), dtype)
}

pub(super) fn embedding_quantized(weight: FlexQTensor, ids: FlexTensor) -> FlexTensor {
    rows_of(&Weight::quantized(weight), ids)
}

/// The rows that `ids` name, in 32 bits.
fn rows_of(weight: &Weight, ids: FlexTensor) -> FlexTensor {
    let ids = integers(ids);
    let dim = weight.cols();
    let mut out = vec![0.0; ids.len() * dim];
    let work = out.len();
    for_chunks(&mut out, ROWS * dim, work, |task, out| {
        for (id, out) in ids[task * ROWS..].iter().zip(out.chunks_exact_mut(dim)) {
            weight.read_row(*id, out);
        }
    });
    tensor(out, Shape::new([ids.len(), dim]))
}

pub(super) fn embedding_bwd(ids: FlexTensor, vocab: usize, grad: FlexTensor) -> FlexTensor {
    let dtype = grad.dtype();
    let (ids, grad) = (integers(ids), Input::new(grad));
    let dim = grad.dim(1);
    let mut table = vec![0.0; vocab * dim];
    // One thread: the rows of a token must be added in order, and this is a small part of a step.
    for (id, grad) in ids.into_iter().zip(grad.chunks_exact(dim)) {
        let row = &mut table[id * dim..][..dim];
        row.iter_mut().zip(grad).for_each(|(sum, x)| *sum += x);
    }
    cast(tensor(table, Shape::new([vocab, dim])), dtype)
}
