//! The operations on Flex, or on Vulkan where the crate has that feature, alone and under autodiff, against plain loops in 64
//! bits, against the default bodies, and against the default bodies' gradients.
#![cfg(any(feature = "flex", feature = "vulkan"))]

mod attention;
mod bodies;
mod decode;
#[cfg(not(feature = "vulkan"))]
mod determinism;
mod extremes;
mod linear;
#[cfg(feature = "vulkan")]
mod narrow;
mod optim;
mod pointwise;
mod util;
