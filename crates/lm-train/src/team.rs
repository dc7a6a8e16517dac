//! Data parallelism: the workers of a run, one per device, and what they exchange.
//!
//! Every worker holds the whole model and the whole optimizer. Each micro-batch is divided among them, their gradients
//! are summed, and all apply the same update. The numbers that they exchange also carry the wish to stop, so that all
//! of them leave at the same step.

use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor};

use crate::accumulated::Accumulated;
use crate::error::Error;
use crate::exchange::{Attendance, Exchange};
use crate::gradients::{ParamGradients, read_scalars};
use crate::sample::Sequence;

/// A worker's place among all. A run on one device is a team of one, which exchanges nothing.
#[derive(Debug)]
pub(crate) struct Team<'a, B: Backend> {
    pub(crate) rank: usize,
    pub(crate) size: usize,
    /// Where they meet; a team of one has nobody to meet.
    exchange: Option<&'a Exchange<B>>,
}

impl<B: Backend> Clone for Team<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Team<'_, B> {}

impl<'a, B: Backend> Team<'a, B> {
    /// The team of a run on one device.
    pub(crate) const ALONE: Self = Self {
        rank: 0,
        size: 1,
        exchange: None,
    };

    /// Worker `rank` of `size` that meet at `exchange`.
    pub(crate) fn new(rank: usize, size: usize, exchange: &'a Exchange<B>) -> Self {
        Self {
            rank,
            size,
            exchange: Some(exchange),
        }
    }

    /// Makes an error or a panic of this worker known to the others.
    pub(crate) fn attend(self) -> Attendance<'a, B> {
        Attendance(self.exchange)
    }

    /// This worker's sequences of a micro-batch. Longest first, each goes to the worker with the fewest tokens,
    /// so that all have about the same work; a worker keeps the order of the batch.
    pub(crate) fn share<'s>(self, batch: &[Sequence<'s>]) -> Vec<Sequence<'s>> {
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
    pub(crate) fn merge<A, M>(
        self,
        step: Option<Accumulated<A>>,
        model: &M,
        device: &B::Device,
    ) -> Result<Option<Accumulated<A>>, Error>
    where
        A: AutodiffBackend<InnerBackend = B>,
        M: AutodiffModule<A>,
    {
        if self.size == 1 {
            return Ok(step);
        }
        let flag = Tensor::<B, 1>::from_floats([f32::from(step.is_none())], device);
        let stops: f64 = read_scalars(self.sum(flag)?).iter().sum();
        let Some(step) = step.filter(|_| stops == 0.0) else {
            return Ok(None);
        };
        let total = |parts: Vec<Tensor<B, 1>>| {
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
    pub(crate) fn stop(self, device: &B::Device) -> Result<(), Error> {
        if self.size > 1 {
            self.sum(Tensor::<B, 1>::ones([1], device))?;
        }
        Ok(())
    }

    /// The sum over the workers of the gradient of every trained parameter, zero where a worker has none.
    fn sum_gradients<A, M>(
        self,
        model: &M,
        gradients: ParamGradients<B>,
    ) -> Result<ParamGradients<B>, Error>
    where
        A: AutodiffBackend<InnerBackend = B>,
        M: AutodiffModule<A>,
    {
        let mut summing = Summing {
            team: self,
            gradients,
            sums: Ok(ParamGradients::default()),
        };
        model.visit(&mut summing);
        summing.sums
    }

    fn sum(self, tensor: Tensor<B, 1>) -> Result<Tensor<B, 1>, Error> {
        match self.exchange {
            None => Ok(tensor),
            Some(exchange) => {
                let sum = exchange.sum(self.rank, tensor);
                sum.ok_or(Error::LeftAlone { rank: self.rank })
            }
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

struct Summing<'a, B: Backend> {
    team: Team<'a, B>,
    gradients: ParamGradients<B>,
    sums: Result<ParamGradients<B>, Error>,
}

impl<A, B> ModuleVisitor<A> for Summing<'_, B>
where
    A: AutodiffBackend<InnerBackend = B>,
    B: Backend,
{
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<A, D>>) {
        let value = param.val();
        let Ok(sums) = &mut self.sums else { return };
        if !value.is_require_grad() {
            return;
        }
        let own = self.gradients.take(param.id).unwrap_or_else(|| {
            let elements = value.shape().num_elements();
            Tensor::zeros([elements], &value.inner().device())
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
        let exchange = Exchange::<burn::backend::Flex>::new(1);
        let share = |rank, size| Team::new(rank, size, &exchange).share(&batch);
        let tokens = |share: &[Sequence<'_>]| -> usize { share.iter().map(|s| s.ids.len()).sum() };
        assert_eq!(share(0, 1), batch);
        let shares = [share(0, 2), share(1, 2)];
        assert_eq!(shares[0].len() + shares[1].len(), batch.len());
        assert_eq!([tokens(&shares[0]), tokens(&shares[1])], [23, 23]);
        assert!(share(7, 8).is_empty());
    }
}
