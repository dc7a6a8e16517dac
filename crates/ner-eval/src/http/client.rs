//! One request, from the first try to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Retry, UrlError, reply, retry};
use crate::{Answer, Outcome};

/// What the tasks of all requests share.
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    pub(super) url: Url,
    pub(super) key: Option<HeaderValue>,
    pub(super) model: String,
    pub(super) max_tokens: u32,
    pub(super) temperature: f64,
    pub(super) retry: Retry,
    pub(super) slots: Semaphore,
    pub(super) stopped: AtomicBool,
    /// Whether a connection has been made yet.
    pub(super) reached: AtomicBool,
}

/// How a request ended.
pub(super) enum End {
    Outcome(Outcome),
    /// Every further one would end like this.
    Fatal(UrlError),
}

/// How one try ended.
enum Try {
    Answered(Answer),
    /// Another try may help; with the server's own wish for the delay.
    Again(String, Option<Duration>),
    /// This request cannot be answered.
    Failed(String),
    Fatal(UrlError),
}

impl Client {
    /// Sends a prompt until it is answered, given up, or the run is stopped.
    pub(super) async fn ask(&self, prompt: &str) -> End {
        let mut tries = 0;
        loop {
            let slot = self.slots.acquire().await;
            if self.stopped.load(Ordering::Relaxed) {
                return End::Outcome(Outcome::NotAsked);
            }
            let tried = self.try_once(prompt).await;
            // Waiting must not keep another request from being sent.
            drop(slot);
            tries += 1;
            let (reason, after) = match tried {
                Try::Answered(answer) => return End::Outcome(Outcome::Answered(answer)),
                Try::Failed(reason) => return End::Outcome(Outcome::Failed(reason)),
                Try::Fatal(error) => return End::Fatal(error),
                Try::Again(reason, after) => (reason, after),
            };
            if tries >= self.allowed_tries() {
                if !self.reached.load(Ordering::Relaxed) {
                    return End::Fatal(self.unreachable(tries, reason));
                }
                let reason = format!("{reason} (after {tries} tries)");
                return End::Outcome(Outcome::Failed(reason));
            }
            tokio::time::sleep(self.retry.delay(tries, after)).await;
        }
    }

    /// A mistyped address is told at once, but a server that has answered before may be restarting.
    fn allowed_tries(&self) -> u32 {
        let tries = self.retry.tries.max(1);
        match self.reached.load(Ordering::Relaxed) {
            true => tries,
            false => tries.min(3),
        }
    }

    fn unreachable(&self, tries: u32, reason: String) -> UrlError {
        UrlError::Unreachable {
            url: self.url.to_string(),
            tries,
            reason,
        }
    }

    async fn try_once(&self, prompt: &str) -> Try {
        let body = json!({
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "stream": false,
        });
        let mut call = self.http.post(self.url.clone()).json(&body);
        if let Some(key) = &self.key {
            call = call.header(AUTHORIZATION, key.clone());
        }
        let response = match call.send().await {
            Ok(response) => response,
            Err(error) => {
                // A server that is there but slow has been reached.
                self.reached
                    .fetch_or(!error.is_connect(), Ordering::Relaxed);
                return Try::Again(transport(error), None);
            }
        };
        self.reached.store(true, Ordering::Relaxed);
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER);
        let after = after.and_then(|value| retry::parse_retry_after(value.to_str().ok()?));
        match response.bytes().await {
            Err(error) => Try::Again(transport(error), after),
            Ok(body) if status == StatusCode::OK => read_reply(&String::from_utf8_lossy(&body)),
            Ok(body) => self.status(status, &String::from_utf8_lossy(&body), after),
        }
    }

    /// What a status other than 200 means.
    fn status(&self, status: StatusCode, body: &str, after: Option<Duration>) -> Try {
        let message = self.without_key(reply::error_message(body));
        match status.as_u16() {
            408 | 409 | 425 | 429 | 500..=599 => Try::Again(format!("{status}: {message}"), after),
            // Usually a prompt that is too long or that a filter refuses.
            400 | 413 | 422 => Try::Failed(format!("{status}: {message}")),
            code => Try::Fatal(UrlError::Refused {
                url: self.url.to_string(),
                status: code,
                message,
                hint: hint(code),
            }),
        }
    }

    /// Some servers repeat a wrong key in their message.
    fn without_key(&self, message: String) -> String {
        let header = self.key.as_ref().and_then(|key| key.to_str().ok());
        match header.and_then(|header| header.strip_prefix("Bearer ")) {
            Some(key) => message.replace(key, "(key)"),
            None => message,
        }
    }
}

fn read_reply(body: &str) -> Try {
    match reply::parse(body) {
        Ok(answer) => Try::Answered(answer),
        Err(found) => Try::Again(format!("expected a chat completion, found {found}"), None),
    }
}

/// The causes of a failed transport; the address is left out, as it stands in the message already.
fn transport(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(link) = source {
        reason = format!("{reason}: {link}");
        source = link.source();
    }
    reason
}

fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => " (redirects are not followed: give the final address)",
        401 | 403 => " (is the right API key in the environment?)",
        402 => " (the account is out of credit; the answers so far are kept)",
        404 => " (check the address and the name of the model)",
        _ => "",
    }
}
