//! The flag that asks a run to stop.

use std::sync::Arc;

use tokio::sync::watch;

/// A flag that one side sets, for instance on Ctrl-C, and the pipeline obeys.
///
/// Clones share the flag. Once set it stays set.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether the flag is set.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the flag is set.
    pub async fn stopped(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}
