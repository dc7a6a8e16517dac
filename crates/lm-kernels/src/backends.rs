//! Backends that run the default bodies unchanged.

#[cfg(feature = "cuda")]
impl crate::LmOps for burn::backend::Cuda {}
