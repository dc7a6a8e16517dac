//! Gradients of packed attention.
//!
//! A task is one key-value head of one sequence: it alone writes that head's rows of `dk` and `dv` and its query heads'
//! rows of `dq`.

use std::{marker::PhantomData, mem::MaybeUninit};

use burn_flex::FlexTensor;

use super::{Block, Heads};
use crate::{
    SeqBounds, Span,
    flex::{
        buffer::{Input, Output, cast, with_scratch},
        matrix::{Mat, MatMut, Threads, multiply, multiply_add},
        parallel::for_tasks,
        simd::{dot, exp, vectorised},
    },
};

/// The tensors of the forward pass and the gradient of its output.
struct Saved {
    q: Input,
    k: Input,
    v: Input,
    out: Input,
    lse: Input,
    grad: Input,
}

/// An output that several tasks write at different places.
#[derive(Clone, Copy)]
struct Shared<'a> {
    data: *mut f32,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: tasks write through the pointer at disjoint places; see `Task`.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    fn new(slots: &'a mut [MaybeUninit<f32>]) -> Self {
        Self {
            data: slots.as_mut_ptr().cast(),
            lifetime: PhantomData,
        }
    }
}

/// One key-value head of one sequence. No two tasks of a call are equal, so the rows of different tasks do not overlap.
struct Task {
    span: Span,
    group: usize,
}

/// The outputs.
#[derive(Clone, Copy)]
struct Grads<'a> {
    dq: Shared<'a>,
    dk: Shared<'a>,
    dv: Shared<'a>,
}

pub(in crate::flex) fn attention_bwd(
    qkv: [FlexTensor; 3],
    [out, lse, grad]: [FlexTensor; 3],
    bounds: &SeqBounds,
    scale: f64,
) -> [FlexTensor; 3] {
    let dtype = qkv[0].dtype();
    let ([q, k, v], [out, lse, grad]) = (qkv.map(Input::new), [out, lse, grad].map(Input::new));
    let saved = Saved {
        q,
        k,
        v,
        out,
        lse,
        grad,
    };
    let heads = Heads::new(&saved.q, saved.k.dim(1), scale);
    let (q_len, k_len) = (saved.q.len(), saved.k.len());
    let [mut dq, mut dk, mut dv] = [q_len, k_len, k_len].map(Output::new);
    let grads = Grads {
        dq: Shared::new(dq.slots(q_len)),
        dk: Shared::new(dk.slots(k_len)),
        dv: Shared::new(dv.slots(k_len)),
    };
    let work = bounds
        .spans()
        .map(|span| span.queries.len() * span.keys.len())
        .sum::<usize>();
    let tasks = bounds.spans().flat_map(|span| {
        (0..heads.groups).map(move |group| Task {
            span: span.clone(),
            group,
        })
    });
    for_tasks(tasks.collect(), work * heads.query_step() / 4, |task| {
        task.run(heads, &saved, grads);
    });
    let (q_shape, k_shape) = (saved.q.shape().clone(), saved.k.shape().clone());
    // SAFETY: the tasks cover every head of every token, and each writes all its rows.
    let grads = unsafe {
        [
            dq.finish(q_shape),
            dk.finish(k_shape.clone()),
            dv.finish(k_shape),
        ]
    };
    grads.map(|grad| cast(grad, dtype))
}

impl Task {
    /// From the last block to the first: the last one sees all keys, so it writes all rows of `dk` and `dv`, and the
    /// others add to a prefix.
    fn run(&self, heads: Heads, saved: &Saved, grads: Grads<'_>) {
        if self.span.queries.is_empty() {
            self.no_gradients(heads, grads.dk);
            self.no_gradients(heads, grads.dv);
        }
        for block in Block::of(&self.span).rev() {
            let rows = block.len * heads.per_group();
            let (dim, keys) = (heads.dim, block.keys());
            with_scratch(rows * (2 * keys + 2 * dim + 2), |scratch| {
                let (probs, scratch) = scratch.split_at_mut(rows * keys);
                let (dscores, scratch) = scratch.split_at_mut(rows * keys);
                let (queries, scratch) = scratch.split_at_mut(rows * dim);
                let (grad, stats) = scratch.split_at_mut(rows * dim);
                self.gather(heads, saved, block, [&mut *queries, &mut *grad, stats]);
                let [queries, grad] = [&*queries, &*grad].map(|x| Mat::new(x, rows, dim));
                self.score_gradients(
                    heads,
                    saved,
                    block,
                    [queries, grad],
                    [probs, dscores],
                    stats,
                );
                let [probs, dscores] = [&*probs, &*dscores].map(|x| Mat::new(x, rows, keys));
                self.to_keys(heads, block, grads.dv, probs.t(), grad);
                self.to_keys(heads, block, grads.dk, dscores.t(), queries);
                self.to_queries(heads, saved, block, grads.dq, dscores);
            });
        }
    }

    /// Writes zeros for all keys of the task, which no query sees.
    fn no_gradients(&self, heads: Heads, target: Shared<'_>) {
        for key in self.span.keys.clone() {
            let offset = key * heads.key_step() + self.group * heads.dim;
            // SAFETY: `dim` floats of this task's head of one of its keys, which no other task touches.
            unsafe { std::ptr::write_bytes(target.data.add(offset), 0, heads.dim) };
        }
    }

