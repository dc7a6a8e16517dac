//! `rner-lab rehearse`: the real path against mock servers on this machine.
//!
//! The program `rner` beside this one runs the profile `rehearsal` as a user would, with empty caches. With `--kills`
//! it runs a second time, is killed at random moments and started again, and both must have found the same.

mod model;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use ner_rehearsal::{Faults, Manner, Moment, Rehearsal, Setting, Size, Toll, findings, moments};
use rner_cli::exit::usage;
use rner_cli::interrupt;

/// The ports of `--serve`; the teacher's is in the profile.
const PORTS: [u16; 2] = [8730, 8731];

/// Flags of `rner-lab rehearse`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RehearseArgs {
    /// Folder for caches, runs and the model; a temporary one if left out. It must not exist.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only serve, on fixed ports, until Ctrl-C; prints what a shell needs to use the servers.
    #[arg(long)]
    serve: bool,
    /// Run a second time and kill the program so often.
    #[arg(long, value_name = "N", default_value_t = 0)]
    kills: usize,
    /// Seed of the moments of the kills, and of the places where connections break.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Rows of Pile-NER-type and NER-CoT.
    #[arg(long, value_name = "N", default_value_t = Size::default().train)]
    rows: usize,
    /// Tokens that the teacher thinks before each answer.
    #[arg(long, value_name = "N", default_value_t = Manner::default().thinking_tokens)]
    think: usize,
    /// Milliseconds that each answer of the teacher takes.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    pause: u64,
    /// How often the download of each file breaks off.
    #[arg(long, value_name = "N", default_value_t = 0)]
    breaks: usize,
    /// How often each file is refused first, with 429 and 503 in turn.
    #[arg(long, value_name = "N", default_value_t = 0)]
    refusals: usize,
    /// Kilobytes a second of each download; as many as it takes if left out.
    #[arg(long, value_name = "KB")]
    speed: Option<u64>,
    /// The base model that the Hub has.
    #[arg(long, value_enum, default_value = "toy")]
    shape: Shape,
    /// Layers of a random model.
    #[arg(long, value_name = "L", default_value_t = 2)]
    layers: usize,
    /// Folder with the tokenizer of a random model.
    #[arg(long, value_name = "DIR", default_value = "../shared/tokenizers/qwen3")]
    tokenizer: PathBuf,
    /// Further arguments of `rner reproduce`, behind `--`.
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

/// The base model that the Hub has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// The toy's, fixtures/tiny-base.
    Toy,
    /// That of Qwen3-0.6B with fewer layers, random weights and the real tokenizer.
    #[value(name = "qwen3-0.6b")]
    Qwen3_0_6b,
}

/// `rner-lab rehearse`.
pub(crate) fn run(args: &RehearseArgs) -> Result<()> {
    // It is removed when the rehearsal is over.
    let temporary = tempfile::tempdir().context("cannot create a folder")?;
    let dir = args.dir.clone();
    let dir = dir.unwrap_or_else(|| temporary.path().join("rehearsal"));
    if dir.exists() {
        let dir = dir.display();
        let message = format!("--dir {dir}: it exists, and the caches are to be empty");
        return Err(usage(message));
    }
    let model = args.model(&dir)?;
    let calm = Rehearsal::start(args.setting(&dir, &model))?;
    if args.serve {
        return serve(&calm);
    }
    let program = program()?;
    let span = run_calmly(args.command(&program, &calm), &calm)?;
    if args.kills == 0 {
        return Ok(());
    }
    let killed = Rehearsal::start(args.setting(&dir.join("killed"), &model))?;
    let moments = moments(&run_of(&calm), span, args.kills, args.seed)?;
    run_with_kills(
        || args.command(&program, &killed),
        [&calm, &killed],
        &moments,
    )
}

impl RehearseArgs {
    /// The folder of the base model.
    fn model(&self, dir: &Path) -> Result<PathBuf> {
        match self.shape {
            Shape::Toy => Ok(PathBuf::from("fixtures/tiny-base")),
            Shape::Qwen3_0_6b => model::random(self.layers, &self.tokenizer, &dir.join("model")),
        }
    }

