//! What a job is told and tells while it works: when to stop, and how far it is.
//!
//! The library itself never prints and never looks at signals. Whoever calls it hands it a [`Session`]: a token that
//! stops the work at the next safe point, and a [`ProgressSink`] that shows lines wherever it likes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Where a job says how far it is.
pub trait ProgressSink: Send + Sync {
    /// Begins a part of `total` units; 0 where the total is not known.
    fn start(&self, label: &str, total: usize, unit: &'static str) -> Box<dyn Part>;

    /// Says a sentence that stays.
    fn line(&self, text: &str);
}

/// The progress of one long part. Dropping it without [`Part::finish`] takes it away without a word.
pub trait Part: Send + Sync {
    /// `done` units in all are done, with a few words such as `loss 0.31`.
    fn tick(&self, done: usize, words: &str);

    /// Says a sentence that stays, about the state after `done` units.
    fn note(&self, done: usize, words: &str);

    /// Ends the part with a sentence that stays.
    fn finish(self: Box<Self>, summary: &str);
}

/// When to stop, and who listens.
#[derive(Clone)]
pub struct Session {
    stop: CancellationToken,
    progress: Arc<dyn ProgressSink>,
}

impl Session {
    /// A session that stops once `stop` is cancelled and reports to `progress`.
    pub fn new(stop: CancellationToken, progress: Arc<dyn ProgressSink>) -> Self {
        Self { stop, progress }
    }

    /// A session in which nobody listens and nobody stops anything.
    pub fn silent() -> Self {
        Self::new(CancellationToken::new(), Arc::new(Silence))
    }

    /// The token to hand to whatever runs long.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Whether the work should stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Says whether the work may go on.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once the token is cancelled.
    pub fn check(&self) -> Result<()> {
        if self.is_stopped() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// Begins a part of `total` units; 0 where the total is not known.
    pub fn start(&self, label: &str, total: usize, unit: &'static str) -> Box<dyn Part> {
        self.progress.start(label, total, unit)
    }

    /// Says a sentence that stays.
    pub fn line(&self, text: &str) {
        self.progress.line(text);
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::silent()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut session = f.debug_struct("Session");
        session.field("stop", &self.stop).finish_non_exhaustive()
    }
}

/// A listener that hears nothing.
struct Silence;

impl ProgressSink for Silence {
    fn start(&self, _: &str, _: usize, _: &'static str) -> Box<dyn Part> {
        Box::new(Silence)
    }

    fn line(&self, _: &str) {}
}

impl Part for Silence {
    fn tick(&self, _: usize, _: &str) {}

    fn note(&self, _: usize, _: &str) {}

    fn finish(self: Box<Self>, _: &str) {}
}

/// A duration for people: `8 s`, `2 min 05 s`, `3 h 10 min`.
pub fn human(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_session_is_an_interruption() {
        let session = Session::silent();
        assert!(session.check().is_ok());
        session.stop().cancel();
        assert!(matches!(session.check(), Err(Error::Interrupted)));
    }

    #[test]
    fn durations_are_for_people() {
        let words = [8, 125, 11_400].map(|s| human(Duration::from_secs(s)));
        assert_eq!(words, ["8 s", "2 min 05 s", "3 h 10 min"]);
    }
}
