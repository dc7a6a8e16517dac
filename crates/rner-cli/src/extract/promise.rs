//! How sure one can be of what is extracted: confidences, samples, and what is held back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Result;
use clap::Args;
use ner_promise::shift::{summaries, summary};
use ner_promise::{Calibration, Gate, Refusal, Shift, Threshold};
use ner_types::{Extraction, Mention};
use rner::extract::Samples;
use rner_cli::exit::usage;

use crate::promised::{KindArgs, Way, percent, share};

/// The temperature of samples if none is given.
const WARM: f64 = 0.7;

/// How sure one has to be of an entity.
#[derive(Clone, Debug, Args)]
pub(crate) struct PromiseArgs {
    #[command(flatten)]
    pub(crate) samples: SampleArgs,
    /// Show entities with at least this confidence; the others are held back, and listed as `withheld`.
    #[arg(long, value_name = "P", value_parser = share, conflicts_with = "raw")]
    min_confidence: Option<f64>,
    /// Show as much as keeps the share of false entities below this, such as 0.1; the others are held back. What is
    /// promised is in docs/promise.md.
    #[arg(long, value_name = "R", value_parser = share, requires = "calibration")]
    #[arg(conflicts_with_all = ["raw", "min_confidence"])]
    risk: Option<f64>,
    /// What `rner calibrate` wrote.
    #[arg(long, value_name = "FILE", requires = "risk")]
    calibration: Option<PathBuf>,
    #[command(flatten)]
    kind: KindArgs,
}

/// Other answers to the same question.
#[derive(Clone, Debug, Args)]
pub(crate) struct SampleArgs {
    /// Also draw K answers at --temperature (0.7 if left out). The answer is then the most probable one, and the
    /// confidence of its entities says how many samples agree.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=1000))]
    samples: Option<u16>,
}

impl SampleArgs {
    /// The samples, and the temperature of the answer itself.
    pub(crate) fn under(&self, temperature: f64) -> (Option<Samples>, f64) {
        let Some(n) = self.samples else {
            return (None, temperature);
        };
        let warm = if temperature > 0.0 { temperature } else { WARM };
        let samples = Samples {
            n: n.into(),
            temperature: warm,
        };
        (Some(samples), 0.0)
    }

    /// What is to be known about samples.
    pub(crate) fn note(samples: Option<Samples>) {
        if let Some(Samples { n, temperature }) = samples {
            rner_cli::say!(
                "note: {n} samples at temperature {temperature}; the answer is the most probable one"
            );
        }
    }
}

impl PromiseArgs {
    /// The flags as words, of which the rows depend.
    pub(super) fn named(&self) -> String {
        format!("{self:?}")
    }

    /// Those of the flags that were typed.
    pub(super) fn typed(&self) -> Vec<&'static str> {
        let flags = [
            ("--samples", self.samples.samples.is_some()),
            ("--min-confidence", self.min_confidence.is_some()),
            ("--risk", self.risk.is_some()),
        ];
        let typed = flags.into_iter().filter(|flag| flag.1);
        typed.map(|flag| flag.0).collect()
    }

    /// What decides about entities, for a model that is asked in some way.
    ///
    /// # Errors
    /// A calibration that cannot be read or is of another way to ask; flags without effect; an answer that is drawn.
    pub(super) fn guard(&self, way: &Way<'_>, types: &[String], temperature: f64) -> Result<Guard> {
        self.kind.check()?;
        let Some(risk) = self.risk else {
            self.kind.unused("--risk")?;
            return Ok(Guard::new(self.min_confidence.map(Gate::AtLeast), None));
        };
        if temperature > 0.0 {
            return Err(usage(
                "--risk: the answers of a calibration are the most probable ones; leave --temperature out, or give \
                 --samples",
            ));
        }
        let path = self.calibration.clone().unwrap_or_default();
        let calibration = crate::promised::read(&path)?;
        check(&calibration, &way.named()?, types)?;
        let gate = self.kind.gate(&calibration.rows, risk);
        said(&gate, risk, types);
        Ok(Guard::new(Some(gate), Some(summaries(&calibration.rows))))
    }
}

