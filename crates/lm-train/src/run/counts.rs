//! How many samples a run has trained on.

use lm_kernels::TrainBackend;

use super::Run;
use crate::config::SftConfig;
use crate::sample::SampleCounts;

impl<B: TrainBackend> Run<'_, B> {
    /// After the first epoch every sequence has been seen; in it, those of the steps that were done.
    pub(super) fn counts(&self) -> SampleCounts {
        let seen = if self.state.epoch > 0 {
            self.sequences.len()
        } else {
            let steps = 0..self.state.step_in_epoch;
            let batches = steps.flat_map(|step| self.plan.step(step));
            batches.map(<[usize]>::len).sum()
        };
        let SftConfig {
            max_length,
            over_length,
            ..
        } = *self.config;
        SampleCounts::new(self.samples, max_length, over_length, seen)
    }
}
