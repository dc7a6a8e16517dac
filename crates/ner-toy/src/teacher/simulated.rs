//! The protocol without the network: the body of a request in, the body of an answer out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::teacher::gold::GoldEntry;
use crate::teacher::mistakes::{MistakeRates, rng};
use crate::teacher::prompt::{Task, read_case, read_task};
use crate::teacher::reply::{Reply, teach};
use crate::teacher::verdict::judge;

/// Name of the model that annotates.
pub const TEACHER_MODEL: &str = "tiny-teacher";

/// Name of the model that judges.
pub const JUDGE_MODEL: &str = "tiny-judge";

/// Teacher and judge of a corpus.
///
/// An answer depends on the seed, the model, the sentence and the seed in the request. Without the last, asking again
/// gives another answer.
#[derive(Debug)]
pub struct Simulated {
    gold: HashMap<String, GoldEntry>,
    seed: u64,
    rates: MistakeRates,
    /// How often each prompt came without a seed, so that asking again gives another answer.
    unseeded: Mutex<HashMap<String, u64>>,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of HTTP: 400, 404 or 422.
    pub status: u16,
    /// What is wrong with the request.
    pub message: String,
}

#[derive(Deserialize)]
struct Request {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    seed: Option<u64>,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

impl Simulated {
    /// A teacher that knows the annotation of each sentence, see [`crate::teacher::gold`].
    ///
    /// # Errors
    ///
    /// If a rate is no share.
    pub fn new(
        gold: HashMap<String, GoldEntry>,
        seed: u64,
        rates: MistakeRates,
    ) -> Result<Self, Error> {
        rates.check()?;
        let unseeded = Mutex::new(HashMap::new());
        Ok(Self {
            gold,
            seed,
            rates,
            unseeded,
        })
    }

    /// Answers the body of a request `POST /chat/completions`.
    ///
    /// # Errors
    ///
    /// If the body is no request (400), asks for another model (404), or its prompt cannot be read or is about a
    /// sentence that is not in the corpus (422).
    pub fn complete(&self, body: &str) -> Result<Value, Refusal> {
        let request: Request = serde_json::from_str(body).map_err(|error| Refusal {
            status: 400,
            message: format!("not a chat request: {error}"),
        })?;
        let prompt = request.messages.last();
        let prompt = prompt.map_or("", |message| message.content.as_str());
        let reply = match request.model.as_str() {
            TEACHER_MODEL => self.teach(prompt, request.seed)?,
            JUDGE_MODEL => self.judge(prompt, request.seed)?,
            other => return Err(unknown_model(other)),
        };
        Ok(completion(&request.model, prompt, &reply))
    }

    fn teach(&self, prompt: &str, seed: Option<u64>) -> Result<Reply, Refusal> {
        let task = read_task(prompt).map_err(unprocessable)?;
        let mut rng = rng(
            self.seed,
            TEACHER_MODEL,
            task.sentence,
            self.nonce(prompt, seed),
        );
        Ok(teach(&task, self.gold_of(&task)?, &self.rates, &mut rng))
    }

    fn judge(&self, prompt: &str, seed: Option<u64>) -> Result<Reply, Refusal> {
        let case = read_case(prompt).map_err(unprocessable)?;
        let mut rng = rng(self.seed, JUDGE_MODEL, prompt, self.nonce(prompt, seed));
        let verdict = judge(
            &case,
            self.gold_of(&case.task)?,
            self.rates.judge_noise,
            &mut rng,
        );
        Ok(Reply {
            reasoning: format!(
                "I compare the answer with the reasoning: {}.",
                verdict.reason
            ),
            content: json!({"score": verdict.score, "reason": verdict.reason}).to_string(),
            truncated: false,
        })
    }

    fn gold_of(&self, task: &Task<'_>) -> Result<&GoldEntry, Refusal> {
        let known = self.gold.get(task.sentence);
        let known = known.or_else(|| self.gold.get(task.sentence.trim()));
        known.ok_or_else(|| {
            let start: String = task.sentence.chars().take(80).collect();
            unprocessable(format!("the corpus has no sentence {start:?}"))
        })
    }

    /// The request's own seed, or how often the prompt came before.
    fn nonce(&self, prompt: &str, seed: Option<u64>) -> u64 {
        seed.unwrap_or_else(|| {
            let mut counts = self.unseeded.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(prompt.into()).or_default();
            *count += 1;
            *count - 1
        })
    }
}

fn unknown_model(name: &str) -> Refusal {
    let known = format!("only {TEACHER_MODEL:?} and {JUDGE_MODEL:?}");
    Refusal {
        status: 404,
        message: format!("there is no model {name:?}, {known}"),
    }
}

fn unprocessable(message: String) -> Refusal {
    let status = 422;
    Refusal { status, message }
}

fn completion(model: &str, prompt: &str, reply: &Reply) -> Value {
    let (asked, said) = (
        tokens(prompt),
        tokens(&reply.reasoning) + tokens(&reply.content),
    );
    json!({
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant",
                "reasoning_content": reply.reasoning,
                "content": reply.content,
            },
            "finish_reason": if reply.truncated { "length" } else { "stop" },
        }],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        },
    })
}

/// About as many tokens as a subword tokenizer would count: one per four bytes.
fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(model: &str, seed: Option<u64>) -> String {
        let prompt = "Schema:\n[\"city\"]\nSentence:\nBrel sleeps.";
        let prompt = format!("Annotate.\n{prompt}");
        json!({"model": model, "messages": [{"content": prompt}], "seed": seed}).to_string()
    }

    fn simulated(rates: MistakeRates) -> Simulated {
        let entry = GoldEntry {
            entities: vec![ner_types::Entity::new("Brel", "city")],
            reasoning: String::new(),
        };
        let gold = HashMap::from([("Brel sleeps.".into(), entry)]);
        Simulated::new(gold, 7, rates).expect("shares")
    }

    #[test]
    fn an_answer_is_gold_and_what_cannot_be_answered_is_refused() {
        let teacher = simulated(MistakeRates::none());
        let answer = teacher.complete(&asked(TEACHER_MODEL, None));
        let answer = answer.expect("an answer");
        let content = answer.pointer("/choices/0/message/content");
        let content = content.and_then(Value::as_str).expect("a text");
        let found = ner_types::parse(content).entities;
        assert_eq!(found, [ner_types::Entity::new("Brel", "city")]);
        let status = |body: &str| teacher.complete(body).expect_err("refused").status;
        assert_eq!(status("{}"), 400);
        assert_eq!(status(&asked("gpt-0", None)), 404);
        let elsewhere = asked(TEACHER_MODEL, None).replace("Brel sleeps", "Brel wakes");
        assert_eq!(status(&elsewhere), 422);
    }

    #[test]
    fn asking_again_gives_another_answer_unless_the_request_has_a_seed() {
        let teacher = simulated(MistakeRates {
            truncated: 0.5,
            ..MistakeRates::none()
        });
        let answers = |seed| -> Vec<String> {
            let answer = |_| {
                teacher
                    .complete(&asked(TEACHER_MODEL, seed))
                    .expect("one")
                    .to_string()
            };
            let mut answers: Vec<String> = (0..8).map(answer).collect();
            answers.dedup();
            answers
        };
        assert!(answers(None).len() > 1);
        assert_eq!(answers(Some(1)).len(), 1);
    }
}
