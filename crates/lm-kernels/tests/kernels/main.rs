//! The operations on Flex, alone and under autodiff, against plain loops in 64
//! bits, against the default bodies, and against the default bodies' gradients.
#![cfg(feature = "flex")]

mod attention;
mod decode;
mod determinism;
mod extremes;
mod finite_differences;
mod linear;
mod optim;
mod pointwise;
mod util;
