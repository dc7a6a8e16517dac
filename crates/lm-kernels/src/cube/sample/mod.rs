//! Choosing tokens, one cube for each row, without sorting.

mod kernels;

use burn::tensor::{DType, Shape};
use burn_cubecl::{CubeRuntime, cubecl::prelude::CubeDim, tensor::CubeTensor};

use super::launch::{addresses, dense, elementwise, empty, grid, owned, table, units};
use crate::sampling::SampleRow;
use kernels::{NUMBERS, penalise_kernel, sample_kernel};

/// Units of a cube where the device has as many: a row of logits is long, and there are few of them.
const MOST_UNITS: u32 = 1024;

/// Token numbers pass through numbers of 32 bits with a fraction of 24.
const MOST_TOKENS: usize = 1 << 24;

/// Whether the kernel takes these logits.
pub(super) fn fits<R: CubeRuntime>(logits: &CubeTensor<R>) -> bool {
    let shape = &logits.meta.shape;
    logits.dtype == DType::F32 && shape.num_elements() > 0 && shape[1] <= MOST_TOKENS
}

/// [`LmOps::lm_sample`](crate::LmOps::lm_sample). The ids have the type `int`.
pub(super) fn sample<R: CubeRuntime>(
    logits: CubeTensor<R>,
    rows: &[SampleRow],
    int: DType,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let logits = dense(logits);
    let vocab = logits.meta.shape[1];
    let changed = penalised(&logits, rows);
    let with_penalty = changed.is_some();
    let weights = empty(&logits, logits.meta.shape.clone(), DType::F32);
    let numbers: Vec<u32> = rows.iter().flat_map(|row| numbers(row, vocab)).collect();
    let shape = Shape::new([rows.len()]);
    let ids = empty(&logits, shape.clone(), int);
    let log_probs = empty(&logits, shape, DType::F32);
    let units = cube_units(&logits);
    sample_kernel::launch(
        &logits.client.clone(),
        grid(&logits, rows.len()),
        CubeDim::new_1d(units),
        addresses(&[&logits, &weights]),
        logits.clone().into_array_arg(),
        changed.unwrap_or(logits.clone()).into_array_arg(),
        weights.into_array_arg(),
        table(&logits, &numbers).into_array_arg(),
        ids.clone().into_array_arg(),
        log_probs.clone().into_array_arg(),
        rows.len(),
        vocab,
        units,
        with_penalty,
        int.into(),
    );
    (ids, log_probs)
}

/// The largest power of two that the device allows, at most [`MOST_UNITS`].
fn cube_units<R: CubeRuntime>(like: &CubeTensor<R>) -> u32 {
    let most = like.client.properties().hardware.max_units_per_cube;
    1 << most.clamp(1, MOST_UNITS).ilog2()
}

/// A row's numbers as the kernel takes them.
fn numbers(row: &SampleRow, vocab: usize) -> [u32; NUMBERS] {
    let params = &row.params;
    let bits = |x: f64| (x as f32).to_bits();
    [
        bits(1.0 / params.scale()),
        bits(row.uniform),
        params.cut_by_count(vocab).unwrap_or(0) as u32,
        bits(params.cut_by_mass().unwrap_or(1.0)),
        bits(params.least_share()),
        u32::from(params.is_greedy()),
    ]
}

/// The logits after the repetition penalty, if a row has one.
fn penalised<R: CubeRuntime>(logits: &CubeTensor<R>, rows: &[SampleRow]) -> Option<CubeTensor<R>> {
    let vocab = logits.meta.shape[1];
    let [mut at, mut ids, mut penalties] = [const { Vec::new() }; 3];
    for (i, row) in rows.iter().enumerate() {
        let Some((penalty, seen)) = row.penalised(vocab) else {
            continue;
        };
        at.extend(seen.iter().map(|_| i as u32));
        penalties.extend(seen.iter().map(|_| (penalty as f32).to_bits()));
        ids.extend(seen);
    }
    if ids.is_empty() {
        return None;
    }
    // Another handle holds the logits, so this is a copy.
    let changed = owned(logits.clone());
    penalise_kernel::launch(
        &changed.client.clone(),
        elementwise(&changed, ids.len()),
        units(),
        addresses(&[&changed]),
        changed.clone().into_array_arg(),
        table(&changed, &at).into_array_arg(),
        table(&changed, &ids).into_array_arg(),
        table(&changed, &penalties).into_array_arg(),
        ids.len(),
        vocab,
    );
    Some(changed)
}
