//! Listening to an evaluation.

use crate::prediction::Prediction;

/// Listens to an evaluation. Every method does nothing unless it is written; `()` listens to nothing.
///
/// A listener cannot stop the evaluation; whoever wants to cancels its token.
pub trait Observer {
    /// The evaluation begins; `done` of `total` sentences were answered by an earlier run.
    fn on_start(&mut self, done: usize, total: usize) {
        let _ = (done, total);
    }

    /// A batch has been answered, and kept where there is a log.
    fn on_batch(&mut self, progress: &Progress<'_>) {
        let _ = progress;
    }
}

impl Observer for () {}

/// What has been done when a batch is answered.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Sentences answered so far, those of an earlier run included.
    pub done: usize,
    /// Sentences of the suite.
    pub total: usize,
    /// The predictions of this batch.
    pub batch: &'a [Prediction],
}
