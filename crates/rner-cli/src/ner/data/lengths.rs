//! `rner data lengths`: how many tokens the prompts and answers of a benchmark have.

use anyhow::Result;
use lm_model::ChatTokenizer;
use ner_eval::EvalSet;
use ner_types::{PromptTemplate, render_completion};
use serde::Serialize;

use super::{LengthsArgs, print_json};
use crate::ner::eval_suite::{FaultPolicy, load};

/// Lengths of the rows of one set.
#[derive(Serialize)]
struct SetLengths {
    set: String,
    sentences: usize,
    prompt: Lengths,
    /// Of the gold answer without reasoning, stop token included.
    answer: Lengths,
}

/// A distribution of lengths in tokens.
#[derive(Serialize)]
struct Lengths {
    mean: f64,
    median: usize,
    p95: usize,
    max: usize,
}

impl Lengths {
    fn of(mut lengths: Vec<usize>) -> Self {
        lengths.sort_unstable();
        let count = lengths.len();
        // The smallest length that so many rows do not exceed.
        let quantile = |share: f64| {
            let rank = (share * count as f64).ceil() as usize;
            lengths.get(rank.max(1) - 1).copied().unwrap_or(0)
        };
        Self {
            mean: lengths.iter().sum::<usize>() as f64 / count.max(1) as f64,
            median: quantile(0.5),
            p95: quantile(0.95),
            max: quantile(1.0),
        }
    }
}

/// Counts the tokens of every set and of all together.
pub(super) fn run(args: &LengthsArgs) -> Result<()> {
    let loaded = load(&args.suite, &args.data, FaultPolicy::Fatal)?;
    let tokenizer = ChatTokenizer::load(&args.tokenizer)?;
    let template = match &args.prompt {
        Some(path) => PromptTemplate::load(path)?,
        None => PromptTemplate::paper(),
    };
    let mut every = (Vec::new(), Vec::new());
    let mut all = Vec::new();
    for set in &loaded.suite.sets {
        let (prompts, answers) = rows(set, &tokenizer, &template);
        every.0.extend_from_slice(&prompts);
        every.1.extend_from_slice(&answers);
        all.push(lengths(&set.name, prompts, answers));
    }
    all.push(lengths("all", every.0, every.1));
    if args.json {
        return print_json(&all);
    }
    print(&all);
    Ok(())
}

/// Tokens of each prompt, in the chat format, and of each gold answer.
fn rows(
    set: &EvalSet,
    tokenizer: &ChatTokenizer,
    template: &PromptTemplate,
) -> (Vec<usize>, Vec<usize>) {
    set.examples
        .iter()
        .map(|example| {
            let example = example.normalized();
            let prompt = template.render(&example.schema, &example.sentence);
            let answer = render_completion(None, &example.entities);
            (
                tokenizer.prompt_ids(&prompt).len(),
                tokenizer.completion_ids(&answer).len(),
            )
        })
        .unzip()
}

fn lengths(set: &str, prompts: Vec<usize>, answers: Vec<usize>) -> SetLengths {
    SetLengths {
        set: set.to_owned(),
        sentences: prompts.len(),
        prompt: Lengths::of(prompts),
        answer: Lengths::of(answers),
    }
}

fn print(all: &[SetLengths]) {
    let width = all.iter().map(|set| set.set.len()).max().unwrap_or(0);
    println!(
        "{:width$}  sentences   prompt tokens: mean  median   95 %    max   answer tokens: mean  median   95 %    max",
        "set"
    );
    for set in all {
        let columns = |l: &Lengths| {
            let Lengths {
                mean,
                median,
                p95,
                max,
            } = l;
            format!("{mean:>21.1} {median:>7} {p95:>6} {max:>6}")
        };
        println!(
            "{:width$} {:>10} {} {}",
            set.set,
            set.sentences,
            columns(&set.prompt),
            columns(&set.answer)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_lengths_that_occur() {
        let lengths = Lengths::of((1..=20).rev().collect());
        assert_eq!(
            (lengths.mean, lengths.median, lengths.p95, lengths.max),
            (10.5, 10, 19, 20)
        );
        let one = Lengths::of(vec![7]);
        assert_eq!((one.median, one.p95, one.max), (7, 7, 7));
        assert_eq!(Lengths::of(Vec::new()).max, 0);
    }
}
