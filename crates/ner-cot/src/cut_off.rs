//! A teacher whose answers run out of tokens again and again: nothing it is paid for can be used.

use std::collections::VecDeque;

use crate::error::Error;

/// When a run ends because of answers that ran out of tokens.
///
/// Only answers that the run itself receives count, not those of the journal, so that a finished folder can be gone
/// through again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutOffLimit {
    /// Last answers of the teacher that are looked at; 0 never ends a run.
    pub window: usize,
    /// Share of them, from 0 to 1, that ends it. If none could be used so far, half of the window is enough.
    pub share: f64,
}

impl Default for CutOffLimit {
    /// Half of the last 32 answers, or all of the first 16.
    fn default() -> Self {
        Self {
            window: 32,
            share: 0.5,
        }
    }
}

impl CutOffLimit {
    /// The run goes on however many answers are cut off.
    pub const OFF: Self = Self {
        window: 0,
        share: 1.0,
    };
}

/// The last answers of a run.
#[derive(Debug, Default)]
pub(crate) struct CutOffs {
    last: VecDeque<bool>,
}

impl CutOffs {
    /// Takes an answer in; an error if there are too many that were cut off.
    pub(crate) fn add(
        &mut self,
        is_cut: bool,
        limit: CutOffLimit,
        max_tokens: Option<u32>,
    ) -> Result<(), Error> {
        if limit.window == 0 {
            return Ok(());
        }
        self.last.push_back(is_cut);
        if self.last.len() > limit.window {
            self.last.pop_front();
        }
        let (of, cut) = (
            self.last.len(),
            self.last.iter().filter(|cut| **cut).count(),
        );
        let full = of == limit.window && cut as f64 >= limit.share * of as f64;
        let none_usable = cut == of && 2 * of >= limit.window;
        if is_cut && (full || none_usable) {
            return Err(Error::cut_off(cut, of, max_tokens));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many answers a run ends.
    fn ends_after(limit: CutOffLimit, cut: impl Fn(usize) -> bool) -> Option<usize> {
        let mut cuts = CutOffs::default();
        (1..=200).find(|&n| cuts.add(cut(n), limit, Some(1024)).is_err())
    }

    #[test]
    fn a_run_ends_when_half_of_the_last_answers_are_cut_off() {
        let limit = CutOffLimit::default();
        assert_eq!(ends_after(limit, |_| true), Some(16));
        assert_eq!(ends_after(limit, |n| n % 2 == 0), Some(32));
        assert_eq!(ends_after(limit, |n| n % 3 == 0), None);
        assert_eq!(
            ends_after(limit, |n| n <= 15),
            None,
            "a few at the beginning"
        );
        assert_eq!(ends_after(limit, |n| n > 100), Some(116));
        assert_eq!(ends_after(CutOffLimit::OFF, |_| true), None);
    }

    #[test]
    fn the_message_names_the_remedy() {
        let message = Error::cut_off(16, 16, Some(1024)).to_string();
        for word in [
            "16 of 16 answers",
            "cot.max_tokens = 1024",
            "4096",
            "sft.train.max_length",
            "journal",
        ] {
            assert!(message.contains(word), "{word}: {message}");
        }
        let message = Error::cut_off(16, 32, None).to_string();
        assert!(message.contains("the server's own limit"), "{message}");
    }
}
