//! The plan as text.

mod cot;
mod memory;

use self::cot::cot;
use self::memory::memory;
use super::dims::Dims;
use super::words::{count, gib, join, lower, millions, thousands};
use super::work;
use crate::recipe::{CotSource, DataSource, Method, Recipe, Rewards, trainings};
use std::fmt::{Result, Write};

/// The whole plan of a recipe; `dims` are those of its base model, if they are known.
pub fn render(recipe: &Recipe, dims: Option<&Dims>) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut out, recipe, dims);
    out
}

fn write_all(out: &mut String, recipe: &Recipe, dims: Option<&Dims>) -> Result {
    let run = &recipe.run;
    writeln!(
        out,
        "Plan of \"{}\" (nothing is run, nothing is downloaded)",
        run.name
    )?;
    writeln!(out, "  recipe   {}", recipe.hash())?;
    writeln!(
        out,
        "  backend  {}, seeds {}",
        run.backend.name(),
        join(run.all_seeds())
    )?;
    stages(out, recipe)?;
    downloads(out, recipe, dims)?;
    match recipe.data.cot_source() {
        CotSource::Generate => cot(out, recipe)?,
        CotSource::Ready(_) => writeln!(
            out,
            "\n1 Chains of thought\n  those of data.cot = {:?}: no teacher is asked, nothing is paid",
            recipe.data.cot
        )?,
    }
    sft(out, recipe)?;
    grpo(out, recipe)?;
    eval(out, recipe)?;
    memory(out, recipe, dims)
}

fn stages(out: &mut String, recipe: &Recipe) -> Result {
    writeln!(out, "\nStages (each a folder of the run, once per seed)")?;
    for (name, reads, writes) in stage_list(recipe) {
        writeln!(
            out,
            "  {name:<10} reads {reads}\n  {:<10} writes {writes}",
            ""
        )?;
    }
    Ok(())
}

/// Name, inputs and outputs of every stage, in order.
fn stage_list(recipe: &Recipe) -> Vec<(&'static str, String, &'static str)> {
    let (data, base) = (&recipe.data, &recipe.model.base);
    let generated = data.cot_source() == CotSource::Generate;
    let (first, writes, chains) = if generated {
        (
            &data.train,
            "train.jsonl, rl.jsonl, eval/",
            "cot/ner-cot.jsonl",
        )
    } else {
        (&data.cot, "cot.jsonl, rl.jsonl, eval/", "data/cot.jsonl")
    };
    let sft = format!("{chains}, {base}");
    let mut list = vec![(
        "data",
        format!("{}, {}, {}", first, data.grpo, data.eval),
        writes,
    )];
    if generated {
        list.push((
            "cot",
            "data/train.jsonl".to_owned(),
            "ner-cot.jsonl, funnel.json, journal",
        ));
    }
    let trainings = trainings(&recipe.rows()).into_iter();
    list.extend(trainings.map(|name| {
        let inputs = match name {
            "grpo" => "data/rl.jsonl, sft-cot/model".to_owned(),
            "sft-source" => format!("data/train.jsonl, {base}"),
            _ => sft.clone(),
        };
        (name, inputs, "model/, metrics")
    }));
    list.extend([
        (
            "eval-...",
            format!("data/eval, {base} and every model above"),
            "results.json, predictions.jsonl",
        ),
        (
            "report",
            "all of the above".to_owned(),
            "report.json, report.html",
        ),
    ]);
    list
}

fn downloads(out: &mut String, recipe: &Recipe, dims: Option<&Dims>) -> Result {
    writeln!(out, "\nDownloads")?;
    let mut any = false;
    let data = &recipe.data;
    let first = match data.cot_source() {
        CotSource::Generate => DataSource::parse(&data.train),
        CotSource::Ready(source) => source,
    };
    let others = [&data.grpo, &data.eval].map(|name| DataSource::parse(name));
    for source in std::iter::once(first).chain(others) {
        if let DataSource::Public(name) | DataSource::Group(name) = source {
            writeln!(out, "  {name}: {}", crate::data::place_of(&name))?;
            any = true;
        }
    }
    // A base model that lies on this disk is not downloaded.
    if !std::path::Path::new(&recipe.model.base).is_dir() {
        any = true;
        match dims {
            Some(dims) => writeln!(
                out,
                "  {}: {} parameters, about {} in bf16",
                recipe.model.base,
                thousands(dims.parameters()),
                gib(dims.parameters() * 2)
            )?,
            None => writeln!(out, "  {}: size not known", recipe.model.base)?,
        }
    }
    if any { Ok(()) } else { writeln!(out, "  none") }
}

