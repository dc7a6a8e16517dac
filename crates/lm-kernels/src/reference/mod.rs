//! The operations as ordinary tensor code: the specification, and through [`fallback`](crate::fallback) what a backend
//! runs until it overrides a method of [`LmOps`](crate::LmOps).
//!
//! The forward functions are differentiable by Burn's autodiff, which makes them the oracle for the hand-written
//! backward functions beside them. Sums and exponentials are taken in 32 bits whatever the storage type.

mod attention;
mod decode;
mod linear;
mod optim;
mod pointwise;
mod sample;

pub use attention::{SavedAttention, attention, attention_bwd};
pub use decode::{cached_attention, copy_slot};
pub use linear::{
    SavedLogProbs, embedding, embedding_bwd, linear, linear_bwd_weight, linear_bwd_x,
    linear_log_probs, linear_log_probs_bwd,
};
pub use optim::adamw;
pub use pointwise::{norm_rope, norm_rope_bwd, rms_norm, rms_norm_bwd, rope, swiglu, swiglu_bwd};
pub use sample::sample;
