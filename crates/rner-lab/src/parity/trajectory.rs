//! Fine-tuning against PyTorch, step by step, and against itself with the batches cut, laid out and shared differently.

use anyhow::{Context, Result, anyhow, bail, ensure};
use lm_kernels::TrainBackend;
use lm_model::{Qwen3, checkpoint};
use lm_train::{
    BatchLayout, Observer, OptimConfig, RunFiles, Sample, ScheduleKind, SftConfig, StepMetrics,
    train_sft_on,
};
use rner::backend::Device;
use rner_cli::interrupt;
use serde::Deserialize;

use super::batch::{Batch, Row};
use super::board::Board;
use super::compare::{Comparison, Tolerance};
use super::files::{TensorFile, read_json};
use super::layout::{Layout, Part};
use super::rotary::Models;

/// Of every step, against PyTorch.
const STEP: Tolerance = Tolerance::Relative(1e-3);
/// Of every learning rate, which both compute in double precision.
const RATE: Tolerance = Tolerance::Relative(1e-9);
/// Of every step, between two ways to put the same batches to the model.
const CUT: Tolerance = Tolerance::Relative(1e-5);
/// Sequences of a step in the comparison of those ways.
const SEQUENCES: usize = 4;

/// `expected.json`.
#[derive(Deserialize)]
struct Expected {
    base: String,
    optimizer: AdamW,
    schedule: Schedule,
    /// In words, such as "step s uses batches (2s)%4 and (2s+1)%4".
    accumulation: String,
    trajectory: Vec<Step>,
}

#[derive(Deserialize)]
struct AdamW {
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    max_grad_norm: f64,
}

#[derive(Deserialize)]
struct Schedule {
    peak_lr: f64,
    warmup_steps: usize,
    total_steps: usize,
    /// In words, such as "linear warm-up (s+1)/warmup then cosine to 0".
    kind: String,
}

#[derive(Deserialize)]
struct Step {
    lr: f64,
    loss: f64,
    grad_norm: f64,
}

/// Compares one run.
pub(super) fn check<B: TrainBackend>(
    layout: &Layout,
    part: &Part,
    device: &Device<B>,
    board: &mut Board,
) -> Result<()> {
    let expected: Expected = read_json(&part.path.join("expected.json"))?;
    let base = layout.checkpoint(&part.path, std::slice::from_ref(&expected.base))?;
    let models = Models::new(checkpoint::load::<B>(&base, device)?);
    let vocab_size = models.exact().config().vocab_size;
    let file = TensorFile::read(&part.path.join("batches.safetensors"))?;
    let batches = Batches::read(&file, vocab_size)?;
    let name = |what: &str| format!("{}: {what}", part.name);
    let names = ["loss", "gradient norm", "learning rate"].map(name);
    let compared = models.compare_all(|model| against(&expected, &batches, model));
    lines(board, names, compared);
    let run = |way: &Way| in_a_way(&expected, &batches, models.exact(), way, device);
    let whole = run(&Way::WHOLE);
    for way in &Way::OTHERS {
        let names = ["loss", "gradient norm"].map(|what| {
            let words = way.words;
            name(&format!("{SEQUENCES} sequences at once = {words}, {what}"))
        });
        lines(board, names, same(&whole, run(way)));
    }
    Ok(())
}

/// One line for each comparison, or one for all that could not be made.
fn lines<const N: usize>(board: &mut Board, names: [String; N], all: Result<[Comparison; N]>) {
    match all {
        Ok(all) => {
            for (name, comparison) in names.into_iter().zip(all) {
                board.run(name, || Ok(comparison));
            }
        }
        Err(error) => board.broken(&names.join("; "), &error),
    }
}

