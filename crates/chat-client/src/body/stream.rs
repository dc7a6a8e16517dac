//! Answers that came in pieces: server-sent events, joined to one answer.

use std::mem;

use super::problem::{BodyProblem, error_message};
use super::{answer, wire};
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

/// Whether the last event of a stream has come, so that nothing is missing even
/// if the connection is not closed properly.
pub(crate) fn is_done(body: &[u8]) -> bool {
    let end = body.trim_ascii_end();
    let line = end.strip_suffix(b"[DONE]").map(<[u8]>::trim_ascii_end);
    let start = line.and_then(|line| line.strip_suffix(b"data:"));
    // Within JSON, a line break would be escaped.
    start.is_some_and(|start| start.last().is_none_or(|byte| *byte == b'\n'))
}

/// Joins the events of a stream.
pub(super) fn read(text: &str) -> Result<ChatAnswer, BodyProblem> {
    let mut joined = Joined::default();
    for line in text.lines() {
        joined.line(line)?;
        if joined.done {
            break;
        }
    }
    joined.finish(text)
}

#[derive(Default)]
struct Joined {
    reasoning: String,
    content: String,
    finish: Option<String>,
    usage: Usage,
    has_choice: bool,
    has_event: bool,
    done: bool,
    /// Whether the next data is an error, as the line before said.
    is_error: bool,
    /// The beginning of an event that goes over several lines.
    pending: String,
}

fn transient(cause: impl Into<String>) -> BodyProblem {
    BodyProblem::Transient(cause.into())
}

impl Joined {
    fn line(&mut self, line: &str) -> Result<(), BodyProblem> {
        if line.trim().is_empty() {
            if !self.pending.is_empty() {
                return Err(transient("the stream has an event that ends early"));
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
            let cause = format!("an error in the stream: {}", error_message(data));
            return Err(transient(cause));
        }
        if self.pending.is_empty() {
            return self.event_or_begin(data);
        }
        let mut whole = mem::take(&mut self.pending);
        whole.push('\n');
        whole.push_str(data);
        self.event_or_begin(&whole)
    }

    fn event_or_begin(&mut self, data: &str) -> Result<(), BodyProblem> {
        if data.is_empty() {
            return Ok(());
        }
        match wire::read(data) {
            Ok(event) => self.event(&event),
            Err(error) if error.is_eof() => {
                self.pending.push_str(data);
                Ok(())
            }
            Err(error) => Err(transient(format!(
                "the stream has an event that is not JSON ({error})"
            ))),
        }
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
        if let Some(piece) = &choice.delta {
            self.reasoning.push_str(piece.reasoning());
            self.content.push_str(piece.content());
        }
        let reason = choice.finish_reason.as_ref().map(wire::Text::as_str);
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            self.finish = Some(reason.into());
        }
        Ok(())
    }

    fn finish(self, text: &str) -> Result<ChatAnswer, BodyProblem> {
        let ended = self.done || self.finish.is_some();
        if !self.pending.is_empty() || !ended {
            return Err(transient("the stream ends early"));
        }
        if !self.has_choice {
            return Err(if self.has_event {
                BodyProblem::WrongShape(text.into())
            } else {
                transient("200 with an empty stream")
            });
        }
        let finish = self.finish.as_deref();
        answer(&self.reasoning, &self.content, finish, self.usage)
    }
}
