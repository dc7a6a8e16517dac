//! The families of decoders that differ in a few details only.

/// A family of dense decoders: pre-norm with RMSNorm, grouped-query attention, rotary embedding and SwiGLU in all of
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Qwen3: every query and key head is normalised before it is rotated.
    Qwen3,
    /// Qwen2 and Qwen2.5: biases of queries, keys and values, heads as they are.
    Qwen2,
    /// Llama 2, 3, 3.1 and 3.2: no biases unless the configuration asks for them, heads as they are.
    Llama,
}

impl Family {
    const ALL: [Self; 3] = [Self::Qwen3, Self::Qwen2, Self::Llama];

    /// The family with this `model_type`.
    pub fn of(model_type: &str) -> Option<Self> {
        let is_it = |family: &Self| family.model_type() == model_type;
        Self::ALL.into_iter().find(is_it)
    }

    /// The `model_type` of `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Qwen3 => "qwen3",
            Self::Qwen2 => "qwen2",
            Self::Llama => "llama",
        }
    }

    /// The class of `transformers`, as `architectures` names it.
    pub(super) fn architecture(self) -> &'static str {
        match self {
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Llama => "LlamaForCausalLM",
        }
    }

    /// Whether query and key heads are normalised.
    pub(super) fn normalises_heads(self) -> bool {
        self == Self::Qwen3
    }
}
