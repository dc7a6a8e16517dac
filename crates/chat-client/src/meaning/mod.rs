//! What a server's error means: that it is busy, that the account is empty, that this request alone cannot be answered,
//! or that none can.
//!
//! Services agree on little here. The same cause comes as 400, 403, 413, 422, 429, 500 or inside of a 200, with a code
//! that is a number, a word, or none. So all codes and words that an error carries are collected, and looked up in
//! tables that quote the services.

mod message;
mod told;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::Value;

use crate::error::excerpt;
use crate::rejection::Rejection;
pub(crate) use message::error_message;
use told::Told;

/// What an error means for this request and for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The server wants fewer requests.
    Busy,
    /// It may pass.
    Passing,
    /// The account is out of credit: every request would end like this.
    Unpaid,
    /// Every request would end like this: a wrong key, no such model, a parameter that the server does not know.
    Always,
    /// This request cannot be answered.
    Rejected(Rejection),
}

/// What the body of an answer with another status than 200 means.
pub(crate) fn of_status(status: u16, body: &str) -> Meaning {
    judge(status, &Told::of(body))
}

/// The delay that the body of such an answer asks for.
pub(crate) fn delay_of(body: &str) -> Option<Duration> {
    Told::of(body).delay()
}

/// An error that stands in place of an answer, or in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The status that it names; 0 if none.
    pub status: u16,
    /// What it means.
    pub meaning: Meaning,
    /// The server's words, shortened.
    pub message: String,
    /// The delay that it asks for.
    pub after: Option<Duration>,
}

impl Said {
    /// Reads the body of an answer with another status than 200.
    pub fn of_status(status: u16, body: &str) -> Self {
        Self {
            status,
            meaning: of_status(status, body),
            message: error_message(body),
            after: delay_of(body),
        }
    }

    /// Reads an error of a body with status 200, as it stands under `error`.
    pub fn of(error: &Value) -> Self {
        let told = Told::of_value(error);
        let status = told.status();
        let meaning = match status {
            0 => without_status(&told),
            status => judge(status, &told),
        };
        let message = excerpt(&told.message(error));
        Self {
            status,
            meaning,
            message,
            after: told.delay(),
        }
    }
}

/// The meaning of an error that names no status: what it does not say may pass.
fn without_status(told: &Told) -> Meaning {
    match judge(400, told) {
        Meaning::Rejected(Rejection::RefusedByServer) => Meaning::Passing,
        meaning => meaning,
    }
}

fn judge(status: u16, told: &Told) -> Meaning {
    if told.is_unpaid(status) {
        return Meaning::Unpaid;
    }
    match status {
        429 if told.is_larger_than_any_minute() => Meaning::Rejected(Rejection::ContextLength),
        429 => Meaning::Busy,
        408 | 409 | 424 | 425 | 500..=599 => told.inner_rejection().unwrap_or(Meaning::Passing),
        403 if told.is_flagged() => Meaning::Rejected(Rejection::ContentFilter),
        451 => Meaning::Rejected(Rejection::ContentFilter),
        400 | 413 | 422 => refused(status, told),
        _ => Meaning::Always,
    }
}

/// A status that blames the request.
fn refused(status: u16, told: &Told) -> Meaning {
    let rejection = if told.has_code_for_all() {
        return Meaning::Always;
    } else if told.is_filtered() {
        Rejection::ContentFilter
    } else if told.is_too_long() || status == 413 {
        Rejection::ContextLength
    } else if told.speaks_of_all() {
        return Meaning::Always;
    } else {
        Rejection::RefusedByServer
    };
    Meaning::Rejected(rejection)
}
