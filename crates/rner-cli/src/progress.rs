//! One line for every long part, with an estimate of what is left.
//!
//! On a terminal the line is redrawn in place; elsewhere it is printed anew, at
//! most every five seconds, so that a log file stays readable.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::doing::{self, Doing};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rner::session::{Part, ProgressSink, Session, human};

/// Least time between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(5);

/// Shows the progress of a session on stderr.
#[derive(Debug)]
pub struct Terminal;

impl Terminal {
    /// A session that is shown here and stopped by signals.
    pub fn session() -> Session {
        Session::new(crate::interrupt::token().clone(), Arc::new(Self))
    }
}

impl ProgressSink for Terminal {
    fn start(&self, label: &str, total: usize, unit: &'static str) -> Box<dyn Part> {
        Box::new(Progress::start(label, total, unit))
    }

    fn line(&self, text: &str) {
        crate::say!("{text}");
    }
}

/// The progress of one long part.
///
/// It may be shared between threads; the line disappears when it is dropped
/// without [`Part::finish`], so an error message stands alone.
#[derive(Debug)]
struct Progress {
    label: String,
    unit: &'static str,
    total: usize,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
    number: u64,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    /// What the first tick reported, and when. The estimate counts from there: a
    /// resumed part does not start at nought, and its preparation is over then.
    first: Option<(usize, Instant)>,
    last_line: Option<Instant>,
}

impl Progress {
    /// Begins a part of `total` units; 0 where the total is not known.
    fn start(label: &str, total: usize, unit: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| draw(label, total));
        let number = doing::number();
        doing::with_parts(|parts| {
            parts.push(Doing {
                number,
                label: label.to_owned(),
                unit,
                total,
                done: 0,
            });
        });
        let state = State {
            begun: Instant::now(),
            first: None,
            last_line: None,
        };
        Self {
            label: label.to_owned(),
            unit,
            total,
            bar,
            state: Mutex::new(state),
            number,
        }
    }

    fn print_line(&self, state: &mut State, done: usize, left: Option<Duration>, extra: &str) {
        let due = match state.last_line {
            Some(last) => last.elapsed() >= QUIET,
            None => state.begun.elapsed() >= QUIET,
        };
        if due {
            state.last_line = Some(Instant::now());
            crate::say!(
                "{}",
                line(&self.label, done, self.total, self.unit, &tail(left, extra))
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Progress is only words: a panic elsewhere does not make it wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part for Progress {
    fn tick(&self, done: usize, extra: &str) {
        doing::with_parts(|parts| {
            let own = parts.iter_mut().find(|part| part.number == self.number);
            own.into_iter().for_each(|part| part.done = done);
        });
        let mut state = self.state();
        let (first, since) = *state.first.get_or_insert_with(|| (done, Instant::now()));
        let left = remaining(first, done, self.total, since.elapsed());
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(format!("{} {}", self.unit, tail(left, extra)));
            }
            None => self.print_line(&mut state, done, left, extra),
        }
    }

    fn note(&self, done: usize, words: &str) {
        let text = format!(
            "{}: {done}/{} {}, {words}",
            self.label, self.total, self.unit
        );
        match &self.bar {
            Some(bar) => bar.println(text),
            None => crate::say!("{text}"),
        }
    }

    fn finish(self: Box<Self>, summary: &str) {
        let took = human(self.state().begun.elapsed());
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let dash = if summary.is_empty() { "" } else { ": " };
        crate::say!("{}{dash}{summary} ({took})", self.label);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        doing::with_parts(|parts| parts.retain(|part| part.number != self.number));
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn draw(label: &str, total: usize) -> ProgressBar {
    let known = total > 0;
    let bar = ProgressBar::with_draw_target(
        known.then_some(total as u64),
        ProgressDrawTarget::stderr_with_hz(5),
    );
    let template = if known {
        "{prefix} {bar:24} {pos}/{len} {msg}"
    } else {
        "{prefix} {spinner} {pos} {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(label.to_owned());
    bar
}

fn line(label: &str, done: usize, total: usize, unit: &str, tail: &str) -> String {
    match total {
        0 => format!("{label}: {done} {unit}{}{tail}", gap(tail)),
        _ => format!("{label}: {done}/{total} {unit}{}{tail}", gap(tail)),
    }
}

fn gap(tail: &str) -> &'static str {
    if tail.is_empty() { "" } else { ", " }
}

fn tail(left: Option<Duration>, extra: &str) -> String {
    match (left, extra) {
        (Some(left), "") => format!("{} left", human(left)),
        (Some(left), extra) => format!("{extra}, {} left", human(left)),
        (None, extra) => extra.to_owned(),
    }
}

/// The time left if the rest goes as fast as what was done since `first`.
fn remaining(first: usize, done: usize, total: usize, elapsed: Duration) -> Option<Duration> {
    let counted = done.checked_sub(first).filter(|n| *n > 0)?;
    let rest = total.checked_sub(done)?;
    Some(elapsed.mul_f64(rest as f64 / counted as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_counts_from_where_a_part_resumed() {
        let minute = Duration::from_secs(60);
        assert_eq!(remaining(0, 10, 40, minute), Some(Duration::from_secs(180)));
        assert_eq!(remaining(30, 35, 40, minute), Some(minute));
        assert_eq!(remaining(30, 30, 40, minute), None);
        assert_eq!(remaining(0, 5, 0, minute), None);
    }

    #[test]
    fn a_line_says_what_is_known() {
        let left = tail(Some(Duration::from_secs(65)), "loss 0.5");
        assert_eq!(
            line("sft", 3, 9, "steps", &left),
            "sft: 3/9 steps, loss 0.5, 1 min 05 s left"
        );
        assert_eq!(line("read", 3, 0, "rows", ""), "read: 3 rows");
    }

    #[test]
    fn no_total_and_many_threads_are_fine() {
        let progress = Terminal::session().start("count", 0, "rows");
        std::thread::scope(|scope| {
            for i in 0..4 {
                let progress = &progress;
                scope.spawn(move || progress.tick(i, ""));
            }
        });
        progress.finish("4 rows");
    }
}