/// The run of `expected` on a model.
fn against<B: TrainBackend>(
    expected: &Expected,
    batches: &Batches,
    model: &Qwen3<B>,
) -> Result<[Comparison; 3]> {
    let accumulation = expected.accumulation()?;
    let config = SftConfig {
        batch_size: Some(batches.rows),
        grad_accumulation: accumulation,
        ..expected.config()?
    };
    let samples = batches.in_turn(config.max_steps.unwrap_or(0) * accumulation * batches.rows);
    let steps = train(model, &samples, &config, &[model.device()])?;
    let mut all = [STEP, STEP, RATE].map(Comparison::new);
    for (i, (found, expected)) in steps.iter().zip(&expected.trajectory).enumerate() {
        let place = || format!("step {i}");
        all[0].number(place, found.loss, expected.loss);
        all[1].number(place, found.grad_norm, expected.grad_norm);
        all[2].number(place, found.learning_rate, expected.lr);
    }
    Ok(all)
}

/// How the sequences of a step are put to the model; none of it may matter.
struct Way {
    words: &'static str,
    /// Sequences of a micro-batch.
    at_once: usize,
    layout: BatchLayout,
    /// Workers that share a micro-batch.
    workers: usize,
    /// Layers that are computed again for the backward pass, at a time.
    recompute_layers: usize,
}

impl Way {
    /// All in one packed micro-batch.
    const WHOLE: Self = Self {
        words: "at once",
        at_once: SEQUENCES,
        layout: BatchLayout::Packed,
        workers: 1,
        recompute_layers: 0,
    };

    /// The other ways.
    const OTHERS: [Self; 4] = [
        Self {
            words: "one by one",
            at_once: 1,
            ..Self::WHOLE
        },
        Self {
            words: "padded",
            layout: BatchLayout::Padded,
            ..Self::WHOLE
        },
        Self {
            words: "two workers",
            workers: 2,
            ..Self::WHOLE
        },
        Self {
            words: "layers computed again",
            recompute_layers: 1,
            ..Self::WHOLE
        },
    ];
}

/// Trains with the sequences of a step put to the model in a way.
fn in_a_way<B: TrainBackend>(
    expected: &Expected,
    batches: &Batches,
    model: &Qwen3<B>,
    way: &Way,
    device: &Device<B>,
) -> Result<Vec<StepMetrics>> {
    let config = SftConfig {
        batch_size: Some(way.at_once),
        grad_accumulation: SEQUENCES / way.at_once,
        layout: way.layout,
        recompute_layers: way.recompute_layers,
        ..expected.config()?
    };
    let samples = batches.in_turn(config.max_steps.unwrap_or(0) * SEQUENCES);
    // The workers share the device, so that any machine can check them.
    train(model, &samples, &config, &vec![device.clone(); way.workers])
}

/// Two runs that should have the same steps.
fn same(
    one: &Result<Vec<StepMetrics>>,
    other: Result<Vec<StepMetrics>>,
) -> Result<[Comparison; 2]> {
    let one = one.as_ref().map_err(|error| anyhow!("{error:#}"))?;
    let mut all = [CUT, CUT].map(Comparison::new);
    for (i, (one, other)) in one.iter().zip(&other?).enumerate() {
        let place = || format!("step {i}");
        all[0].number(place, other.loss, one.loss);
        all[1].number(place, other.grad_norm, one.grad_norm);
    }
    Ok(all)
}

/// The metrics of every step.
fn train<B: TrainBackend>(
    model: &Qwen3<B>,
    samples: &[Sample],
    config: &SftConfig,
    devices: &[Device<B>],
) -> Result<Vec<StepMetrics>> {
    let mut recorder = Recorder::default();
    let files = RunFiles::default();
    let model = model.clone();
    let outcome = train_sft_on(
        devices,
        model,
        samples,
        config,
        &files,
        interrupt::token(),
        &mut recorder,
    )?;
    if outcome.stopped {
        return Err(rner::Error::Interrupted.into());
    }
    Ok(recorder.0)
}

#[derive(Default)]
struct Recorder(Vec<StepMetrics>);

impl Observer for Recorder {
    fn on_step(&mut self, metrics: &StepMetrics) {
        self.0.push(metrics.clone());
    }
}

