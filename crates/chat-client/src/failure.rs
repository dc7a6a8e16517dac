//! What a failed try means: the end, another try, or a busy server.

use std::time::Duration;

use reqwest::StatusCode;

use crate::backoff::Retry;
use crate::body::BodyProblem;
use crate::error::{Error, excerpt};
use crate::http::{Broken, Http, Reply};
use crate::meaning::{self, Meaning, Said};
use crate::rejection::Rejection;

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
    /// An answer that has nothing in it.
    Nothing,
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
    /// Whether the server has answered a request before.
    pub(crate) has_answered: bool,
}

impl Whom<'_> {
    /// What a status other than 200 means.
    pub(crate) fn status<E: From<Error>>(&self, reply: Reply) -> Failure<E> {
        // The key is cut out before the text is shortened, lest a part of it
        // stay, and afterwards, as the text may have been escaped.
        let text = self.http.mask(reply.body);
        let message = self.http.mask(meaning::error_message(&text));
        let status = reply.status.as_u16();
        let meaning = meaning::of_status(status, &text);
        let after = reply.after.or_else(|| meaning::delay_of(&text));
        let cause = format!("{}: {message}", reply.status);
        let again = |kind| Failure::Again(Again { cause, after, kind });
        match meaning {
            Meaning::Busy => again(Kind::Throttled),
            // A 503 that names a delay is that of a busy server; without one, it may be broken.
            Meaning::Passing if status == 503 && after.is_some() => again(Kind::Throttled),
            Meaning::Passing => again(Kind::Error),
            meaning => self.ended(status, meaning, message),
        }
    }

    /// The end of a request, or of all.
    fn ended<E: From<Error>>(&self, status: u16, meaning: Meaning, message: String) -> Failure<E> {
        let (url, model) = (self.url.into(), self.model.into());
        Failure::fatal(match meaning {
            Meaning::Rejected(rejection) => Error::Rejected {
                url,
                status,
                model,
                rejection,
                message,
            },
            meaning => Error::Refused {
                url,
                status,
                model,
                message,
                hint: hint(if meaning == Meaning::Unpaid {
                    402
                } else {
                    status
                }),
            },
        })
    }

    /// What a 200 answer means that is none.
    pub(crate) fn body<E: From<Error>>(&self, problem: BodyProblem) -> Failure<E> {
        let (expected, found) = match problem {
            BodyProblem::Transient(cause) => return again(self.http.mask(cause), Kind::Error),
            BodyProblem::NoAnswer(found) => {
                let cause = format!("200 without an answer: {}", self.shown(found));
                return again(cause, Kind::Nothing);
            }
            BodyProblem::Said(said) => return self.said(said),
            BodyProblem::NotJson(found) => ("a JSON object", found),
            BodyProblem::WrongShape(found) => ("a JSON object with choices[0].message", found),
        };
        let found = self.shown(found);
        if self.has_answered {
            // A page of the gateway before it, as during maintenance.
            return again(
                format!("200 with {found} in place of {expected}"),
                Kind::Error,
            );
        }
        Failure::fatal(Error::NotOpenAi {
            url: self.url.into(),
            expected,
            found,
        })
    }

    /// An error with status 200.
    fn said<E: From<Error>>(&self, said: Said) -> Failure<E> {
        let message = self.http.mask(said.message);
        let again = |kind| {
            Failure::Again(Again {
                cause: format!("200 with an error: {message}"),
                after: said.after,
                kind,
            })
        };
        match said.meaning {
            Meaning::Busy => again(Kind::Throttled),
            Meaning::Passing => again(Kind::Error),
            meaning => {
                let status = if said.status == 0 { 200 } else { said.status };
                self.ended(status, meaning, message)
            }
        }
    }

    fn shown(&self, found: String) -> String {
        excerpt(&self.http.mask(found))
    }
}

fn again<E>(cause: String, kind: Kind) -> Failure<E> {
    Failure::Again(Again {
        cause,
        after: None,
        kind,
    })
}

/// Whether a request may be billed that was answered with this status.
///
/// Services bill answers, and not their refusals. But a gateway (502, 504, 520 to 527) or a time limit (408, 499) says
/// only that no answer came through: the model behind it may have written one.
pub(crate) fn may_be_billed(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=299 | 408 | 499 | 502 | 504 | 520..=527)
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
            Kind::Refused | Kind::Error | Kind::Nothing => (&mut self.errors, retry.tries),
        };
        *count += 1;
        (*count < allowed.max(1)).then(|| retry.delay(*count, again.after))
    }

    /// The error of a request whose tries are used up.
    pub(crate) fn exhausted(&self, url: &str, model: &str, again: Again) -> Error {
        let (url, tries, cause) = (url.into(), self.errors + self.throttled, again.cause);
        match again.kind {
            Kind::Refused => Error::Unreachable { url, tries, cause },
            Kind::Error | Kind::Throttled => Error::GaveUp { url, tries, cause },
            Kind::Nothing => Error::Rejected {
                url,
                status: 200,
                model: model.into(),
                rejection: Rejection::NoAnswer,
                message: format!("{cause} ({tries} times)"),
            },
        }
    }
}
