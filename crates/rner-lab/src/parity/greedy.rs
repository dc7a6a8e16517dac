//! Greedy continuations: alone, beside others, as a group, with and without the cache.

use anyhow::{Result, ensure};
use burn::tensor::{Int, Tensor, TensorData};
use lm_generate::{Generator, Request, Sampling};
use lm_kernels::{LmOps, ops};
use lm_model::Qwen3;
use rner_cli::interrupt;
use serde::Deserialize;

use super::compare::{Comparison, Tolerance};
use super::files::read_back;
use super::rotary::Models;

/// Completions of one prompt that share its prefill.
const GROUP: usize = 3;

/// The prompts and continuations of `expected.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Greedy {
    prompts: Lists,
    greedy: Lists,
    short_prompt: Lists,
    short_greedy: Lists,
}

/// A list of ids, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Lists {
    Many(Vec<Vec<u32>>),
    One(Vec<u32>),
}

impl Default for Lists {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Lists {
    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let lists = match self {
            Self::Many(lists) => lists.as_slice(),
            Self::One(list) => std::slice::from_ref(list),
        };
        lists.iter().map(Vec::as_slice)
    }
}

/// A prompt and how it goes on.
#[derive(Clone, Copy)]
struct Case<'a> {
    prompt: &'a [u32],
    expected: &'a [u32],
}

/// A way to continue prompts; gives each one's continuations.
type Engine<B> = fn(&Qwen3<B>, &[Case<'_>]) -> Result<Vec<Vec<Vec<u32>>>>;

impl Greedy {
    /// The ways to continue, and what they found.
    ///
    /// # Errors
    /// When the file has another number of continuations than of prompts.
    pub(super) fn compare<B: LmOps>(
        &self,
        models: &Models<B>,
    ) -> Result<Vec<(&'static str, Result<Comparison>)>> {
        let cases = self.cases()?;
        if cases.is_empty() {
            return Ok(Vec::new());
        }
        let engines: [(&str, Engine<B>); 4] = [
            ("greedy, each prompt alone", alone),
            ("greedy, all prompts in one batch", together),
            ("greedy, groups on a shared prompt", grouped),
            ("greedy, without cache", uncached),
        ];
        let compared = engines.map(|(name, engine)| {
            let check = |model: &Qwen3<B>| Ok(compare(&cases, &engine(model, &cases)?));
            (name, models.compare(check))
        });
        Ok(compared.into())
    }

    fn cases(&self) -> Result<Vec<Case<'_>>> {
        let pairs = [
            (&self.prompts, &self.greedy),
            (&self.short_prompt, &self.short_greedy),
        ];
        let mut cases = Vec::new();
        for (prompts, continuations) in pairs {
            let counts = (prompts.iter().count(), continuations.iter().count());
            ensure!(
                counts.0 == counts.1,
                "expected.json: {} prompts, but {} continuations",
                counts.0,
                counts.1
            );
            let paired = prompts.iter().zip(continuations.iter());
            cases.extend(paired.map(|(prompt, expected)| Case { prompt, expected }));
        }
        cases.retain(|case| !case.expected.is_empty());
        Ok(cases)
    }
}

fn compare(cases: &[Case<'_>], found: &[Vec<Vec<u32>>]) -> Comparison {
    let mut comparison = Comparison::new(Tolerance::Equal);
    for (i, (case, group)) in cases.iter().zip(found).enumerate() {
        for ids in group {
            comparison.items(&format!("prompt {i}"), ids, case.expected);
        }
    }
    comparison
}

fn alone<B: LmOps>(model: &Qwen3<B>, cases: &[Case<'_>]) -> Result<Vec<Vec<Vec<u32>>>> {
    let one = |case: &Case<'_>| generate(model, &[*case], 1, 1);
    let groups: Vec<Vec<Vec<Vec<u32>>>> = cases.iter().map(one).collect::<Result<_>>()?;
    Ok(groups.concat())
}

fn together<B: LmOps>(model: &Qwen3<B>, cases: &[Case<'_>]) -> Result<Vec<Vec<Vec<u32>>>> {
    generate(model, cases, 1, cases.len())
}

/// Fewer slots than completions, so that waiting ones take the place of finished ones.
fn grouped<B: LmOps>(model: &Qwen3<B>, cases: &[Case<'_>]) -> Result<Vec<Vec<Vec<u32>>>> {
    generate(model, cases, GROUP, GROUP + 1)
}

fn generate<B: LmOps>(
    model: &Qwen3<B>,
    cases: &[Case<'_>],
    n: usize,
    slots: usize,
) -> Result<Vec<Vec<Vec<u32>>>> {
    let request = |case: &Case<'_>| Request {
        prompt: case.prompt.to_vec(),
        n,
        sampling: Sampling {
            max_new_tokens: case.expected.len(),
            ..Sampling::greedy()
        },
    };
    let requests: Vec<Request> = cases.iter().map(request).collect();
    let mut generator = Generator::new(model, slots);
    let groups = generator.generate(&requests, interrupt::token(), &mut ())?;
    let ids = |group: Vec<lm_generate::Generated>| group.into_iter().map(|one| one.ids).collect();
    Ok(groups.into_iter().map(ids).collect())
}

/// Every token from a full forward pass over everything before it.
fn uncached<B: LmOps>(model: &Qwen3<B>, cases: &[Case<'_>]) -> Result<Vec<Vec<Vec<u32>>>> {
    let vocab_size = model.config().vocab_size;
    let mut sequences: Vec<Vec<u32>> = cases.iter().map(|case| case.prompt.to_vec()).collect();
    ensure!(
        sequences.iter().all(|ids| !ids.is_empty()),
        "expected.json: a prompt is empty"
    );
    ensure!(
        sequences
            .iter()
            .flatten()
            .all(|&id| (id as usize) < vocab_size),
        "expected.json: a prompt has an id that is not below {vocab_size}"
    );
    let steps = cases.iter().map(|case| case.expected.len()).max();
    for _ in 0..steps.unwrap_or(0) {
        interrupt::check()?;
        let next = next_tokens(model, &sequences)?;
        for (ids, id) in sequences.iter_mut().zip(next) {
            ids.push(id);
        }
    }
    let continuation = |(ids, case): (Vec<u32>, &Case<'_>)| {
        let start = case.prompt.len();
        vec![ids[start..start + case.expected.len()].to_vec()]
    };
    Ok(sequences.into_iter().zip(cases).map(continuation).collect())
}

/// The most probable token after each sequence.
fn next_tokens<B: LmOps>(model: &Qwen3<B>, sequences: &[Vec<u32>]) -> Result<Vec<u32>> {
    let slices: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    let ends = sequences.iter().scan(0, |end, ids| {
        *end += ids.len() as i64;
        Some(*end - 1)
    });
    let ends: Vec<i64> = ends.collect();
    let count = ends.len();
    let ends = TensorData::new(ends, [count]);
    let last = Tensor::<B, 1, Int>::from_data(ends, &model.device());
    let hidden = model.hidden(&model.pack(&slices)).select(0, last);
    let logits = read_back(ops::linear(hidden, model.head()))?;
    let rows = logits.chunks(logits.len() / count);
    Ok(rows.map(first_largest).collect())
}

/// The place of the largest value, the first among equals.
fn first_largest(values: &[f32]) -> u32 {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best as u32
}
