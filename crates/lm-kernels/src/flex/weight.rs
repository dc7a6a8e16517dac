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
    matrix::{Mat, MatMut, Threads, multiply, multiply_add},
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

    /// `out [n, out] = scale · x [n, in] · weightᵀ`.
    ///
    /// A narrow weight is cut into pieces of at least [`ROWS`] rows where it has as many: a product
    /// with fewer columns might round otherwise for few rows of `x` than for many.
    pub(super) fn project(&self, out: MatMut<'_>, x: Mat<'_>, scale: f32) {
        let narrow = match self {
            Self::Full(input) => {
                let weight = Mat::new(input, self.rows(), self.cols());
                return multiply(out, x, weight.t(), scale, Threads::Auto);
            }
            Self::Narrow(narrow) => narrow,
        };
        let work = x.rows() * narrow.len;
        let tasks = self
            .pieces()
            .zip(out.column_pieces(self.pieces()))
            .collect();
        for_tasks(
            tasks,
            work,
            |((start, len), out): ((usize, usize), MatMut<'_>)| {
                self.widened(narrow, (start, len), |weight| {
                    multiply(out, x, weight.t(), scale, Threads::One);
                });
            },
        );
    }

    /// `out [n, in] = grad [n, out] · weight`.
    pub(super) fn project_back(&self, out: MatMut<'_>, grad: Mat<'_>) {
        let narrow = match self {
            Self::Full(input) => {
                let weight = Mat::new(input, self.rows(), self.cols());
                return multiply(out, grad, weight, 1.0, Threads::Auto);
            }
            Self::Narrow(narrow) => narrow,
        };
        let mut out = out;
        for (start, len) in self.pieces() {
            self.widened(narrow, (start, len), |weight| {
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

    /// Lends rows of the narrow matrix in 32 bits.
    fn widened(&self, narrow: &Narrow, (start, len): (usize, usize), f: impl FnOnce(Mat<'_>)) {
        let cols = self.cols();
        with_scratch(len * cols, |wide| {
            narrow.values()[start * cols..][..len * cols].convert_to_f32_slice(wide);
            f(Mat::new(wide, len, cols));
        });
    }
}
