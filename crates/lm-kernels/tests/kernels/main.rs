//! The operations on Flex, or on LibTorch or Vulkan where the crate has that feature, alone and under autodiff, against
//! plain loops in 64 bits, against the default bodies, and against the default bodies' gradients.
//!
//! What only Flex promises is tested there only: bits that depend neither on the number of threads nor on the other
//! rows of a product. Vulkan devices have neither BF16 nor 64 bits.
#![cfg(any(feature = "flex", feature = "libtorch", feature = "vulkan"))]

/// The backend with the kernels under test.
#[cfg(not(any(feature = "libtorch", feature = "vulkan")))]
type Fast = burn::backend::Flex;
/// The backend with the kernels under test.
#[cfg(all(feature = "libtorch", not(feature = "vulkan")))]
type Fast = burn::backend::LibTorch;
/// The backend with the kernels under test, on whatever Vulkan device is there.
#[cfg(feature = "vulkan")]
type Fast = burn::backend::Vulkan;

mod attention;
mod bodies;
mod decode;
#[cfg(not(any(feature = "libtorch", feature = "vulkan")))]
mod determinism;
mod extremes;
#[cfg(not(feature = "vulkan"))]
mod finite_differences;
#[cfg(feature = "vulkan")]
mod half_storage;
mod linear;
#[cfg(not(feature = "vulkan"))]
mod narrow;
mod optim;
mod pointwise;
#[cfg(not(any(feature = "libtorch", feature = "vulkan")))]
mod quantized;
mod sample;
mod util;
