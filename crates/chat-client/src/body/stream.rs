//! Answers that came in pieces: server-sent events, joined to one answer.

use std::mem;

use serde_json::Value;

use super::problem::BodyProblem;
use super::{answer, broken_off, finish, refused, wire};
use crate::meaning::{Meaning, Said, error_message};
use crate::message::{ChatAnswer, Usage};

const FIELDS: [&str; 4] = ["data:", "event:", "id:", "retry:"];

/// Whether a body is a stream of events.
pub(super) fn is_stream(text: &str) -> bool {
    FIELDS.iter().any(|field| text.starts_with(field))
}

/// Whether a body ends within the first word of a stream.
pub(super) fn is_torn_start(text: &str) -> bool {
    FIELDS.iter().any(|field| field.starts_with(text))
}

/// The last event of a stream, its whitespace left out.
const LAST: &[u8] = b"data:[DONE]";
/// Where whitespace may stand in it, beside its end.
const GAP: usize = b"data:".len();
/// Its length.
const END: usize = LAST.len();

/// Watches the pieces of a body for the last event of a stream, after which nothing is missing even if the connection
/// is not closed properly. Each byte is looked at once.
#[derive(Debug, Default)]
pub struct LastEvent {
    /// What the line is so far.
    line: Progress,
    /// Whether the last line that was not blank was the last event.
    is_last: bool,
    /// Bytes looked at.
    #[cfg(test)]
    steps: usize,
}

/// What a line has been so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// Nothing.
    #[default]
    Empty,
    /// Whitespace alone.
    Blank,
    /// So many bytes of [`LAST`].
    Matched(usize),
    /// Something else.
    Other,
}

impl LastEvent {
    /// Looks at the next bytes.
    pub fn feed(&mut self, piece: &[u8]) {
        for &byte in piece {
            self.byte(byte);
        }
    }

    /// Whether the last event has come, and nothing but blank lines after it.
    pub fn has_come(&self) -> bool {
        match self.line {
            Progress::Empty | Progress::Blank => self.is_last,
            Progress::Matched(length) => length == END,
            Progress::Other => false,
        }
    }

    fn byte(&mut self, byte: u8) {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        // Within JSON, a line break would be escaped.
        if byte == b'\n' {
            self.is_last = self.has_come();
            self.line = Progress::Empty;
            return;
        }
        self.line = match self.line {
            Progress::Empty if byte == LAST[0] => Progress::Matched(1),
            Progress::Empty | Progress::Blank if byte.is_ascii_whitespace() => Progress::Blank,
            Progress::Matched(at) if LAST.get(at) == Some(&byte) => Progress::Matched(at + 1),
            Progress::Matched(at @ (GAP | END)) if byte.is_ascii_whitespace() => {
                Progress::Matched(at)
            }
            _ => Progress::Other,
        };
    }
}

/// Joins the events of a stream.
pub(super) fn read(text: &str) -> Result<ChatAnswer, BodyProblem> {
    let mut joined = Joined::default();
    joined.lines(text)?;
    joined.finish(text)
}

/// What the events of a stream report to have cost, if the stream ends as it should; otherwise 0, as a sum so far is
/// not what is billed.
pub(super) fn usage(text: &str) -> Usage {
    let mut joined = Joined::default();
    let whole = joined.lines(text).is_ok() && joined.has_ended();
    if whole {
        joined.usage
    } else {
        Usage::default()
    }
}

#[derive(Default)]
struct Joined {
    reasoning: String,
    content: String,
    refusal: String,
    finish: Option<String>,
    usage: Usage,
    has_choice: bool,
    has_event: bool,
    done: bool,
    /// Whether the next data is an error, as the line before said.
    is_error: bool,
    /// The beginning of an event that goes over several lines.
    pending: String,
    /// How deep that is in brackets.
    depth: Depth,
    /// Bytes that were given to a parser.
    #[cfg(test)]
    steps: usize,
}

/// How many brackets of JSON are open. It tells when an event can be complete, so that its lines are parsed once all
/// are there and not again at each of them.
#[derive(Debug, Default)]
struct Depth {
    open: i64,
    in_string: bool,
    is_escaped: bool,
}

impl Depth {
    /// Reads on; says whether a value may be complete, or is none.
    fn read(&mut self, text: &str) -> bool {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.open += 1,
                b'}' | b']' => self.open -= 1,
                _ => {}
            }
        }
        // A line break within a string is no JSON.
        self.open <= 0 || self.in_string
    }
}

fn transient(cause: impl Into<String>) -> BodyProblem {
    BodyProblem::Transient(cause.into())
}

fn ends_early() -> BodyProblem {
    transient("the stream has an event that ends early")
}

