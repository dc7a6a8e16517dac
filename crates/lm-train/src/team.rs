//! Data parallelism: the workers of a run, one per device, and what they exchange.
//!
//! Every worker holds the whole model and the whole optimizer. Each micro-batch is divided among them, their gradients
//! are summed with Burn's collective operations, and all apply the same update. The numbers that they
//! exchange also carry the wish to stop, so that all of them leave at the same step.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor, TensorPrimitive};
use burn_collective::{
    CollectiveConfig, PeerId, ReduceOperation, all_reduce, finish_collective, register,
    reset_collective,
};

use crate::accumulated::Accumulated;
use crate::error::Error;
use crate::gradients::{ParamGradients, read_scalars};
use crate::sample::Sequence;

/// A worker's place among all. A run on one device is a team of one, which exchanges nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Team {
    pub(crate) rank: usize,
    pub(crate) size: usize,
}

/// Burn keeps one session of collective operations per backend and process, so runs take turns.
static SESSION: Mutex<()> = Mutex::new(());

/// Starts a session for `B` once no other run has one.
pub(crate) fn session<B: Backend>() -> MutexGuard<'static, ()> {
    let guard = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    reset_collective::<B>();
    guard
}

impl Team {
    /// The team of a run on one device.
    pub(crate) const ALONE: Self = Self { rank: 0, size: 1 };

    fn peer(self) -> PeerId {
        PeerId::from(self.rank)
    }

    /// Joins the session.
    pub(crate) fn join<B: Backend>(self, device: &B::Device) -> Result<(), Error> {
        let config = CollectiveConfig::default().with_num_devices(self.size);
        let joined = register::<B>(self.peer(), device.clone(), config);
        joined.map_err(|error| self.error("join the others", error))
    }

    /// Leaves the session. After a failure the others are set free, who would wait for this worker in vain.
    pub(crate) fn leave<B: Backend>(self, failed: bool) {
        if failed {
            reset_collective::<B>();
        } else if let Err(error) = finish_collective::<B>(self.peer()) {
            tracing::warn!(rank = self.rank, ?error, "cannot leave the other workers");
        }
    }

    /// This worker's sequences of a micro-batch. Longest first, each goes to the worker with the fewest tokens,
    /// so that all have about the same work; a worker keeps the order of the batch.
    pub(crate) fn share<'a>(self, batch: &[Sequence<'a>]) -> Vec<Sequence<'a>> {
        if self.size == 1 {
            return batch.to_vec();
        }
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(batch[i].ids.len()));
        let mut tokens = vec![0; self.size];
        let mut mine = Vec::new();
        for i in order {
            let (worker, load) = lightest(&mut tokens);
            *load += batch[i].ids.len();
            if worker == self.rank {
                mine.push(i);
            }
        }
        mine.sort_unstable();
        mine.into_iter().map(|i| batch[i]).collect()
    }

    /// Sums a step over the workers; `None` if one of them (this one: `step` is `None`) wants to stop.
    pub(crate) fn merge<B, M>(
        self,
        step: Option<Accumulated<B>>,
        model: &M,
        device: &B::Device,
    ) -> Result<Option<Accumulated<B>>, Error>
    where
        B: AutodiffBackend,
        M: AutodiffModule<B>,
    {
        if self.size == 1 {
            return Ok(step);
        }
        let flag = Tensor::<B::InnerBackend, 1>::from_floats([f32::from(step.is_none())], device);
        let stops: f64 = read_scalars(self.sum(flag)?).iter().sum();
        let Some(step) = step.filter(|_| stops == 0.0) else {
            return Ok(None);
        };
        let total = |parts: Vec<Tensor<B::InnerBackend, 1>>| {
            let zero = Tensor::zeros([1], device);
            self.sum(parts.into_iter().fold(zero, |sum, part| sum + part))
        };
        Ok(Some(Accumulated {
            gradients: self.sum_gradients(model, step.gradients)?,
            losses: vec![total(step.losses)?],
            entropies: vec![total(step.entropies)?],
            tokens: step.tokens,
            times: step.times,
        }))
    }

    /// Tells the others that this worker stops; they find out when they [`merge`](Self::merge) their next step.
    pub(crate) fn stop<B: Backend>(self, device: &B::Device) -> Result<(), Error> {
        if self.size > 1 {
            self.sum(Tensor::<B, 1>::ones([1], device))?;
        }
        Ok(())
    }

    /// The sum over the workers of the gradient of every trained parameter, zero where a worker has none.
    fn sum_gradients<B, M>(
        self,
        model: &M,
        gradients: ParamGradients<B::InnerBackend>,
    ) -> Result<ParamGradients<B::InnerBackend>, Error>
    where
        B: AutodiffBackend,
        M: AutodiffModule<B>,
    {
        let mut summing = Summing {
            team: self,
            gradients,
            sums: Ok(ParamGradients::default()),
        };
        model.visit(&mut summing);
        summing.sums
    }

    fn sum<B: Backend>(self, tensor: Tensor<B, 1>) -> Result<Tensor<B, 1>, Error> {
        let tensor = tensor.into_primitive().tensor();
        let sum = all_reduce::<B>(self.peer(), tensor, ReduceOperation::Sum)
            .map_err(|error| self.error("sum with the others", error))?;
        Ok(Tensor::from_primitive(TensorPrimitive::Float(sum)))
    }

    fn error(self, doing: &'static str, error: impl std::fmt::Debug) -> Error {
        Error::Collective {
            rank: self.rank,
            doing,
            reason: format!("{error:?}"),
        }
    }
}

/// The worker with the fewest tokens, the first of equals.
fn lightest(tokens: &mut [usize]) -> (usize, &mut usize) {
    let mut best = 0;
    for (worker, load) in tokens.iter().enumerate() {
        if *load < tokens[best] {
            best = worker;
        }
    }
    (best, &mut tokens[best])
}

struct Summing<B: AutodiffBackend> {
    team: Team,
    gradients: ParamGradients<B::InnerBackend>,
    sums: Result<ParamGradients<B::InnerBackend>, Error>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Summing<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        let Ok(sums) = &mut self.sums else { return };
        if !value.is_require_grad() {
            return;
        }
        let own = self.gradients.take(param.id).unwrap_or_else(|| {
            let elements = value.shape().num_elements();
            Tensor::zeros([elements], &value.device())
        });
        // Workers may hold gradients of different types: one without a share has zeros.
        match self.team.sum(own.cast(DType::F32)) {
            Ok(sum) => sums.add(param.id, sum),
            Err(error) => self.sums = Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sequence_has_one_worker_and_the_loads_are_even() {
        let ids: Vec<u32> = (0..20).collect();
        let batch: Vec<Sequence<'_>> = [9, 3, 3, 8, 2, 20, 1]
            .iter()
            .map(|&n| Sequence {
                ids: &ids[..n],
                loss_from: 1,
            })
            .collect();
        let share = |rank, size| Team { rank, size }.share(&batch);
        let tokens = |share: &[Sequence<'_>]| -> usize { share.iter().map(|s| s.ids.len()).sum() };
        assert_eq!(share(0, 1), batch);
        let shares = [share(0, 2), share(1, 2)];
        assert_eq!(shares[0].len() + shares[1].len(), batch.len());
        assert_eq!([tokens(&shares[0]), tokens(&shares[1])], [23, 23]);
        assert!(share(7, 8).is_empty());
    }
}
