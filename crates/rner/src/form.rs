//! The form that answers are held to while they are written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lm_grammar::{Grammar, Vocabulary};
use lm_model::ChatTokenizer;
use ner_types::{AnswerGrammar, ReasoningForm, Task};

use crate::error::{Error, Result};
pub use crate::recipe::Form;

/// Makes the grammars of answers for one tokenizer.
///
/// Over a vocabulary of 4,096 tokens a grammar takes about 2 ms to make, so those of schemas that come again are kept.
#[derive(Clone, Debug)]
pub struct Forms {
    vocabulary: Vocabulary,
    reasoning: ReasoningForm,
    /// Grammars of earlier answers; clones share them.
    made: Arc<Mutex<HashMap<String, Grammar>>>,
    task: Task,
}

/// Most grammars that are kept.
const MOST_MADE: usize = 32;

impl Forms {
    /// For answers that begin with reasoning if the model likes.
    ///
    /// # Errors
    /// A vocabulary that the engine refuses.
    pub fn new(tokenizer: &ChatTokenizer) -> Result<Self> {
        let vocabulary = Vocabulary::new(tokenizer).map_err(invalid)?;
        Ok(Self {
            vocabulary,
            reasoning: ReasoningForm::Optional,
            made: Arc::default(),
            task: Task::Entities,
        })
    }

    /// For answers with reasoning, or without.
    #[must_use]
    pub fn with_reasoning(self, reasoning: ReasoningForm) -> Self {
        Self { reasoning, ..self }
    }

    /// For answers about something else than entities.
    #[must_use]
    pub fn with_task(self, task: Task) -> Self {
        Self { task, ..self }
    }

    /// The grammar of an answer; none if it is free.
    ///
    /// # Errors
    /// A schema that is larger than the engine's limits.
    pub fn grammar(
        &self,
        form: Form,
        schema: &[String],
        sentence: &str,
    ) -> Result<Option<Grammar>> {
        let text = match form {
            Form::Free => return Ok(None),
            Form::Schema => None,
            Form::Grounded => Some(sentence),
        };
        let grammar = AnswerGrammar {
            task: self.task,
            schema,
            reasoning: self.reasoning,
            text,
        };
        self.make(grammar.lark()).map(Some)
    }

    fn make(&self, lark: String) -> Result<Grammar> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grammar) = made.get(&lark) {
            return Ok(grammar.clone());
        }
        let grammar = self.vocabulary.grammar(&lark).map_err(invalid)?;
        if made.len() >= MOST_MADE {
            made.clear();
        }
        made.insert(lark, grammar.clone());
        Ok(grammar)
    }
}

fn invalid(error: lm_grammar::Error) -> Error {
    Error::Invalid(error.to_string())
}