    /// The block's queries and output gradients as dense rows; per row, its log-sum-exp and `Σ grad·out`.
    fn gather(
        &self,
        heads: Heads,
        saved: &Saved,
        block: Block,
        [queries, grads, stats]: [&mut [f32]; 3],
    ) {
        let (dim, width) = (heads.dim, heads.per_group());
        let rows = queries
            .chunks_exact_mut(width * dim)
            .zip(grads.chunks_exact_mut(width * dim));
        for (i, (query, grad)) in rows.enumerate() {
            let t = block.token + i;
            query.copy_from_slice(heads.group_of(&saved.q, t, self.group));
            grad.copy_from_slice(heads.group_of(&saved.grad, t, self.group));
            let out = heads.group_of(&saved.out, t, self.group);
            let lse = &saved.lse[t * heads.queries + self.group * width..][..width];
            let stats = &mut stats[2 * i * width..][..2 * width];
            row_stats(grad, out, lse, stats);
        }
    }

    /// Fills `probs` with the probabilities and `dscores` with the gradients of the unscaled scores.
    fn score_gradients(
        &self,
        heads: Heads,
        saved: &Saved,
        block: Block,
        [queries, grad]: [Mat<'_>; 2],
        [probs, dscores]: [&mut [f32]; 2],
        stats: &[f32],
    ) {
        let (keys, rows) = (block.keys(), stats.len() / 2);
        let first = self.span.keys.start;
        let key = heads.keys(&saved.k, first, self.group, keys);
        let value = heads.keys(&saved.v, first, self.group, keys);
        let product = MatMut::new(&mut *probs, rows, keys);
        multiply(product, queries, key.t(), heads.scale, Threads::One);
        let product = MatMut::new(&mut *dscores, rows, keys);
        multiply(product, grad, value.t(), 1.0, Threads::One);
        let place = (block.position, heads.per_group());
        softmax_gradients(probs, dscores, stats, keys, place, heads.scale);
    }

    /// Adds `weights [keys, rows] · rows` to the keys of the task.
    fn to_keys(
        &self,
        heads: Heads,
        block: Block,
        target: Shared<'_>,
        weights: Mat<'_>,
        rows: Mat<'_>,
    ) {
        let first = self.span.keys.start;
        let offset = first * heads.key_step() + self.group * heads.dim;
        // SAFETY: the view covers this task's head of its sequence's first keys, which no other task touches; the last
        // block, which comes first, sees all of them and writes without reading.
        let view = unsafe {
            let data = target.data.add(offset);
            MatMut::from_raw(data, block.keys(), heads.dim, heads.key_step())
        };
        if block.keys() == self.span.keys.len() {
            multiply(view, weights, rows, 1.0, Threads::One);
        } else {
            multiply_add(view, weights, rows, Threads::One);
        }
    }

    /// Writes `dscores [rows, keys] · keys` to the block's queries.
    fn to_queries(
        &self,
        heads: Heads,
        saved: &Saved,
        block: Block,
        target: Shared<'_>,
        dscores: Mat<'_>,
    ) {
        let keys = block.keys();
        let key = heads.keys(&saved.k, self.span.keys.start, self.group, keys);
        let width = heads.per_group();
        // The rows of one query head are evenly spaced; those of a group are not.
        for g in 0..width {
            let offset = block.token * heads.query_step() + (self.group * width + g) * heads.dim;
            // SAFETY: the view covers one query head of this block, which no other task touches, and `multiply` does
            // not read it.
            let view = unsafe {
                let data = target.data.add(offset);
                MatMut::from_raw(data, block.len, heads.dim, heads.query_step())
            };
            multiply(view, dscores.every(g, width), key, 1.0, Threads::One);
        }
    }
}

vectorised! {
    /// Per head: the log-sum-exp and `Σ grad·out`.
    fn row_stats(grad: &[f32], out: &[f32], lse: &[f32], stats: &mut [f32]) {
        let dim = grad.len() / lse.len();
        let rows = grad.chunks_exact(dim).zip(out.chunks_exact(dim));
        for (((grad, out), lse), stats) in rows.zip(lse).zip(stats.chunks_exact_mut(2)) {
            stats[0] = *lse;
            stats[1] = dot(grad, out);
        }
    }
}

vectorised! {
    /// From scaled scores and gradients of the probabilities to probabilities and gradients of the unscaled scores;
    /// zeros for the future.
    fn softmax_gradients(
        probs: &mut [f32],
        dscores: &mut [f32],
        stats: &[f32],
        keys: usize,
        place: (usize, usize),
        scale: f32,
    ) {
        let (position, width) = place;
        let rows = probs.chunks_exact_mut(keys).zip(dscores.chunks_exact_mut(keys));
        for (r, ((probs, dscores), stats)) in rows.zip(stats.chunks_exact(2)).enumerate() {
            let seen = position + r / width + 1;
            let (probs, hidden) = probs.split_at_mut(seen);
            let (dscores, hidden_too) = dscores.split_at_mut(seen);
            for (p, ds) in probs.iter_mut().zip(dscores) {
                *p = exp(*p - stats[0]);
                *ds = *p * (*ds - stats[1]) * scale;
            }
            hidden.fill(0.0);
            hidden_too.fill(0.0);
        }
    }
}
