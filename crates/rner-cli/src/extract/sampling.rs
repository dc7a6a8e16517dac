//! Flags about how the tokens of an answer are chosen.

use clap::Args;
use lm_generate::Sampling;
use lm_model::StopMatcher;
use rner::Error;
use rner::recipe::Recipe;
use rner_cli::exit::usage;

/// Most new tokens of a server's answer, unless another number is given: the paper's.
const SERVER_TOKENS: usize = 4096;

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
    /// Most new tokens; if left out the model's own limit, or else eval.max_new_tokens of the recipe; of a server 4096.
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

    /// How a server is told to choose tokens: what is not in the protocol goes by the names of vLLM and `rner serve`.
    pub(super) fn of_server(&self, seed: u64) -> chat_client::Sampling {
        let number = |name: &str, value: Option<f64>| value.map(|it| (name.to_owned(), it.into()));
        let top_k = self.top_k.map(|k| ("top_k".to_owned(), k.into()));
        let stops = !self.stops.is_empty();
        let extra = [
            top_k,
            number("min_p", self.min_p),
            number("repetition_penalty", self.repetition_penalty),
            stops.then(|| ("stop".to_owned(), self.stops.clone().into())),
        ];
        let most = self.max_new_tokens.unwrap_or(SERVER_TOKENS);
        chat_client::Sampling {
            temperature: Some(self.temperature),
            top_p: self.top_p,
            max_tokens: Some(u32::try_from(most).unwrap_or(u32::MAX)),
            seed: (self.temperature > 0.0).then_some(seed),
            extra: extra.into_iter().flatten().collect(),
        }
    }

    /// The texts that end an answer, as they were typed.
    pub(super) fn stop_texts(&self) -> &[String] {
        &self.stops
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
