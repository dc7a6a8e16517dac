//! Documents of any length: questions about their windows, and one extraction of the answers.

use ner_types::{Extraction, ReadMode, parse_with};

use crate::answerer::{Answerer, Question};
use crate::error::{Error, Result};

/// Asks about documents and reads the answers.
#[derive(Clone, Debug)]
pub struct Reader {
    types: Vec<String>,
    mode: ReadMode,
}

impl Reader {
    /// Of these types, as [`entity_types`](crate::extract::entity_types) gives them, with answers read in this mode.
    pub fn new(types: Vec<String>, mode: ReadMode) -> Self {
        Self { types, mode }
    }

    /// What some documents hold, in their order. A document whose questions are not all answered has an error of its
    /// own.
    ///
    /// # Errors
    /// What would fail for every document, see [`Answerer::answer_each`].
    pub fn read(
        &self,
        answerer: &mut dyn Answerer,
        texts: &[&str],
    ) -> Result<Vec<Result<Extraction>>> {
        let types = &self.types;
        let questions = texts.iter().map(|text| Question { types, text });
        let questions: Vec<Question<'_>> = questions.collect();
        let mut found = Vec::with_capacity(texts.len());
        for questions in questions.chunks(answerer.at_once().max(1)) {
            let answers = answerer.answer_each(questions)?;
            if answers.len() != questions.len() {
                return Err(Error::invalid("some questions have no answer"));
            }
            for (question, answer) in questions.iter().zip(answers) {
                found.push(answer.map(|answer| {
                    let completion = parse_with(&answer.text, self.mode);
                    Extraction::new(completion, &self.types, question.text, answer.is_cut_off)
                }));
            }
        }
        Ok(found)
    }
}
