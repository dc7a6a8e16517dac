//! Every format in a room of its own: how a file of it is recognised, read and written, one row at a time.
//!
//! A JSON format is a module with `decode`, and `encode` where it is written too; [`codec`] finds them by the format's
//! name, and [`json`] goes through a file. [`bio`] and [`parquet`] read and write files that are no JSON.

pub(crate) mod bio;
pub(crate) mod codec;
mod conversations;
mod detect;
pub(crate) mod draft;
mod extraction;
pub(crate) mod gliner;
mod gliner2;
pub(crate) mod hub;
pub(crate) mod instruct_uie;
pub(crate) mod json;
mod keys;
mod ner_cot;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
#[cfg(feature = "parquet")]
pub(crate) mod parquet_texts;
mod plain;
mod slimer;
mod spacy;
mod tokens;
mod tools;
