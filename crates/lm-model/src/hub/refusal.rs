//! A server's answer that is not what was asked for, as a reason that a user can read.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::failure::Failure;
use super::net::Net;

/// Bytes of a refusal that are read, and characters of it that are shown.
const MAX_REFUSAL: usize = 64 << 10;
const MAX_SHOWN: usize = 300;

/// The server answered, but not with what was asked for. `what` is that.
pub(super) fn refusal(what: &str, response: Response, net: &Net) -> Failure {
    let status = response.status();
    let after = asked_pause(response.headers());
    let said = message(response, net).unwrap_or_default();
    let reason = match status {
        StatusCode::NOT_FOUND => format!("{what} not found{said}"),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
            "{what} may not be read ({status}){said}; a gated model needs its licence accepted and a token in \
             HF_TOKEN"
        ),
        _ => format!("{what}: the Hub answered {status}{said}"),
    };
    if may_pass(status) {
        Failure::Again { reason, after }
    } else {
        Failure::Final(reason)
    }
}

fn may_pass(status: StatusCode) -> bool {
    let too_early = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || too_early.contains(&status)
}

/// What the Hub says in a header, or in the body of its answer.
fn message(response: Response, net: &Net) -> Option<String> {
    let header = response.headers().get("x-error-message");
    let header = header.and_then(|text| text.to_str().ok());
    let said = match header {
        Some(text) => text.to_owned(),
        None => {
            let body = net.body(response, MAX_REFUSAL).ok()?;
            let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
            body["error"].as_str()?.to_owned()
        }
    };
    Some(format!(": {}", harmless(&said))).filter(|_| !said.is_empty())
}

/// A beginning of the text in which no character commands a terminal.
fn harmless(text: &str) -> String {
    let shown = text.chars().take(MAX_SHOWN);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    shown.map(plain).collect()
}

/// The pause that a server asks for in seconds: `Retry-After: 30`, or the Hub's `RateLimit: "api";r=0;t=30`.
fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let limit = text("ratelimit").filter(|limit| limit.contains("r=0"));
    let reset = limit.and_then(|limit| limit.split(';').find_map(|part| part.strip_prefix("t=")));
    let seconds = text(RETRY_AFTER.as_str()).or(reset)?.trim();
    Some(Duration::from_secs(seconds.parse().ok()?))
}
