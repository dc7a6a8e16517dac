//! One answer as a line of a journal.

use std::borrow::Cow;

use chat_client::ChatRequest;
use serde::{Deserialize, Serialize};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// An annotation with reasoning.
    Teacher,
    /// A score of an annotation.
    Judge,
}

/// The identity of a request: BLAKE3 over all that shapes its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(blake3::Hash);

impl Key {
    /// Hashes part, model, prompt version, sampling, messages and the number of
    /// the attempt. The server's address is not part of it: the same model
    /// behind another address gives the same work.
    pub fn new(part: Part, prompt: &str, request: &ChatRequest, attempt: u32) -> Self {
        // JSON keeps the fields apart, whatever their texts contain. Texts and
        // numbers can always be written. In one piece they are hashed faster.
        let text: usize = request.messages.iter().map(|m| m.content.len()).sum();
        let mut written = Vec::with_capacity(text + text / 8 + 512);
        let result = serde_json::to_writer(&mut written, &(part, prompt, request, attempt));
        debug_assert!(result.is_ok());
        Self(blake3::hash(&written))
    }

    /// The key as 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.to_hex().to_string()
    }

    /// Reads what [`Key::hex`] wrote.
    pub fn from_hex(hex: &str) -> Option<Self> {
        blake3::Hash::from_hex(hex).ok().map(Self)
    }

    /// The first half, which is what an index keeps: two of a billion answers
    /// share it with a probability of 10⁻²¹.
    pub(super) fn short(&self) -> u128 {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0.as_bytes()[..16]);
        u128::from_be_bytes(half)
    }
}

/// One answer as it stands in a journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record<'a> {
    /// The request's [`Key`], hexadecimal.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// What the request was for.
    pub part: Part,
    /// The model that was asked for.
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    /// Version of the prompt.
    #[serde(borrow)]
    pub prompt: Cow<'a, str>,
    /// Number of the attempt, from 0.
    pub attempt: u32,
    /// First 16 hexadecimal digits of the hash of key and body.
    #[serde(borrow)]
    pub check: Cow<'a, str>,
    /// When the answer came, in seconds since 1970; what it cost may depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// First 16 hexadecimal digits of the hash of all other fields but the body, which `check` stands for: what an
    /// answer cost depends on its model and its time. Older programs wrote none.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<Cow<'a, str>>,
    /// The body of the answer, as received but for the API key.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
}

impl<'a> Record<'a> {
    /// The record of an answer that came now.
    pub(crate) fn new(
        key: &Key,
        part: Part,
        model: &'a str,
        prompt: &'a str,
        attempt: u32,
        body: &'a str,
    ) -> Self {
        let hex = key.hex();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
        let record = Self {
            check: checksum(&hex, body).into(),
            key: hex.into(),
            part,
            model: model.into(),
            prompt: prompt.into(),
            attempt,
            at: now.ok().map(|since| since.as_secs()),
            sum: None,
            body: body.into(),
        };
        Self {
            sum: Some(record.sum().into()),
            ..record
        }
    }

    fn sum(&self) -> String {
        let rest = (self.part, &self.model, &self.prompt, self.attempt, self.at);
        // JSON keeps the fields apart. Texts and numbers can always be written.
        let rest = serde_json::to_string(&(rest, &self.check)).unwrap_or_default();
        checksum(&self.key, &rest)
    }

    /// The line of this record, with its line feed.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(self.body.len() + self.body.len() / 8 + 256);
        // Strings and numbers can always be written into memory.
        let written = serde_json::to_writer(&mut line, self);
        debug_assert!(written.is_ok());
        line.push(b'\n');
        line
    }

    /// Reads a line; `None` if it is damaged.
    pub(super) fn read(line: &'a [u8]) -> Option<(Key, Self)> {
        let record: Self = serde_json::from_slice(line).ok()?;
        let key = Key::from_hex(&record.key)?;
        let is_sound = record.check == checksum(&record.key, &record.body)
            && record.sum.as_ref().is_none_or(|sum| *sum == record.sum());
        is_sound.then_some((key, record))
    }
}

pub(super) fn checksum(key: &str, body: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes()).update(body.as_bytes());
    hasher.finalize().to_hex()[..16].into()
}
