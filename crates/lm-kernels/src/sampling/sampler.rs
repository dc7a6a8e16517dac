//! From one row of logits to one token on the host.
//!
//! Everything here is a pure function of a slice of logits, the tokens so far and one uniform number, so that it can be
//! compared with reference values in `f64` while the decoder runs it in `f32`.

use std::cmp::Ordering;

use super::SamplingParams;
use super::real::{Real, inverse_cdf, maximum, sum};

/// A drawn token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// Index into the logits.
    pub id: u32,
    /// Natural-log probability at the sampling temperature over all logits, before the repetition penalty, top-k, top-p
    /// and min-p.
    pub log_prob: f64,
}

/// Draws tokens from rows of logits; holds the buffers that this needs.
#[derive(Clone, Debug)]
pub struct Sampler<F: Real> {
    /// `exp((logit - max) / temperature)` of each token.
    weights: Vec<F>,
    /// Token ids, the kept ones first; by falling weight if top-k or top-p has sorted them, else in rising order.
    order: Vec<u32>,
    /// The logits after the repetition penalty.
    penalised: Vec<F>,
}

/// The tokens that top-k, top-p and min-p leave.
enum Kept {
    /// All of them.
    All,
    /// The first so many of `order`.
    First(usize),
}

impl<F: Real> Default for Sampler<F> {
    fn default() -> Self {
        Self {
            weights: Vec::new(),
            order: Vec::new(),
            penalised: Vec::new(),
        }
    }
}

impl<F: Real> Sampler<F> {
    /// A sampler with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses a token: the most probable one at temperature 0, else by the inverse of the cumulative distribution at
    /// `uniform`, a number in [0, 1).
    ///
    /// `context` are the tokens so far, prompt and completion, for the repetition penalty; nothing else looks at them.
    /// One that occurs several times counts once, and one without a logit not at all.
    ///
    /// `None` if the logits form no distribution: there are none, one is NaN or +∞, or all are -∞.
    pub fn draw(
        &mut self,
        logits: &[F],
        context: impl IntoIterator<Item = u32>,
        params: &SamplingParams,
        uniform: f64,
    ) -> Option<Draw> {
        let temperature = params.scale();
        let max = maximum(logits);
        let mass = self.fill(logits, max, temperature)?;
        let id = match params.repetition_penalty {
            None => self.choose(logits, max, mass, params, uniform)?,
            Some(penalty) => {
                let penalised = self.penalise(logits, context, penalty);
                let max = maximum(&penalised);
                let mass = self.fill(&penalised, max, temperature)?;
                let id = self.choose(&penalised, max, mass, params, uniform)?;
                self.penalised = penalised;
                id
            }
        };
        let distance = logits[id].into() - max.into();
        Some(Draw {
            id: id as u32,
            log_prob: distance / temperature - mass.ln(),
        })
    }

    /// [`Sampler::draw`] for a row of [`ops::sample`](crate::ops::sample); the log-probability is NaN if the logits
    /// form no distribution.
    #[cfg(any(feature = "flex", feature = "libtorch"))]
    pub(crate) fn draw_row(&mut self, logits: &[F], row: &super::SampleRow) -> (i32, f32) {
        let seen = row.seen.iter().copied();
        match self.draw(logits, seen, &row.params, row.uniform) {
            Some(draw) => (draw.id as i32, draw.log_prob as f32),
            None => (0, f32::NAN),
        }
    }

    /// A copy of the logits in which those of `context` are divided by the penalty if positive, else multiplied by it.
    fn penalise(
        &mut self,
        logits: &[F],
        context: impl IntoIterator<Item = u32>,
        penalty: f64,
    ) -> Vec<F> {
        let mut penalised = std::mem::take(&mut self.penalised);
        penalised.clear();
        penalised.extend_from_slice(logits);
        for id in context {
            // From the original logit, so that a token that occurs twice is not penalised twice.
            let id = id as usize;
            let (Some(to), Some(logit)) = (penalised.get_mut(id), logits.get(id)) else {
                continue;
            };
            let logit: f64 = (*logit).into();
            *to = F::from_f64(if logit < 0.0 {
                logit * penalty
            } else {
                logit / penalty
            });
        }
        penalised
    }

    /// The token that is drawn, when `weights` are those of `logits`.
    fn choose(
        &mut self,
        logits: &[F],
        max: F,
        mass: f64,
        params: &SamplingParams,
        uniform: f64,
    ) -> Option<usize> {
        if params.is_greedy() {
            logits.iter().position(|x| *x == max)
        } else {
            Some(self.pick(params, mass, uniform))
        }
    }

    /// Fills `weights` and returns their sum, or `None` if it is not a positive number.
    fn fill(&mut self, logits: &[F], max: F, temperature: f64) -> Option<f64> {
        let scale = F::from_f64(1.0 / temperature);
        self.weights.clear();
        self.weights
            .extend(logits.iter().map(|x| x.shifted_exp(max, scale)));
        let mass = sum(&self.weights);
        (mass.is_finite() && mass > 0.0).then_some(mass)
    }

    /// The token at which the cumulative weight of the kept ones passes `uniform` of their mass.
    fn pick(&mut self, params: &SamplingParams, mass: f64, uniform: f64) -> usize {
        match self.keep(params, mass) {
            Kept::All => inverse_cdf(&self.weights, uniform * mass),
            Kept::First(count) => {
                // In the order of the ids, as on every other backend.
                self.order[..count].sort_unstable();
                let kept: Vec<F> = self.order[..count]
                    .iter()
                    .map(|&i| self.weights[i as usize])
                    .collect();
                self.order[inverse_cdf(&kept, uniform * sum(&kept))] as usize
            }
        }
    }

