//! Sums and maxima over the units of a cube, through shared memory, so that they do not depend on the width of a plane.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// The sum of `value` over the units of the cube, in every unit. `scratch` has one place for each unit, and their
/// number is a power of two. The order of the additions depends on that number only.
#[cube]
pub(super) fn cube_sum(value: f32, scratch: &mut SharedMemory<f32>) -> f32 {
    let unit = UNIT_POS;
    // All units must have read the last result before it is overwritten.
    sync_cube();
    scratch[unit as usize] = value;
    sync_cube();
    let mut half = CUBE_DIM / 2;
    while half > 0 {
        if unit < half {
            let other = scratch[(unit + half) as usize];
            scratch[unit as usize] += other;
        }
        sync_cube();
        half /= 2;
    }
    scratch[0]
}

/// The largest `value` over the units of the cube, in every unit; otherwise as [`cube_sum`].
#[cube]
pub(super) fn cube_max(value: f32, scratch: &mut SharedMemory<f32>) -> f32 {
    let unit = UNIT_POS;
    sync_cube();
    scratch[unit as usize] = value;
    sync_cube();
    let mut half = CUBE_DIM / 2;
    while half > 0 {
        if unit < half {
            let other = scratch[(unit + half) as usize];
            if other > scratch[unit as usize] {
                scratch[unit as usize] = other;
            }
        }
        sync_cube();
        half /= 2;
    }
    scratch[0]
}
