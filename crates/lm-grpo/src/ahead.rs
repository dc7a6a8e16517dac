//! One step off-policy: the completions of the next step are sampled while this one trains.
//!
//! The batch of step n + 1 is sampled by the policy that step n began with, and joined before step n + 2 may begin, so what
//! is computed does not depend on how long anything takes. A stop ends the rollout too, without a result; if updates were
//! made meanwhile, as also beside a rollout that failed, the policy that sampled is kept for the checkpoint, because nothing else
//! could sample the batch again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use burn::module::AutodiffModule;
use lm_generate::Progress;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;

use crate::collect::{Collector, Fresh};
use crate::trainer::{Flow, Trainer};
use crate::{Error, Monitor, StepMetrics};

/// How often a training that waits for a rollout looks whether it should stop.
const POLL: Duration = Duration::from_millis(100);

/// What a rollout on a thread of its own gives back.
struct Sampled<B: LmOps> {
    collected: Result<Option<Fresh>, Error>,
    /// The policy, if there is no batch.
    policy: Option<Qwen3<B>>,
}

impl<'a, B: TrainBackend> Trainer<'a, B> {
    /// Whether the next step is to be sampled beside the training of this one.
    pub(crate) fn samples_ahead(&self) -> bool {
        let has_next = self.state.global_step + 1 < self.config.steps;
        self.config.one_step_off_policy && has_next && self.next.is_none()
    }

    /// Makes the passes that the batch in progress still lacks, and samples the next batch at the same time.
    pub(crate) fn improve_and_sample(
        &mut self,
        model: Qwen3<B>,
        collector: &mut Collector<'a, B::InnerBackend>,
        monitor: &mut dyn Monitor,
    ) -> Result<(Qwen3<B>, Flow), Error> {
        let policy = self.rollout_policy.take().unwrap_or_else(|| model.valid());
        let step = self.state.global_step + 1;
        let stop = AtomicBool::new(false);
        let (sender, receiver) = channel();
        let (trained, sampled, waited) = thread::scope(|scope| {
            let mut relay = Relay {
                stop: &stop,
                progress: sender,
            };
            let worker = scope.spawn(move || {
                let collected = collector.collect(&policy, step, 1, &mut relay);
                let failed = !matches!(collected, Ok(Some(_)));
                Sampled {
                    collected,
                    policy: failed.then_some(policy),
                }
            });
            let trained = self.improve(model, monitor);
            if !matches!(trained, Ok((_, Flow::Done))) {
                stop.store(true, Ordering::Relaxed);
            }
            let started = Instant::now();
            wait(&receiver, &stop, monitor);
            let sampled = worker.join();
            let sampled = sampled.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (trained, sampled, started.elapsed())
        });
        let (model, flow) = trained?;
        if let Some(batch) = &mut self.batch {
            batch.rollout.seconds.waiting += waited.as_secs_f64();
        }
        // Without an update, the model is still the policy that is to sample.
        let begun = self.batch.as_ref();
        let begun = begun.is_some_and(|batch| !batch.passes.is_empty());
        self.rollout_policy = sampled.policy.filter(|_| begun);
        match self.saving_on_failure(sampled.collected, &model, monitor)? {
            Some(fresh) => {
                fresh.announce(step, monitor);
                let mut batch = fresh.batch;
                // Nothing that took its time then is part of the step that trains on it.
                batch.rollout.seconds.training = 0.0;
                self.next = Some(batch);
                Ok((model, flow))
            }
            None => Ok((model, Flow::Stopped)),
        }
    }
}

/// Waits until the rollout is over, and tells the monitor about it meanwhile.
fn wait(progress: &Receiver<Progress>, stop: &AtomicBool, monitor: &mut dyn Monitor) {
    loop {
        match progress.recv_timeout(POLL) {
            Ok(progress) => monitor.on_progress(progress),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if monitor.should_stop() {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

/// What a rollout tells and asks while the monitor is with the training.
struct Relay<'a> {
    stop: &'a AtomicBool,
    progress: Sender<Progress>,
}

impl Monitor for Relay<'_> {
    fn on_step(&mut self, _metrics: &StepMetrics) {}

    fn on_progress(&mut self, progress: Progress) {
        // Nobody listens any more when the training has panicked.
        let _ = self.progress.send(progress);
    }

    fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
