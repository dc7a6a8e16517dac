//! Whoever answers questions about texts: a model in this process, or a server.

use ner_promise::Evidence;
use ner_types::Thought;

use crate::error::Result;

/// A question: which entities of these types does a text name?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The types, as [`entity_types`](crate::extract::entity_types) gives them.
    pub types: &'a [String],
    /// The text.
    pub text: &'a str,
}

/// What the model wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The text, up to a stop string.
    pub text: String,
    /// Tokens that were drawn.
    pub tokens: usize,
    /// Passes of the model that they took; fewer than tokens if drafts were right.
    pub steps: usize,
    /// Whether the answer was cut off because it had become too long.
    pub is_cut_off: bool,
    /// What the reasoning cost, where it has a budget.
    pub thought: Option<Thought>,
    /// How probable its tokens were, and other answers: what the confidence of an entity is made of.
    pub evidence: Evidence,
}

/// Answers questions, some of them at a time.
pub trait Answerer {
    /// How many questions are answered best at once.
    fn at_once(&self) -> usize;

    /// The answers to some questions, in their order. Each is the answer that the question would get alone; one that
    /// cannot be answered, because its text is too long, has an error of its own.
    ///
    /// # Errors
    /// What would fail for every question: parameters of sampling that make no sense, an interruption.
    fn answer_each(&mut self, questions: &[Question<'_>]) -> Result<Vec<Result<Answer>>>;
}
