//! The tests of the kernels once more, with every operation in the stream of Burn's fusing backend.

/// The backend under test, on whatever Vulkan device is there.
type Fast = burn::backend::Vulkan;

/// Whether Burn's own operations can be trusted with long rows of them. In 0.21, `quota` of the default body of sampling comes out
/// wrong when it is fused with what stands before it: half of a sum is missing.
const BURN_IS_EXACT: bool = false;

#[path = "../kernels/attention.rs"]
mod attention;
#[path = "../kernels/bodies.rs"]
mod bodies;
#[path = "../kernels/decode.rs"]
mod decode;
#[path = "../kernels/extremes.rs"]
mod extremes;
#[path = "../kernels/half_storage.rs"]
mod half_storage;
#[path = "../kernels/linear.rs"]
mod linear;
#[path = "../kernels/optim.rs"]
mod optim;
#[path = "../kernels/pointwise.rs"]
mod pointwise;
#[path = "../kernels/sample.rs"]
mod sample;
#[path = "../kernels/util.rs"]
mod util;
