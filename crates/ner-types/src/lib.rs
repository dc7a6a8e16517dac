//! Named entities as text: examples, prompts, and the answers of a model.
//!
//! This crate alone knows how a prompt is written and how an answer is read.
//! Training targets, rewards, the judge, the evaluator and the server all go
//! through [`PromptTemplate::render`], [`render_completion`] and [`parse`], so
//! that no two of them can disagree. It knows nothing of tensors, tokens or
//! files of datasets.
//!
//! The formats are those of *A Reasoning Paradigm for Named Entity
//! Recognition* (arXiv 2511.11978): the schema as a JSON list, the reasoning
//! between `<think>` and `</think>`, then one JSON object with the key
//! `entities` that maps each label to its strings.
//!
//! ```
//! use ner_types::{Entity, parse, render_completion};
//!
//! let entities = [Entity::new("Port Halvek", "city")];
//! let text = render_completion(Some("\"Port Halvek\" is a city."), &entities);
//! let read = parse(&text);
//! assert_eq!(read.entities, entities);
//! assert_eq!(read.reasoning.as_deref(), Some("\"Port Halvek\" is a city."));
//! ```

mod answer;
mod example;
mod extraction;
mod found;
mod grammar;
mod ground;
mod items;
mod mention;
mod named_problem;
mod normalize;
mod offsets;
mod parse;
mod prompt;
mod signature;
mod span;
mod structures;
mod target;
mod task;
mod thought;

pub use answer::{plain_tags, render_answer, render_completion};
pub use example::{Entity, Example};
pub use extraction::{Extraction, named_problems};
pub use found::{FoundArgument, FoundEvent, FoundRelation, FoundStructures, FoundText};
pub use grammar::{AnswerGrammar, ReasoningForm};
pub use ground::{
    Borders, GroundOptions, GroundStatus, GroundedEntity, Grounder, Grounding, is_whole_words,
};
pub use items::TUPLE_SEPARATOR;
pub use mention::{Evidence, Mention, Place, WindowRow};
pub use named_problem::NamedProblem;
pub use normalize::{Placeholders, is_dropped_label, normalize_label, normalize_text};
pub use offsets::{OffsetIndex, Offsets};
pub use parse::{
    Completion, Placed, Problem, ReadMode, parse, parse_bytes, parse_type_reply, parse_with,
    place_entities, visit_entities,
};
pub use prompt::{PromptTemplate, TemplateError};
pub use signature::Signature;
pub use span::{CharIndex, Span};
pub use structures::{Argument, Event, Relation};
pub use target::{render_structures, render_target};
pub use task::Task;
pub use thought::{Closed, Thought, short_chain};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
