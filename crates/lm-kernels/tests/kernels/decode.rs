//! Attention against a key-value cache.

use burn::tensor::Tensor;
use lm_kernels::{
    SeqBounds,
    ops::{self, CacheRow, KvCache},
    reference,
};

use crate::util::{Fast, close, frozen, leaf, random, read};

const CAPACITY: usize = 90;

fn cache(slots: usize, heads: usize, dim: usize) -> KvCache<Fast> {
    // Not zeros: what an earlier sequence left in a slot must not be seen.
    let half = |seed| random(seed, [slots, CAPACITY, heads, dim]) * 50.0;
    KvCache {
        k: half(20),
        v: half(21),
    }
}

fn row(slot: usize, start: usize, len: usize) -> CacheRow {
    CacheRow { slot, start, len }
}

/// Feeds sequences to the cache in pieces and compares with packed attention.
#[test]
fn pieces_give_what_the_whole_gives() {
    let (hq, hkv, dim) = (4, 2, 33);
    let lengths = [7, 80, 3];
    let pieces = [[4, 70, 0], [1, 1, 1], [2, 9, 1], [0, 0, 1]];
    let bounds = SeqBounds::from_lengths(&lengths);
    let total = bounds.total();
    let q = random(1, [total, hq, dim]) * 2.0;
    let (k, v) = (
        random(2, [total, hkv, dim]) * 2.0,
        random(3, [total, hkv, dim]),
    );
    let whole = ops::attention(q.clone(), k.clone(), v.clone(), &bounds, 0.3);
    let mut cache = cache(5, hkv, dim);
    let mut done = [0; 3];
    for piece in pieces {
        // Slots out of order, and one never used.
        let rows: Vec<_> = (0..3)
            .map(|n| row([3, 0, 4][n], done[n], piece[n]))
            .collect();
        let pick = |x: &Tensor<Fast, 3>| {
            let parts = bounds.iter().zip(done).zip(piece);
            let parts = parts.filter(|(_, len)| *len > 0);
            let parts =
                parts.map(|(((start, _), done), len)| x.clone().narrow(0, start + done, len));
            Tensor::cat(parts.collect(), 0)
        };
        let (out, next) = ops::cached_attention(pick(&q), pick(&k), pick(&v), cache, &rows, 0.3);
        close(&format!("piece {piece:?}"), &out, &pick(&whole));
        cache = next;
        (0..3).for_each(|n| done[n] += piece[n]);
    }
    assert_eq!(done, lengths);
}

#[test]
fn the_kernel_and_the_default_body_agree() {
    for (hq, hkv, dim) in [(1, 1, 2), (4, 1, 32), (6, 3, 17), (4, 2, 128)] {
        let rows = [
            row(2, 0, 3),
            row(0, 11, 1),
            row(1, 80, 10),
            row(4, 5, 1),
            row(3, 0, 1),
        ];
        let total = rows.iter().map(|row| row.len).sum();
        let q = random(1, [total, hq, dim]);
        let (k, v) = (random(2, [total, hkv, dim]), random(3, [total, hkv, dim]));
        let KvCache { k: keys, v: values } = cache(6, hkv, dim);
        let new = || [q.clone(), k.clone(), v.clone()];
        let halves = || [keys.clone() / 50.0, values.clone() / 50.0];
        let (expected, [ek, ev]) = reference::cached_attention(new(), halves(), &rows, 0.4);
        let ([q, k, v], [ck, cv]) = (new(), halves());
        let (found, next) = ops::cached_attention(q, k, v, KvCache { k: ck, v: cv }, &rows, 0.4);
        let what = format!("cached_attention {hq}/{hkv} {dim}");
        close(&what, &found, &expected);
        assert_eq!(read(&next.k), read(&ek), "{what}: keys");
        assert_eq!(read(&next.v), read(&ev), "{what}: values");
    }
}