fn sft(out: &mut String, recipe: &Recipe) -> Result {
    let s = &recipe.sft.train;
    let method = match recipe.sft.method {
        Method::Full => "all parameters".to_owned(),
        Method::Lora => format!(
            "LoRA of rank {}, alpha {}",
            recipe.lora.rank, recipe.lora.alpha
        ),
    };
    writeln!(out, "\n2 Supervised fine-tuning ({method})")?;
    let gpus = recipe.hardware.gpus;
    let at_once = work::micro_batch(recipe);
    let batch = at_once * s.grad_accumulation * gpus;
    writeln!(
        out,
        "  batch    {at_once} sequences x {} accumulated x {gpus} devices = {batch}",
        s.grad_accumulation
    )?;
    writeln!(
        out,
        "  schedule {} from {:e}, {} epochs",
        lower(s.optim.schedule),
        s.optim.lr,
        s.epochs
    )?;
    let Some(rows) = work::training_rows(recipe) else {
        return writeln!(out, "  steps    known once the data has been read");
    };
    let steps = work::sft_steps(recipe, rows);
    writeln!(
        out,
        "  steps    {} rows: {} an epoch, {} in all, {} of warm-up",
        thousands(rows as u64),
        steps.per_epoch,
        steps.total,
        steps.warmup
    )?;
    let tokens = rows as f64 * work::sequence_tokens(recipe) as f64 * s.epochs;
    writeln!(out, "  tokens   {}; {}", millions(tokens), lengths(recipe))
}

fn lengths(recipe: &Recipe) -> String {
    let p = &recipe.plan;
    format!(
        "assumed: {} of prompt and {} of completion a row",
        p.prompt_tokens, p.completion_tokens
    )
}

fn grpo(out: &mut String, recipe: &Recipe) -> Result {
    let g = &recipe.grpo.train;
    writeln!(out, "\n3 GRPO")?;
    let completions = g.prompts_per_step * g.group_size;
    writeln!(
        out,
        "  rollout  {} prompts x {} completions = {completions}, temperature {}, up to {} tokens",
        g.prompts_per_step, g.group_size, g.temperature, g.max_completion_length
    )?;
    writeln!(
        out,
        "  loss     {}, clip {} / {}, KL {}, rewards scaled by: {}; reward {}",
        g.loss_type.name(),
        g.epsilon,
        g.epsilon_high,
        g.beta,
        lower(g.scale_rewards),
        rewards(&recipe.grpo.reward)
    )?;
    let Some(prompts) = work::grpo_prompts(recipe) else {
        return writeln!(out, "  steps    known once the data has been read");
    };
    grpo_work(out, recipe, prompts)
}

/// The weighted sum of the rewards that count.
fn rewards(g: &Rewards) -> String {
    let weights = [
        (g.f1, "F1"),
        (g.schema, "schema"),
        (g.length, "length"),
        (g.format, "format"),
        (g.grounding, "grounding"),
        (g.brevity, "brevity"),
    ];
    let terms = weights.iter().filter(|(weight, _)| *weight != 0.0);
    let terms: Vec<String> = terms
        .map(|(weight, name)| format!("{weight}·{name}"))
        .collect();
    terms.join(" + ")
}

fn grpo_work(out: &mut String, recipe: &Recipe, prompts: usize) -> Result {
    let g = &recipe.grpo.train;
    let steps = work::grpo_steps(recipe, prompts);
    writeln!(
        out,
        "  steps    {} prompts, {} on each rollout batch: {} in all, {} of warm-up",
        thousands(prompts as u64),
        g.updates_per_step(),
        steps.total,
        steps.warmup
    )?;
    // The paper is read in two ways, so a recipe of its size shows both counts.
    if g.mini_batches == 1 && (prompts == 4703 || prompts == 5000) {
        let of = |prompts: usize, a_step: usize| {
            let mut other = recipe.clone();
            let train = &mut other.grpo.train;
            (train.prompts_per_step, train.max_steps) = (a_step, None);
            work::grpo_steps(&other, prompts).total
        };
        writeln!(
            out,
            "           the paper's two readings: {} (4,703 prompts, 384 completions) \
             and {} (5,000 prompts, 448 completions)",
            of(4703, 24),
            of(5000, 28)
        )?;
    }
    let sampled = work::sampled_tokens(recipe, steps) as f64;
    writeln!(
        out,
        "  tokens   {} sampled; {}",
        millions(sampled),
        lengths(recipe)
    )
}

fn eval(out: &mut String, recipe: &Recipe) -> Result {
    writeln!(
        out,
        "\n4 Evaluation (greedy, up to {} new tokens)",
        recipe.eval.max_new_tokens
    )?;
    match work::eval_sentences(recipe) {
        Some(sets) => {
            let total: usize = sets.iter().map(|(_, n)| n).sum();
            let list: Vec<String> = sets.iter().map(|(name, n)| format!("{name} {n}")).collect();
            writeln!(
                out,
                "  {} sentences for every model: {}",
                thousands(total as u64),
                list.join(", ")
            )
        }
        None => {
            let n = recipe.data.eval_sentences;
            let each = count((n > 0).then_some(n), "sentences");
            writeln!(
                out,
                "  {each} of each set of {}, for every model",
                recipe.data.eval
            )
        }
    }
}
