//! Strided views of matrices, and their products.

mod product;

use std::{marker::PhantomData, mem::MaybeUninit};

pub(super) use product::{Threads, multiply, multiply_add};

/// A read-only matrix: `rows` by `cols`, with the steps between rows and columns.
#[derive(Clone, Copy)]
pub(super) struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_step: usize,
    col_step: usize,
}

impl<'a> Mat<'a> {
    /// A dense matrix, row by row.
    pub(super) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// Rows that are `row_step` apart.
    pub(super) fn strided(data: &'a [f32], rows: usize, cols: usize, row_step: usize) -> Self {
        assert!(
            reach(rows, cols, row_step) <= data.len(),
            "matrix: the view exceeds its data"
        );
        Self {
            data,
            rows,
            cols,
            row_step,
            col_step: 1,
        }
    }

    /// The rows `first`, `first + step` and so on.
    pub(super) fn every(self, first: usize, step: usize) -> Self {
        Self {
            data: &self.data[first * self.row_step..],
            rows: (self.rows - first).div_ceil(step),
            row_step: self.row_step * step,
            ..self
        }
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// `len` columns from `start` on.
    pub(super) fn columns(self, start: usize, len: usize) -> Self {
        assert!(start + len <= self.cols, "matrix: columns out of range");
        Self {
            data: &self.data[(start * self.col_step).min(self.data.len())..],
            cols: len,
            ..self
        }
    }

    /// `len` rows from `start` on.
    fn row_range(self, start: usize, len: usize) -> Self {
        self.t().columns(start, len).t()
    }

    /// The transpose.
    pub(super) fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_step: self.col_step,
            col_step: self.row_step,
            ..self
        }
    }
}

/// Along what a matrix is cut.
#[derive(Clone, Copy)]
pub(super) enum Cut {
    /// Each piece has some rows.
    Rows,
    /// Each piece has some columns.
    Columns,
}

/// A matrix to be written: rows of adjacent values, `row_step` apart.
pub(super) struct MatMut<'a> {
    data: *mut f32,
    rows: usize,
    cols: usize,
    row_step: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

impl<'a> MatMut<'a> {
    /// A dense matrix, row by row.
    pub(super) fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        assert!(
            rows * cols <= data.len(),
            "matrix: the view exceeds its data"
        );
        // SAFETY: the borrow gives exclusive access to rows·cols initialised values.
        unsafe { Self::from_raw(data.as_mut_ptr(), rows, cols, cols) }
    }

    /// A dense matrix that has not been written yet; [`multiply`] writes all of it.
    pub(super) fn unwritten(data: &'a mut [MaybeUninit<f32>], rows: usize, cols: usize) -> Self {
        assert!(
            rows * cols <= data.len(),
            "matrix: the view exceeds its data"
        );
        // SAFETY: the borrow gives exclusive access, and `multiply` never reads its destination.
        unsafe { Self::from_raw(data.as_mut_ptr().cast(), rows, cols, cols) }
    }

    /// The same matrix for a shorter time.
    pub(super) fn reborrow(&mut self) -> MatMut<'_> {
        // SAFETY: the view stays the only one while the borrow lasts.
        unsafe { MatMut::from_raw(self.data, self.rows, self.cols, self.row_step) }
    }

    /// The matrix cut into rows or columns: a view for each `(start, len)`, which must not overlap.
    pub(super) fn pieces(
        self,
        along: Cut,
        pieces: impl Iterator<Item = (usize, usize)>,
    ) -> impl Iterator<Item = MatMut<'a>> {
        let (all, step) = match along {
            Cut::Rows => (self.rows, self.row_step),
            Cut::Columns => (self.cols, 1),
        };
        let mut end = 0;
        pieces.map(move |(start, len)| {
            assert!(end <= start && start + len <= all, "matrix: pieces overlap");
            end = start + len;
            let (rows, cols) = match along {
                Cut::Rows => (len, self.cols),
                Cut::Columns => (self.rows, len),
            };
            // A piece without rows may start behind the data.
            let first = self.data.wrapping_add(start * step);
            // SAFETY: the rows and columns lie inside the view and belong to this piece alone, because pieces only go
            // forward.
            unsafe { MatMut::from_raw(first, rows, cols, self.row_step) }
        })
    }

    /// Writes adjacent values of a row, from column `start` on.
    #[inline]
    pub(super) fn write(&mut self, row: usize, start: usize, values: &[f32]) {
        assert!(
            row < self.rows && start + values.len() <= self.cols,
            "matrix: values outside of the view"
        );
        // SAFETY: the place was checked, and the view is exclusive.
        unsafe {
            let to = self.data.add(row * self.row_step + start);
            std::ptr::copy_nonoverlapping(values.as_ptr(), to, values.len());
        }
    }

    /// [`MatMut::write`] one value after the other: values from different places would first be gathered by several
    /// narrow stores and then read by a wide load, which stalls, because it cannot be forwarded from them.
    #[inline]
    pub(super) fn write_each(
        &mut self,
        row: usize,
        start: usize,
        values: impl ExactSizeIterator<Item = f32>,
    ) {
        let count = values.len();
        assert!(
            row < self.rows && start + count <= self.cols,
            "matrix: values outside of the view"
        );
        // SAFETY: the place was checked, and the view is exclusive.
        let to = unsafe { self.data.add(row * self.row_step + start) };
        for (i, value) in values.take(count).enumerate() {
            // SAFETY: `i` is below the number of values that was checked.
            unsafe { to.add(i).write(value) };
        }
    }

    /// A strided matrix.
    ///
    /// # Safety
    /// Every element of the view is valid for writes during `'a` and accessed through this view only; for
    /// [`multiply_add`] it is also initialised.
    pub(super) unsafe fn from_raw(
        data: *mut f32,
        rows: usize,
        cols: usize,
        row_step: usize,
    ) -> Self {
        Self {
            data,
            rows,
            cols,
            row_step,
            lifetime: PhantomData,
        }
    }
}

// SAFETY: a view is exclusive, so it can be used from another thread as a slice could.
unsafe impl Send for MatMut<'_> {}

/// One past the last element of a view.
fn reach(rows: usize, cols: usize, row_step: usize) -> usize {
    if rows == 0 || cols == 0 {
        0
    } else {
        (rows - 1) * row_step + cols
    }
}