/// The last token of every row gets what it gets among all, from the kernel and from the default body.
#[test]
fn queries_of_the_last_tokens_alone() {
    let rows = [row(2, 0, 3), row(0, 11, 1), row(1, 60, 10)];
    let ends = [2, 3, 13];
    let (q, k, v) = (
        random(1, [14, 4, 16]),
        random(2, [14, 2, 16]),
        random(3, [14, 2, 16]),
    );
    let ends = Tensor::<Fast, 1, burn::tensor::Int>::from_ints(ends, &q.device());
    let few = q.clone().select(0, ends.clone());
    let kv = || (k.clone(), v.clone());
    let run =
        |q: Tensor<Fast, 3>| ops::cached_attention(q, kv().0, kv().1, cache(3, 2, 16), &rows, 0.4);
    let ((all, _), (last, next)) = (run(q), run(few.clone()));
    close("the last tokens", &last, &all.select(0, ends));
    let KvCache { k: keys, v: values } = cache(3, 2, 16);
    let qkv = [few, kv().0, kv().1];
    let (expected, [ek, _]) = reference::cached_attention(qkv, [keys, values], &rows, 0.4);
    close("the default body", &last, &expected);
    assert_eq!(read(&next.k), read(&ek), "keys");
}

#[test]
fn a_shared_cache_is_not_written_through() {
    let before = cache(2, 1, 4);
    let kept = read(&before.k);
    let x = random(1, [1, 1, 4]);
    let (_, after) = ops::cached_attention(
        x.clone(),
        x.clone(),
        x,
        before.clone(),
        &[row(1, 0, 1)],
        1.0,
    );
    assert_eq!(read(&before.k), kept);
    assert_ne!(read(&after.k), kept);
}

#[cfg(not(feature = "vulkan"))]
#[test]
fn an_owned_cache_is_written_in_place() {
    use crate::util::address;

    let cache = cache(2, 1, 4);
    let before = [&cache.k, &cache.v].map(address);
    let x = random(1, [1, 1, 4]);
    let (_, cache) = ops::cached_attention(x.clone(), x.clone(), x, cache, &[row(1, 0, 1)], 1.0);
    let cache = ops::copy_slot(cache, 1, &[0], 1);
    assert_eq!([&cache.k, &cache.v].map(address), before);
}

#[test]
fn copy_slot_copies_a_prefix() {
    let before = cache(4, 2, 3);
    let (k, v) = (before.k.clone(), before.v.clone());
    let after = ops::copy_slot(before, 1, &[3, 0], 5);
    for (half, old) in [(after.k, k), (after.v, v)] {
        let expected = reference::copy_slot(old.clone(), 1, &[3, 0], 5);
        assert_eq!(read(&half), read(&expected));
        let prefix = |x: &Tensor<Fast, 4>, slot| read(&x.clone().slice([slot..slot + 1, 0..5]));
        assert_eq!(prefix(&half, 3), prefix(&old, 1));
        let rest = |x: &Tensor<Fast, 4>| read(&x.clone().slice([3..4, 5..CAPACITY]));
        assert_eq!(rest(&half), rest(&old));
    }
}

#[test]
fn decoding_works_under_autodiff_without_gradients() {
    let x = random(1, [1, 1, 4]);
    let KvCache { k, v } = cache(1, 1, 4);
    let halves = KvCache {
        k: frozen(&k),
        v: frozen(&v),
    };
    let (out, _) =
        ops::cached_attention(leaf(&x), leaf(&x), leaf(&x), halves, &[row(0, 0, 1)], 1.0);
    assert!(!out.is_require_grad());
    // The only visible token is the new one, so its value comes back.
    close("a single token", &out.inner(), &x);
}

#[test]
#[should_panic(expected = "slot 0 is named twice")]
fn a_slot_can_be_written_once_per_call() {
    let x = random(1, [2, 1, 4]);
    let rows = [row(0, 0, 1), row(0, 1, 1)];
    ops::cached_attention(x.clone(), x.clone(), x, cache(1, 1, 4), &rows, 1.0);
}
