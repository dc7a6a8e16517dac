//! Seeded mistakes: how often which one happens, and to what.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Shares of the teacher's answers with each mistake, and the judge's noise.
///
/// An answer has at most one mistake, so the shares without the noise may not
/// add up to more than 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MistakeRates {
    /// An entity is left out of reasoning and answer.
    pub missed_entity: f64,
    /// An entity has another type of the schema, in reasoning and answer.
    pub wrong_type: f64,
    /// The answer breaks off for want of tokens.
    pub truncated: f64,
    /// The answer is not JSON.
    pub malformed_json: f64,
    /// The answer says something else than the reasoning.
    pub contradiction: f64,
    /// The answer has an entity that is none.
    pub hallucinated: f64,
    /// Share of the judge's scores that are on the wrong side of 9.
    pub judge_noise: f64,
}

impl Default for MistakeRates {
    /// About one answer in five has a mistake.
    fn default() -> Self {
        Self {
            missed_entity: 0.05,
            wrong_type: 0.04,
            truncated: 0.02,
            malformed_json: 0.02,
            contradiction: 0.04,
            hallucinated: 0.02,
            judge_noise: 0.02,
        }
    }
}

impl MistakeRates {
    /// No mistakes at all.
    pub fn none() -> Self {
        Self {
            missed_entity: 0.0,
            wrong_type: 0.0,
            truncated: 0.0,
            malformed_json: 0.0,
            contradiction: 0.0,
            hallucinated: 0.0,
            judge_noise: 0.0,
        }
    }

    fn shares(&self) -> [(Mistake, f64); 6] {
        [
            (Mistake::MissedEntity, self.missed_entity),
            (Mistake::WrongType, self.wrong_type),
            (Mistake::Truncated, self.truncated),
            (Mistake::MalformedJson, self.malformed_json),
            (Mistake::Contradiction, self.contradiction),
            (Mistake::Hallucinated, self.hallucinated),
        ]
    }

    /// Checks that the rates are shares.
    ///
    /// # Errors
    ///
    /// If one is outside of 0 to 1, or they add up to more than 1.
    pub fn check(&self) -> Result<(), Error> {
        let shares = self.shares().map(|(_, share)| share);
        let mut all = shares.into_iter().chain([self.judge_noise]);
        if let Some(found) = all.find(|share| !(0.0..=1.0).contains(share)) {
            return Err(Error::Rate { found });
        }
        let found: f64 = shares.iter().sum();
        if found > 1.0 + 1e-9 {
            return Err(Error::RateSum { found });
        }
        Ok(())
    }

    /// Draws the mistake of one answer, if it is to have one.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Mistake> {
        let mut point: f64 = rng.random();
        self.shares().into_iter().find_map(|(mistake, share)| {
            point -= share;
            (point < 0.0).then_some(mistake)
        })
    }
}

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    MissedEntity,
    WrongType,
    Truncated,
    MalformedJson,
    Contradiction,
    Hallucinated,
}

/// The generator of one answer: the same seed, model, text and nonce give the
/// same answer, in whichever order requests arrive.
pub(super) fn rng(seed: u64, model: &str, text: &str, nonce: u64) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&seed.to_le_bytes())
        .update(&nonce.to_le_bytes());
    hasher
        .update(model.as_bytes())
        .update(&[0])
        .update(text.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_that_are_no_shares_are_refused() {
        for bad in [-0.1, 0.9, f64::NAN] {
            let rates = MistakeRates {
                truncated: bad,
                missed_entity: 0.5,
                ..MistakeRates::none()
            };
            assert!(rates.check().is_err(), "{bad}");
        }
    }
}
