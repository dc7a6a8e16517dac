//! Files as people really have them: what is read of each, and what is said about the rest.
//!
//! The files of `fixtures/cases` were made after the public reports that its README names, those written here after
//! others; no text was copied.

mod columns;
mod corrected;
mod fixtures;
mod reports;
mod support;
mod tools;
