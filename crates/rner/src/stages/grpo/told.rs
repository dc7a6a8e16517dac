//! What a reinforcement learning run tells about its prompts.

use lm_grpo::GrpoConfig;

use crate::stages::told::{RowFaults, if_any, in_brackets};

/// What the end of a run tells about its prompts.
pub(super) struct Told {
    /// Those to practise on.
    pub(super) prompts: usize,
    /// Those that are evaluated on.
    pub(super) held_out: usize,
    /// Those that are left out.
    pub(super) too_long: usize,
    /// Most tokens of a prompt.
    pub(super) limit: usize,
    /// Of all examples.
    pub(super) faults: RowFaults,
}

impl Told {
    /// The prompts that so many steps have practised, and what became of the others. The steps read the epochs end to
    /// end; with dynamic sampling any prompt may have replaced another.
    pub(super) fn words(&self, steps: usize, config: &GrpoConfig) -> String {
        let reached = match config.dynamic_sampling {
            Some(_) => self.prompts,
            None => self.prompts.min(steps * config.prompts_per_step),
        };
        let limit = self.limit;
        let parts = [
            if_any(self.too_long, |n| {
                format!("{n} more have over {limit} tokens and are left out")
            }),
            if_any(self.prompts - reached, |n| {
                format!("{n} more were not reached")
            }),
            if_any(self.held_out, |n| format!("{n} held out")),
        ];
        let parts = parts.into_iter().chain(self.faults.parts());
        format!("{reached} prompts{}", in_brackets(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_that_were_practised_are_counted_and_the_rest_is_named() {
        let config = |dynamic_sampling| GrpoConfig {
            prompts_per_step: 8,
            dynamic_sampling,
            ..GrpoConfig::default()
        };
        let told = |held_out, too_long| Told {
            prompts: 20,
            held_out,
            too_long,
            limit: 512,
            faults: RowFaults::default(),
        };
        for (told, steps, dynamic, expected) in [
            (told(0, 0), 3, None, "20 prompts"),
            (told(0, 0), 2, None, "16 prompts (4 more were not reached)"),
            (told(0, 0), 2, Some(4), "20 prompts"),
            (
                told(3, 1),
                9,
                None,
                "20 prompts (1 more have over 512 tokens and are left out; 3 held out)",
            ),
        ] {
            assert_eq!(told.words(steps, &config(dynamic)), expected);
        }
    }
}
