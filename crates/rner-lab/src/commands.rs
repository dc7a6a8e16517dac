//! The commands that need no room of their own.

use std::path::Path;

use anyhow::Result;
use rner::backend::dispatch;
use rner::tiny::{TinyCorpus, write_corpus};
use rner_cli::args::{ForceArgs, RecipeArgs};
use rner_cli::exit::usage;

use crate::cli::{ParityArgs, PretrainArgs};
use crate::parity::{Layout, ParityJob};
use crate::pretrain::{Pretrain, PretrainConfig};

/// `rner-lab parity`.
pub(crate) fn parity(args: &ParityArgs) -> Result<()> {
    let layout = Layout::find(&args.dir)?;
    let beside = || args.dir.join("../datasets");
    let job = ParityJob {
        layout: &layout,
        datasets: args.datasets.clone().unwrap_or_else(beside),
        json: args.json,
    };
    let board = dispatch(args.backend, job)?;
    board.finish(&args.dir.display().to_string(), args.backend.name())
}

/// `rner-lab tiny corpus`.
pub(crate) fn corpus(args: &RecipeArgs, out: &Path, force: ForceArgs) -> Result<()> {
    let recipe = args.resolve(Vec::new())?;
    let data = &recipe.data;
    let corpus = TinyCorpus::of(
        recipe.model.task,
        recipe.run.seed,
        data.train_sentences,
        data.grpo_samples,
        data.eval_sentences,
    );
    let _lock = atomic_files::Lock::folder(out)?;
    let _keep = force.keep(out);
    for (path, sentences) in write_corpus(&corpus, out)? {
        println!("{sentences:>6} sentences  {}", path.display());
    }
    Ok(())
}

/// `rner-lab tiny pretrain`.
pub(crate) fn pretrain(args: PretrainArgs) -> Result<()> {
    if args.hidden == 0 || !args.hidden.is_multiple_of(64) {
        return Err(usage(
            "--hidden: a multiple of 64 (heads of 32, two for each key)",
        ));
    }
    let config = PretrainConfig {
        seed: args.seed,
        tokens: args.tokens,
        varied_tokens: args.varied_tokens,
        workers: args.workers.get(),
        thinking_tokens: args.thinking_tokens,
        batch_tokens: args.batch_tokens,
        lr: args.lr,
        vocabulary: args.vocabulary,
        hidden: args.hidden,
        layers: args.layers,
    };
    let job = Pretrain {
        config,
        out: args.out,
        work: args.work,
    };
    let is_begun = job.work.is_dir();
    if job.out.join("model.safetensors").exists() && !is_begun && !args.overwrite {
        return Err(usage(format!(
            "{} has a model already; name another folder with --out, or replace it with --overwrite",
            job.out.display()
        )));
    }
    dispatch(args.backend, job)
}
