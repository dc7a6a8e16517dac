//! Choosing tokens by sorting.

use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};

use crate::sampling::{SampleRow, SamplingParams};

/// See [`ops::sample`](crate::ops::sample). A row is sorted as a whole, whatever its top-k and top-p are.
pub fn sample<B: Backend>(
    logits: Tensor<B, 2>,
    rows: &[SampleRow],
) -> (Tensor<B, 1, Int>, Tensor<B, 1>) {
    let columns = Columns {
        rows,
        device: logits.device(),
    };
    let inverse_temperature = columns.floats(|params| 1.0 / params.scale());
    let weights = |logits: Tensor<B, 2>| {
        let max = logits.clone().max_dim(1);
        ((logits - max) * inverse_temperature.clone()).exp()
    };
    let (max, mass) = (
        logits.clone().max_dim(1),
        weights(logits.clone()).sum_dim(1),
    );
    let penalised = penalise(logits.clone(), rows);
    let drawn = pick(weights(penalised.clone()), &columns);
    let greedy = columns.flags(SamplingParams::is_greedy);
    let ids = drawn.mask_where(greedy, first_maximum(penalised));
    let distance = (logits.gather(1, ids.clone()) - max) * inverse_temperature;
    let log_probs = distance - mass.log();
    (ids.squeeze_dim(1), log_probs.squeeze_dim(1))
}

/// One number for each row, as tensors `[R, 1]`.
struct Columns<'a, B: Backend> {
    rows: &'a [SampleRow],
    device: B::Device,
}

impl<B: Backend> Columns<'_, B> {
    fn data<T: burn::tensor::Element>(&self, of: impl Fn(&SampleRow) -> T) -> TensorData {
        let values: Vec<T> = self.rows.iter().map(of).collect();
        TensorData::new(values, [self.rows.len(), 1])
    }

    fn floats(&self, of: impl Fn(&SamplingParams) -> f64) -> Tensor<B, 2> {
        Tensor::from_data(self.data(|row| of(&row.params) as f32), &self.device)
    }

    fn ints(&self, of: impl Fn(&SamplingParams) -> usize) -> Tensor<B, 2, Int> {
        Tensor::from_data(self.data(|row| of(&row.params) as i32), &self.device)
    }

    fn flags(&self, of: impl Fn(&SamplingParams) -> bool) -> Tensor<B, 2, Bool> {
        Tensor::from_data(self.data(|row| of(&row.params)), &self.device)
    }

    fn uniforms(&self) -> Tensor<B, 2> {
        Tensor::from_data(self.data(|row| row.uniform as f32), &self.device)
    }
}

/// The logits after the repetition penalty.
fn penalise<B: Backend>(logits: Tensor<B, 2>, rows: &[SampleRow]) -> Tensor<B, 2> {
    let [_, vocab] = logits.dims();
    let penalties: Vec<_> = rows.iter().map(|row| row.penalised(vocab)).collect();
    if penalties.iter().all(Option::is_none) {
        return logits;
    }
    let mut factors = vec![1.0_f32; rows.len() * vocab];
    for (row, penalty) in factors.chunks_exact_mut(vocab).zip(penalties) {
        let Some((penalty, seen)) = penalty else {
            continue;
        };
        seen.iter()
            .for_each(|&id| row[id as usize] = penalty as f32);
    }
    let data = TensorData::new(factors, [rows.len(), vocab]);
    let factors = Tensor::<B, 2>::from_data(data, &logits.device());
    let is_negative = logits.clone().lower_elem(0.0);
    let multiplied = logits.clone() * factors.clone();
    (logits / factors).mask_where(is_negative, multiplied)
}

/// The first of the largest logits of each row, `[R, 1]`.
fn first_maximum<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 2, Int> {
    let [_, vocab] = logits.dims();
    let max = logits.clone().max_dim(1);
    let before = logits.equal(max).int().cumsum(1).equal_elem(0);
    // A row with a NaN has no maximum.
    count(before).clamp_max(vocab as i64 - 1)
}

/// The token at which the cumulative weight of those that are kept passes the row's uniform number, `[R, 1]`.
fn pick<B: Backend>(weights: Tensor<B, 2>, columns: &Columns<'_, B>) -> Tensor<B, 2, Int> {
    let [_, vocab] = weights.dims();
    // NaN has no place in an order; the log-probability reports it.
    let weights = weights.clone().mask_fill(weights.is_nan(), 0.0);
    let cut = keep(weights.clone(), columns).bool_not();
    let kept = weights.mask_fill(cut, 0.0);
    let cumulative = kept.clone().cumsum(1);
    let total = cumulative.clone().narrow(1, vocab - 1, 1);
    let found = count(cumulative.lower_equal(total * columns.uniforms()));
    // Rounding may keep the sum below the target, so the last token of positive weight ends it.
    let positions = Tensor::arange(0..vocab as i64, &columns.device).unsqueeze();
    let last = (kept.greater_elem(0.0).int() * positions).max_dim(1);
    least(found, last)
}

/// Which tokens top-k, top-p and min-p leave.
fn keep<B: Backend>(weights: Tensor<B, 2>, columns: &Columns<'_, B>) -> Tensor<B, 2, Bool> {
    let [_, vocab] = weights.dims();
    let sorted = weights.clone().sort_descending(1);
    let last = columns.ints(|params| params.cut_by_count(vocab).unwrap_or(vocab).max(1) - 1);
    let lightest = sorted.clone().gather(1, last);
    let cut = sorted.clone().lower(lightest);
    let left = sorted.mask_fill(cut.clone(), 0.0);
    // A share above 1 keeps all tokens.
    let share = columns.floats(|params| params.cut_by_mass().unwrap_or(2.0));
    let mass = left.clone().sum_dim(1) * share;
    let lighter = count(left.clone().cumsum(1).lower(mass));
    let wanted = least(lighter + 1, count(cut.bool_not()));
    let edge = left.gather(1, wanted.clone() - 1);
    let above = weights.clone().greater(edge.clone());
    let quota = wanted - count(above.clone());
    let tied = weights.clone().equal(edge);
    let tied = tied
        .clone()
        .bool_and(tied.int().cumsum(1).lower_equal(quota));
    let likely = weights.greater_equal(columns.floats(SamplingParams::least_share));
    above.bool_or(tied).bool_and(likely)
}

/// How many of each row are true, `[R, 1]`.
fn count<B: Backend>(flags: Tensor<B, 2, Bool>) -> Tensor<B, 2, Int> {
    flags.int().sum_dim(1)
}

/// The smaller of two numbers.
fn least<B: Backend>(a: Tensor<B, 2, Int>, b: Tensor<B, 2, Int>) -> Tensor<B, 2, Int> {
    a.clone().mask_where(a.greater(b.clone()), b)
}
