//! A line about a request that its server does not answer, while it answers others.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use chat_client::Rejection;
use serde::{Deserialize, Serialize};

use super::record::{Key, Part, checksum};

/// A request that a server refused or answered with nothing, for a reason that is its own: a filter, its length. It is
/// not asked again unless that is wished for.
///
/// An answer in the journal counts for more, be it older or newer. Programs that do not know this kind of line pass it
/// over as damaged, and ask again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed<'a> {
    /// The request's [`Key`], hexadecimal.
    #[serde(borrow)]
    pub failed: Cow<'a, str>,
    /// What the request was for.
    pub part: Part,
    /// The model that was asked for.
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    /// Number of the attempt, from 0.
    pub attempt: u32,
    /// When it failed, in seconds since 1970.
    pub at: u64,
    /// The HTTP status; 200 for an answer that has nothing in it.
    pub status: u16,
    /// Why.
    pub reason: Rejection,
    /// The server's words, shortened.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// First 16 hexadecimal digits of the hash of the rest.
    #[serde(borrow)]
    pub check: Cow<'a, str>,
}

impl<'a> Failed<'a> {
    /// The line of a request that failed now.
    pub(crate) fn new(
        (key, part, attempt): (&Key, Part, u32),
        model: &'a str,
        status: u16,
        reason: Rejection,
        message: &'a str,
    ) -> Self {
        let mut failed = Self {
            failed: key.hex().into(),
            part,
            model: model.into(),
            attempt,
            at: UNIX_EPOCH.elapsed().unwrap_or_default().as_secs(),
            status,
            reason,
            message: message.into(),
            check: "".into(),
        };
        failed.check = failed.checksum().into();
        failed
    }

    /// The same, independent of the line that it was read from.
    pub(crate) fn into_owned(self) -> Failed<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Failed {
            failed: own(self.failed),
            model: own(self.model),
            message: own(self.message),
            check: own(self.check),
            ..self
        }
    }

    /// The request's key.
    pub(super) fn key(&self) -> Option<Key> {
        Key::from_hex(&self.failed)
    }

    /// The line, with its line feed.
    pub(super) fn line(&self) -> Vec<u8> {
        // Strings and numbers can always be written into memory.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads a line; `None` if it is damaged or of another kind.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let failed: Self = serde_json::from_slice(line).ok()?;
        (failed.check == failed.checksum() && failed.key().is_some()).then_some(failed)
    }

    fn checksum(&self) -> String {
        let rest = (self.part, &self.model, self.attempt, self.at);
        let why = (self.status, self.reason, &self.message);
        checksum(&self.failed, &format!("{rest:?} {why:?}"))
    }
}
