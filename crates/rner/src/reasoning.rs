//! How much a model reasons before it answers: the words for it.

use std::fmt;
use std::str::FromStr;

use ner_types::PromptTemplate;
use serde::{Deserialize, Serialize};

use crate::recipe::Form;

/// How much a model reasons, as `--reasoning` and `eval.reasoning` say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub enum Reasoning {
    /// As it likes, up to the limit of the whole answer.
    #[default]
    Free,
    /// As it likes, but its reasoning is closed in time for an answer.
    Full,
    /// Briefly.
    Short,
    /// Not at all.
    None,
    /// With at most so many tokens.
    Tokens(usize),
}

impl Reasoning {
    /// The form that answers have. Where reasoning is cut short, a free answer is held to labels of the schema and
    /// texts of the sentence: a model that was never cut off goes on thinking in place of its answer.
    #[must_use]
    pub fn form(self, form: Form) -> Form {
        match (self, form) {
            (Self::Short | Self::None | Self::Tokens(_), Form::Free) => Form::Grounded,
            _ => form,
        }
    }
}

/// The words in a prompt that tell a model which was trained with them how much to reason; they stand on a line of
/// their own behind the prompt. The words for none are Qwen3's (Qwen Team 2025, arXiv 2505.09388, section 4.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasoningSwitch {
    /// For short reasoning, if the model was trained to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
    /// For none.
    pub none: String,
    /// Tokens that nearly all short reasoning of the training has: its 95th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_tokens: Option<usize>,
}

/// The word for short reasoning.
pub(crate) const SHORT: &str = "/short_think";
/// The word for none.
pub(crate) const NONE: &str = "/no_think";

impl Reasoning {
    /// The word, or the number, that stands for it.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Free => Some("free"),
            Self::Full => Some("full"),
            Self::Short => Some("short"),
            Self::None => Some("none"),
            Self::Tokens(_) => None,
        }
    }
}

impl fmt::Display for Reasoning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.word()) {
            (_, Some(word)) => f.write_str(word),
            (Self::Tokens(tokens), None) => write!(f, "{tokens}"),
            (_, None) => Ok(()),
        }
    }
}

impl FromStr for Reasoning {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = [Self::Free, Self::Full, Self::Short, Self::None];
        let word = words.into_iter().find(|it| it.word() == Some(text));
        let tokens = || text.parse().ok().map(Self::Tokens);
        word.or_else(tokens).ok_or_else(|| {
            format!("expected free, full, short, none or a number of tokens, found `{text}`")
        })
    }
}

impl From<Reasoning> for String {
    fn from(reasoning: Reasoning) -> Self {
        reasoning.to_string()
    }
}

/// As it may stand in a recipe.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    Tokens(usize),
}

impl TryFrom<Written> for Reasoning {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Word(word) => word.parse(),
            Written::Tokens(tokens) => Ok(Self::Tokens(tokens)),
        }
    }
}

/// A prompt with a word on a line of its own behind it.
pub(crate) fn switched(template: &PromptTemplate, word: &str) -> PromptTemplate {
    let text = format!("{}\n{word}", template.text());
    // The placeholders are those of a template, which has each once.
    PromptTemplate::parse(&text).unwrap_or_else(|_| template.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_read_and_written() {
        for word in ["free", "full", "short", "none", "0", "64"] {
            let read: Reasoning = word.parse().expect("valid");
            assert_eq!(read.to_string(), word);
        }
        for wrong in ["", "-1", "Full", "1.5", "half"] {
            let error = wrong.parse::<Reasoning>().expect_err(wrong);
            assert!(
                error.contains(wrong) && error.contains("free, full"),
                "{error}"
            );
        }
        let numbers: Reasoning = serde_json::from_str("12").expect("a number");
        assert_eq!(numbers, Reasoning::Tokens(12));
    }
}
