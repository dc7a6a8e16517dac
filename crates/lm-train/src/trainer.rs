//! Starting a supervised run, on one device or several.

use burn::module::Module;
use burn::tensor::backend::AutodiffBackend;
use lm_kernels::TrainBackend;
use lm_model::Qwen3;
use tokio_util::sync::CancellationToken;

use crate::config::SftConfig;
use crate::error::Error;
use crate::evaluation::SftData;
use crate::exchange::Exchange;
use crate::metrics::Observer;
use crate::outcome::{Outcome, RunFiles};
use crate::run::Run;
use crate::team::Team;

/// Fine-tunes `model` on samples, evaluating on others if [`SftConfig::eval_every`] says so.
///
/// With [`RunFiles::resume`], the weights come from a checkpoint instead and the run continues as if it
/// had never ended; configuration and samples must be the same. With [`RunFiles::checkpoints`], a
/// checkpoint is written every [`SftConfig::save_every`] steps, at the end, when the run is stopped, and when a
/// step fails.
///
/// Cancelling `stop` ends the run before its next micro-batch; the step that it is in is dropped. `observer` is told
/// what happens.
///
/// # Errors
/// [`Error::Config`], [`Error::Sample`] and [`Error::NoSamples`] before the first step;
/// [`Error::ResumeMismatch`] and [`Error::Corrupt`] for a checkpoint that does not fit, [`Error::AllDamaged`] if none
/// of several is whole;
/// [`Error::NonFinite`] if the loss or the gradient norm is not finite; [`Error::Io`] and
/// [`Error::Model`] when files cannot be read or written.
pub fn train_sft<'a, B: TrainBackend>(
    model: Qwen3<B>,
    data: impl Into<SftData<'a>>,
    config: &SftConfig,
    files: &RunFiles,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Outcome<B>, Error> {
    let (run, model) = Run::start(model, data.into(), config, files, stop, Team::ALONE)?;
    run.finish_training(model, observer)
}

/// [`train_sft`] on several devices at once: every micro-batch is divided among them, so that batch sizes and
/// the trajectory stay those of one device, up to rounding. The same device may be given several times.
///
/// The first device evaluates, reports and writes; its model is the one that is returned.
///
/// # Errors
/// Those of [`train_sft`], and [`Error::Config`] without a device. Dropout draws from one random stream per
/// device, so with dropout the trajectory depends on the number of devices.
pub fn train_sft_on<'a, B: TrainBackend>(
    devices: &[B::Device],
    model: Qwen3<B>,
    data: impl Into<SftData<'a>>,
    config: &SftConfig,
    files: &RunFiles,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Outcome<B>, Error> {
    let data = data.into();
    match devices {
        [] => Err(Error::Config {
            field: "devices",
            expected: "at least one",
            found: "none".into(),
        }),
        [device] => train_sft(model.fork(device), data, config, files, stop, observer),
        devices => train_together(devices, model, data, config, files, stop, observer),
    }
}

fn train_together<B: TrainBackend>(
    devices: &[B::Device],
    model: Qwen3<B>,
    data: SftData<'_>,
    config: &SftConfig,
    files: &RunFiles,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Outcome<B>, Error> {
    let size = devices.len();
    let exchange = Exchange::new(size);
    let forks = devices[1..].iter().map(|device| model.clone().fork(device));
    let forks: Vec<_> = forks.collect();
    let first = model.fork(&devices[0]);
    // What can be wrong with the input is found before any worker waits for another.
    let start = |rank: usize, model: Qwen3<B>, files| {
        Run::start(
            model,
            data,
            config,
            files,
            stop,
            Team::new(rank, size, &exchange),
        )
    };
    let first = start(0, first, files)?;
    // Only the first worker writes; the others read the checkpoint that it has proved.
    let silent = RunFiles {
        resume: first.0.last_checkpoint().into(),
        ..RunFiles::default()
    };
    let others: Vec<_> = (1..)
        .zip(forks)
        .map(|(rank, model)| start(rank, model, &silent))
        .collect::<Result<_, _>>()?;
    std::thread::scope(|scope| {
        let others: Vec<_> = others
            .into_iter()
            .map(|(run, model)| scope.spawn(move || run.in_team(model, &mut ()).map(drop)))
            .collect();
        let first = first.0.in_team(first.1, observer);
        settle(
            first,
            others.into_iter().map(|worker| worker.join()).collect(),
        )
    })
}

/// The outcome of the first worker, or the error that ended the run: that of a worker which was left alone is only a
/// consequence of another.
fn settle<B: AutodiffBackend>(
    first: Result<Outcome<B>, Error>,
    others: Vec<std::thread::Result<Result<(), Error>>>,
) -> Result<Outcome<B>, Error> {
    let mut errors = Vec::new();
    for other in others {
        match other {
            Ok(result) => errors.extend(result.err()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    let consequence = |error: &Error| matches!(error, Error::LeftAlone { .. });
    match (first, errors.iter().position(|error| !consequence(error))) {
        (Ok(outcome), _) if errors.is_empty() => Ok(outcome),
        (Err(error), _) if !consequence(&error) => Err(error),
        (_, Some(cause)) => Err(errors.swap_remove(cause)),
        (Err(error), None) => Err(error),
        (Ok(_), None) => Err(errors.swap_remove(0)),
    }
}
