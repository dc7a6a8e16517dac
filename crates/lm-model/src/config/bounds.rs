//! How large a model may be. Sizes come from a file that anybody may have written, and everything is allocated by them.
//!
//! The limits are far above any dense model, and so low that no product of sizes overflows 64 bits.

use super::{Qwen3Config, invalid};
use crate::error::Result;

/// Parameters of a model, about 4 · 10¹².
const MAX_PARAMETERS: u128 = 1 << 42;

/// Positions of a sequence, about 10⁹.
const MAX_POSITIONS: usize = 1 << 30;

impl Qwen3Config {
    /// Checks that every size and every product of sizes can be counted with.
    pub(super) fn check_bounds(&self) -> Result<()> {
        for (field, value, most) in self.limits() {
            if value > most {
                return Err(invalid(field, value, &format!("at most {most}")));
            }
        }
        if self.max_positions() > MAX_POSITIONS {
            let expected = format!("positions up to {MAX_POSITIONS}");
            return Err(invalid("rope_scaling", self.max_positions(), &expected));
        }
        let parameters = self.estimate();
        if parameters > MAX_PARAMETERS {
            let found = format!("one of the sizes of {parameters} parameters");
            let expected = format!("a model of at most {MAX_PARAMETERS} parameters");
            return Err(invalid("hidden_size", found, &expected));
        }
        Ok(())
    }

    fn limits(&self) -> [(&'static str, usize, usize); 8] {
        [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 20),
            ("intermediate_size", self.intermediate_size, 1 << 22),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 12),
            ("num_attention_heads", self.num_attention_heads, 1 << 14),
            ("num_key_value_heads", self.num_key_value_heads, 1 << 14),
            ("head_dim", self.head_dim, 1 << 14),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                MAX_POSITIONS,
            ),
        ]
    }

    /// The matrices' values in all, counted without listing them.
    fn estimate(&self) -> u128 {
        let wide = |size: usize| size as u128;
        let heads = wide(self.num_attention_heads) + wide(self.num_key_value_heads);
        let attention = 2 * heads * wide(self.head_dim);
        let layer = wide(self.hidden_size) * (attention + 3 * wide(self.intermediate_size));
        let embedding = wide(self.vocab_size) * wide(self.hidden_size);
        layer * wide(self.num_hidden_layers) + 2 * embedding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RopeScaling, Yarn};

    fn refused(change: impl FnOnce(&mut Qwen3Config)) -> String {
        let mut config = Qwen3Config::default();
        change(&mut config);
        config.check().expect_err("too large").to_string()
    }

    #[test]
    fn sizes_are_bounded_before_anything_is_listed() {
        let huge = 1_usize << 53;
        for (field, error) in [
            ("num_hidden_layers", refused(|c| c.num_hidden_layers = huge)),
            ("vocab_size", refused(|c| c.vocab_size = usize::MAX)),
            ("hidden_size", refused(|c| c.hidden_size = huge)),
            ("intermediate_size", refused(|c| c.intermediate_size = huge)),
            ("head_dim", refused(|c| c.head_dim = huge)),
            (
                "max_position_embeddings",
                refused(|c| c.max_position_embeddings = huge),
            ),
            // 2^32 heads of width 2^32: the product is 0 in 64 bits.
            (
                "num_attention_heads",
                refused(|c| (c.num_attention_heads, c.head_dim) = (1 << 32, 1 << 32)),
            ),
        ] {
            assert!(error.contains(&format!("`{field}`")), "{field}: {error}");
            assert!(error.contains("at most"), "{error}");
        }
    }

    #[test]
    fn products_are_bounded_as_well() {
        let error = refused(|c| {
            c.num_hidden_layers = 1 << 12;
            c.hidden_size = 1 << 20;
            c.intermediate_size = 1 << 22;
        });
        assert!(error.contains("parameters"), "{error}");
        let yarn = |factor| {
            RopeScaling::Yarn(Yarn {
                factor,
                original_max_position_embeddings: 32_768,
                attention_factor: None,
                beta_fast: 32.0,
                beta_slow: 1.0,
            })
        };
        let error = refused(|c| c.rope_scaling = Some(yarn(1e300)));
        assert!(error.contains("rope_scaling"), "{error}");
        let long = Qwen3Config {
            rope_scaling: Some(yarn(4.0)),
            ..Qwen3Config::default()
        };
        assert!(long.check().is_ok());
    }

    #[test]
    fn the_largest_dense_models_are_far_below() {
        // Llama 3.1 405B.
        let largest = Qwen3Config {
            vocab_size: 128_256,
            hidden_size: 16_384,
            intermediate_size: 53_248,
            num_hidden_layers: 126,
            num_attention_heads: 128,
            ..Qwen3Config::default()
        };
        assert!(largest.check().is_ok());
        assert!(largest.estimate() * 8 < MAX_PARAMETERS);
        let counted = Qwen3Config::default().num_parameters() as u128;
        assert!(Qwen3Config::default().estimate().abs_diff(counted) < counted / 2);
    }
}
