//! One step off-policy: the completions of the next step are sampled while this one trains.
//!
//! The batch of step n + 1 is sampled by the policy that step n began with, and joined before step n + 2 may begin, so
//! what is computed does not depend on how long anything takes. A stop ends the rollout too, without a result; if
//! updates were made meanwhile, as also beside a rollout that failed, the policy that sampled is kept for the
//! checkpoint, because nothing else could sample the batch again.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use burn::module::AutodiffModule;
use lm_generate::Progress;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;

use crate::collect::{Collector, Fresh};
use crate::environment::Flow;
use crate::error::Error;
use crate::metrics::Observer;
use crate::trainer::Trainer;

/// What a rollout on a thread of its own gives back.
struct Sampled<B: LmOps> {
    collected: Result<Option<Fresh>, Error>,
    /// The policy, if there is no batch.
    policy: Option<Qwen3<B>>,
}

impl<'a, B: TrainBackend> Trainer<'a, B> {
    /// Whether the next step is to be sampled beside the training of this one.
    pub(crate) fn samples_ahead(&self) -> bool {
        let has_next = self.state.global_step + 1 < self.total_steps;
        self.config.one_step_off_policy && has_next && self.rollouts.next.is_none()
    }

    /// Makes the passes that the batch in progress still lacks, and samples the next batch at the same time.
    pub(crate) fn improve_and_sample(
        &mut self,
        model: Qwen3<B>,
        collector: &mut Collector<'a, B::InnerBackend>,
        observer: &mut dyn Observer,
    ) -> Result<(Qwen3<B>, Flow), Error> {
        let policy = self.rollouts.policy.take();
        let policy = policy.unwrap_or_else(|| model.valid());
        let step = self.state.global_step + 1;
        // A training that fails ends the rollout beside it.
        let stop = &self.stop.child_token();
        let (sender, receiver) = channel();
        let (trained, sampled, waited) = thread::scope(|scope| {
            let mut relay = Relay(sender);
            let worker = scope.spawn(move || {
                let collected = collector.collect(&policy, step, 1, stop, &mut relay);
                let failed = !matches!(collected, Ok(Some(_)));
                Sampled {
                    collected,
                    policy: failed.then_some(policy),
                }
            });
            let trained = self.improve(model, observer);
            if !matches!(trained, Ok((_, Flow::Done))) {
                stop.cancel();
            }
            let started = Instant::now();
            wait(&receiver, observer);
            let sampled = worker.join();
            let sampled = sampled.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (trained, sampled, started.elapsed())
        });
        let (model, flow) = trained?;
        if let Some(batch) = &mut self.rollouts.batch {
            batch.rollout.seconds.waiting += waited.as_secs_f64();
        }
        // Without an update, the model is still the policy that is to sample.
        let begun = self.rollouts.batch.as_ref();
        let begun = begun.is_some_and(|batch| !batch.passes.is_empty());
        self.rollouts.policy = sampled.policy.filter(|_| begun);
        match self.saving_on_failure(sampled.collected, &model, observer)? {
            Some(fresh) => {
                fresh.announce(step, observer);
                let mut batch = fresh.batch;
                // Nothing that took its time then is part of the step that trains on it.
                batch.rollout.seconds.training = 0.0;
                self.rollouts.next = Some(batch);
                Ok((model, flow))
            }
            None => Ok((model, Flow::Stopped)),
        }
    }
}

/// Tells the observer about the rollout until it is over, which is when nobody sends any more.
fn wait(progress: &Receiver<Progress>, observer: &mut dyn Observer) {
    for progress in progress {
        observer.on_progress(progress);
    }
}

/// Carries the progress of a rollout to the thread that has the observer.
struct Relay(Sender<Progress>);

impl Observer for Relay {
    fn on_progress(&mut self, progress: Progress) {
        // Nobody listens any more when the training has panicked.
        let _ = self.0.send(progress);
    }
}
