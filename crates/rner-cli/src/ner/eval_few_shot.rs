//! `rner eval few-shot`: the small training parts that a few-shot suite is about.

use std::path::PathBuf;

use anyhow::Result;
use atomic_files::Lock;
use clap::Args;
use ner_datasets::write_jsonl;
use ner_eval::SuiteSpec;
use rner_cli::args::ForceArgs;
use rner_cli::exit::usage;

/// Flags of `rner eval few-shot`.
#[derive(Clone, Debug, Args)]
pub(crate) struct FewShotArgs {
    /// Suite, by name or as a TOML file; without a section `few_shot` it draws 1, 5 and 10 %.
    #[arg(long, value_name = "NAME", default_value = "few-shot")]
    pub(crate) suite: String,
    /// Folder of the suite's data.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Seed of the draw, in place of the suite's.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder for one file of examples for each part.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Draws the parts and writes them.
pub(crate) fn run(args: &FewShotArgs) -> Result<()> {
    let mut spec = SuiteSpec::find(&args.suite).map_err(|error| match error {
        ner_eval::Error::UnknownSuite { .. } => usage(format!("--suite: {error}")),
        error => error.into(),
    })?;
    let mut few = spec.few_shot.clone().unwrap_or_default();
    few.seed = args.seed.unwrap_or(few.seed);
    spec.few_shot = Some(few);
    let _lock = Lock::folder(&args.out)?;
    let _keep = args.force.keep(&args.out);
    for sample in spec.few_shot_samples(&args.data)? {
        let path = args.out.join(format!("{}.jsonl", sample.name()));
        write_jsonl(&path, &sample.examples)?;
        println!(
            "{}: {} of {} sentences",
            path.display(),
            sample.examples.len(),
            sample.of
        );
    }
    Ok(())
}
