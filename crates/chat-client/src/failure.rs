//! What a failed try means: the end, another try, or a busy server.

use std::time::Duration;

use reqwest::StatusCode;

use crate::backoff::Retry;
use crate::body::{self, BodyProblem};
use crate::error::{Error, excerpt};
use crate::http::{Broken, Http, Reply};

/// Why one try failed.
pub(crate) enum Failure<E> {
    /// Trying again cannot help.
    Fatal(E),
    /// Trying again may help.
    Again(Again),
}

/// A failure after which another try may help.
pub(crate) struct Again {
    pub(crate) cause: String,
    /// The server's own wish for the delay.
    pub(crate) after: Option<Duration>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something went wrong.
    Error,
    /// No connection could be made.
    Refused,
    /// The server is busy and wants fewer requests.
    Throttled,
}

impl<E: From<Error>> Failure<E> {
    pub(crate) fn fatal(error: Error) -> Self {
        Self::Fatal(error.into())
    }
}

impl<E> From<Broken> for Failure<E> {
    fn from(broken: Broken) -> Self {
        let kind = if broken.refused {
            Kind::Refused
        } else {
            Kind::Error
        };
        Self::Again(Again {
            cause: broken.cause,
            after: None,
            kind,
        })
    }
}

/// Whom a message should name.
pub(crate) struct Whom<'a> {
    pub(crate) url: &'a str,
    pub(crate) model: &'a str,
    pub(crate) http: &'a Http,
}

impl Whom<'_> {
    /// What a status other than 200 means.
    pub(crate) fn status<E: From<Error>>(&self, reply: Reply) -> Failure<E> {
        // The key is cut out before the text is shortened, lest a part of it
        // stay, and afterwards, as the text may have been escaped.
        let text = self.http.mask(reply.body);
        let message = self.http.mask(body::error_message(&text));
        let status = reply.status;
        let unpaid = status == StatusCode::TOO_MANY_REQUESTS && body::is_out_of_credit(&text);
        match status.as_u16() {
            408 | 409 | 425 | 429 | 500..=599 if !unpaid => Failure::Again(Again {
                cause: format!("{status}: {message}"),
                after: reply.after,
                kind: kind(status, reply.after),
            }),
            code => Failure::fatal(Error::Refused {
                url: self.url.into(),
                status: code,
                model: self.model.into(),
                message,
                hint: hint(if unpaid { 402 } else { code }),
            }),
        }
    }

    /// What a 200 answer means that is none.
    pub(crate) fn body<E: From<Error>>(&self, problem: BodyProblem) -> Failure<E> {
        let (expected, found) = match problem {
            BodyProblem::Transient(cause) => {
                return Failure::Again(Again {
                    cause: self.http.mask(cause),
                    after: None,
                    kind: Kind::Error,
                });
            }
            BodyProblem::NotJson(found) => ("a JSON object", found),
            BodyProblem::WrongShape(found) => ("a JSON object with choices[0].message", found),
        };
        Failure::fatal(Error::NotOpenAi {
            url: self.url.into(),
            expected,
            found: excerpt(&self.http.mask(found)),
        })
    }
}

/// Whether a request may be billed that was answered with this status.
///
/// Services bill answers, and not their refusals. But a gateway (502, 504, 520 to 527) or a time limit (408, 499) says
/// only that no answer came through: the model behind it may have written one.
pub(crate) fn may_be_billed(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=299 | 408 | 499 | 502 | 504 | 520..=527)
}

/// A 503 that names a delay is that of a busy server; without one, it may be broken.
fn kind(status: StatusCode, after: Option<Duration>) -> Kind {
    match status.as_u16() {
        429 => Kind::Throttled,
        503 if after.is_some() => Kind::Throttled,
        _ => Kind::Error,
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => " (redirects are not followed: give the final address)",
        401 | 403 => " (is the right API key in the environment?)",
        402 => " (the account is out of credit; what was answered so far is kept)",
        404 => " (check the address and the model's name)",
        _ => "",
    }
}

/// The tries of one request so far.
#[derive(Default)]
pub(crate) struct Tries {
    errors: u32,
    throttled: u32,
}

impl Tries {
    /// How long to wait before the next try; `None` if there is none.
    ///
    /// A mistyped address should be reported at once, but a server that was
    /// `reached` before may be restarting.
    pub(crate) fn next(&mut self, again: &Again, retry: &Retry, reached: bool) -> Option<Duration> {
        let (count, allowed) = match again.kind {
            Kind::Throttled => (&mut self.throttled, retry.throttled_tries),
            Kind::Refused if !reached => (&mut self.errors, retry.tries.min(3)),
            Kind::Refused | Kind::Error => (&mut self.errors, retry.tries),
        };
        *count += 1;
        (*count < allowed.max(1)).then(|| retry.delay(*count, again.after))
    }

    /// The error of a request whose tries are used up.
    pub(crate) fn exhausted(&self, url: &str, again: Again) -> Error {
        let (url, tries, cause) = (url.into(), self.errors + self.throttled, again.cause);
        match again.kind {
            Kind::Refused => Error::Unreachable { url, tries, cause },
            Kind::Error | Kind::Throttled => Error::GaveUp { url, tries, cause },
        }
    }
}
