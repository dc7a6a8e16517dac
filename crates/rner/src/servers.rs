//! Answers of OpenAI-compatible servers: whoever asks an [`Answerer`] may ask them in the place of a model in this
//! process.

use chat_client::{CancellationToken, ResponseFormat, Structured};
use ner_bulk::servers::{Ask, ServerConfig, Servers};
use ner_types::PromptTemplate;
use serde_json::{Value, json};

use crate::answerer::{Answer, Answerer, Question};
use crate::error::{Error, Result};

/// Any number of servers with one model.
#[derive(Debug)]
pub struct ServerAnswerer {
    servers: Servers,
    template: PromptTemplate,
    structured: Structured,
    is_checked: bool,
}

impl ServerAnswerer {
    /// Asks these servers with this prompt; `structured` says in which words they are asked to hold an answer to its
    /// form. Sends nothing yet.
    ///
    /// # Errors
    /// Servers that cannot be asked: no address or a wrong one, a key that is missing.
    pub fn new(
        config: ServerConfig,
        template: PromptTemplate,
        structured: Structured,
        stop: CancellationToken,
    ) -> Result<Self> {
        Ok(Self {
            servers: Servers::new(config, stop)?,
            template,
            structured,
            is_checked: false,
        })
    }

    /// Why servers are left out.
    pub fn left_out(&self) -> Vec<String> {
        self.servers.left_out()
    }

    fn ask(&self, question: &Question<'_>) -> Ask {
        let schema = || schema_of(question.types);
        Ask {
            message: self.template.render(question.types, question.text),
            format: match self.structured {
                Structured::None => None,
                mode => ResponseFormat::new(mode, "entities", &schema()),
            },
        }
    }
}

impl Answerer for ServerAnswerer {
    fn at_once(&self) -> usize {
        self.servers.at_once()
    }

    fn answer_each(&mut self, questions: &[Question<'_>]) -> Result<Vec<Result<Answer>>> {
        if !self.is_checked {
            self.servers.check()?;
            self.is_checked = true;
        }
        let asks = questions.iter().map(|question| self.ask(question));
        let replies = self.servers.ask(asks.collect())?.into_iter();
        let answers = replies.map(|reply| match reply {
            Ok(reply) => Ok(Answer {
                text: reply.text,
                tokens: reply.tokens,
                is_cut_off: reply.is_cut_off,
                ..Answer::default()
            }),
            Err(why) => Err(Error::invalid(why)),
        });
        Ok(answers.collect())
    }
}

/// The JSON schema of an answer: all labels, each with a list of texts, as OpenAI's strict form asks for it.
fn schema_of(types: &[String]) -> Value {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let labels = types.iter().map(|label| (label.clone(), texts.clone()));
    let labels: serde_json::Map<String, Value> = labels.collect();
    let entities = json!({
        "type": "object",
        "properties": labels,
        "required": types,
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {"entities": entities},
        "required": ["entities"],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_the_labels_and_nothing_else() {
        let schema = schema_of(&["city".into(), "person".into()]);
        let entities = &schema["properties"]["entities"];
        assert_eq!(entities["required"], json!(["city", "person"]));
        assert_eq!(entities["additionalProperties"], false);
        assert_eq!(
            entities["properties"]["city"],
            json!({"type": "array", "items": {"type": "string"}})
        );
    }

    #[test]
    fn a_server_that_is_not_there_is_named() -> Result<()> {
        let mut config = ServerConfig::new(vec!["http://127.0.0.1:9".into()], "m");
        config.retry.tries = 1;
        let stop = CancellationToken::new();
        let mut one = ServerAnswerer::new(config, PromptTemplate::paper(), Structured::None, stop)?;
        let types = ["city".to_owned()];
        let question = Question {
            types: &types,
            text: "Brel sleeps.",
        };
        let said = one.answer_each(&[question]).expect_err("nobody is there");
        assert!(said.to_string().contains("127.0.0.1:9"), "{said}");
        assert_eq!(one.left_out().len(), 1);
        Ok(())
    }
}
