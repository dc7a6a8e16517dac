//! Listening to a run.

/// Listens to a run. Every method does nothing unless it is written; `()` listens to nothing.
///
/// A listener cannot stop the run; whoever wants to cancels its token.
pub trait Observer {
    /// A row is done, or the run is about to stop.
    fn on_progress(&mut self, progress: &Progress) {
        let _ = progress;
    }
}

impl Observer for () {}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Rows of the selection.
    pub rows: usize,
    /// Rows that are accepted, rejected or given up.
    pub done: usize,
    /// Accepted rows.
    pub accepted: usize,
    /// Rejected rows.
    pub rejected: usize,
    /// Rows in work.
    pub in_flight: usize,
    /// HTTP requests that this run has sent, repeated ones included.
    pub requests: u64,
    /// Tokens that this run's answers have, reasoning included.
    pub completion_tokens: u64,
    /// Dollars spent in this folder, earlier runs included; 0 without a ledger.
    pub dollars: f64,
}
