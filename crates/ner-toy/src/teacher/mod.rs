//! The simulated teacher and judge, which answer from gold.
//!
//! [`Simulated`] takes the body of a request in the OpenAI chat-completions protocol and gives the body of the answer;
//! [`serve`] puts it behind a port of this machine, so that the NER-CoT pipeline runs end to end through its ordinary
//! client with nothing to install. [`TEACHER_MODEL`] answers with the gold annotation and its reasoning, with seeded
//! mistakes for the rules and the judge to find; [`JUDGE_MODEL`] compares reasoning, answer and gold. Both read the
//! prompts of `ner-cot` by their headings. Whatever is measured on their answers says nothing about a real teacher.

mod gold;
mod mistakes;
mod prompt;
mod reply;
#[cfg(feature = "server")]
mod server;
mod simulated;
mod source;
mod verdict;

pub use gold::{GoldEntry, gold, reasoning_from_gold};
pub use mistakes::MistakeRates;
#[cfg(feature = "server")]
pub use server::{RunningTeacher, serve};
pub use simulated::{JUDGE_MODEL, Refusal, Simulated, TEACHER_MODEL};
pub use source::{NoisyAnnotation, noisy_annotation};
