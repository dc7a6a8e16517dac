//! Skinny GEMM: products of a few rows with a weight, as in every decode step.
//!
//! The gemm crate packs the weight first, which for few rows takes longer than the product. Here the rows of `x` are
//! the lanes of the vector registers, and the weight is read once, in place. Sums run over the inputs in order, so that
//! a row's result does not depend on how many others there are: a sequence that is being generated does not change with
//! its neighbours.

#[cfg(target_arch = "x86_64")]
mod plain;
#[cfg(target_arch = "x86_64")]
mod transposed;

use std::array::from_fn;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::{
    matrix::{Cut, MatMut},
    parallel::for_tasks,
    simd::{LINE, prefetch, vectorised},
    weight::Weight,
};

/// Rows up to which this is faster than the gemm crate.
const MAX_ROWS: usize = 64;
/// Values of a product below which the gemm crate sums in another order than it does above.
const SMALL_PRODUCT: usize = 256;
/// Outputs computed at once. More rows of the weight than this, each a power of two long, would compete for the same
/// sets of the L1 cache.
const OUTPUTS: usize = 6;
/// Outputs per task, a multiple of the above.
const TASK: usize = 48;
/// Products of fewer rows are shared between threads as if they had so many: they are bound by the reading of the
/// weight.
const MIN_ROWS_OF_WORK: usize = 16;
/// Rows in a full group of lanes: two AVX2 registers.
const WIDE: usize = 16;
/// Rows in a small one.
const NARROW: usize = 8;

/// Whether a product `[rows, outputs]` is computed here. Larger ones go to the gemm crate, which sums in the same order
/// as long as the inputs fit into one of its blocks.
pub(super) fn is_skinny(rows: usize, outputs: usize) -> bool {
    rows <= MAX_ROWS || rows * outputs <= SMALL_PRODUCT
}

/// `out [rows, out] = x [rows, in] · weightᵀ` for every weight and its `out`; writes all of each.
pub(super) fn products(x: &[f32], rows: usize, of: Vec<(&Weight, &mut [MaybeUninit<f32>])>) {
    let of: Vec<_> = of.into_iter().filter(|(_, out)| !out.is_empty()).collect();
    let inputs = of.first().map_or(0, |(weight, _)| weight.cols());
    let is_full = of
        .iter()
        .any(|(weight, _)| matches!(weight, Weight::Full(_)));
    let rows_of_x = Rows::of(x, rows, inputs, is_full);
    let outputs: usize = of.iter().map(|(weight, _)| weight.rows()).sum();
    let tasks = of.into_iter().flat_map(|(weight, out)| {
        let out = MatMut::unwritten(out, rows, weight.rows()).pieces(Cut::Columns, pieces(weight));
        pieces(weight).zip(out).map(move |piece| (weight, piece))
    });
    for_tasks(
        tasks.collect(),
        rows.max(MIN_ROWS_OF_WORK) * outputs * inputs / 8,
        |(weight, (piece, mut out))| rows_of_x.multiply(weight, piece, &mut out),
    );
}

/// First row and number of rows of every task.
fn pieces(weight: &Weight) -> impl Iterator<Item = (usize, usize)> + use<> {
    let outputs = weight.rows();
    (0..outputs)
        .step_by(TASK)
        .map(move |start| (start, TASK.min(outputs - start)))
}

/// The rows of `x` in the layout in which they are multiplied.
enum Rows<'a> {
    /// In place.
    #[cfg(target_arch = "x86_64")]
    Plain { x: &'a [f32], rows: usize },
    /// As lanes. The marker is for processors that never have the other layout.
    Groups(Vec<Group>, PhantomData<&'a ()>),
}

impl<'a> Rows<'a> {
    /// Weights in 32 bits need no widening, which is what the other layout does in advance.
    fn of(x: &'a [f32], rows: usize, inputs: usize, is_full: bool) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let most = if is_full {
                transposed::AT_ONCE
            } else {
                transposed::MAX_ROWS
            };
            if rows <= most && transposed::is_available() {
                return Self::Plain { x, rows };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = is_full;
        Self::Groups(Group::of(x, rows, inputs), PhantomData)
    }

    /// `out = x · weightᵀ` for some rows of the weight.
    fn multiply(&self, weight: &Weight, piece: (usize, usize), out: &mut MatMut<'_>) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Plain { x, rows } => plain::multiply(x, *rows, weight, piece, out),
            Self::Groups(groups, _) => weight.lend_rows(piece, |values| {
                let (len, inputs) = (piece.1, weight.cols());
                for at in (0..len).step_by(OUTPUTS) {
                    let weights = some_rows::<OUTPUTS, _>(values, inputs, at, len);
                    let place = (at, OUTPUTS.min(len - at));
                    for group in groups {
                        group.multiply(&weights, out, place);
                    }
                }
            }),
        }
    }
}

