//! `cargo xtask learning`: GRPO must raise F1 over its start, and must not when every completion earns the same.
//!
//! For each seed, the toy is fine-tuned on so few sentences that there is something left to learn, and trained on with
//! a constant reward and with the reward of the paper. Both models and the one that they start from are scored on the
//! domains that no training has seen. The command fails unless the real reward gains on every seed and the constant one
//! on none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::program::{self, Backend};
use crate::workspace::Workspace;

/// What differs from the profile `tiny`: six steps of fine-tuning, twelve short batches of GRPO.
const SETTINGS: [&str; 6] = [
    "data.train_sentences=96",
    "data.grpo_samples=400",
    "run.rows=[\"base\",\"base-step\",\"cot\",\"grpo\"]",
    "grpo.train.max_steps=12",
    "grpo.train.prompts_per_step=16",
    "grpo.train.iterations=2",
];

/// Every completion earns 0.
const CONSTANT: [&str; 2] = ["grpo.reward.f1=0", "grpo.reward.schema=0"];

/// Least gain in F1 that counts, in percentage points: a third of the smallest that was seen, and more than a change of
/// a few answers makes.
const LEAST_GAIN: f64 = 2.0;

/// Options of the command.
#[derive(clap::Args)]
pub(crate) struct Learning {
    /// Number of seeds, from 42 on.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Folder of the runs.
    #[arg(long, value_name = "DIR", default_value = "runs/learning")]
    out: PathBuf,
    /// Override one more key of the recipe.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<OsString>,
}

/// F1 in percent, the mean over the domains.
struct Scores {
    seed: u64,
    start: f64,
    constant: f64,
    reward: f64,
}

impl Scores {
    /// Whether the reward made the difference.
    fn holds(&self) -> bool {
        self.reward >= self.start + LEAST_GAIN && self.constant < self.start + LEAST_GAIN
    }

    fn row(&self) -> String {
        format!(
            "{:<6}{:>8.2}{:>17.2} ({:+.2}){:>17.2} ({:+.2})",
            self.seed,
            self.start,
            self.constant,
            self.constant - self.start,
            self.reward,
            self.reward - self.start
        )
    }
}

/// Runs all seeds and prints their scores.
pub(crate) fn run(workspace: &Workspace, options: &Learning) -> Result<ExitCode> {
    let program = program::build(workspace, Backend::default())?;
    let seeds = 42..42 + options.seeds;
    let score = |seed| scores(&program, options, seed);
    let found: Vec<Scores> = seeds.map(score).collect::<Result<_>>()?;
    println!("seed  SFT start   constant reward (gain)    NER reward (gain)");
    for scores in &found {
        println!("{}", scores.row());
    }
    let held = found.iter().filter(|scores| scores.holds()).count();
    println!(
        "{held} of {}: at least {LEAST_GAIN} points gained with the reward, and not with a constant",
        found.len()
    );
    ensure!(held == found.len(), "GRPO did not learn from its reward");
    Ok(ExitCode::SUCCESS)
}

/// The constant reward first, so that the folder ends as that of an ordinary run. Stages that do not see the reward are
/// done once.
fn scores(program: &Path, options: &Learning, seed: u64) -> Result<Scores> {
    let out = options.out.join(format!("seed-{seed}"));
    let run = |rewards: &[&str]| {
        reproduce(program, options, seed, &out, rewards)?;
        let score = |model| average(&out, model);
        Ok::<_, anyhow::Error>((score("sft-cot")?, score("grpo")?))
    };
    let (_, constant) = run(&CONSTANT)?;
    let (start, reward) = run(&[])?;
    Ok(Scores {
        seed,
        start,
        constant,
        reward,
    })
}

fn reproduce(
    program: &Path,
    options: &Learning,
    seed: u64,
    out: &Path,
    rewards: &[&str],
) -> Result<()> {
    let mut command = Command::new(program);
    command.args(["reproduce", "--profile", "tiny", "--seed"]);
    command.arg(seed.to_string()).arg("--out").arg(out);
    let settings = SETTINGS.iter().chain(rewards).map(OsString::from);
    for setting in settings.chain(options.sets.iter().cloned()) {
        command.arg("--set").arg(setting);
    }
    let status = command.status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        bail!("rner reproduce ended with {status}");
    }
    Ok(())
}

/// The mean F1 of a model in the folder of a run.
fn average(out: &Path, model: &str) -> Result<f64> {
    #[derive(Deserialize)]
    struct Results {
        f1: F1,
    }
    #[derive(Deserialize)]
    struct F1 {
        average: f64,
    }
    let stage = format!("-eval-{model}");
    let entries = std::fs::read_dir(out).with_context(|| out.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(&stage) {
            let file = path.join("results.json");
            let text = std::fs::read_to_string(&file);
            let text = text.with_context(|| file.display().to_string())?;
            let results: Results =
                serde_json::from_str(&text).with_context(|| file.display().to_string())?;
            return Ok(results.f1.average);
        }
    }
    bail!(
        "expected a folder that ends in {stage} in {}",
        out.display()
    )
}

#[cfg(test)]
mod tests {
    use super::{Scores, average};

    #[test]
    fn only_the_reward_may_make_the_difference() {
        let scores = |constant, reward| Scores {
            seed: 1,
            start: 50.0,
            constant,
            reward,
        };
        assert!(scores(50.0, 57.0).holds());
        assert!(scores(45.0, 52.0).holds());
        assert!(!scores(50.0, 51.0).holds());
        assert!(!scores(53.0, 57.0).holds());
    }

    #[test]
    fn the_score_of_a_stage_is_found_by_the_name_of_the_model() {
        let dir = std::env::temp_dir().join(format!("rner-learning-{}", std::process::id()));
        let stage = dir.join("stage-10-eval-grpo");
        std::fs::create_dir_all(&stage).expect("a folder");
        let json = r#"{"f1": {"ai": 72.85, "average": 67.97}, "suite": "tiny"}"#;
        std::fs::write(stage.join("results.json"), json).expect("a file");
        assert_eq!(average(&dir, "grpo").expect("a score"), 67.97);
        let error = average(&dir, "sft-cot").expect_err("there is none");
        assert!(error.to_string().contains("-eval-sft-cot"));
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
