//! The two kernels.
//!
//! One cube draws from one row. Nothing is sorted: the threshold of top-k, and then that of top-p, is found by radix
//! selection over the bits of the weights, and the place of a tie and the token itself by sums over ever smaller parts
//! of the row.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::super::reduce::{cube_max, cube_sum};

/// Numbers for each row.
pub(super) const NUMBERS: usize = 6;

/// Bits of a weight, which is at most 1: the sign and the highest bit of the exponent are zero.
const WEIGHT_BITS: u32 = 30;

/// Divides or multiplies the logits at some places by a penalty.
#[cube(launch, address_type = "dynamic")]
pub(super) fn penalise_kernel(
    logits: &mut Array<f32>,
    rows: &Array<u32>,
    ids: &Array<u32>,
    penalties: &Array<u32>,
    places: usize,
    vocab: usize,
) {
    let i = ABSOLUTE_POS;
    if i >= places {
        terminate!();
    }
    let at = rows[i] as usize * vocab + ids[i] as usize;
    let penalty = f32::reinterpret(penalties[i]);
    let logit = logits[at];
    let mut changed = logit / penalty;
    if logit < 0.0 {
        changed = logit * penalty;
    }
    logits[at] = changed;
}

/// Where a row of weights lies.
#[derive(CubeType, Clone, Copy)]
struct Row {
    start: usize,
    vocab: usize,
}

/// Writes `exp((logit − max) / temperature)`; returns the maximum and the sum, in every unit. NaN enters the sum and is
/// not written.
#[cube]
fn fill(
    logits: &Array<f32>,
    weights: &mut Array<f32>,
    row: &Row,
    inverse_temperature: f32,
    scratch: &mut SharedMemory<f32>,
) -> (f32, f32) {
    let mut largest = f32::new(-3.4e38);
    let mut i = UNIT_POS as usize;
    while i < row.vocab {
        let logit = logits[row.start + i];
        if logit > largest {
            largest = logit;
        }
        i += CUBE_DIM as usize;
    }
    let max = cube_max(largest, scratch);
    let mut part = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < row.vocab {
        let weight = ((logits[row.start + i] - max) * inverse_temperature).exp();
        part += weight;
        let mut written = weight;
        // The bits of NaN are above those of 1.
        if u32::reinterpret(weight) > 0x3F80_0000 {
            written = 0.0f32;
        }
        weights[row.start + i] = written;
        i += CUBE_DIM as usize;
    }
    let sum = cube_sum(part, scratch);
    // The units read each other's weights from here on.
    sync_storage();
    (max, sum)
}

/// The sum of the weights whose bits are at least `floor`, in every unit.
#[cube]
fn mass(weights: &Array<f32>, row: &Row, floor: u32, scratch: &mut SharedMemory<f32>) -> f32 {
    let mut part = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < row.vocab {
        let weight = weights[row.start + i];
        if u32::reinterpret(weight) >= floor {
            part += weight;
        }
        i += CUBE_DIM as usize;
    }
    cube_sum(part, scratch)
}

/// The largest bits for which the weights with at least these bits, and at least `floor`, are `need` in number or in
/// mass; `floor` if there are none. Two bits at a time, so that a row is read 15 times.
#[cube]
fn border(
    weights: &Array<f32>,
    row: &Row,
    need: f32,
    floor: u32,
    scratch: &mut SharedMemory<f32>,
    #[comptime] counted: bool,
) -> u32 {
    let mut edge = 0u32;
    let mut shift = u32::new(WEIGHT_BITS as i64);
    while shift > 0 {
        shift -= 2;
        let one = edge + (1u32 << shift);
        let two = edge + (2u32 << shift);
        let three = edge + (3u32 << shift);
        let mut of_one = 0.0f32;
        let mut of_two = 0.0f32;
        let mut of_three = 0.0f32;
        let mut i = UNIT_POS as usize;
        while i < row.vocab {
            let weight = weights[row.start + i];
            let bits = u32::reinterpret(weight);
            let mut amount = weight;
            if counted {
                amount = 1.0f32;
            }
            if bits >= floor && bits >= one {
                of_one += amount;
                if bits >= two {
                    of_two += amount;
                }
                if bits >= three {
                    of_three += amount;
                }
            }
            i += CUBE_DIM as usize;
        }
        let of_one = cube_sum(of_one, scratch);
        let of_two = cube_sum(of_two, scratch);
        let of_three = cube_sum(of_three, scratch);
        if of_three >= need {
            edge = three;
        } else if of_two >= need {
            edge = two;
        } else if of_one >= need {
            edge = one;
        }
    }
    edge.max(floor)
}

/// What a token adds to the sum in which [`locate`] looks for a place: its weight if it is kept, or 1 if it lies on the
/// edge.
#[cube]
fn amount(
    weights: &Array<f32>,
    at: usize,
    token: usize,
    kept: &Kept,
    #[comptime] on_the_edge: bool,
) -> f32 {
    let weight = weights[at];
    let bits = u32::reinterpret(weight);
    let mut found = 0.0f32;
    if on_the_edge {
        if bits == kept.edge {
            found = 1.0f32;
        }
    } else if weight >= kept.least
        && (bits > kept.edge || (bits == kept.edge && token <= kept.last))
    {
        found = weight;
    }
    found
}

/// The tokens that are kept: those with a weight above the edge and the ones on it up to a token, unless they are
/// lighter than the least weight.
#[derive(CubeType, Clone, Copy)]
struct Kept {
    /// Bits of a weight.
    edge: u32,
    /// The last token that is kept on the edge.
    last: usize,
    least: f32,
}

