//! Named entity recognition that reasons: from a teacher's chains of thought to a fine-tuned and reinforced Qwen3.
//!
//! A [`recipe::Recipe`] holds everything that a run depends on. The [`stages`] do the work of one step each, on a
//! [`stages::ModelDir`]; [`reproduce()`](reproduce::reproduce) is the list of them all in a [`run_dir::RunDir`], with
//! a [`report`] at the end. [`extract::Extractor`] answers with a fine-tuned model. All of them are told when to stop,
//! and tell how far they are, by a [`session::Session`].
//!
//! ```
//! use rner::prelude::*;
//!
//! // What would the reproduction of the paper do with another seed, and what would it cost?
//! let recipe = Recipe::resolve("paper-8b", &["run.seed=7".into()])?;
//! let dims = rner::plan::dims_of(&recipe.model.base);
//! let plan = rner::plan::render(&recipe, dims.as_ref());
//! assert!(plan.contains("nothing is run, nothing is downloaded"));
//!
//! // What a model is fine-tuned on: the prompt without loss, the answer with.
//! let base = ModelDir::find("../../fixtures/tiny-base", &Session::silent())?;
//! let example = Example {
//!     sentence: "Ada Brel left Port Halvek.".into(),
//!     schema: vec!["person".into()],
//!     entities: vec![Entity::new("Ada Brel", "person")],
//!     ..Example::default()
//! };
//! let template = recipe.model.template(None)?;
//! let samples = samples(&base.tokenizer()?, &template, &[example], true, recipe.sft.train_header);
//! assert!(samples[0].loss_from < samples[0].ids.len());
//! # Ok::<(), rner::Error>(())
//! ```
//!
//! The README fine-tunes, extracts and runs everything.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod answerer;
pub mod asker;
pub mod backend;
pub mod cot;
pub mod data;
pub mod decoding;
pub mod dial;
pub mod documents;
pub mod error;
pub mod extract;
pub mod form;
pub mod inputs;
pub mod model_prompt;
pub mod plan;
pub mod preflight;
pub mod prelude;
pub mod reasoning;
pub mod recipe;
pub mod report;
pub mod reproduce;
pub mod run_dir;
pub mod servers;
pub mod session;
pub mod stages;
pub mod tensorboard;
pub mod tiny;
pub mod tracking;

pub use error::{Error, Result};
pub use reproduce::reproduce;
