//! The operations on Flex, or on LibTorch where the crate has that feature, alone and under autodiff, against plain
//! loops in 64 bits, against the default bodies, and against the default bodies' gradients.
//!
//! What only Flex promises is tested there only: bits that depend neither on the number of threads nor on the other
//! rows of a product.
#![cfg(any(feature = "flex", feature = "libtorch"))]

mod attention;
mod decode;
#[cfg(not(feature = "libtorch"))]
mod determinism;
mod extremes;
mod finite_differences;
mod linear;
mod narrow;
mod optim;
mod pointwise;
mod util;
