//! The simulated teacher and judge: a real HTTP server that answers from gold.
//!
//! It speaks the OpenAI chat-completions protocol on a port of this machine, so
//! that the NER-CoT pipeline runs end to end through its ordinary client with
//! nothing to install. `tiny-teacher` answers with the gold annotation and its
//! reasoning, with seeded mistakes for the rules and the judge to find;
//! `tiny-judge` compares reasoning, answer and gold. Both read the prompts of
//! `ner-cot` by their headings (see [`prompt`]). Whatever is measured on their
//! answers says nothing about a real teacher.

mod gold;
mod mistakes;
mod prompt;
mod reply;
mod server;
#[cfg(test)]
mod tests;
mod verdict;

pub(crate) use gold::GoldEntry;
#[cfg(test)]
use gold::reasoning_from_gold;
pub(crate) use mistakes::MistakeRates;
pub(crate) use server::{RunningTeacher, serve};

/// Name of the model that annotates.
pub(crate) const TEACHER_MODEL: &str = "tiny-teacher";

/// Name of the model that judges.
pub(crate) const JUDGE_MODEL: &str = "tiny-judge";
