//! Documents of any length for a model that reads a window at a time.
//!
//! [`plan`] divides a text into windows that overlap, at borders of sentences and by the caller's own count of tokens.
//! Somebody asks a model about each of them. [`merge`](merge()) makes one [`ner_types::Extraction`] of the answers,
//! with offsets in the whole text. Nothing is cut without being said: every byte of the text is in a window, unless it
//! is blank.
//!
//! ```
//! use ner_documents::{Answered, Limits, Nesting, merge, plan};
//! use ner_types::parse;
//!
//! let text = "Ada met Dr. Zoë Voss. They left Port Halvek in spring.";
//! let words = |text: &str| text.split_whitespace().count();
//! let plan = plan(text, &Limits { window: 8, overlap: 2, context: 0 }, &words);
//! assert_eq!(plan.windows.len(), 2);
//!
//! let types = ["city".to_string(), "person".to_string()];
//! let answers = [r#"{"entities": {"person": ["Zoë Voss"]}}"#, r#"{"entities": {"city": ["Port Halvek"]}}"#];
//! let answers = answers.iter().enumerate().map(|(window, answer)| Answered {
//!     window,
//!     group: 0,
//!     completion: parse(answer),
//!     is_cut_off: false,
//! });
//! let found = merge(text, &plan, &[types.to_vec()], answers.collect(), Nesting::Nested);
//! assert_eq!(found.entities[1].text, "Port Halvek");
//! assert_eq!((found.entities[1].start, found.entities[1].byte_start), (Some(32), Some(33)));
//! ```

mod describe;
mod evidence;
mod merge;
mod occurrences;
mod sentences;
mod units;
mod windows;

pub use describe::{DescribeError, Descriptions};
pub use merge::{Answered, Nesting, merge};
pub use sentences::sentences;
pub use windows::{Limits, Plan, Window, plan};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