impl Expected {
    /// The configuration, without the size of a batch.
    fn config(&self) -> Result<SftConfig> {
        let (optimizer, schedule) = (&self.optimizer, &self.schedule);
        let steps = schedule.total_steps;
        ensure!(
            (1..=steps).contains(&self.trajectory.len()),
            "expected.json: expected 1 to {steps} steps, found {}",
            self.trajectory.len()
        );
        // The trainer rounds a share of the steps up; half a step less rounds to the number meant.
        let warmup = (schedule.warmup_steps as f64 - 0.5).max(0.0);
        Ok(SftConfig {
            max_steps: Some(steps),
            shuffle: false,
            optim: OptimConfig {
                lr: schedule.peak_lr,
                schedule: schedule.decay()?,
                warmup_ratio: (warmup / steps as f64).min(1.0),
                weight_decay: optimizer.weight_decay,
                betas: optimizer.betas,
                eps: optimizer.eps,
                max_grad_norm: (optimizer.max_grad_norm != 0.0).then_some(optimizer.max_grad_norm),
                ..OptimConfig::default()
            },
            max_length: usize::MAX,
            ..SftConfig::default()
        })
    }

    /// Micro-batches of a step: the factor of the step's number in the first index, 1 if it has none.
    fn accumulation(&self) -> Result<usize> {
        let text = &self.accumulation;
        let Some((before, _)) = text.split_once("s)%") else {
            bail!("expected.json: expected an accumulation like \"(2s)%4\", found {text:?}");
        };
        let (_, factor) = before.rsplit_once('(').unwrap_or(("", before));
        match factor {
            "" => Ok(1),
            factor => factor
                .parse()
                .with_context(|| format!("expected.json: the accumulation {text:?}")),
        }
    }
}

impl Schedule {
    /// What follows the warm-up.
    fn decay(&self) -> Result<ScheduleKind> {
        let kind = &self.kind;
        let decay = kind
            .rsplit_once("then ")
            .map_or(&kind[..], |(_, decay)| decay);
        match decay.split_whitespace().next() {
            Some("cosine") => Ok(ScheduleKind::Cosine),
            Some("linear") => Ok(ScheduleKind::Linear),
            Some("constant") => Ok(ScheduleKind::Constant),
            _ => bail!(
                "expected.json: expected a cosine, linear or constant schedule, found {kind:?}"
            ),
        }
    }
}

/// The samples of `batches.safetensors`, in the order of the batches.
struct Batches {
    samples: Vec<Sample>,
    /// Samples of one batch.
    rows: usize,
}

impl Batches {
    fn read(file: &TensorFile, vocab_size: usize) -> Result<Self> {
        let mut batches = Vec::new();
        while file.has(&format!("input_ids.{}", batches.len())) {
            let suffix = format!(".{}", batches.len());
            batches.push(Batch::read(file, &suffix, vocab_size)?);
        }
        let rows = batches.first().map_or(0, |batch| batch.rows().len());
        let is_even = batches.iter().all(|batch| batch.rows().len() == rows);
        ensure!(
            rows > 0 && is_even,
            "{}: expected input_ids.0, input_ids.1, ... of as many rows each",
            file.path()
        );
        let all = batches.iter().flat_map(Batch::rows);
        let samples = all.map(sample).collect::<Result<_>>();
        let samples = samples.with_context(|| file.path().to_owned())?;
        Ok(Self { samples, rows })
    }

    /// So many samples, the first one again after the last.
    fn in_turn(&self, count: usize) -> Vec<Sample> {
        self.samples.iter().cycle().take(count).cloned().collect()
    }
}

/// A sequence whose labels are its last tokens.
fn sample(row: &Row) -> Result<Sample> {
    let from = row.labels.iter().position(Option::is_some);
    let from = from.context("a sequence without labels")?;
    let labels: Vec<Option<u32>> = row.ids[from..].iter().copied().map(Some).collect();
    ensure!(
        row.labels[from..] == labels,
        "expected labels that are the last tokens of their sequence"
    );
    let ids = row.ids.clone();
    // The first token has no predecessor, so a label there trains nothing.
    let loss_from = from.max(1);
    Ok(Sample { ids, loss_from })
}

#[cfg(test)]
mod tests;