/// The token at which the running sum of [`amount`] passes `target`, in every unit; the last one with an amount if
/// rounding keeps the sum below it. `tree` has two places for each unit.
///
/// Each unit adds up a part of the row, a tree of sums over the units tells the part in which the token lies, and that
/// part is divided again.
#[cube]
fn locate(
    weights: &Array<f32>,
    row: &Row,
    kept: &Kept,
    target: f32,
    tree: &mut SharedMemory<f32>,
    #[comptime] on_the_edge: bool,
) -> usize {
    let units = CUBE_DIM as usize;
    let unit = UNIT_POS as usize;
    let mut first = 0usize;
    let mut len = row.vocab;
    let mut before = 0.0f32;
    while len > 1 {
        let part = (len + units - 1) / units;
        let mut i = first + unit * part;
        let mut end = i + part;
        if end > first + len {
            end = first + len;
        }
        let mut sum = 0.0f32;
        while i < end {
            sum += amount(weights, row.start + i, i, kept, on_the_edge);
            i += 1;
        }
        // All units must have read the last sums before they are overwritten.
        sync_cube();
        tree[units + unit] = sum;
        sync_cube();
        let mut width = units / 2;
        while width > 0 {
            if unit < width {
                let node = width + unit;
                let both = tree[2 * node] + tree[2 * node + 1];
                tree[node] = both;
            }
            sync_cube();
            width /= 2;
        }
        let mut node = 1usize;
        while node < units {
            let left = tree[2 * node];
            let right = tree[2 * node + 1];
            node *= 2;
            if right > 0.0 && before + left <= target {
                before += left;
                node += 1;
            }
        }
        let skipped = (node - units) * part;
        first += skipped;
        len -= skipped;
        if len > part {
            len = part;
        }
    }
    first
}

/// The first token with the largest logit, in every unit. Token numbers are exact in 32 bits below 2^24.
#[cube]
fn first_maximum(
    logits: &Array<f32>,
    row: &Row,
    max: f32,
    scratch: &mut SharedMemory<f32>,
) -> usize {
    // A row of NaN has no maximum; its token is meaningless, but must be a valid index.
    let mut before = 1.0f32 - f32::cast_from(row.vocab as u32);
    let mut i = UNIT_POS as usize;
    while i < row.vocab {
        let place = -f32::cast_from(i as u32);
        if logits[row.start + i] == max && place > before {
            before = place;
        }
        i += CUBE_DIM as usize;
    }
    let least = cube_max(before, scratch);
    u32::cast_from(-least) as usize
}

/// Draws a token by its weight.
#[cube]
fn pick(
    weights: &Array<f32>,
    row: &Row,
    numbers: &Array<u32>,
    at: usize,
    scratch: &mut SharedMemory<f32>,
) -> usize {
    let uniform = f32::reinterpret(numbers[at + 1]);
    let top_k = numbers[at + 2];
    let top_p = f32::reinterpret(numbers[at + 3]);
    let least = f32::reinterpret(numbers[at + 4]);
    let mut edge = 0u32;
    let mut last = row.vocab;
    if top_k > 0 {
        edge = border(weights, row, f32::cast_from(top_k), 0u32, scratch, true);
    }
    if top_p < 1.0 {
        let need = mass(weights, row, edge, scratch) * top_p;
        edge = border(weights, row, need, edge, scratch, false);
        let above = mass(weights, row, edge + 1, scratch);
        let tied = ((need - above) / f32::reinterpret(edge)).ceil().max(1.0);
        let on_edge = Kept { edge, last, least };
        last = locate(weights, row, &on_edge, tied - 0.5, scratch, true);
    }
    let kept = Kept { edge, last, least };
    let mut part = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < row.vocab {
        part += amount(weights, row.start + i, i, &kept, false);
        i += CUBE_DIM as usize;
    }
    let total = cube_sum(part, scratch);
    locate(weights, row, &kept, total * uniform, scratch, false)
}

/// One cube for each row; see [`LmOps::lm_sample`](crate::LmOps::lm_sample). `penalised` are the logits to draw from,
/// where they differ from those of the log-probability; `weights` is scratch memory of the same size.
#[cube(launch, address_type = "dynamic")]
pub(super) fn sample_kernel<I: Int>(
    logits: &Array<f32>,
    penalised: &Array<f32>,
    weights: &mut Array<f32>,
    numbers: &Array<u32>,
    ids: &mut Array<I>,
    log_probs: &mut Array<f32>,
    rows: usize,
    vocab: usize,
    #[comptime] units: u32,
    #[comptime] with_penalty: bool,
    #[define(I)] _int: StorageType,
) {
    let number = CUBE_POS;
    if number >= rows {
        terminate!();
    }
    let mut scratch = SharedMemory::<f32>::new(2 * units as usize);
    let row = Row {
        start: number * vocab,
        vocab,
    };
    let at = number * NUMBERS;
    let inverse_temperature = f32::reinterpret(numbers[at]);
    let (max, sum) = fill(logits, weights, &row, inverse_temperature, &mut scratch);
    let mut largest = max;
    if with_penalty {
        let (max, _) = fill(penalised, weights, &row, inverse_temperature, &mut scratch);
        largest = max;
    }
    let token = if numbers[at + 5] == 1 {
        first_maximum(penalised, &row, largest, &mut scratch)
    } else {
        pick(weights, &row, numbers, at, &mut scratch)
    };
    if UNIT_POS == 0 {
        ids[number] = I::cast_from(token as u32);
        let distance = (logits[row.start + token] - max) * inverse_temperature;
        log_probs[number] = distance - sum.ln();
    }
}
