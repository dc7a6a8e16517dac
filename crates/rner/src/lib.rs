#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! A [`recipe::Recipe`] holds everything that a run depends on. The [`stages`] do the work of one step each, on a
//! [`stages::ModelDir`]; [`reproduce()`](reproduce::reproduce) is the list of them all in a [`run_dir::RunDir`], with
//! a [`report`] at the end. [`extract::Extractor`] answers with a fine-tuned model. All of them are told when to stop,
//! and tell how far they are, by a [`session::Session`].

pub mod backend;
pub mod cot;
pub mod error;
pub mod extract;
pub mod inputs;
pub mod plan;
pub mod prelude;
pub mod recipe;
pub mod report;
pub mod reproduce;
pub mod run_dir;
pub mod session;
pub mod stages;
pub mod tensorboard;
pub mod tiny;

pub use error::{Error, Result};
pub use reproduce::reproduce;
