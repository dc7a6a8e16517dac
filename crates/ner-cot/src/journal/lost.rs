//! A line about a request that was sent and never answered, or whose answer does not tell its cost.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use chat_client::money::Bound;
use serde::{Deserialize, Serialize};

use super::record::{Key, Part, checksum};

/// A request that may have been billed, though nothing in the journal tells so: its connection broke, it took too long,
/// it was given up, or its answer came without token counts. The counts are the most that it can be billed for.
///
/// Programs that do not know this kind of line pass it over as damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost<'a> {
    /// The request's [`Key`], hexadecimal.
    #[serde(borrow)]
    pub lost: Cow<'a, str>,
    /// What the request was for.
    pub part: Part,
    /// The model that was asked for.
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    /// Number of the attempt, from 0.
    pub attempt: u32,
    /// When it was lost, in nanoseconds since 1970. It tells several losses of one request apart.
    pub at: u64,
    /// Most tokens of the prompt.
    pub prompt_tokens: u64,
    /// Most tokens of the answer; absent if the request set no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// First 16 hexadecimal digits of the hash of key, time and counts.
    #[serde(borrow)]
    pub check: Cow<'a, str>,
}

impl<'a> Lost<'a> {
    /// The line of a request that is lost now.
    pub(crate) fn new(key: &Key, part: Part, model: &'a str, attempt: u32, bound: &Bound) -> Self {
        let now = UNIX_EPOCH.elapsed().unwrap_or_default();
        let mut lost = Self {
            lost: key.hex().into(),
            part,
            model: model.into(),
            attempt,
            at: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            prompt_tokens: bound.prompt_tokens,
            completion_tokens: bound.completion_tokens,
            check: "".into(),
        };
        lost.check = lost.checksum().into();
        lost
    }

    /// The most that the request can be billed for.
    pub fn bound(&self) -> Bound {
        Bound {
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
        }
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
        let lost: Self = serde_json::from_slice(line).ok()?;
        (lost.check == lost.checksum()).then_some(lost)
    }

    fn checksum(&self) -> String {
        let counts = (self.at, self.prompt_tokens, self.completion_tokens);
        checksum(&self.lost, &format!("{counts:?}"))
    }
}
