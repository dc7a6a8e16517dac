//! One request, and what its end means for the evaluation.

use chat_client::{ChatAnswer, ChatClient, Error, Finish, NoArchive};
use ner_types::plain_tags;
use tokio_util::sync::CancellationToken;

use super::{UrlConfig, UrlError};
use crate::completer::{Answer, Outcome};

/// What the tasks of all requests share.
pub(super) struct Asker {
    pub(super) client: ChatClient,
    pub(super) config: UrlConfig,
}

/// How a request ended.
pub(super) enum End {
    Outcome(Outcome),
    /// Every further one would end like this.
    Fatal(UrlError),
}

impl Asker {
    /// Sends a prompt until it is answered, given up, or the run is stopped.
    pub(super) async fn ask(&self, prompt: &str, stop: &CancellationToken) -> End {
        let request = self.config.request(prompt);
        match self.client.chat(&request, stop, &NoArchive).await {
            Ok(answer) => End::Outcome(Outcome::Answered(joined(answer))),
            Err(error) => end(error, self.client.reached()),
        }
    }
}

/// What an error means; `reached` says whether the server has ever been there.
fn end(error: Error, reached: bool) -> End {
    let failed = |reason: String| End::Outcome(Outcome::Failed(reason));
    match error {
        Error::Stopped => End::Outcome(Outcome::NotAsked),
        Error::Rejected {
            status,
            rejection,
            message,
            ..
        } => failed(format!("{rejection}, status {status}: {message}")),
        Error::Refused {
            url,
            status,
            message,
            hint,
            ..
        } => End::Fatal(UrlError::Refused {
            url,
            status,
            message,
            hint,
        }),
        Error::Unreachable { url, tries, cause } if !reached => End::Fatal(UrlError::Unreachable {
            url,
            tries,
            reason: cause,
        }),
        Error::Unreachable { tries, cause, .. } | Error::GaveUp { tries, cause, .. } => {
            failed(format!("{cause} (after {tries} tries)"))
        }
        // A page of another program in between may pass; when it does not, the
        // failures in a row end the evaluation.
        error => failed(error.to_string()),
    }
}

/// Reasoning and content as one completion, so that an answer is read in the same way wherever it comes from.
///
/// Tags that the reasoning quotes are spelt so that they are none: the content is then read as it would be alone.
fn joined(answer: ChatAnswer) -> Answer {
    let content = answer.content;
    let reasoning = answer.reasoning.as_deref().map(plain_tags);
    let text = match reasoning {
        Some(reasoning) if content.is_empty() => format!("<think>\n{reasoning}"),
        Some(reasoning) => format!("<think>\n{reasoning}\n</think>\n{content}"),
        None => content,
    };
    Answer {
        text,
        truncated: answer.finish == Finish::Length,
        tokens: usize::try_from(answer.usage.completion_tokens).unwrap_or(0),
        thought: None,
    }
}

#[cfg(test)]
mod tests {
    use chat_client::body::parse_body;
    use serde_json::{Value, json};

    use super::*;

    fn read(message: Value) -> String {
        let body = json!({"choices": [{"message": message}]}).to_string();
        joined(parse_body(&body).expect("a completion")).text
    }

    #[test]
    fn reasoning_comes_first_in_every_dialect() {
        let whole = "<think>\nwhy\n</think>\n{}";
        for message in [
            json!({"reasoning_content": "why", "content": "{}"}),
            json!({"reasoning": " why", "content": "\n{}"}),
            json!({"content": whole}),
            json!({"content": "why\n</think>\n{}"}),
        ] {
            assert_eq!(read(message.clone()), whole, "{message}");
        }
        let unfinished = json!({"reasoning": "why", "content": null});
        assert_eq!(read(unfinished), "<think>\nwhy");
        let quoted = r#"{"entities": {"tag": ["</think>"]}}"#;
        assert_eq!(read(json!({"content": quoted})), quoted);
    }

    #[test]
    fn reasoning_that_quotes_tags_and_answers_spoils_no_answer() {
        let content = r#"{"entities": {"city": ["Brel"]}}"#;
        for why in [
            "I must end with `</think>` first.",
            "<think> is how I began, </think> how I end, <think> so.",
            "<answer>{}</answer> ```json {} ``` </think>",
        ] {
            let text = read(json!({"reasoning_content": why, "content": content}));
            let read = ner_types::parse(&text);
            assert_eq!((read.entities.len(), read.problems), (1, vec![]), "{text}");
            assert_eq!(read.reasoning.as_deref(), Some(&*plain_tags(why)));
        }
    }

    #[test]
    fn length_and_the_reason_to_stop_are_read() {
        let body = "\n: keep-alive\n\n{\"choices\":[{\"message\":{\"content\":\"x\"},\
                    \"finish_reason\":\"length\"}],\"usage\":{\"completion_tokens\":4}}";
        let expected = Answer {
            text: "x".into(),
            truncated: true,
            tokens: 4,
            thought: None,
        };
        assert_eq!(joined(parse_body(body).expect("a completion")), expected);
    }

    #[test]
    fn a_server_that_was_there_may_come_back() {
        let gone = || Error::Unreachable {
            url: "http://h".into(),
            tries: 6,
            cause: "refused".into(),
        };
        assert!(matches!(
            end(gone(), true),
            End::Outcome(Outcome::Failed(_))
        ));
        assert!(matches!(end(gone(), false), End::Fatal(_)));
    }
}
