//! A few rows of `x` in place, with a weight in the precision it is stored in.

use super::super::{
    matrix::MatMut,
    weight::{Stored, Weight},
};
use super::{
    some_rows,
    transposed::{AT_ONCE, OUTPUTS, Panel, Value, products, values_per_step},
};

/// `out = x · weightᵀ` for rows `(start, len)` of the weight.
pub(super) fn multiply(
    x: &[f32],
    rows: usize,
    weight: &Weight,
    piece: (usize, usize),
    out: &mut MatMut<'_>,
) {
    let inputs = weight.cols();
    let mut rows_of = x.chunks_exact(inputs.max(1));
    let mut next = || rows_of.next().unwrap_or_default();
    // From the second four on, this part of the weight comes from the L2 cache.
    for first in (0..rows).step_by(AT_ONCE) {
        match rows - first {
            1 => of_rows(first, [next()], weight, piece, out),
            2 => of_rows(first, [next(), next()], weight, piece, out),
            3 => of_rows(first, [next(), next(), next()], weight, piece, out),
            _ => of_rows(first, [next(), next(), next(), next()], weight, piece, out),
        }
    }
}

fn of_rows<const R: usize>(
    first: usize,
    x: [&[f32]; R],
    weight: &Weight,
    piece: (usize, usize),
    out: &mut MatMut<'_>,
) {
    let len = piece.1;
    match weight.stored(piece) {
        Stored::Full(values) => multiply_part(first, x, Part::plain(values, len), out),
        Stored::Narrow(values) => multiply_part(first, x, Part::plain(values, len), out),
        Stored::Quantized(values, scales, block)
            if block.is_multiple_of(values_per_step::<i8>()) =>
        {
            let part = Part {
                values,
                scales,
                block,
                len,
            };
            multiply_part(first, x, part, out);
        }
        // Scales that change in the middle of a step.
        Stored::Quantized(..) => weight.lend_rows(piece, |values| {
            multiply_part(first, x, Part::plain(values, len), out);
        }),
    }
}

/// Some rows of a weight, one after the other.
struct Part<'a, W> {
    values: &'a [W],
    /// One for each `block` inputs of each row; none without scales.
    scales: &'a [f32],
    block: usize,
    len: usize,
}

impl<'a, W> Part<'a, W> {
    /// Without scales.
    fn plain(values: &'a [W], len: usize) -> Self {
        Self {
            values,
            scales: &[],
            block: 1,
            len,
        }
    }
}

fn multiply_part<W: Value, const R: usize>(
    first: usize,
    x: [&[f32]; R],
    part: Part<'_, W>,
    out: &mut MatMut<'_>,
) {
    let (inputs, len) = (x[0].len(), part.len);
    let blocks = if W::SCALED { inputs / part.block } else { 0 };
    for at in (0..len).step_by(OUTPUTS) {
        let panel = Panel {
            rows: some_rows(part.values, inputs, at, len),
            scales: some_rows(part.scales, blocks, at, len),
            block: part.block,
        };
        let count = OUTPUTS.min(len - at);
        for (row, sums) in products(&panel, x).into_iter().enumerate() {
            write(out, first + row, at, (sums, count));
        }
    }
}

/// Writes the first `count` of the values. All of them, the usual case, are a copy of constant size, which is inlined.
fn write<const N: usize>(
    out: &mut MatMut<'_>,
    row: usize,
    at: usize,
    (values, count): ([f32; N], usize),
) {
    if count == N {
        out.write(row, at, &values);
    } else {
        out.write(row, at, &values[..count]);
    }
}
