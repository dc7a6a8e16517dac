//! How much arithmetic a training step is, by the usual formula.

use lm_model::Qwen3Config;

/// Floating-point operations of a forward and backward pass over sequences of the given `lengths` (in tokens).
///
/// Every weight of a matrix product counts 2 operations a token in the forward pass and 2 for the gradient of the
/// input; 2 more for the gradient of the weight where it is trained (`weights_trained`; with adapters it is not, and
/// the adapters' own share is small and not counted). Attention counts its two products over
/// the pairs of a token and one that it attends to, `12 · layers · heads · head_dim` operations each. The head counts
/// for `targets` tokens only, because only these are projected on the vocabulary. After Chowdhery et al., *PaLM*, 2022,
/// appendix B but with the pairs that the causal mask leaves.
pub fn training_flops(
    config: &Qwen3Config,
    lengths: &[usize],
    targets: usize,
    weights_trained: bool,
) -> f64 {
    let per_weight = if weights_trained { 6.0 } else { 4.0 };
    let tokens: usize = lengths.iter().sum();
    let pairs: f64 = lengths.iter().map(|&n| (n * (n + 1)) as f64 / 2.0).sum();
    let width = config.num_attention_heads * config.head_dim;
    let layers = layer_weights(config) * tokens as f64;
    let head = (config.hidden_size * config.vocab_size * targets) as f64;
    per_weight * (layers + head) + 12.0 * (config.num_hidden_layers * width) as f64 * pairs
}

/// Weights of the matrices of all layers.
fn layer_weights(config: &Qwen3Config) -> f64 {
    let queries = config.num_attention_heads * config.head_dim;
    let keys = config.num_key_value_heads * config.head_dim;
    let attention = config.hidden_size * (2 * queries + 2 * keys);
    let mlp = 3 * config.hidden_size * config.intermediate_size;
    (config.num_hidden_layers * (attention + mlp)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_model_counted_by_hand() {
        let config = Qwen3Config {
            vocab_size: 10,
            hidden_size: 4,
            intermediate_size: 8,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            num_key_value_heads: 1,
            head_dim: 2,
            ..Qwen3Config::default()
        };
        // A layer: q and o 4×4 each, k and v 4×2 each, three matrices 4×8: 16+16+8+8+96 = 144 weights.
        let matrices = 6.0 * (2.0 * 144.0 * 3.0 + 4.0 * 10.0 * 2.0);
        // Three tokens have 6 pairs; 12 · 2 layers · 4 wide.
        let attention = 12.0 * 8.0 * 6.0;
        assert_eq!(training_flops(&config, &[3], 2, true), matrices + attention);
        assert!(training_flops(&config, &[3], 2, false) < training_flops(&config, &[3], 2, true));
    }
}
