//! Products by the gemm crate, cut for the threads.

use gemm::Parallelism;

use super::super::parallel::for_tasks;
use super::{Cut, Mat, MatMut};

/// Whether a product runs on the calling thread only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Threads {
    /// The caller is one of many parallel tasks already.
    One,
    /// As many as the size deserves. The result does not depend on it.
    Auto,
}

/// `out = scale · a · b`.
pub(in super::super) fn multiply(
    out: MatMut<'_>,
    a: Mat<'_>,
    b: Mat<'_>,
    scale: f32,
    threads: Threads,
) {
    product(out, a, b, scale, false, threads);
}

/// `out += a · b`. `out` must be initialised.
pub(in super::super) fn multiply_add(out: MatMut<'_>, a: Mat<'_>, b: Mat<'_>, threads: Threads) {
    product(out, a, b, 1.0, true, threads);
}

/// Multiply-adds below which handing work to another thread costs more than it saves.
const PARALLEL_WORK: usize = 1 << 21;
/// The fewest rows or columns of a piece. Products of at most 64 rows and columns add up in another order than larger
/// ones.
const LEAST_PIECE: usize = 128;
/// Rows and columns that gemm computes at once with AVX-512, with AVX2 a quarter of the columns; pieces begin at
/// multiples.
const TILE: [usize; 2] = [6, 64];

fn product(out: MatMut<'_>, a: Mat<'_>, b: Mat<'_>, scale: f32, add: bool, threads: Threads) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert!(
        b.rows == k && out.rows == m && out.cols == n,
        "matrix product: [{m}, {k}] by [{}, {n}] into [{}, {}]",
        b.rows,
        out.rows,
        out.cols
    );
    let work = m * n * k;
    if threads == Threads::One || work < PARALLEL_WORK {
        return run(out, a, b, scale, add, Parallelism::None);
    }
    let threads = rayon::current_num_threads();
    let (along, longer, tile) = if m > n {
        (Cut::Rows, m, TILE[0])
    } else {
        (Cut::Columns, n, TILE[1])
    };
    if threads < 2 || longer / threads < LEAST_PIECE {
        return run(out, a, b, scale, add, Parallelism::Rayon(0));
    }
    let pieces = pieces(longer, threads, tile);
    let tasks = pieces.clone().zip(out.pieces(along, pieces)).collect();
    for_tasks(tasks, work, |((start, len), out)| {
        let (a, b) = match along {
            Cut::Rows => (a.row_range(start, len), b),
            Cut::Columns => (a, b.columns(start, len)),
        };
        run(out, a, b, scale, add, Parallelism::None);
    });
}

/// First and number of the rows or columns of every thread's piece.
///
/// One product for each thread is up to 1.5 times as fast as one for all: gemm's threads synchronise twice for each 512
/// terms of the sums, which are thousands where gradients of weights are summed over tokens. Every element is the same
/// sum, term by term, however the product is cut.
fn pieces(len: usize, threads: usize, tile: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let start = move |i| {
        if i == threads {
            len
        } else {
            i * len / threads / tile * tile
        }
    };
    (0..threads).map(move |i| (start(i), start(i + 1) - start(i)))
}

/// A product by the gemm crate.
fn run(out: MatMut<'_>, a: Mat<'_>, b: Mat<'_>, scale: f32, add: bool, parallelism: Parallelism) {
    let step = |step: usize| step as isize;
    // SAFETY: the constructors checked that the views stay within their data, the destination is exclusive, and with
    // `add` false it is not read.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out.data,
            1,
            step(out.row_step),
            add,
            a.data.as_ptr(),
            step(a.col_step),
            step(a.row_step),
            b.data.as_ptr(),
            step(b.col_step),
            step(b.row_step),
            if add { 1.0 } else { 0.0 },
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}