    /// Applies top-k, then top-p to what it leaves, then min-p to what that leaves.
    fn keep(&mut self, params: &SamplingParams, mass: f64) -> Kept {
        let kept = self.keep_top(params, mass);
        let min_p = params.least_share();
        if min_p <= 0.0 {
            return kept;
        }
        // The heaviest weight is 1 and survives every cut, so weights are to each other as probabilities are.
        let weights = &self.weights;
        let is_kept = |id: u32| weights[id as usize].into() >= min_p;
        match kept {
            Kept::All => {
                self.order.clear();
                let all = 0..weights.len() as u32;
                self.order.extend(all.filter(|&id| is_kept(id)));
                Kept::First(self.order.len())
            }
            Kept::First(count) => {
                Kept::First(self.order[..count].partition_point(|&id| is_kept(id)))
            }
        }
    }

    /// Applies top-k, then top-p to what it leaves.
    fn keep_top(&mut self, params: &SamplingParams, mass: f64) -> Kept {
        let all = self.weights.len();
        let top_p = params.cut_by_mass();
        let top_k = params.cut_by_count(all);
        if top_k.is_none() && top_p.is_none() {
            return Kept::All;
        }
        self.order.clear();
        self.order.extend(0..all as u32);
        let kept = top_k.map(|k| self.keep_top_k(k));
        let Some(p) = top_p else {
            return kept.map_or(Kept::All, Kept::First);
        };
        Kept::First(match kept {
            Some(count) => self
                .prefix_of_mass(count, p * self.mass_of(count))
                .unwrap_or(count),
            None => self.nucleus(p * mass),
        })
    }

    /// Brings the `k` heaviest tokens, and those tied with the last of them, to the front; returns their number.
    fn keep_top_k(&mut self, k: usize) -> usize {
        self.sort_heaviest(k);
        let threshold = self.weights[self.order[k - 1] as usize];
        let (weights, order) = (&self.weights, &mut self.order);
        let mut count = k;
        for i in k..order.len() {
            if weights[order[i] as usize] == threshold {
                order.swap(count, i);
                count += 1;
            }
        }
        order[k..count].sort_unstable();
        count
    }

    /// The number of heaviest tokens whose weights first add up to `mass`.
    ///
    /// A distribution over 150,000 tokens usually has its mass in a few dozen, so ever larger fronts are sorted rather
    /// than the whole vocabulary.
    fn nucleus(&mut self, mass: f64) -> usize {
        let all = self.order.len();
        let mut front = 256.min(all);
        loop {
            self.sort_heaviest(front);
            if let Some(count) = self.prefix_of_mass(front, mass) {
                return count;
            }
            if front == all {
                return all;
            }
            front = (front * 8).min(all);
        }
    }

    /// Sorts the `count` heaviest tokens to the front by falling weight, equals by rising id.
    fn sort_heaviest(&mut self, count: usize) {
        let (weights, order) = (&self.weights, &mut self.order);
        let heavier = |a: &u32, b: &u32| {
            let by_weight = weights[*b as usize].partial_cmp(&weights[*a as usize]);
            by_weight.unwrap_or(Ordering::Equal).then(a.cmp(b))
        };
        if count < order.len() {
            order.select_nth_unstable_by(count, heavier);
        }
        order[..count].sort_unstable_by(heavier);
    }

    /// How many of the first `count` tokens add up to `mass`; `None` if all of them stay below it.
    fn prefix_of_mass(&self, count: usize, mass: f64) -> Option<usize> {
        let mut total = 0.0;
        let reached = self.order[..count].iter().position(|&i| {
            total += self.weights[i as usize].into();
            total >= mass
        });
        reached.map(|i| i + 1)
    }

    fn mass_of(&self, count: usize) -> f64 {
        self.order[..count]
            .iter()
            .map(|&i| self.weights[i as usize].into())
            .sum()
    }
}

/// The distribution that [`Sampler::draw`] draws from after `context`: one probability per logit, 0 for those cut off
/// by top-k, top-p and min-p.
///
/// `None` where [`Sampler::draw`] returns `None`. At temperature 0 the whole mass is on the most probable token.
pub fn probabilities<F: Real>(
    logits: &[F],
    context: impl IntoIterator<Item = u32>,
    params: &SamplingParams,
) -> Option<Vec<f64>> {
    let mut sampler = Sampler::new();
    let mut out = vec![0.0; logits.len()];
    if params.is_greedy() {
        let best = sampler.draw(logits, context, params, 0.0)?;
        out[best.id as usize] = 1.0;
        return Some(out);
    }
    let penalty = params.repetition_penalty.unwrap_or(1.0);
    let logits = sampler.penalise(logits, context, penalty);
    let mass = sampler.fill(&logits, maximum(&logits), params.temperature)?;
    let weight = |i: usize| -> f64 { sampler.weights[i].into() };
    match sampler.clone().kept_ids(params, mass) {
        None => (0..out.len()).for_each(|i| out[i] = weight(i) / mass),
        Some(ids) => {
            let kept: f64 = ids.iter().map(|&i| weight(i as usize)).sum();
            ids.iter()
                .for_each(|&i| out[i as usize] = weight(i as usize) / kept);
        }
    }
    Some(out)
}

impl<F: Real> Sampler<F> {
    /// The ids left by top-k, top-p and min-p; `None` for all.
    fn kept_ids(mut self, params: &SamplingParams, mass: f64) -> Option<Vec<u32>> {
        match self.keep(params, mass) {
            Kept::All => None,
            Kept::First(count) => {
                self.order.truncate(count);
                Some(self.order)
            }
        }
    }
}
