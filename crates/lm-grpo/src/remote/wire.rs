//! The bodies of `POST /v1/completions` by token ids, and what an answer must have.

use lm_generate::{Finish, Generated, Request};
use serde::{Deserialize, Serialize};

use super::RemoteError;

/// What is sent. Field names are OpenAI's and, where it has none, vLLM's.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: &'a [u32],
    n: usize,
    max_tokens: usize,
    temperature: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repetition_penalty: Option<f64>,
    seed: u64,
    stop_token_ids: &'a [u32],
    logprobs: u32,
    return_token_ids: bool,
    stream: bool,
}

/// The body that asks for what `request` says.
///
/// # Errors
/// If a number cannot be written, which only those that are not finite cannot.
pub(super) fn body(model: &str, request: &Request) -> Result<String, RemoteError> {
    let sampling = &request.sampling;
    let body = Body {
        model,
        prompt: &request.prompt,
        n: request.n,
        max_tokens: sampling.max_new_tokens,
        temperature: sampling.temperature,
        top_k: sampling.top_k,
        top_p: sampling.top_p,
        min_p: sampling.min_p,
        repetition_penalty: sampling.repetition_penalty,
        seed: sampling.seed,
        stop_token_ids: &sampling.stop,
        logprobs: 0,
        return_token_ids: true,
        stream: false,
    };
    serde_json::to_string(&body).map_err(|error| RemoteError::Answer(error.to_string()))
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    index: usize,
    #[serde(default)]
    token_ids: Option<Vec<u32>>,
    #[serde(default)]
    prompt_token_ids: Option<Vec<u32>>,
    #[serde(default)]
    logprobs: Option<LogProbs>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct LogProbs {
    token_logprobs: Vec<Option<f32>>,
}

/// Reads the completions of `request`, each with its ids and log-probabilities.
///
/// # Errors
/// If there are not exactly as many as asked for, or one lacks ids or log-probabilities, or belongs to other tokens:
/// nothing is filled in and nothing is left out.
pub(super) fn read(body: &str, request: &Request) -> Result<Vec<Generated>, RemoteError> {
    let answer: Answer =
        serde_json::from_str(body).map_err(|error| RemoteError::Answer(error.to_string()))?;
    if answer.choices.len() != request.n {
        return Err(RemoteError::Choices {
            expected: request.n,
            found: answer.choices.len(),
        });
    }
    let mut choices = answer.choices;
    choices.sort_by_key(|choice| choice.index);
    if let Some((i, choice)) = (0..).zip(&choices).find(|(i, choice)| choice.index != *i) {
        let found = choice.index;
        return Err(RemoteError::Answer(format!(
            "the completions are not numbered from 0 on: number {found} in the place of {i}"
        )));
    }
    choices
        .into_iter()
        .map(|choice| generated(choice, request))
        .collect()
}

fn generated(choice: Choice, request: &Request) -> Result<Generated, RemoteError> {
    if choice
        .prompt_token_ids
        .is_some_and(|ids| ids != request.prompt)
    {
        return Err(RemoteError::OtherPrompt);
    }
    let ids = choice.token_ids.ok_or(RemoteError::NoTokenIds)?;
    let log_probs = choice.logprobs.ok_or(RemoteError::NoLogProbs)?;
    let log_probs: Option<Vec<f32>> = log_probs.token_logprobs.into_iter().collect();
    let log_probs = log_probs.ok_or(RemoteError::NoLogProbs)?;
    let most = request.sampling.max_new_tokens;
    if ids.is_empty() || ids.len() != log_probs.len() || ids.len() > most {
        return Err(RemoteError::Lengths {
            ids: ids.len(),
            log_probs: log_probs.len(),
            most,
        });
    }
    let finish = match choice.finish_reason.as_deref() {
        Some("length") => Finish::Length,
        _ => Finish::Stop,
    };
    Ok(Generated {
        ids,
        log_probs,
        finish,
    })
}

#[cfg(test)]
mod tests {
    use lm_generate::Sampling;
    use serde_json::json;

    use super::*;

    fn request() -> Request {
        Request {
            prompt: vec![1, 2],
            n: 2,
            sampling: Sampling {
                max_new_tokens: 3,
                ..Sampling::default()
            },
        }
    }

    fn choice(index: usize) -> serde_json::Value {
        json!({
            "index": index, "token_ids": [index as u32, 9], "prompt_token_ids": [1, 2],
            "logprobs": {"token_logprobs": [-0.5, -0.25]}, "finish_reason": "length",
        })
    }

    #[test]
    fn choices_come_in_the_order_of_their_indices() {
        let body = json!({"choices": [choice(1), choice(0)]}).to_string();
        let read = read(&body, &request()).expect("complete");
        assert_eq!((read[0].ids[0], read[1].ids[0]), (0, 1));
        assert_eq!(read[0].log_probs, [-0.5, -0.25]);
        assert_eq!(read[0].finish, Finish::Length);
    }

    #[test]
    fn what_is_missing_is_an_error_and_never_filled_in() {
        let with = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut second = choice(1);
            change(&mut second);
            let body = json!({"choices": [choice(0), second]}).to_string();
            read(&body, &request()).expect_err("refused").to_string()
        };
        let fewer = read(&json!({"choices": [choice(0)]}).to_string(), &request());
        let fewer = fewer.expect_err("one of two").to_string();
        assert!(fewer.contains("expected 2 completions, found 1"), "{fewer}");
        for (key, value, word) in [
            ("token_ids", json!(null), "token ids"),
            ("token_ids", json!([1]), "1 token ids"),
            ("token_ids", json!([]), "0 token ids"),
            ("logprobs", json!(null), "log-probabilities"),
            (
                "logprobs",
                json!({"token_logprobs": [-1.0, null]}),
                "log-probabilities",
            ),
            ("prompt_token_ids", json!([1, 3]), "other prompt"),
        ] {
            let said = with(&|choice| choice[key] = value.clone());
            assert!(said.contains(word), "{key}: {said}");
        }
        let twice = with(&|choice| choice["index"] = json!(0));
        assert!(twice.contains("number 0 in the place of 1"), "{twice}");
        assert!(read("<html>", &request()).is_err());
    }
}
