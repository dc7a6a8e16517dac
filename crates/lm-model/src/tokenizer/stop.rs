//! Stop strings in text that arrives in pieces.

use crate::error::{Error, Result};

/// Lets text through up to the first stop string, which is not shown, and nothing behind it.
///
/// Text that may turn out to begin a stop string is held back until more is known. The first stop string is the one
/// that is complete first, and of several that end together the longest; where the text is cut into pieces changes
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct StopMatcher {
    stops: Vec<String>,
    /// Text that has not been let through.
    held: String,
    found: Option<usize>,
}

impl StopMatcher {
    /// A matcher for these strings; for none, everything is let through at once.
    ///
    /// # Errors
    /// [`Error::EmptyStop`] for an empty string, which would be found before anything is written.
    pub fn new<S: Into<String>>(stops: impl IntoIterator<Item = S>) -> Result<Self> {
        let stops: Vec<String> = stops.into_iter().map(Into::into).collect();
        match stops.iter().position(String::is_empty) {
            Some(index) => Err(Error::EmptyStop { index }),
            None => Ok(Self {
                stops,
                ..Self::default()
            }),
        }
    }

    /// Takes more text and gives what can be shown.
    pub fn push(&mut self, text: &str) -> String {
        if self.found.is_some() {
            return String::new();
        }
        self.held.push_str(text);
        if let Some((start, stop)) = self.first_match() {
            self.found = Some(stop);
            self.held.truncate(start);
            return std::mem::take(&mut self.held);
        }
        let keep = self.held.len() - self.possible_start();
        let rest = self.held.split_off(keep);
        std::mem::replace(&mut self.held, rest)
    }

    /// The stop string that was found.
    pub fn found(&self) -> Option<&str> {
        self.found.map(|stop| self.stops[stop].as_str())
    }

    /// The text that is still held back, when nothing follows.
    pub fn finish(self) -> String {
        self.held
    }

    /// Where the stop string begins that is complete first, and which it is.
    fn first_match(&self) -> Option<(usize, usize)> {
        let matches = self.stops.iter().enumerate().filter_map(|(i, stop)| {
            let start = self.held.find(stop)?;
            Some((start + stop.len(), start, i))
        });
        matches.min().map(|(_, start, stop)| (start, stop))
    }

    /// Length of the longest end of the text that begins a stop string.
    fn possible_start(&self) -> usize {
        let begun = |stop: &String| {
            let lengths = (1..stop.len()).rev();
            lengths
                .filter(|&length| stop.is_char_boundary(length))
                .find(|&length| self.held.ends_with(&stop[..length]))
        };
        self.stops.iter().filter_map(begun).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text shown and the stop string found, for a text that arrives in pieces of `size` characters.
    fn run(stops: &[&str], text: &str, size: usize) -> (String, Option<String>) {
        let mut matcher = StopMatcher::new(stops.iter().copied()).unwrap();
        let characters: Vec<char> = text.chars().collect();
        let mut shown = String::new();
        for piece in characters.chunks(size) {
            shown += &matcher.push(&piece.iter().collect::<String>());
        }
        let found = matcher.found().map(str::to_owned);
        (shown + &matcher.finish(), found)
    }

    fn check(stops: &[&str], text: &str, shown: &str, found: Option<&str>) {
        for size in 1..=text.chars().count().max(1) {
            let expected = (shown.to_owned(), found.map(str::to_owned));
            let what = format!("{stops:?} in {text:?} by {size}");
            assert_eq!(run(stops, text, size), expected, "{what}");
        }
    }

    #[test]
    fn text_ends_before_the_first_stop_string() {
        check(&[], "anything", "anything", None);
        check(&["\n\n"], "a\nb\n\nc", "a\nb", Some("\n\n"));
        check(&["END"], "ENEND of it", "EN", Some("END"));
        check(&["END"], "the EN", "the EN", None);
        check(&["aab"], "aaaab", "aa", Some("aab"));
        check(&["é!"], "caféé!", "café", Some("é!"));
        check(&["x"], "", "", None);
    }

    #[test]
    fn the_one_complete_first_counts_and_of_those_the_longest() {
        check(&["long one", "g"], "a long one", "a lon", Some("g"));
        check(&["b", "ab"], "cab", "c", Some("ab"));
        check(&["ab", "b"], "cab", "c", Some("ab"));
        check(&["abcd", "bc"], "xabcd", "xa", Some("bc"));
        check(&["abx", "bcd"], "abcd", "a", Some("bcd"));
    }

    #[test]
    fn only_what_may_begin_a_stop_string_is_held_back() {
        let mut matcher = StopMatcher::new(["</think>", "<|"]).unwrap();
        assert_eq!(matcher.push("so it is <"), "so it is ");
        assert_eq!(matcher.push("5 and </thin"), "<5 and ");
        assert_eq!(matcher.push("g"), "</thing");
        assert_eq!(matcher.push("<|im"), "");
        assert_eq!(matcher.found(), Some("<|"));
        assert_eq!(matcher.push("more"), "");
        assert_eq!(matcher.finish(), "");
    }

    #[test]
    fn an_empty_stop_string_is_refused() {
        let error = StopMatcher::new(["a", ""]).unwrap_err();
        assert!(matches!(error, Error::EmptyStop { index: 1 }), "{error}");
    }
}