/// Refuses a calibration of another model or another way to ask, and names types that it knows nothing of.
fn check(
    calibration: &Calibration,
    asked: &BTreeMap<String, String>,
    types: &[String],
) -> Result<()> {
    let differences = calibration.differences(asked);
    if !differences.is_empty() {
        let list: Vec<String> = differences.iter().map(ToString::to_string).collect();
        return Err(usage(format!(
            "--calibration: made in another way ({}); run rner calibrate with this model and these flags",
            list.join("; ")
        )));
    }
    if calibration.asked.is_empty() {
        rner_cli::say!("warning: the calibration does not say of which model it is");
    }
    let unknown = calibration.unknown(types);
    if !unknown.is_empty() {
        rner_cli::say!(
            "warning: the calibration knows nothing of {}: no promise covers them",
            unknown.join(", ")
        );
    }
    Ok(())
}

/// Says what is promised, or that nothing is.
fn said(gate: &Gate, risk: f64, types: &[String]) {
    match gate {
        Gate::All(threshold) => say_one("", threshold, risk),
        Gate::PerLabel(all) => {
            for label in types {
                match all.get(label) {
                    Some(threshold) => say_one(&format!("{label}: "), threshold, risk),
                    None => rner_cli::say!(
                        "{label}: cannot promise {}: no calibration row names one; all are withheld",
                        percent(risk)
                    ),
                }
            }
        }
        Gate::AtLeast(_) => {}
    }
}

fn say_one(of: &str, threshold: &Result<Threshold, Refusal>, risk: f64) {
    match threshold {
        Ok(it) => rner_cli::say!(
            "{of}promised: at most {} false; shown is what has a confidence {}",
            percent(risk),
            it.above
                .map_or("at all".to_owned(), |above| format!("above {above}")),
        ),
        Err(refusal) => rner_cli::say!(
            "{of}cannot promise {}: {refusal}; all entities are withheld",
            percent(risk)
        ),
    }
}

/// Rows whose summaries are kept for the test of a shift; of more, the first ones.
const MOST_ROWS: usize = 100_000;

/// Decides what is shown, and counts.
pub(super) struct Guard {
    gate: Option<Gate>,
    /// The summaries of the calibration rows.
    calibration: Option<Vec<f64>>,
    tally: Mutex<Tally>,
}

/// What was seen so far.
#[derive(Default)]
struct Tally {
    shown: usize,
    withheld: usize,
    rows: Vec<f64>,
}

impl Guard {
    fn new(gate: Option<Gate>, calibration: Option<Vec<f64>>) -> Self {
        Self {
            gate,
            calibration,
            tally: Mutex::default(),
        }
    }

    /// Holds back the entities that are not sure enough.
    pub(super) fn judge(&self, found: &mut Extraction) {
        let row = summary(distinct(&found.entities).values().copied());
        if let Some(gate) = &self.gate {
            found.withhold(|it| gate.shows(&it.label, it.confidence));
            self.count(found, row);
        }
    }

    fn count(&self, found: &Extraction, row: f64) {
        let mut tally = match self.tally.lock() {
            Ok(tally) => tally,
            Err(poisoned) => poisoned.into_inner(),
        };
        tally.shown += distinct(&found.entities).len();
        let withheld = found.withheld.as_deref().unwrap_or_default();
        tally.withheld += distinct(withheld).len();
        if tally.rows.len() < MOST_ROWS {
            tally.rows.push(row);
        }
    }

    /// Says what was held back, and whether the rows are others than those of calibration.
    pub(super) fn conclude(&self) {
        if self.gate.is_none() {
            return;
        }
        let tally = match self.tally.lock() {
            Ok(tally) => tally,
            Err(poisoned) => poisoned.into_inner(),
        };
        let Tally {
            shown, withheld, ..
        } = &*tally;
        rner_cli::say!("{shown} entities shown, {withheld} withheld");
        let calibration = self.calibration.as_deref().unwrap_or_default();
        if let Some(shift) = Shift::between(calibration, &tally.rows)
            && shift.is_found()
        {
            rner_cli::say!(
                "warning: these {} rows are not like those of calibration: their confidences are distributed otherwise \
                 (Kolmogorov-Smirnov distance {:.2}, p = {:.1e}). The promise does not hold for them; calibrate on rows \
                 of their kind",
                shift.rows,
                shift.distance,
                shift.p_value
            );
        }
    }
}

/// The distinct entities of some mentions with their confidence, that of an unknown one as 0.
fn distinct(mentions: &[Mention]) -> BTreeMap<(&str, &str), f64> {
    let pair = |it: &'_ Mention| it.confidence.unwrap_or(0.0);
    mentions
        .iter()
        .map(|it| ((it.label.as_str(), it.text.as_str()), pair(it)))
        .collect()
}
