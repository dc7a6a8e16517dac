//! Rows with reasoning, with short reasoning and without any, for one model that knows all three.

use lm_model::ChatTokenizer;
use lm_train::Sample;
use ner_types::{Example, PromptTemplate, short_chain};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::sample::sample;
use crate::reasoning::{NONE, ReasoningSwitch, SHORT, switched};
use crate::recipe::Sft;

/// The stream of random numbers that decides the modes, apart from that of the order.
const STREAM: u64 = 7;

/// How a row is asked and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Full,
    Short,
    None,
}

/// The shares of short and missing reasoning among rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    short: f64,
    none: f64,
    seed: u64,
}

impl Mix {
    /// The mix of a recipe; nothing if all rows have the whole of their reasoning.
    pub(crate) fn of(sft: &Sft, seed: u64) -> Option<Self> {
        let (short, none) = (sft.short_share, sft.none_share);
        (short > 0.0 || none > 0.0).then_some(Self { short, none, seed })
    }

    /// The mode of each row; one without reasoning is asked for none.
    fn modes(&self, examples: &[Example]) -> Vec<Mode> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(STREAM);
        let mut mode = |example: &Example| {
            let drawn: f64 = rng.random();
            let is_bare = example
                .cot
                .as_deref()
                .is_none_or(|cot| cot.trim().is_empty());
            if is_bare || drawn < self.none {
                Mode::None
            } else if drawn < self.none + self.short {
                Mode::Short
            } else {
                Mode::Full
            }
        };
        examples.iter().map(&mut mode).collect()
    }

    /// The rows as samples, each asked in its mode.
    pub(crate) fn samples(
        &self,
        tokenizer: &ChatTokenizer,
        template: &PromptTemplate,
        examples: &[Example],
        header: bool,
    ) -> Vec<Sample> {
        let (short, none) = (switched(template, SHORT), switched(template, NONE));
        let modes = self.modes(examples).into_iter().zip(examples);
        let one = |(mode, example): (Mode, &Example)| {
            let example = example.normalized();
            let chain = mode.chain(&example);
            let template = match mode {
                Mode::Full => template,
                Mode::Short => &short,
                Mode::None => &none,
            };
            sample(tokenizer, template, &example, chain.as_deref(), header)
        };
        modes.map(one).collect()
    }

    /// The switch that a model which was trained on these rows knows.
    pub(crate) fn switch(
        &self,
        tokenizer: &ChatTokenizer,
        examples: &[Example],
    ) -> ReasoningSwitch {
        let modes = self.modes(examples).into_iter().zip(examples);
        let short = modes.filter(|(mode, _)| *mode == Mode::Short);
        let chains = short.filter_map(|(mode, example)| mode.chain(&example.normalized()));
        let tokens = |chain: String| tokenizer.completion_ids(&chain).len();
        let mut lengths: Vec<usize> = chains.map(tokens).collect();
        lengths.sort_unstable();
        let rank = (lengths.len() * 95).div_ceil(100).saturating_sub(1);
        ReasoningSwitch {
            short: (!lengths.is_empty()).then(|| SHORT.to_owned()),
            none: NONE.to_owned(),
            short_tokens: lengths.get(rank).copied(),
        }
    }

    /// How many rows are asked in each mode, in words.
    pub(crate) fn words(&self, examples: &[Example]) -> String {
        let modes = self.modes(examples);
        let count = |mode| modes.iter().filter(|it| **it == mode).count();
        format!(
            "{} with whole, {} with short, {} without reasoning",
            count(Mode::Full),
            count(Mode::Short),
            count(Mode::None)
        )
    }
}

impl Mode {
    /// The reasoning of a row in this mode.
    fn chain(self, example: &Example) -> Option<String> {
        let cot = example.cot.as_deref()?;
        match self {
            Self::Full => Some(cot.to_owned()),
            Self::Short => Some(short_chain(cot, &example.entities)),
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use ner_types::Entity;

    use super::*;
    use crate::recipe::Recipe;
    use crate::session::Session;
    use crate::stages::{ModelDir, samples};

    fn mix(short: &str, none: &str) -> Option<Mix> {
        let sets = [
            format!("sft.short_share={short}"),
            format!("sft.none_share={none}"),
        ];
        let recipe = Recipe::resolve("tiny", &sets).expect("a recipe");
        Mix::of(&recipe.sft, 5)
    }

    fn rows(count: usize) -> Vec<Example> {
        let row = |number: usize| Example {
            sentence: "Brel sleeps.".into(),
            schema: vec!["city".into()],
            entities: vec![Entity::new("Brel", "city")],
            cot: (!number.is_multiple_of(10)).then(|| "Osk. Brel is a city. No.".into()),
            ..Example::default()
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn shares_are_kept_and_bare_rows_are_asked_for_none() {
        assert!(mix("0", "0").is_none());
        let (mix, rows) = (mix("0.25", "0.25").expect("a mix"), rows(1000));
        let modes = mix.modes(&rows);
        let share = |mode| modes.iter().filter(|it| **it == mode).count();
        // A tenth has no reasoning; of the others a half, a quarter and a quarter.
        assert!(
            (400..500).contains(&share(Mode::Full)),
            "{}",
            share(Mode::Full)
        );
        assert!((180..270).contains(&share(Mode::Short)));
        let bare = modes.iter().step_by(10).all(|mode| *mode == Mode::None);
        assert!(bare && modes == mix.modes(&rows));
    }

    #[test]
    fn each_mode_has_its_prompt_and_its_chain() {
        let base = ModelDir::find("../../fixtures/tiny-base", &Session::silent());
        let tokenizer = base.expect("a model").tokenizer().expect("a tokenizer");
        let template = PromptTemplate::parse(ner_toy::PROMPT).expect("a template");
        let row = &rows(2)[1..];
        let text = |short, none| {
            let mix = mix(short, none).expect("a mix");
            let sample = &mix.samples(&tokenizer, &template, row, false)[0];
            (tokenizer.decode(&sample.ids), mix.switch(&tokenizer, row))
        };
        let (short, switch) = text("1", "0");
        assert!(
            short.contains("/short_think") && short.contains("<think>\nBrel is a city.\n</think>")
        );
        assert_eq!(switch.short.as_deref(), Some(SHORT));
        assert!(
            switch
                .short_tokens
                .is_some_and(|tokens| (4..20).contains(&tokens))
        );
        let (none, switch) = text("0", "1");
        assert!(none.contains("/no_think") && !none.contains("<think>"));
        assert_eq!((switch.short, switch.short_tokens), (None, None));
        let full = &mix("0", "0.000001")
            .expect("a mix")
            .samples(&tokenizer, &template, row, false);
        assert_eq!(
            full[0].ids,
            samples(&tokenizer, &template, row, true, false)[0].ids
        );
    }
}