/// What an event says that is called an error.
fn named_error(data: &str) -> BodyProblem {
    let value: Option<Value> = serde_json::from_str(data).ok();
    let said = value.map(|value| Said::of(value.get("error").unwrap_or(&value)));
    match said.filter(|said| said.meaning != Meaning::Passing) {
        Some(said) => BodyProblem::said(said),
        None => transient(format!("an error in the stream: {}", error_message(data))),
    }
}

fn no_json(error: &serde_json::Error) -> BodyProblem {
    transient(format!(
        "the stream has an event that is not JSON ({error})"
    ))
}

impl Joined {
    fn lines(&mut self, text: &str) -> Result<(), BodyProblem> {
        for line in text.lines() {
            self.line(line)?;
            if self.done {
                break;
            }
        }
        Ok(())
    }

    /// Whether the stream says that nothing more comes.
    fn has_ended(&self) -> bool {
        self.pending.is_empty() && (self.done || self.finish.is_some())
    }

    fn line(&mut self, line: &str) -> Result<(), BodyProblem> {
        if line.trim().is_empty() {
            if !self.pending.is_empty() {
                return Err(ends_early());
            }
        } else if let Some(name) = line.strip_prefix("event:") {
            self.is_error = name.trim() == "error";
        } else if let Some(data) = line.strip_prefix("data:") {
            self.data(data.trim())?;
        }
        // What is left are comments that keep the connection alive, and fields
        // that say nothing about the answer.
        Ok(())
    }

    fn data(&mut self, data: &str) -> Result<(), BodyProblem> {
        if data == "[DONE]" && self.pending.is_empty() {
            self.done = true;
            return Ok(());
        }
        if self.is_error {
            return Err(named_error(data));
        }
        if self.pending.is_empty() {
            return self.event_or_begin(data);
        }
        self.pending.push('\n');
        self.pending.push_str(data);
        self.count(data);
        if !self.depth.read(data) {
            return Ok(());
        }
        let whole = mem::take(&mut self.pending);
        self.count(&whole);
        let event = wire::read(&whole).map_err(|error| no_json(&error))?;
        self.event(&event)
    }

    fn event_or_begin(&mut self, data: &str) -> Result<(), BodyProblem> {
        if data.is_empty() {
            return Ok(());
        }
        self.count(data);
        match wire::read(data) {
            Ok(event) => self.event(&event),
            Err(error) if error.is_eof() => {
                self.depth = Depth::default();
                if self.depth.read(data) {
                    return Err(ends_early());
                }
                self.pending.push_str(data);
                Ok(())
            }
            Err(error) => Err(no_json(&error)),
        }
    }

    /// Notes that a parser reads `text`.
    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, reason = "counts in tests alone")
    )]
    fn count(&mut self, text: &str) {
        #[cfg(test)]
        {
            self.steps += text.len();
        }
        #[cfg(not(test))]
        let _ = text;
    }

    fn event(&mut self, event: &wire::Body<'_>) -> Result<(), BodyProblem> {
        if let Some(problem) = event.error() {
            return Err(problem);
        }
        self.has_event = true;
        if let Some(counts) = &event.usage {
            // Some servers repeat the sum so far in every event.
            self.usage = counts.usage();
        }
        let choices = event.choices.iter().flatten();
        let Some(choice) = choices.into_iter().find(|c| c.index.unwrap_or(0) == 0) else {
            return Ok(());
        };
        self.has_choice = true;
        // Some servers end a stream with the whole message.
        let is_whole =
            choice.delta.is_none() && self.content.is_empty() && self.reasoning.is_empty();
        let whole = choice.message.as_ref().filter(|_| is_whole);
        if let Some(piece) = choice.delta.as_ref().or(whole) {
            self.reasoning.push_str(&piece.reasoning());
            self.content.push_str(piece.content());
            self.refusal.push_str(piece.refusal());
        }
        let reason = choice.finish_reason.as_ref().map(wire::Text::as_str);
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            self.finish = Some(reason.into());
        }
        Ok(())
    }

    fn finish(self, text: &str) -> Result<ChatAnswer, BodyProblem> {
        if !self.has_ended() {
            return Err(transient("the stream ends early"));
        }
        if !self.has_choice {
            return Err(if self.has_event && text.contains("\"choices\"") {
                BodyProblem::NoAnswer(text.into())
            } else if self.has_event {
                BodyProblem::WrongShape(text.into())
            } else {
                transient("200 with an empty stream")
            });
        }
        let finish = finish::finish_of(self.finish.as_deref()).map_err(broken_off)?;
        let finish = refused(finish, &self.refusal);
        Ok(answer(&self.reasoning, &self.content, finish, self.usage))
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
