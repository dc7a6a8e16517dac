//! Flags about how the tokens of an answer are chosen.

use clap::Args;
use lm_generate::Sampling;
use lm_model::StopMatcher;
use rner::Error;
use rner::recipe::Recipe;
use rner_cli::exit::usage;

/// How the tokens of an answer are chosen. They act in the order of `transformers`: penalty, temperature, top-k, top-p,
/// min-p.
#[derive(Clone, Debug, Args)]
pub(crate) struct SamplingArgs {
    /// Divides the logits: the higher, the more varied the answers. At 0 it is always the most probable token.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f64,
    /// Draw from the K most probable tokens.
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Draw from the most probable tokens that together have this probability.
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Draw from the tokens at least this times as probable as the most probable one.
    #[arg(long, value_name = "P")]
    min_p: Option<f64>,
    /// Above 1 against tokens that the prompt or the answer holds already.
    #[arg(long, value_name = "R")]
    repetition_penalty: Option<f64>,
    /// End the answer before this text; may be repeated.
    #[arg(long = "stop", value_name = "TEXT")]
    stops: Vec<String>,
    /// Most new tokens; if left out the model's own limit, or else eval.max_new_tokens of the recipe.
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<usize>,
}

impl SamplingArgs {
    /// The temperature that was typed, or 0.
    pub(crate) fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Those that are keys of a recipe.
    pub(crate) fn sets(&self) -> Vec<String> {
        let limit = self.max_new_tokens.iter();
        limit.map(|n| format!("eval.max_new_tokens={n}")).collect()
    }

    /// How tokens are chosen, completed by a recipe.
    pub(crate) fn under(&self, recipe: &Recipe) -> Sampling {
        Sampling {
            max_new_tokens: recipe.eval.max_new_tokens,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: recipe.run.seed,
            ..Sampling::default()
        }
    }

    /// Says of flags that change nothing, as the most probable token survives every cut.
    pub(super) fn note(&self, has_samples: bool) {
        let cuts = [
            self.top_k.is_some(),
            self.top_p.is_some(),
            self.min_p.is_some(),
        ];
        if self.temperature == 0.0 && !has_samples && cuts.contains(&true) {
            rner_cli::say!(
                "note: --top-k, --top-p and --min-p change nothing without --temperature"
            );
        }
    }

    /// The texts that end an answer.
    pub(crate) fn stops(&self) -> anyhow::Result<StopMatcher> {
        let stops = StopMatcher::new(self.stops.iter().cloned());
        stops.map_err(|error| usage(format!("--stop: {error}")))
    }
}

/// An error of the generator as the user meets it: a parameter is a flag.
pub(crate) fn explained(error: Error) -> anyhow::Error {
    if let Error::Generate(lm_generate::Error::InvalidSampling {
        parameter,
        found,
        expected,
        ..
    }) = &error
    {
        let flag = parameter.replace('_', "-");
        return usage(format!("--{flag}: expected {expected}, found {found}"));
    }
    error.into()
}
