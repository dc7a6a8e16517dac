//! The place where the workers of a run meet: each hands in a tensor, and all get the sum.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Sums of one tensor of each worker, one after the other.
///
/// The parts are added in the order of the workers, whichever comes first, so that a run repeats to the bit.
#[derive(Debug)]
pub(crate) struct Exchange<B: Backend> {
    round: Mutex<Round<B>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Round<B: Backend> {
    /// What was handed in, by worker.
    parts: Vec<Option<Tensor<B, 1>>>,
    sum: Option<Tensor<B, 1>>,
    /// Workers that have yet to take the sum.
    to_take: usize,
    /// Whether a worker has left, so that no sum will ever be complete.
    abandoned: bool,
}

impl<B: Backend> Exchange<B> {
    /// For so many workers, at least one.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            round: Mutex::new(Round {
                parts: vec![None; workers],
                sum: None,
                to_take: 0,
                abandoned: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// The sum over the workers, on the device of `part`, once all have called this; `None` if one has left.
    pub(crate) fn sum(&self, worker: usize, part: Tensor<B, 1>) -> Option<Tensor<B, 1>> {
        let device = part.device();
        let mut round = self.wait_until(self.lock(), |round| round.to_take == 0);
        if round.abandoned {
            return None;
        }
        round.parts[worker] = Some(part);
        round.close();
        self.changed.notify_all();
        let mut round = self.wait_until(round, |round| round.to_take > 0);
        let sum = round.sum.clone().filter(|_| round.to_take > 0)?;
        round.to_take -= 1;
        if round.to_take == 0 {
            round.sum = None;
            self.changed.notify_all();
        }
        Some(sum.to_device(&device))
    }

    /// Sets those free who wait, now or later.
    fn abandon(&self) {
        self.lock().abandoned = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Round<B>> {
        // A worker that panics while it adds leaves; what it leaves behind is not looked at.
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until<'a>(
        &self,
        round: MutexGuard<'a, Round<B>>,
        ready: impl Fn(&Round<B>) -> bool,
    ) -> MutexGuard<'a, Round<B>> {
        let waits = |round: &mut Round<B>| !ready(round) && !round.abandoned;
        let waited = self.changed.wait_while(round, waits);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Backend> Round<B> {
    /// Adds up if every worker has handed in.
    fn close(&mut self) {
        if self.parts.iter().all(Option::is_some) {
            let parts = self.parts.iter_mut().filter_map(Option::take);
            self.sum = parts.reduce(|sum, part| {
                let device = sum.device();
                sum + part.to_device(&device)
            });
            self.to_take = self.parts.len();
        }
    }
}

/// A worker's presence. Who drops it without leaving, because of an error or a panic, sets the others free.
pub(crate) struct Attendance<'a, B: Backend>(pub(crate) Option<&'a Exchange<B>>);

impl<B: Backend> Attendance<'_, B> {
    /// Leaves at the end of the run, which is the same step for all.
    pub(crate) fn leave(mut self) {
        self.0 = None;
    }
}

impl<B: Backend> Drop for Attendance<'_, B> {
    fn drop(&mut self) {
        if let Some(exchange) = self.0 {
            exchange.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use burn::backend::Flex;

    use super::*;

    fn tensor(value: f32) -> Tensor<Flex, 1> {
        Tensor::from_floats([value, 1.0], &Default::default())
    }

    #[test]
    fn all_get_the_sum_of_every_round() {
        let exchange = &Exchange::<Flex>::new(3);
        let worker = |rank: usize| {
            let mut sums = Vec::new();
            for round in 0..50 {
                let sum = exchange.sum(rank, tensor((rank * round) as f32)).unwrap();
                sums.extend(sum.into_data().iter::<f32>());
            }
            sums
        };
        let expected: Vec<f32> = (0..50)
            .flat_map(|round| [3.0 * round as f32, 3.0])
            .collect();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..3)
                .map(|rank| scope.spawn(move || worker(rank)))
                .collect();
            for worker in workers {
                assert_eq!(worker.join().unwrap(), expected);
            }
        });
    }

    #[test]
    fn who_leaves_sets_the_others_free() {
        let exchange = &Exchange::<Flex>::new(2);
        thread::scope(|scope| {
            let waits = scope.spawn(move || exchange.sum(0, tensor(1.0)).is_none());
            drop(Attendance(Some(exchange)));
            assert!(waits.join().unwrap());
        });
        assert!(exchange.sum(1, tensor(1.0)).is_none());
        let exchange = Exchange::<Flex>::new(1);
        Attendance(Some(&exchange)).leave();
        assert!(exchange.sum(0, tensor(1.0)).is_some());
    }
}
