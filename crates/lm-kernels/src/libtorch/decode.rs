//! Attention against a key-value cache that is written in place.

use tch::{Kind, Tensor};

use super::attention::attention;
use crate::{
    SeqBounds,
    types::{CacheRow, with_queries},
};

/// See [`ops::cached_attention`](crate::ops::cached_attention). The halves of the cache are written in place.
pub(super) fn cached_attention(
    [q, k, v]: [&Tensor; 3],
    cache: [Tensor; 2],
    rows: &[CacheRow],
    scale: f64,
) -> (Tensor, [Tensor; 2]) {
    for (half, new) in cache.iter().zip([k, v]) {
        write(half, new, rows);
    }
    let seeing = with_queries(rows, q.size()[0] as usize);
    let out = match Batch::new(&seeing) {
        Some(batch) => batch.attend(q, &cache, scale),
        None => one_by_one(q, &cache, &seeing, scale),
    };
    (out, cache)
}

/// See [`ops::copy_slot`](crate::ops::copy_slot), for one half of a cache.
pub(super) fn copy_slot(half: Tensor, from: usize, to: &[usize], len: usize) -> Tensor {
    let prefix = |slot: usize| half.select(0, slot as i64).narrow(0, 0, len as i64);
    for &slot in to.iter().filter(|&&slot| slot != from) {
        prefix(slot).copy_(&prefix(from));
    }
    half
}

/// Puts the new tokens into their slots.
fn write(half: &Tensor, new: &Tensor, rows: &[CacheRow]) {
    let capacity = half.size()[1];
    if rows.iter().all(|row| row.len == 1) {
        let place = |row: &CacheRow| row.slot as i64 * capacity + row.start as i64;
        let places: Vec<i64> = rows.iter().map(place).collect();
        let places = Tensor::from_slice(&places).to_device(half.device());
        let _ = half.flatten(0, 1).index_copy_(0, &places, new);
        return;
    }
    let mut at = 0;
    for row in rows {
        let (start, len) = (row.start as i64, row.len as i64);
        let slot = half.select(0, row.slot as i64);
        slot.narrow(0, start, len).copy_(&new.narrow(0, at, len));
        at += len;
    }
}

/// One query in each of several consecutive slots, which are attended to in one call.
struct Batch {
    first: usize,
    /// Tokens that each query sees.
    lengths: Vec<i64>,
    longest: i64,
}

impl Batch {
    /// Nothing if the rows are of another kind, or so unlike in length that most of the work would be masked.
    fn new(rows: &[CacheRow]) -> Option<Self> {
        let first = rows.first()?.slot;
        let fits = |(n, row): (usize, &CacheRow)| row.len == 1 && row.slot == first + n;
        let lengths: Vec<i64> = rows.iter().map(|row| row.start as i64 + 1).collect();
        let longest = lengths.iter().copied().max()?;
        let work = longest * lengths.len() as i64;
        let alike = 2 * lengths.iter().sum::<i64>() >= work;
        (alike && rows.len() > 1 && rows.iter().enumerate().all(fits)).then_some(Self {
            first,
            lengths,
            longest,
        })
    }

    fn attend(&self, q: &Tensor, cache: &[Tensor; 2], scale: f64) -> Tensor {
        let count = self.lengths.len() as i64;
        let seen = |half: &Tensor| {
            let slots = half.narrow(0, self.first as i64, count);
            slots.narrow(1, 0, self.longest).transpose(1, 2)
        };
        let [k, v] = cache.each_ref().map(seen);
        attend(q, [&k, &v], self.mask(q).as_ref(), scale)
    }

    /// Zero for the tokens of a slot and negative infinity behind them, `[N, 1, 1, longest]`.
    fn mask(&self, q: &Tensor) -> Option<Tensor> {
        if self.lengths.iter().all(|len| *len == self.longest) {
            return None;
        }
        let lengths = Tensor::from_slice(&self.lengths).to_device(q.device());
        let places = Tensor::arange(self.longest, (Kind::Int64, q.device()));
        let behind = places.ge_tensor(&lengths.view([-1, 1, 1, 1]));
        let zeros = Tensor::zeros(behind.size(), (q.kind(), q.device()));
        Some(zeros.masked_fill(&behind, f64::NEG_INFINITY))
    }
}

/// Every row by itself.
fn one_by_one(q: &Tensor, cache: &[Tensor; 2], rows: &[CacheRow], scale: f64) -> Tensor {
    let out = q.empty_like();
    let mut at = 0;
    for row in rows.iter().filter(|row| row.len > 0) {
        let part = |x: &Tensor| x.narrow(0, at, row.len as i64);
        part(&out).copy_(&one_row(&part(q), cache, row, scale));
        at += row.len as i64;
    }
    out
}

/// The new tokens `q [L, Hq, D]` of one slot.
fn one_row(q: &Tensor, cache: &[Tensor; 2], row: &CacheRow, scale: f64) -> Tensor {
    let keys = (row.start + row.len) as i64;
    let slot = |half: &Tensor| half.select(0, row.slot as i64).narrow(0, 0, keys);
    let [k, v] = cache.each_ref().map(slot);
    if row.len == 1 {
        let [k, v] = [k, v].map(|half| half.unsqueeze(0).transpose(1, 2));
        return attend(q, [&k, &v], None, scale);
    }
    let bounds = SeqBounds::with_context(&[(row.start, row.len)]);
    attention([q, &k, &v], &bounds, scale).0
}

/// One query `q [N, Hq, D]` in each of the sequences `[N, Hkv, S, D]`. The query heads of a key-value head are the
/// kernel's queries.
fn attend(q: &Tensor, [k, v]: [&Tensor; 2], mask: Option<&Tensor>, scale: f64) -> Tensor {
    let grouped = q.unflatten(1, [k.size()[1], -1]);
    Tensor::scaled_dot_product_attention(&grouped, k, v, mask, 0.0, false, scale, false)
        .reshape_as(q)
}
