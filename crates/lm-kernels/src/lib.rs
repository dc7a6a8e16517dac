//! Differentiable operations of a decoder-only transformer as one backend trait.
//!
//! [`LmOps`] extends Burn's `Backend` with the handful of operations in which a language model spends its time: RMS
//! normalisation, rotary embeddings, SwiGLU, linear layers, causal attention over packed sequences, the
//! log-probabilities of given tokens, AdamW, attention against a key-value cache and sampling. Every method has a
//! default body made of ordinary tensor operations (the formulas are in [`mod@reference`], the bodies in
//! [`mod@fallback`]); that body is the specification and the test oracle. A backend overrides a method only where it is
//! faster, and `Autodiff<B>` registers hand-written backward passes for any `B: LmOps`.
//!
//! Models call the plain functions of [`ops`], which work on `Tensor<B, D>`.
//!
//! The main design choice is *packing*: the sequences of a batch lie end to end in one dimension of `T` tokens, without
//! padding, and [`SeqBounds`] says where each begins. Nothing is computed for absent tokens; the cost is that attention
//! has to know the bounds.
//!
//! # Determinism
//!
//! On the CPU every reduction has a fixed order that depends on the shapes only, never on the number of threads.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::{backend::Flex, tensor::Tensor};
//! use lm_kernels::{SeqBounds, ops};
//!
//! let device = Default::default();
//! // Two sequences of two and one tokens, one head of dimension two.
//! let x = Tensor::<Flex, 3>::ones([3, 1, 2], &device);
//! let bounds = SeqBounds::from_lengths(&[2, 1]);
//! let y = ops::attention(x.clone(), x.clone(), x, &bounds, 1.0);
//! assert_eq!(y.dims(), [3, 1, 2]);
//! # }
//! ```

mod autodiff;
mod bodies;
mod bounds;
mod convert;
#[cfg(any(feature = "cuda", feature = "vulkan"))]
mod cube;
pub mod fallback;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "libtorch")]
mod libtorch;
mod lm_ops;
mod memory;
mod notes;
pub mod ops;
pub mod reference;
pub mod sampling;
mod threads;
mod train_backend;
mod types;

pub use bodies::{Body, bodies};
pub use bounds::{SeqBounds, Span};
pub use lm_ops::LmOps;
pub use memory::{give_back_freed_memory, keep_freed_memory, use_huge_pages};
pub use threads::compute_in_this_thread;
pub use train_backend::TrainBackend;
pub use types::{EntropyGrad, HeadGrads, LogProbsGrad, LogitsLeft, Needs};
