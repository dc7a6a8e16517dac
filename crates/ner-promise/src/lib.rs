//! Confidences of extracted entities, and promises about them.
//!
//! - [`Confidences`]: how sure one can be of the entities of an answer, from its tokens and from samples.
//! - [`Promise::threshold`]: the lowest confidence above which the share of false entities stays below a risk, with
//!   what is promised and what it rests on.
//! - [`Gate`]: what is shown and what is held back, with one threshold or one for each type.
//! - [`Shift`]: whether new rows look like those of calibration.
//! - [`Splits`]: whether promises are kept, over random splits of rows.
//!
//! The crate knows nothing of models, files and tensors.
//!
#![doc = include_str!("../README.md")]

pub mod shift;

mod binomial;
mod calibration;
mod confidence;
mod gate;
mod quality;
mod risk;
mod scored;
mod splits;

pub use calibration::{Calibration, Difference};
pub use confidence::{Confidence, Confidences, Evidence, TokenScore, score};
pub use gate::{Gate, labels};
pub use quality::{aurc, auroc};
pub use risk::{Promise, Refusal, Threshold};
pub use scored::{Row, Scored};
pub use shift::Shift;
pub use splits::{Kept, Splits};
