//! Matrices of weights in the precision they are stored in.
//!
//! A weight in BF16 is widened a few rows at a time, into scratch memory that
//! stays in the cache, so that it takes half the memory of one in 32 bits and
//! is read from there at half the cost. Sums are taken in 32 bits.

use burn::tensor::{DType, Shape};
use burn_flex::FlexTensor;
use half::bf16;
use half::slice::HalfFloatSliceExt;

use super::{
    buffer::{Input, with_scratch},
    matrix::{Cut, Mat, MatMut, Threads, multiply, multiply_add},
    parallel::for_tasks,
};

/// Rows of a narrow matrix that are widened at once.
const ROWS: usize = 256;

/// A dense matrix `[out, in]` of 32-bit or BF16 numbers.
pub(super) enum Weight {
    /// In 32 bits; other types than the two are converted to it.
    Full(Input),
    /// In BF16.
    Narrow(Narrow),
}

/// A dense tensor of BF16 numbers.
pub(super) struct Narrow {
    tensor: FlexTensor,
    len: usize,
}

impl Narrow {
    fn values(&self) -> &[bf16] {
        &self.tensor.storage::<bf16>()[..self.len]
    }
}

impl Weight {
    pub(super) fn new(tensor: FlexTensor) -> Self {
        match tensor.dtype() {
            DType::BF16 => {
                let tensor = tensor.to_contiguous();
                let len = tensor.layout().num_elements();
                Self::Narrow(Narrow { tensor, len })
            }
            _ => Self::Full(Input::new(tensor)),
        }
    }

    pub(super) fn shape(&self) -> &Shape {
        match self {
            Self::Full(input) => input.shape(),
            Self::Narrow(narrow) => narrow.tensor.layout().shape(),
        }
    }

    /// Rows: outputs of a projection, entries of a vocabulary.
    pub(super) fn rows(&self) -> usize {
        self.shape()[0]
    }

    /// Columns: inputs of a projection.
    pub(super) fn cols(&self) -> usize {
        self.shape()[1]
    }

    /// Copies row `row` to `out` in 32 bits.
    pub(super) fn read_row(&self, row: usize, out: &mut [f32]) {
        let place = row * self.cols()..(row + 1) * self.cols();
        match self {
            Self::Full(input) => out.copy_from_slice(&input[place]),
            Self::Narrow(narrow) => narrow.values()[place].convert_to_f32_slice(out),
        }
    }

    /// Lends rows `(start, len)` in 32 bits.
    pub(super) fn lend_rows(&self, (start, len): (usize, usize), f: impl FnOnce(&[f32])) {
        let place = start * self.cols()..(start + len) * self.cols();
        match self {
            Self::Full(input) => f(&input[place]),
            Self::Narrow(narrow) => with_scratch(place.len(), |wide| {
                narrow.values()[place].convert_to_f32_slice(wide);
                f(wide);
            }),
        }
    }

    /// `out [n, out] = scale · x [n, in] · weightᵀ`.
    ///
    /// A narrow weight is cut into pieces of at least [`ROWS`] rows where it has as many: a product
    /// with fewer columns might round otherwise for few rows of `x` than for many.
    pub(super) fn project(&self, out: MatMut<'_>, x: Mat<'_>, scale: f32) {
        if let Self::Full(input) = self {
            let weight = Mat::new(input, self.rows(), self.cols());
            return multiply(out, x, weight.t(), scale, Threads::Auto);
        }
        let work = x.rows() * self.rows() * self.cols();
        let tasks = self
            .pieces()
            .zip(out.pieces(Cut::Columns, self.pieces()))
            .collect();
        for_tasks(
            tasks,
            work,
            |((start, len), out): ((usize, usize), MatMut<'_>)| {
                self.lend_rows((start, len), |weight| {
                    let weight = Mat::new(weight, len, self.cols());
                    multiply(out, x, weight.t(), scale, Threads::One);
                });
            },
        );
    }

    /// `out [n, in] = grad [n, out] · weight`.
    pub(super) fn project_back(&self, out: MatMut<'_>, grad: Mat<'_>) {
        if let Self::Full(input) = self {
            let weight = Mat::new(input, self.rows(), self.cols());
            return multiply(out, grad, weight, 1.0, Threads::Auto);
        }
        let mut out = out;
        for (start, len) in self.pieces() {
            self.lend_rows((start, len), |weight| {
                let weight = Mat::new(weight, len, self.cols());
                let grad = grad.columns(start, len);
                match start {
                    0 => multiply(out.reborrow(), grad, weight, 1.0, Threads::Auto),
                    _ => multiply_add(out.reborrow(), grad, weight, Threads::Auto),
                }
            });
        }
    }

    /// First row and number of rows of every piece.
    fn pieces(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + use<> {
        let rows = self.rows();
        let count = (rows / ROWS).max(1);
        (0..count).map(move |i| {
            let start = i * rows / count;
            (start, (i + 1) * rows / count - start)
        })
    }
}
