//! What `rner calibrate` and `rner extract --risk` share: which promise, and the file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use ner_promise::{Calibration, Gate, Promise, Row};
use ner_types::ReadMode;
use rner::extract::Samples;
use rner::form::Form;
use rner::recipe::Recipe;
use rner::stages::ModelDir;
use rner_cli::exit::usage;

/// With which probability a sure promise may fail, if nothing else is said.
const DELTA: f64 = 0.05;

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PromiseArg {
    /// Over the rows that show something, the mean share of false entities is at most the risk: with a probability of
    /// 1 − delta.
    Sure,
    /// The share of a row, 0 if it shows nothing, is at most the risk in the mean.
    Mean,
}

/// Which promise is made.
#[derive(Clone, Debug, Args)]
pub(crate) struct KindArgs {
    /// What is promised; sure if left out.
    #[arg(long, value_enum)]
    promise: Option<PromiseArg>,
    /// The probability with which a sure promise may fail; 0.05 if left out.
    #[arg(long, value_name = "D", value_parser = share)]
    delta: Option<f64>,
    /// Promise the same of each type, with a threshold of its own.
    #[arg(long)]
    pub(crate) per_label: bool,
}

impl KindArgs {
    /// The promise that was typed.
    pub(crate) fn promise(&self) -> Promise {
        match self.promise {
            Some(PromiseArg::Mean) => Promise::Mean,
            Some(PromiseArg::Sure) | None => Promise::Sure {
                delta: self.delta.unwrap_or(DELTA),
            },
        }
    }

    /// Whether one threshold or several decide.
    pub(crate) fn gate(&self, rows: &[Row], risk: f64) -> Gate {
        if self.per_label {
            Gate::per_label(rows, self.promise(), risk)
        } else {
            Gate::all(rows, self.promise(), risk)
        }
    }

    /// Refuses a delta that a promise does not have.
    ///
    /// # Errors
    /// Wrong usage.
    pub(crate) fn check(&self) -> Result<()> {
        if self.promise == Some(PromiseArg::Mean) && self.delta.is_some() {
            return Err(usage("--delta: only --promise sure has one"));
        }
        Ok(())
    }

    /// Refuses flags that would have no effect without another one.
    ///
    /// # Errors
    /// Wrong usage.
    pub(crate) fn unused(&self, without: &str) -> Result<()> {
        let typed = [
            ("--promise", self.promise.is_some()),
            ("--delta", self.delta.is_some()),
            ("--per-label", self.per_label),
        ];
        match typed.into_iter().find(|it| it.1) {
            Some((flag, _)) => Err(usage(format!("{flag}: has no effect without {without}"))),
            None => Ok(()),
        }
    }
}

/// A number between 0 and 1, both excluded.
pub(crate) fn share(word: &str) -> Result<f64, String> {
    let number: f64 = word.parse().map_err(|_| "expected a number".to_owned())?;
    if number > 0.0 && number < 1.0 {
        Ok(number)
    } else {
        Err("expected a number between 0 and 1, such as 0.1".to_owned())
    }
}

/// `10 %`, `2.5 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", (share * 1e4).round() / 1e2)
}

/// What of the way in which a model is asked changes its confidences.
pub(crate) struct Way<'a> {
    pub(crate) model: &'a ModelDir,
    pub(crate) recipe: &'a Recipe,
    pub(crate) reader: ReadMode,
    pub(crate) form: Form,
    pub(crate) samples: Option<Samples>,
    pub(crate) repetition_penalty: Option<f64>,
}

impl Way<'_> {
    /// It by names.
    ///
    /// # Errors
    /// A model that cannot be read.
    pub(crate) fn named(&self) -> Result<BTreeMap<String, String>> {
        let samples = self.samples.map_or("none".to_owned(), |it| {
            format!("{} at temperature {}", it.n, it.temperature)
        });
        let template = self.recipe.model.template(None)?;
        let penalty = self.repetition_penalty.unwrap_or(1.0);
        let named = [
            ("model (BLAKE3)", self.model.hash()?),
            ("prompt", template.text().to_owned()),
            ("reader", format!("{:?}", self.reader).to_lowercase()),
            ("form", format!("{:?}", self.form).to_lowercase()),
            ("reasoning", self.recipe.eval.reasoning.to_string()),
            ("samples", samples),
            ("repetition penalty", penalty.to_string()),
            (
                "quantize",
                format!("{:?}", self.recipe.eval.quantize).to_lowercase(),
            ),
        ];
        Ok(named.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

/// The calibration of a file.
///
/// # Errors
/// A file that cannot be read or is none.
pub(crate) fn read(path: &Path) -> Result<Calibration> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let read: Result<Calibration, _> = serde_json::from_str(&text);
    match read {
        Ok(calibration) if calibration.is_known() => Ok(calibration),
        Ok(calibration) => Err(usage(format!(
            "{name}: format {} is of another version; run rner calibrate again",
            calibration.format
        ))),
        Err(error) => Err(usage(format!(
            "{name}: expected what rner calibrate writes: {error}"
        ))),
    }
}
