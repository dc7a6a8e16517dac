//! Linear layers and the embedding table.

use std::mem::MaybeUninit;

use burn::tensor::Shape;
use burn_flex::FlexTensor;

use super::{
    buffer::{Input, Output, cast, integers, tensor, with_scratch},
    matrix::{Mat, MatMut, Threads, multiply},
    parallel::for_chunks,
    weight::Weight,
};

/// Outputs below which the gemm crate sums in another order than above.
const SMALL_PRODUCT: usize = 256;
/// Rows per task of the embedding.
const ROWS: usize = 256;

pub(super) fn linear(x: FlexTensor, weight: FlexTensor) -> FlexTensor {
    let dtype = x.dtype();
    let (x, weight) = (Input::new(x), Weight::new(weight));
    let (rows, outputs) = (x.dim(0), weight.rows());
    let mut out = Output::new(rows * outputs);
    if rows < padded_rows(outputs) {
        few_rows(&x, &weight, out.slots(rows * outputs), rows);
    } else {
        let product = MatMut::unwritten(out.slots(rows * outputs), rows, outputs);
        weight.project(product, Mat::new(&x, rows, x.dim(1)), 1.0);
    }
    // SAFETY: both branches write every element.
    cast(unsafe { out.finish(Shape::new([rows, outputs])) }, dtype)
}

/// Rows from which on each row's result is the same for any number of rows.
fn padded_rows(outputs: usize) -> usize {
    (SMALL_PRODUCT / outputs.max(1) + 1).max(2)
}

/// A product of few rows, done on more: the gemm crate has other kernels for
/// small products, whose sums round differently, and a sequence that is being
/// generated must not depend on how many others are generated beside it.
fn few_rows(x: &[f32], weight: &Weight, out: &mut [MaybeUninit<f32>], rows: usize) {
    if out.is_empty() {
        return;
    }
    let (inputs, outputs) = (weight.cols(), weight.rows());
    let padded = padded_rows(outputs);
    with_scratch(padded * (inputs + outputs), |scratch| {
        let (padded_x, padded_out) = scratch.split_at_mut(padded * inputs);
        padded_x[..rows * inputs].copy_from_slice(x);
        padded_x[rows * inputs..].fill(0.0);
        let product = MatMut::new(padded_out, padded, outputs);
        weight.project(product, Mat::new(padded_x, padded, inputs), 1.0);
        out.write_copy_of_slice(&padded_out[..out.len()]);
    });
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
    let (weight, ids) = (Weight::new(weight), integers(ids));
    let dim = weight.cols();
    let mut out = vec![0.0; ids.len() * dim];
    let work = out.len();
    for_chunks(&mut out, ROWS * dim, work, |task, out| {
        for (id, out) in ids[task * ROWS..].iter().zip(out.chunks_exact_mut(dim)) {
            weight.read_row(*id, out);
        }
    });
    cast(tensor(out, Shape::new([ids.len(), dim])), dtype)
}

pub(super) fn embedding_bwd(ids: FlexTensor, vocab: usize, grad: FlexTensor) -> FlexTensor {
    let dtype = grad.dtype();
    let (ids, grad) = (integers(ids), Input::new(grad));
    let dim = grad.dim(1);
    let mut table = vec![0.0; vocab * dim];
    // One thread: the rows of a token must be added in order, and this is a
    // small part of a step.
    for (id, grad) in ids.into_iter().zip(grad.chunks_exact(dim)) {
        let row = &mut table[id * dim..][..dim];
        row.iter_mut().zip(grad).for_each(|(sum, x)| *sum += x);
    }
    cast(tensor(table, Shape::new([vocab, dim])), dtype)
}
