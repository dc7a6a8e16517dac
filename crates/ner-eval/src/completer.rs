//! What answers questions, and what an answer is.

use ner_types::Thought;

/// Any error of a completer.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A question of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The message to the model: the prompt with schema and sentence in it.
    pub prompt: String,
    /// The types that are asked for, as the prompt names them.
    pub schema: Vec<String>,
    /// The sentence, as the prompt has it.
    pub sentence: String,
}

/// Whatever answers questions: a model in this process, a server, a file.
pub trait Completer {
    /// Answers every question, in their order.
    ///
    /// # Errors
    ///
    /// If the questions cannot be answered; the evaluation then stops.
    fn complete(&mut self, questions: &[Question]) -> Result<Vec<Answer>, BoxError>;

    /// Answers every question that it can, in their order, where questions fail one by one as they do with a server.
    ///
    /// # Errors
    ///
    /// If going on makes no sense; the evaluation then stops.
    fn attempt(&mut self, questions: &[Question]) -> Result<Vec<Outcome>, BoxError> {
        let answers = self.complete(questions)?;
        Ok(answers.into_iter().map(Outcome::Answered).collect())
    }

    /// As [`Completer::attempt`], and hands every answer to `keep`, with the number of its question, as soon as it
    /// is there. The default does so at the end; what answers one by one, and is paid for it, does it one by one.
    ///
    /// # Errors
    ///
    /// As [`Completer::attempt`], and the error of `keep`, after which nothing more is asked.
    fn attempt_each(
        &mut self,
        questions: &[Question],
        keep: Keep<'_>,
    ) -> Result<Vec<Outcome>, BoxError> {
        let outcomes = self.attempt(questions)?;
        for (number, outcome) in outcomes.iter().enumerate() {
            if let Outcome::Answered(answer) = outcome {
                keep(number, answer)?;
            }
        }
        Ok(outcomes)
    }
}

/// Keeps the answer to the question of this number.
pub type Keep<'a> = &'a mut dyn FnMut(usize, &Answer) -> Result<(), BoxError>;

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered(Answer),
    /// It was not, although it was tried again; with the reason.
    Failed(String),
    /// It was not sent, because the completer was asked to stop.
    NotAsked,
}

/// An answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The completion, reasoning included, without the token that ends it.
    pub text: String,
    /// Whether it ended because it reached its length limit.
    pub truncated: bool,
    /// Its length in tokens.
    pub tokens: usize,
    /// What its reasoning cost, where that has a budget.
    pub thought: Option<Thought>,
}
