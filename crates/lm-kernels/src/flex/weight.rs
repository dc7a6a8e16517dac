//! Matrices of weights in the precision they are stored in.
//!
//! A weight in BF16 or in 8 bits is widened a few rows at a time, into scratch memory that stays in the cache, so that
//! it takes half or a quarter of the memory of one in 32 bits and is read from there at half or a quarter of the cost.
//! Sums are taken in 32 bits.

use burn::tensor::quantization::{QTensorPrimitive, QuantLevel};
use burn::tensor::{DType, Shape};
use burn_flex::{FlexQTensor, FlexTensor};
use half::bf16;

use std::ops::Range;

use super::{
    buffer::{Input, with_scratch},
    matrix::{Cut, Mat, MatMut, Threads, multiply, multiply_add},
    parallel::for_tasks,
    simd::vectorised,
};

/// Rows of a narrow matrix that are widened at once.
const ROWS: usize = 256;

/// A dense matrix `[out, in]` of 32-bit, BF16 or 8-bit numbers.
pub(super) enum Weight {
    /// In 32 bits; other types than the two are converted to it.
    Full(Input),
    /// In BF16.
    Narrow(Narrow),
    /// In 8 bits, with a scale for each block of adjacent values.
    Quantized(Quantized),
}

/// Rows of a weight as they are stored, one after the other.
#[cfg(target_arch = "x86_64")]
pub(super) enum Stored<'a> {
    Full(&'a [f32]),
    Narrow(&'a [bf16]),
    /// Values, scales, and the number of adjacent values of a row that share one; 1 if rows share them too.
    Quantized(&'a [i8], &'a [f32], usize),
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

/// A dense tensor of 8-bit numbers with scales.
pub(super) struct Quantized {
    values: FlexTensor,
    /// The same values again, without a copy, and the scales.
    weight: FlexQTensor,
    /// Values for which there is one scale.
    block: usize,
}

impl Quantized {
    /// Writes the values of `place` in 32 bits.
    fn widen(&self, place: Range<usize>, out: &mut [f32]) {
        let values = &self.values.storage::<i8>()[place.clone()];
        let first = place.start / self.block;
        // The first block may lie in the place in part.
        let until = self.block - place.start % self.block;
        let (head, values) = values.split_at(until.min(values.len()));
        let (out_head, out) = out.split_at_mut(head.len());
        let scales = &self.weight.scales()[first..];
        scaled(head, scales, self.block, out_head);
        if !values.is_empty() {
            scaled(values, &scales[1..], self.block, out);
        }
    }
}

vectorised! {
    /// Every value times the scale of its block; the first value begins the first block.
    fn scaled(values: &[i8], scales: &[f32], block: usize, out: &mut [f32]) {
        let blocks = values.chunks(block).zip(out.chunks_mut(block));
        for ((values, out), &scale) in blocks.zip(scales) {
            let places = out.iter_mut().zip(values);
            places.for_each(|(out, &value)| *out = f32::from(value) * scale);
        }
    }
}

vectorised! {
    /// The same numbers in 32 bits: those of a BF16 number are their upper half. `bf16::to_f32` looks for signalling
    /// NaN first, which keeps the compiler from vectorising it.
    fn widen(values: &[bf16], out: &mut [f32]) {
        for (out, value) in out.iter_mut().zip(values) {
            *out = f32::from_bits(u32::from(value.to_bits()) << 16);
        }
    }
}

impl Weight {
    pub(super) fn quantized(weight: FlexQTensor) -> Self {
        let values = weight.tensor().to_contiguous();
        let block = match weight.scheme().level {
            QuantLevel::Tensor => values.layout().num_elements().max(1),
            QuantLevel::Block(block) => block.num_elements(),
        };
        Self::Quantized(Quantized {
            values,
            weight,
            block,
        })
    }

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
            Self::Quantized(quantized) => quantized.values.layout().shape(),
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
            Self::Narrow(narrow) => widen(&narrow.values()[place], out),
            Self::Quantized(quantized) => quantized.widen(place, out),
        }
    }

    /// Rows `(start, len)` as they are stored.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn stored(&self, (start, len): (usize, usize)) -> Stored<'_> {
        let place = start * self.cols()..(start + len) * self.cols();
        match self {
            Self::Full(input) => Stored::Full(&input[place]),
            Self::Narrow(narrow) => Stored::Narrow(&narrow.values()[place]),
            Self::Quantized(Quantized {
                values,
                weight,
                block,
            }) => {
                let values = &values.storage::<i8>()[place.clone()];
                // Blocks that run across rows cannot be applied row by row.
                if self.cols().is_multiple_of(*block) {
                    let scales = &weight.scales()[place.start / block..place.end / block];
                    Stored::Quantized(values, scales, *block)
                } else {
                    Stored::Quantized(values, &[], 1)
                }
            }
        }
    }

    /// Lends rows `(start, len)` in 32 bits.
    pub(super) fn lend_rows(&self, (start, len): (usize, usize), f: impl FnOnce(&[f32])) {
        let place = start * self.cols()..(start + len) * self.cols();
        match self {
            Self::Full(input) => f(&input[place]),
            Self::Narrow(narrow) => with_scratch(place.len(), |wide| {
                widen(&narrow.values()[place], wide);
                f(wide);
            }),
            Self::Quantized(quantized) => with_scratch(place.len(), |wide| {
                quantized.widen(place, wide);
                f(wide);
            }),
        }
    }

    /// `out [n, out] = scale · x [n, in] · weightᵀ`.
    ///
    /// A narrow weight is cut into pieces of at least [`ROWS`] rows where it has as many: a product with fewer columns
    /// might round otherwise for few rows of `x` than for many.
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
