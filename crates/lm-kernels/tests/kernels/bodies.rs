//! Which body every operation runs.

use burn::tensor::DType;
use lm_kernels::{Body, bodies};

use crate::util::Fast;

/// Operations that Burn's own kernels compute on CubeCL's runtimes.
#[cfg(feature = "vulkan")]
const LEFT_TO_BURN: &[&str] = &[
    "rope",
    "linear",
    "linear_bwd_x",
    "linear_bwd_weight",
    "embedding",
    "copy_slot",
];
/// What LibTorch does as well in the default bodies.
#[cfg(all(feature = "libtorch", not(feature = "vulkan")))]
const LEFT_TO_BURN: &[&str] = &[
    "rope",
    "linear",
    "linear_bwd_x",
    "linear_bwd_weight",
    "embedding",
];
/// Flex has its own kernel for everything.
#[cfg(not(any(feature = "libtorch", feature = "vulkan")))]
const LEFT_TO_BURN: &[&str] = &[];

#[test]
fn nothing_falls_back_silently() {
    let found = bodies::<Fast>(&Default::default(), DType::F32);
    assert_eq!(found.len(), 21);
    for (name, body) in found {
        let expected = if LEFT_TO_BURN.contains(&name) {
            Body::Default
        } else {
            Body::Own
        };
        assert_eq!(body, expected, "{name}");
    }
}
