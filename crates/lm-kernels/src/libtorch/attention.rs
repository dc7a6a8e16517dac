//! Attention over packed sequences by libtorch's scaled-dot-product kernels, one sequence at a time.
//!
//! The query heads of one key-value head become the batch, whose keys and values are the same memory for all of it:
//! nothing is padded or repeated. Dimensions: `G = Hq / Hkv`, `L` queries and `S` keys of a sequence.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use crate::bounds::{SeqBounds, Span};

/// Queries at once after a context, where the kernel needs a mask `[queries, keys]`.
const BLOCK: usize = 512;

/// See [`ops::attention`](crate::ops::attention). Also returns the log-sum-exp of the rows of scores, `[T, Hq]`, on a
/// CPU; elsewhere it is empty, because only the kernels know which of them was chosen.
pub(super) fn attention(
    [q, k, v]: [&Tensor; 3],
    bounds: &SeqBounds,
    scale: f64,
) -> (Tensor, Tensor) {
    let (tokens, [groups, per_group]) = (q.size()[0], head_counts(q, k));
    let out = q.empty_like().view([tokens, groups, per_group, -1]);
    let lse = match q.device() {
        Device::Cpu => Tensor::empty([tokens, groups, per_group], (lse_kind(q), q.device())),
        _ => Tensor::empty([0], (Kind::Float, q.device())),
    };
    for piece in pieces(bounds) {
        let inputs = Inputs::new([q, k, v], &piece);
        let (found, found_lse) = inputs.attend(scale);
        rows(&out, &piece.queries).copy_(&found.permute([2, 1, 0, 3]));
        if let Some(found) = found_lse {
            rows(&lse, &piece.queries).copy_(&found.permute([2, 1, 0]));
        }
    }
    (out.view_as(q), lse.flatten(1.min(lse.dim() as i64 - 1), -1))
}

/// What [`attention_bwd`] needs of the forward pass.
pub(super) struct Saved<'a> {
    pub(super) qkv: [&'a Tensor; 3],
    pub(super) out: &'a Tensor,
    pub(super) lse: &'a Tensor,
}

/// Gradients of `q`, `k` and `v` of [`attention`].
pub(super) fn attention_bwd(
    saved: Saved<'_>,
    bounds: &SeqBounds,
    scale: f64,
    grad: &Tensor,
) -> [Tensor; 3] {
    let [q, k, v] = saved.qkv;
    let [groups, per_group] = head_counts(q, k);
    let split = |x: &Tensor| x.unflatten(1, [groups, per_group]);
    let [dq, dk, dv] = [q, k, v].map(Tensor::zeros_like);
    for piece in pieces(bounds) {
        let inputs = Inputs::new(saved.qkv, &piece);
        let grad = per_head(&rows(grad, &piece.queries), groups);
        let found = match q.device() {
            Device::Cpu => {
                let out = per_head(&rows(saved.out, &piece.queries), groups);
                let lse = rows(saved.lse, &piece.queries);
                let lse = split(&lse).permute([2, 1, 0]);
                inputs.gradients(&out, &lse, scale, &grad)
            }
            _ => inputs.gradients_by_autograd(scale, &grad),
        };
        add(
            &rows(&split(&dq), &piece.queries),
            &found[0].permute([2, 1, 0, 3]),
        );
        for (sum, part) in [&dk, &dv].into_iter().zip(&found[1..]) {
            add(
                &rows(sum, &piece.keys),
                &over_group(part).permute([1, 0, 2]),
            );
        }
    }
    [dq, dk, dv]
}

/// What one call of a kernel gets.
struct Inputs {
    /// `[G, Hkv, L, D]`.
    q: Tensor,
    /// `[G, Hkv, S, D]`, one memory for all of `G`.
    k: Tensor,
    /// Like the keys.
    v: Tensor,
    /// `[1, 1, L, S]` after a context; otherwise the kernel's own causal mask is right.
    mask: Option<Tensor>,
}

impl Inputs {
    fn new([q, k, v]: [&Tensor; 3], piece: &Span) -> Self {
        let [groups, per_group] = head_counts(q, k);
        let keys = |x: &Tensor| {
            let x = last_dense(&rows(x, &piece.keys)).permute([1, 0, 2]);
            x.unsqueeze(0).expand([per_group, -1, -1, -1], false)
        };
        Self {
            q: per_head(&rows(q, &piece.queries), groups),
            k: keys(k),
            v: keys(v),
            mask: (piece.context() > 0).then(|| mask(q, piece)),
        }
    }

    /// The output `[G, Hkv, L, D]`, and its log-sum-exp `[G, Hkv, L]` on a CPU.
    fn attend(&self, scale: f64) -> (Tensor, Option<Tensor>) {
        if self.q.device() != Device::Cpu {
            return (self.attend_anywhere(scale), None);
        }
        let (out, lse) = Tensor::internal_scaled_dot_product_flash_attention_for_cpu(
            &self.q,
            &self.k,
            &self.v,
            0.0,
            self.mask.is_none(),
            self.mask.as_ref(),
            scale,
        );
        (out, Some(lse))
    }