    fn setting(&self, dir: &Path, model: &Path) -> Setting {
        Setting {
            size: Size {
                train: self.rows,
                ..Size::default()
            },
            faults: Faults {
                seed: self.seed,
                breaks: self.breaks,
                refusals: self.refusals,
                bytes_per_second: self.speed.map(|kilobytes| kilobytes * 1000),
                ..Faults::default()
            },
            manner: Manner {
                thinking_tokens: self.think,
                pause: Duration::from_millis(self.pause),
                ..Manner::default()
            },
            ports: if self.serve { PORTS } else { [0, 0] },
            ..Setting::new(dir, model)
        }
    }

    /// The one command, with caches and run in the rehearsal's folder.
    fn command(&self, program: &Path, rehearsal: &Rehearsal) -> Command {
        let mut command = Command::new(program);
        command.args(["reproduce", "--profile", "rehearsal"]);
        command.args(["--teacher-url", &rehearsal.teacher.url]);
        command.args(["--set", &own_sets(rehearsal)]);
        command.arg("--out").arg(run_of(rehearsal));
        command.args(&self.arguments);
        rehearsal.prepare(&mut command, "caches");
        command
    }
}

/// The program `rner` beside this one.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own folder")?;
    let program = own.with_file_name(format!("rner{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        let program = program.display();
        bail!("{program}: no such program; build it first: cargo build --release -p rner-cli");
    }
    Ok(program)
}

fn run_of(rehearsal: &Rehearsal) -> PathBuf {
    rehearsal.dir().join("run")
}

fn own_sets(rehearsal: &Rehearsal) -> String {
    let folder = rehearsal.own_sets().display().to_string();
    format!("data.folder={}", serde_json::Value::from(folder))
}

/// A run that is left alone; how long it took.
fn run_calmly(mut command: Command, rehearsal: &Rehearsal) -> Result<Duration> {
    let begun = Instant::now();
    let status = command.status().context("cannot start rner")?;
    if !status.success() {
        bail!("the run failed ({status}); with --dir it leaves what it made");
    }
    let span = begun.elapsed();
    let traffic = rehearsal.homes.traffic();
    println!(
        "from empty caches to the table in {:.0} s: {} files, {:.1} MB ({:.1} MB twice), {} requests to the teacher",
        span.as_secs_f64(),
        traffic.files.len(),
        traffic.bytes() as f64 / 1e6,
        traffic.twice() as f64 / 1e6,
        rehearsal.teacher.requests(),
    );
    Ok(span)
}

/// The same run on servers of its own, killed on the way, compared with the one that was left alone.
fn run_with_kills(
    command: impl Fn() -> Command,
    [calm, killed]: [&Rehearsal; 2],
    moments: &[Moment],
) -> Result<()> {
    let (run, toll) = killed.run_with_kills(command, &run_of(killed), moments)?;
    if !run.status.success() {
        bail!("{}", String::from_utf8_lossy(&run.stderr));
    }
    let is_same = findings(&run_of(calm))? == findings(&run_of(killed))?;
    tell(&toll, killed, is_same)
}

/// Prints what the kills cost.
///
/// # Errors
/// If anything was paid or fetched twice, or another table came out.
fn tell(toll: &Toll, rehearsal: &Rehearsal, is_same: bool) -> Result<()> {
    for moment in &toll.moments {
        println!("killed in {moment}");
    }
    println!(
        "{} kills: {}; {} requests in all, {} sent again because their answers were on the way, {} paid twice; {} bytes \
         sent again because they were on the way, {} files fetched twice",
        toll.kills,
        if is_same {
            "the same table"
        } else {
            "ANOTHER TABLE"
        },
        rehearsal.teacher.requests(),
        toll.in_flight,
        toll.paid_twice.len(),
        toll.bytes_again,
        toll.fetched_again.len(),
    );
    if !is_same || !toll.paid_twice.is_empty() || !toll.fetched_again.is_empty() {
        bail!("a kill cost more than the work since the last checkpoint: {toll:?}");
    }
    Ok(())
}

/// Says how to use the servers, and waits for Ctrl-C.
fn serve(rehearsal: &Rehearsal) -> Result<()> {
    for (name, value) in rehearsal.environment("caches") {
        println!("export {name}={value}");
    }
    println!(
        "cargo xtask reproduce --profile rehearsal --teacher-url {} --set '{}'",
        rehearsal.teacher.url,
        own_sets(rehearsal)
    );
    interrupt::install();
    while !interrupt::requested() {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
