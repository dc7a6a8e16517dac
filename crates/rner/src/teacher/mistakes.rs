//! Seeded mistakes: how often which one happens, and to what.

use anyhow::{Result, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Shares of the teacher's answers with each mistake, and the judge's noise.
///
/// An answer has at most one mistake, so the shares without the noise may not
/// add up to more than 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MistakeRates {
    /// An entity is left out of reasoning and answer.
    pub(crate) missed_entity: f64,
    /// An entity has another type of the schema, in reasoning and answer.
    pub(crate) wrong_type: f64,
    /// The answer breaks off for want of tokens.
    pub(crate) truncated: f64,
    /// The answer is not JSON.
    pub(crate) malformed_json: f64,
    /// The answer says something else than the reasoning.
    pub(crate) contradiction: f64,
    /// The answer has an entity that is none.
    pub(crate) hallucinated: f64,
    /// Share of the judge's scores that are on the wrong side of 9.
    pub(crate) judge_noise: f64,
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
    #[cfg(test)]
    pub(crate) fn none() -> Self {
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
    /// If one is outside of 0 to 1, or they add up to more than 1.
    pub(crate) fn check(&self) -> Result<()> {
        let shares = self.shares();
        let all = shares
            .iter()
            .map(|(_, share)| *share)
            .chain([self.judge_noise]);
        for share in all {
            ensure!(
                (0.0..=1.0).contains(&share),
                "mistake rates: expected 0 to 1, found {share}"
            );
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        ensure!(
            sum <= 1.0 + 1e-9,
            "mistake rates: expected a sum of at most 1, found {sum}"
        );
        Ok(())
    }

    /// Draws the mistake of one answer, if it is to have one.
    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Mistake> {
        let mut point: f64 = rng.random();
        self.shares().into_iter().find_map(|(mistake, share)| {
            point -= share;
            (point < 0.0).then_some(mistake)
        })
    }
}

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    MissedEntity,
    WrongType,
    Truncated,
    MalformedJson,
    Contradiction,
    Hallucinated,
}

/// The generator of one answer: the same seed, model, text and nonce give the
/// same answer, in whichever order requests arrive.
pub(crate) fn rng(seed: u64, model: &str, text: &str, nonce: u64) -> ChaCha8Rng {
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
