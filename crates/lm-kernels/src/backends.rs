//! Backends that run the default bodies unchanged.

#[cfg(feature = "libtorch")]
impl crate::LmOps for burn::backend::LibTorch {}