    fn gradients(&self, out: &Tensor, lse: &Tensor, scale: f64, grad: &Tensor) -> [Tensor; 3] {
        let (dq, dk, dv) = Tensor::internal_scaled_dot_product_flash_attention_for_cpu_backward(
            grad,
            &self.q,
            &self.k,
            &self.v,
            out,
            lse,
            0.0,
            self.mask.is_none(),
            self.mask.as_ref(),
            scale,
        );
        [dq, dk, dv]
    }

    /// The kernel that libtorch chooses for the device and the type.
    fn attend_anywhere(&self, scale: f64) -> Tensor {
        let (mask, causal) = (self.mask.as_ref(), self.mask.is_none());
        Tensor::scaled_dot_product_attention(
            &self.q, &self.k, &self.v, mask, 0.0, causal, scale, false,
        )
    }

    /// The gradients by libtorch's own autograd, which knows the backward pass of the kernel it chooses. The forward
    /// pass is computed again.
    fn gradients_by_autograd(&self, scale: f64, grad: &Tensor) -> [Tensor; 3] {
        let leaf = |x: &Tensor| x.detach().set_requires_grad(true);
        let leaves = Self {
            q: leaf(&self.q),
            k: leaf(&self.k),
            v: leaf(&self.v),
            mask: self.mask.as_ref().map(Tensor::shallow_clone),
        };
        let loss = (leaves.attend_anywhere(scale) * grad).sum(Kind::Float);
        let inputs = [&leaves.q, &leaves.k, &leaves.v];
        let found = Tensor::run_backward(&[loss], &inputs, false, false);
        [0, 1, 2].map(|i| found[i].shallow_clone())
    }
}

/// The calls that cover all queries: a sequence at a time, and blocks of it after a context.
fn pieces(bounds: &SeqBounds) -> impl Iterator<Item = Span> + '_ {
    bounds.spans().flat_map(|span| {
        let (context, len) = (span.context(), span.queries.len());
        let block = if context > 0 { BLOCK } else { len.max(1) };
        (0..len).step_by(block).map(move |start| {
            let end = len.min(start + block);
            Span {
                queries: span.queries.start + start..span.queries.start + end,
                keys: span.keys.start..span.keys.start + context + end,
            }
        })
    })
}

/// Zero where a query sees a key and negative infinity elsewhere, `[1, 1, L, S]`.
fn mask(q: &Tensor, piece: &Span) -> Tensor {
    let shape = [1, 1, piece.queries.len() as i64, piece.keys.len() as i64];
    let future = Tensor::full(shape, f64::NEG_INFINITY, (q.kind(), q.device()));
    future.triu(piece.context() as i64 + 1)
}

/// `[L, Hq, D]` → `[G, Hkv, L, D]`, without a copy.
fn per_head(x: &Tensor, groups: i64) -> Tensor {
    let x = last_dense(x).unflatten(1, [groups, -1]);
    x.permute([2, 1, 0, 3])
}

/// The sum over the query heads of one key-value head.
fn over_group(x: &Tensor) -> Tensor {
    match x.size()[0] {
        1 => x.squeeze_dim(0),
        _ => x.sum_dim_intlist([0_i64].as_slice(), false, x.kind()),
    }
}

/// The kernels read vectors of the last dimension.
fn last_dense(x: &Tensor) -> Tensor {
    match x.stride().last() {
        Some(1) => x.shallow_clone(),
        _ => x.contiguous(),
    }
}

/// Key-value heads, and query heads of each.
fn head_counts(q: &Tensor, k: &Tensor) -> [i64; 2] {
    let (heads, groups) = (q.size()[1], k.size()[1]);
    [groups, heads / groups]
}

/// The CPU kernel's type of sums.
fn lse_kind(q: &Tensor) -> Kind {
    match q.kind() {
        Kind::Double => Kind::Double,
        _ => Kind::Float,
    }
}

fn rows(x: &Tensor, range: &Range<usize>) -> Tensor {
    x.narrow(0, range.start as i64, range.len() as i64)
}

fn add(sum: &Tensor, part: &Tensor) {
    let _ = sum.shallow_clone().g_add_(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What devices without the CPU's kernels do, on the CPU, whose kernels the other tests check.
    #[test]
    fn autograd_gives_the_gradients_of_the_cpu_kernels() {
        for sequence in [(0, 5), (3, 4)] {
            let bounds = SeqBounds::with_context(&[sequence]);
            let piece = pieces(&bounds).next().expect("one sequence");
            let values = |tokens: usize, heads: i64| {
                Tensor::randn([tokens as i64, heads, 8], (Kind::Float, Device::Cpu))
            };
            let (q, k, v) = (
                values(bounds.total(), 4),
                values(bounds.total_keys(), 2),
                values(bounds.total_keys(), 2),
            );
            let inputs = Inputs::new([&q, &k, &v], &piece);
            let (out, lse) = inputs.attend(0.3);
            let lse = lse.expect("the CPU's kernel returns it");
            assert!(out.allclose(&inputs.attend_anywhere(0.3), 1e-4, 1e-5, false));
            let grad = out.randn_like();
            let expected = inputs.gradients(&out, &lse, 0.3, &grad);
            let found = inputs.gradients_by_autograd(0.3, &grad);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(found.allclose(expected, 1e-4, 1e-5, false));
            }
        }
    }
}
