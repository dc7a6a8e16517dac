//! What a configuration may hold, checked before anything expensive starts.

use lm_train::Error;
use lm_train::range::{AT_LEAST_ONE, NOT_NEGATIVE, POSITIVE, RATIO, check};

use crate::choices::{ImportanceSamplingLevel, LossType};
use crate::config::GrpoConfig;
use crate::surrogate::Surrogate;

impl GrpoConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first field whose value no run can use.
    pub fn validate(&self) -> Result<(), Error> {
        self.check_counts()?;
        self.optim.validate()?;
        let numbers = [
            ("epochs", POSITIVE, self.epochs),
            ("epsilon", RATIO, self.epsilon),
            ("epsilon_high", NOT_NEGATIVE, self.epsilon_high),
            ("beta", NOT_NEGATIVE, self.beta),
            ("entropy_coef", NOT_NEGATIVE, self.entropy_coef),
            ("temperature", POSITIVE, self.temperature),
            (
                "engine_correction_cap",
                POSITIVE,
                self.engine_correction_cap,
            ),
        ];
        for (field, range, value) in numbers {
            range.check(field, value)?;
        }
        self.check_loss()?;
        self.check_correction()?;
        self.check_evaluation()
    }

    /// What a loss needs, and what it would ignore.
    fn check_loss(&self) -> Result<(), Error> {
        let parameters = [
            ("sapo_temperature_neg", POSITIVE, self.sapo_temperature_neg),
            ("sapo_temperature_pos", POSITIVE, self.sapo_temperature_pos),
            ("vespo_k_pos", NOT_NEGATIVE, self.vespo_k_pos),
            ("vespo_lambda_pos", NOT_NEGATIVE, self.vespo_lambda_pos),
            ("vespo_k_neg", NOT_NEGATIVE, self.vespo_k_neg),
            ("vespo_lambda_neg", NOT_NEGATIVE, self.vespo_lambda_neg),
        ];
        for (field, range, value) in parameters {
            range.check(field, value)?;
        }
        if let Some(delta) = self.delta {
            let ok = delta.is_finite() && delta > 1.0 + self.epsilon_high;
            check("delta", "more than 1 + epsilon_high", delta, ok)?;
            let (expected, clips) = ("a loss_type with a clipping range", self.clips());
            check("delta", expected, self.loss_type.name(), clips)?;
        }
        let level = self.importance_sampling_level;
        let (field, of_sequence) = (
            "importance_sampling_level",
            ImportanceSamplingLevel::Sequence,
        );
        match self.loss_type {
            LossType::Cispo => {
                let (expected, high) = (
                    "at least 1, the greatest weight of cispo",
                    self.epsilon_high,
                );
                check("epsilon_high", expected, high, high >= 1.0)
            }
            LossType::Luspo => check(field, "sequence with luspo", "token", level == of_sequence),
            LossType::Vespo => {
                let expected = "token with vespo, which weighs completions itself";
                check(field, expected, "sequence", level != of_sequence)
            }
            _ => Ok(()),
        }
    }

    fn clips(&self) -> bool {
        self.surrogate() == Surrogate::Clipped
    }

    /// The bounds of the correction, and whether the loss can take it.
    fn check_correction(&self) -> Result<(), Error> {
        let (field, cap) = ("engine_correction_floor", self.engine_correction_cap);
        if let Some(floor) = self.engine_correction_floor {
            let ok = floor > 0.0 && floor < cap;
            check(
                field,
                "positive and less than engine_correction_cap",
                floor,
                ok,
            )?;
        }
        let of_sequences = self.engine_correction.is_of_sequences();
        let ok = self.loss_type != LossType::Vespo || !of_sequences;
        let (expected, found) = ("truncate or mask with vespo", "one of sequences");
        check("engine_correction", expected, found, ok)
    }

    /// What depends on evaluations needs some.
    fn check_evaluation(&self) -> Result<(), Error> {
        let (evaluates, patience) = (self.eval_every.is_some(), self.early_stopping_patience);
        let (expected, found) = ("eval_every to be set", "no eval_every");
        let ok = evaluates || patience.is_none();
        check("early_stopping_patience", expected, found, ok)?;
        check("load_best", expected, found, evaluates || !self.load_best)
    }

    fn check_counts(&self) -> Result<(), Error> {
        let expected = "a number of at least 2 (a group of one has no advantage)";
        check(
            "group_size",
            expected,
            self.group_size,
            self.group_size >= 2,
        )?;
        let counts = [
            ("prompts_per_step", Some(self.prompts_per_step)),
            ("max_steps", self.max_steps),
            ("iterations", Some(self.iterations)),
            ("mini_batches", Some(self.mini_batches)),
            ("max_completion_length", Some(self.max_completion_length)),
            ("micro_batch_tokens", Some(self.micro_batch_tokens)),
            ("dynamic_sampling", self.dynamic_sampling),
            ("eval_every", self.eval_every),
            ("early_stopping_patience", self.early_stopping_patience),
            ("save_every", self.save_every),
            ("save_total_limit", self.save_total_limit),
        ];
        let mut counts = counts.into_iter();
        counts.try_for_each(|(field, n)| AT_LEAST_ONE.check(field, n.unwrap_or(1) as f64))?;
        let (expected, n) = ("a divisor of prompts_per_step", self.mini_batches);
        let ok = self.prompts_per_step.is_multiple_of(n);
        check("mini_batches", expected, n, ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_value_is_named() {
        let mut config = GrpoConfig::default();
        config.validate().expect("valid defaults");
        config.optim.lr = f64::NAN;
        let said = config.validate().unwrap_err();
        assert!(
            matches!(
                said,
                Error::Config {
                    field: "optim.lr",
                    ..
                }
            ),
            "{said}"
        );
        let config = GrpoConfig {
            delta: Some(1.1),
            ..GrpoConfig::default()
        };
        let said = config.validate().unwrap_err().to_string();
        assert!(
            said.contains("more than 1 + epsilon_high, found 1.1"),
            "{said}"
        );
    }

    /// What is refused when a configuration has these fields.
    fn refused(fields: &str) -> String {
        let config: GrpoConfig = serde_json::from_str(fields).expect("a configuration");
        match config.validate() {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_loss_has_what_it_needs_and_ignores_nothing() {
        for fields in [
            r#"{"loss_type": "cispo", "epsilon_high": 5, "engine_correction": "sequence_mask"}"#,
            r#"{"loss_type": "sapo", "importance_sampling_level": "sequence"}"#,
            r#"{"loss_type": "luspo", "importance_sampling_level": "sequence", "delta": 2}"#,
            r#"{"loss_type": "vespo", "engine_correction": "token_mask"}"#,
            r#"{"prompts_per_step": 24, "mini_batches": 4}"#,
        ] {
            assert_eq!(refused(fields), "", "{fields}");
        }
        for (fields, expected) in [
            (
                r#"{"loss_type": "cispo"}"#,
                "the greatest weight of cispo, found 0.28",
            ),
            (r#"{"loss_type": "luspo"}"#, "sequence with luspo"),
            (
                r#"{"loss_type": "sapo", "delta": 2}"#,
                "a clipping range, found sapo",
            ),
            (
                r#"{"loss_type": "sapo", "sapo_temperature_pos": 0}"#,
                "sapo_temperature_pos",
            ),
            (
                r#"{"loss_type": "vespo", "importance_sampling_level": "sequence"}"#,
                "token with vespo",
            ),
            (
                r#"{"loss_type": "vespo", "engine_correction": "sequence_mask"}"#,
                "truncate or mask with vespo",
            ),
            (
                r#"{"engine_correction_floor": 3}"#,
                "less than engine_correction_cap, found 3",
            ),
            (
                r#"{"prompts_per_step": 24, "mini_batches": 5}"#,
                "a divisor of prompts_per_step",
            ),
            (r#"{"mini_batches": 0}"#, "mini_batches"),
        ] {
            let said = refused(fields);
            assert!(said.contains(expected), "{fields}: {said}");
        }
    }
}
