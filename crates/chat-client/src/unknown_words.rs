//! Reasons to stop that nobody has heard of: each is named once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::message::Finish;

/// Words that are remembered. A server that has more of them writes anything there.
const MOST: usize = 16;

/// The words of one client.
#[derive(Default)]
pub(crate) struct UnknownWords(Mutex<BTreeSet<String>>);

impl UnknownWords {
    /// Names the word of an answer, if it is new.
    pub(crate) fn hear(&self, finish: &Finish, url: &str) {
        let Finish::Other(word) = finish else {
            return;
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST && known.insert(word.clone()) {
            tracing::warn!(%url, finish_reason = word, "an unknown reason to stop; such answers are taken as finished if they are whole");
        }
    }
}