/// `N` rows of the weight from `at` on, padded with copies of the last one.
fn some_rows<const N: usize, T>(weight: &[T], inputs: usize, at: usize, len: usize) -> [&[T]; N] {
    from_fn(|i| &weight[(at + i).min(len - 1) * inputs..][..inputs])
}

/// Rows that are multiplied together.
struct Group {
    first: usize,
    len: usize,
    /// The rows' values input by input, `[in, lanes]`, padded with zeros.
    lanes: Vec<f32>,
}

impl Group {
    /// All rows, cut into groups.
    fn of(x: &[f32], rows: usize, inputs: usize) -> Vec<Self> {
        let group = |first: usize| {
            let len = WIDE.min(rows - first);
            let width = if len <= NARROW { NARROW } else { WIDE };
            let mut lanes = vec![0.0; inputs * width];
            for row in 0..len {
                let values = &x[(first + row) * inputs..][..inputs];
                let places = lanes[row..].iter_mut().step_by(width);
                places.zip(values).for_each(|(place, x)| *place = *x);
            }
            Self { first, len, lanes }
        };
        (0..rows).step_by(WIDE).map(group).collect()
    }

    /// Multiplies with some rows of the weight and writes the products to `count` columns of `out` from `at` on.
    fn multiply(
        &self,
        weights: &[&[f32]; OUTPUTS],
        out: &mut MatMut<'_>,
        (at, count): (usize, usize),
    ) {
        if self.len <= NARROW {
            let mut sums = [[0.0; NARROW]; OUTPUTS];
            narrow(weights, &self.lanes, &mut sums);
            self.write(&sums, out, (at, count));
        } else {
            let mut sums = [[0.0; WIDE]; OUTPUTS];
            wide(weights, &self.lanes, &mut sums);
            self.write(&sums, out, (at, count));
        }
    }

    fn write<const L: usize>(
        &self,
        sums: &[[f32; L]; OUTPUTS],
        out: &mut MatMut<'_>,
        (at, count): (usize, usize),
    ) {
        for lane in 0..self.len {
            let row = sums[..count].iter().map(|lanes| lanes[lane]);
            out.write_each(self.first + lane, at, row);
        }
    }
}

vectorised! {
    fn narrow(weights: &[&[f32]; OUTPUTS], lanes: &[f32], out: &mut [[f32; NARROW]; OUTPUTS]) {
        *out = sums(weights, lanes);
    }
}

vectorised! {
    fn wide(weights: &[&[f32]; OUTPUTS], lanes: &[f32], out: &mut [[f32; WIDE]; OUTPUTS]) {
        *out = sums(weights, lanes);
    }
}

/// The products of every weight with every lane.
#[inline(always)]
fn sums<const L: usize>(weights: &[&[f32]; OUTPUTS], lanes: &[f32]) -> [[f32; L]; OUTPUTS] {
    let inputs = weights[0].len();
    assert!(
        weights.iter().all(|row| row.len() == inputs),
        "skinny product: weights of different lengths"
    );
    let mut sums = [[0.0_f32; L]; OUTPUTS];
    for (i, x) in (0..inputs).zip(lanes.chunks_exact(L)) {
        if i % LINE == 0 {
            let next = |row: &&[f32]| prefetch(row.as_ptr().wrapping_add(i + OUTPUTS * inputs));
            weights.iter().for_each(next);
        }
        // A copy, which stays in registers; values that are loaded again for every output would be half of all loads.
        let mut lanes = [0.0; L];
        lanes.copy_from_slice(x);
        for o in 0..OUTPUTS {
            // SAFETY: `i` is below the length of every row, as was checked. A check for every weight takes a tenth of
            // the time.
            let weight = unsafe { *weights[o].get_unchecked(i) };
            for lane in 0..L {
                sums[o][lane] = weight.mul_add(lanes[lane], sums[o][lane]);
            }
        }
    }
    sums
}
